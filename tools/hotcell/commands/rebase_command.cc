#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "hotcell/engine.h"
#include "tools/hotcell/commands/command.h"
#include "tools/hotcell/commands/job.h"
#include "tools/hotcell/commands/probed_raw.h"
#include "tools/hotcell/common/error.h"
#include "tools/hotcell/common/exit_codes.h"
#include "tools/hotcell/common/files.h"
#include "tools/hotcell/common/invocation.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/options/arguments.h"
#include "tools/hotcell/options/command_line.h"
#include "tools/hotcell/options/common_options.h"
#include "tools/hotcell/options/formats.h"
#include "tools/hotcell/options/image_opts.h"
#include "tools/hotcell/options/shared_options.h"
#include "tools/hotcell/report/progress.h"
#include "tools/hotcell/target/image_lock.h"

namespace hotcell::cli {
namespace {

constexpr std::string_view kName = "rebase";
constexpr size_t kMaxBackingName = 1023;  // bytes, as in QEMU

constexpr RefusedOption kRefused[] = {
    {"c", "without data there is nothing to compress"},
    {"compress", "without data there is nothing to compress"},
    {"object", "secrets are not done"},
};

struct Options {
  std::string path;
  RebaseRequest request;  // all but the file descriptor and JobOptions
  bool header_only = false;
  bool image_opts = false;
  bool progress = false;
  bool quiet = false;
  CommonOptions common;
};

absl::Status SetBackingFormat(std::string_view name, std::string& format) {
  absl::Status status = SetSourceFormat(name, format);
  if (status.ok() || !ActsAsQemuImg()) return status;
  return absl::InvalidArgumentError(Cat("Invalid format name: '", name, "'"));
}

constexpr auto kSetFormatOfBacking = [](std::string_view value, Options& options) {
  return SetBackingFormat(value, options.request.backing_format);
};

// The long names are those of QEMU 11.
constexpr Option<Options> kOptions[] = {
    {{.letter = 'u',
      .names = {"backing-unsafe"},
      .help = "change the header only; without it, the command is refused"},
     On<&Options::header_only>},
    {{.letter = 'b',
      .value = "NAME",
      .help = "the backing file, as it goes into the header; '' or no -b: there is none",
      .completion = Completion::kFile},
     [](std::string_view value, Options& options) {
       options.request.backing_name = std::string(value);
       return absl::OkStatus();
     }},
    // QEMU 11's has a name, and ours NAME=FILE.
    {{.names = {"backing"}, .value = "NAME", .completion = Completion::kFile},
     [](std::string_view value, Options& options) {
       if (value.find('=') != std::string_view::npos) {
         return AddBacking(value, options.common.references);
       }
       options.request.backing_name = std::string(value);
       return absl::OkStatus();
     }},
    {{.letter = 'F',
      .names = {"backing-format"},
      .value = "FORMAT",
      .completion = Completion::kFormat,
      .joined = true},
     kSetFormatOfBacking},
    {{.letter = 'B', .value = "FORMAT", .help = "its format", .completion = Completion::kFormat},
     kSetFormatOfBacking},
    {kFormatRow,
     [](std::string_view value, Options& options) {
       return SetSourceFormat(value, options.request.image.format);
     }},
    {kImageOptsRow, On<&Options::image_opts>},
    {CacheRow('t', "cache"),
     [](std::string_view value, Options& options) {
       return Assign(ParseCacheMode(value, "cache"), options.request.image.cache);
     }},
    {Joined(kProgressRow), On<&Options::progress>},
    {With(kQuietRow, "show progress; do not"), On<&Options::quiet>},
    // Nothing but the image is read, and qemu-img locks it with -U all the same.
    {Joined(CacheRow('T', "backing-cache")),
     [](std::string_view value, Options&) {
       return ParseCacheMode(value, "source cache").status();
     }},
    {kForceShareRow, kIgnore},
};

const CommandLine<Options>& Line() {
  static const auto* const line = [] {
    auto* const made = new CommandLine<Options>();
    made->Text(R"(usage: hotcell rebase -u [OPTION]... FILE

Has the header of the qcow2 image FILE name another backing file, in place, as 'qemu-img rebase
-u' does. Nothing is opened and no data is moved: it is for a backing file that was renamed or
that holds the same.

)");
    made->Add(kOptions);
    made->Take(ReferenceOptions(), &Options::common);  // as all commands; nothing is opened
    AddJobOptions(*made);
    made->Text(R"(An image that QEMU or another hotcell uses is locked, and refused.

Exit status: 0 done, 1 error.
)");
    made->Refuse(kRefused);
    return made;
  }();
  return *line;
}

// What QEMU says of a change that is not made.
absl::Status NotChanged(const RebaseRequest& request, absl::StatusCode code, std::string_view why) {
  return absl::Status(
      code, Cat("Could not change the backing file to '", request.backing_name, "': ", why));
}

absl::Status CheckNames(const RebaseRequest& request) {
  if (request.backing_name.size() > kMaxBackingName) {
    return NotChanged(request, absl::StatusCode::kInvalidArgument, "Invalid argument");
  }
  if (!request.backing_name.empty() && request.backing_format.empty()) {
    return NotChanged(request, absl::StatusCode::kInvalidArgument,
                      "backing format must be specified");
  }
  return absl::OkStatus();
}

absl::Status Parse(int argc, char** argv, Options& options) {
  const absl::StatusOr<std::vector<std::string>> operands = Line().Parse(argc, argv, options);
  if (!operands.ok()) return operands.status();
  if (options.common.help) return absl::OkStatus();
  if (ActsAsQemuImg() && operands->size() != 1) {
    return WithErrorId(absl::InvalidArgumentError("Expecting one image file name"),
                       ErrorId::kUsage);
  }
  constexpr std::string_view kOperands[] = {"FILE"};
  if (absl::Status status = CheckOperands(*operands, kOperands); !status.ok()) return status;
  if (!options.header_only) {
    return WithRemedy(absl::UnimplementedError("the command 'rebase' is not done without -u"),
                      "with -u, where the new backing file holds the same; 'hotcell convert -B' "
                      "makes an image on another one");
  }
  EditedImage& image = options.request.image;
  absl::Status status = SetImage(operands->front(), options.image_opts, options.path, image.format);
  image.name = options.path;
  return status;
}

absl::StatusOr<RebaseReply> Rebase(Options& options, Job& job) {
  const absl::StatusOr<File> file = OpenInPlace(options.path);
  if (!file.ok()) return file.status();
  RebaseRequest& request = options.request;
  if (absl::Status status = LockForWriting(*file, options.path, request.image.format);
      !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckNames(request); !status.ok()) return status;
  request.image.fd = file->fd();
  return job.Perform(&Engine::Rebase, request);
}

absl::Status Refusal(const Options& options, const RebaseResult& result) {
  switch (result.outcome) {
    case RebaseResult::Outcome::kRebased:
      return absl::OkStatus();
    case RebaseResult::Outcome::kUnsupported:
      return NotChanged(options.request, absl::StatusCode::kUnimplemented,
                        "Operation not supported");
    case RebaseResult::Outcome::kNoRoom:
      return NotChanged(options.request, absl::StatusCode::kInvalidArgument,
                        "No space left in the file header");
    default:
      return absl::InternalError("the guest does not say what became of the image");
  }
}

// Returns the exit status.
int Finish(const Options& options, const RebaseReply& reply) {
  if (options.request.image.format.empty() && reply.result.format == "raw") {
    WarnOfProbedRaw(kName, options.path);
  }
  PrintWarnings(kName, reply.warnings);
  if (const absl::Status refusal = Refusal(options, reply.result); !refusal.ok()) {
    return ReportError(kName, refusal, options.common.format);
  }
  ProgressPrinter progress(options.progress && !options.quiet, stdout, stderr);
  progress.Begin();
  progress.Finish();
  return kExitOk;
}

absl::StatusOr<int> Run(Options& options, Job& job) {
  const absl::StatusOr<RebaseReply> reply = Rebase(options, job);
  if (!reply.ok()) return reply.status();
  return Finish(options, *reply);
}

}  // namespace

const OptionTable& RebaseLine() { return Line(); }

int RebaseMain(int argc, char** argv) { return RunJob(kName, argc, argv, Parse, Run); }

}  // namespace hotcell::cli
