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
#include "tools/hotcell/common/size.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/options/arguments.h"
#include "tools/hotcell/options/command_line.h"
#include "tools/hotcell/options/common_options.h"
#include "tools/hotcell/options/formats.h"
#include "tools/hotcell/options/image_opts.h"
#include "tools/hotcell/options/shared_options.h"
#include "tools/hotcell/target/image_lock.h"

namespace hotcell::cli {
namespace {

constexpr std::string_view kName = "resize";

constexpr RefusedOption kRefused[] = {
    {"object", "secrets are not done"},
};

struct Options {
  std::string path;
  ResizeRequest request;  // all but the file descriptor and JobOptions
  bool image_opts = false;
  bool quiet = false;
  CommonOptions common;
};

absl::StatusOr<Preallocation> ParsePreallocation(std::string_view text) {
  if (text == "off") return Preallocation::kOff;
  if (text == "metadata") return Preallocation::kMetadata;
  if (text == "falloc") return Preallocation::kFalloc;
  if (text == "full") return Preallocation::kFull;
  absl::Status status = absl::InvalidArgumentError(Cat("Invalid preallocation mode '", text, "'"));
  return ActsAsQemuImg() ? status : WithRemedy(status, "off, metadata, falloc or full");
}

constexpr Option<Options> kOptions[] = {
    {With(kFormatRow, "format of FILE (default: found out in the guest): raw or qcow2"),
     [](std::string_view value, Options& options) {
       return SetSourceFormat(value, options.request.image.format);
     }},
    {{.names = {"shrink"}, .help = "the disk may become smaller, and lose what it has there (raw)"},
     [](std::string_view, Options& options) {
       options.request.shrink = true;
       return absl::OkStatus();
     }},
    {{.names = {"preallocation"},
      .value = "MODE",
      .help = "\nwhat is set aside of what the disk grows by: off (default), metadata\n"
              "(qcow2), falloc, full",
      .completion = Completion::kWords,
      .words = "off metadata falloc full"},
     [](std::string_view value, Options& options) {
       return Assign(ParsePreallocation(value), options.request.preallocation);
     }},
    {kImageOptsRow, On<&Options::image_opts>},
    {kQuietRow, On<&Options::quiet>},
};

const CommandLine<Options>& Line() {
  static const auto* const line = [] {
    auto* const made = new CommandLine<Options>();
    made->Text(R"(usage: hotcell resize [OPTION]... FILE SIZE

Gives the disk in the image FILE another size, as 'qemu-img resize' does: SIZE bytes, +SIZE
more or -SIZE less. The image is changed in place, by its own format's rules and in a guest.
Whenever that is stopped, the image is sound and has its old size or the new one. What the
disk grows by reads as zeroes.

)");
    made->Add(kOptions);
    AddReferences(*made, "\nbacking files, which are only read");
    AddJobOptions(*made);
    made->Text(R"(An image that QEMU or another hotcell uses is locked, and refused.

Exit status: 0 done, 1 error.
)");
    made->Refuse(kRefused);
    return made;
  }();
  return *line;
}

// SIZE, +SIZE or -SIZE.
absl::Status ParseChange(std::string_view text, ResizeRequest& request) {
  if (text.starts_with('+')) request.change = SizeChange::kGrowBy;
  if (text.starts_with('-')) request.change = SizeChange::kShrinkBy;
  if (request.change != SizeChange::kTo) text.remove_prefix(1);
  const absl::StatusOr<uint64_t> size = ParseSize(text);
  if (!size.ok()) return size.status();
  request.size = *size;
  return absl::OkStatus();
}

// "-1G", which getopt would take for options, is the size where it comes last.
bool IsNegativeSize(std::string_view text) {
  return text.size() > 1 && text[0] == '-' && text[1] >= '0' && text[1] <= '9';
}

absl::Status Parse(int argc, char** argv, Options& options) {
  std::string last;
  if (argc > 1 && IsNegativeSize(argv[argc - 1])) last = argv[--argc];
  absl::StatusOr<std::vector<std::string>> operands = Line().Parse(argc, argv, options);
  if (!operands.ok()) return operands.status();
  if (options.common.help) return absl::OkStatus();
  if (!last.empty()) operands->push_back(last);
  if (ActsAsQemuImg() && operands->size() != 2) {
    return WithErrorId(absl::InvalidArgumentError("Expecting image file name and size"),
                       ErrorId::kUsage);
  }
  constexpr std::string_view kOperands[] = {"FILE", "SIZE"};
  if (absl::Status status = CheckOperands(*operands, kOperands); !status.ok()) return status;
  if (absl::Status status = ParseChange((*operands)[1], options.request); !status.ok()) {
    return status;
  }
  EditedImage& image = options.request.image;
  if (options.image_opts && !image.format.empty()) {
    return absl::InvalidArgumentError("--image-opts and --format are mutually exclusive");
  }
  absl::Status status = SetImage(operands->front(), options.image_opts, options.path, image.format);
  image.name = options.path;
  return status;
}

absl::StatusOr<ResizeReply> Resize(Options& options, Job& job) {
  const absl::StatusOr<File> file = OpenInPlace(options.path);
  if (!file.ok()) return file.status();
  ResizeRequest& request = options.request;
  if (absl::Status status = LockForWriting(*file, options.path, request.image.format);
      !status.ok()) {
    return status;
  }
  request.image.fd = file->fd();
  request.references = options.common.references;
  return job.Perform(&Engine::Resize, request);
}

// Why the size is what it was.
absl::Status Refusal(const ResizeResult& result) {
  switch (result.outcome) {
    case ResizeResult::Outcome::kResized:
      return absl::OkStatus();
    case ResizeResult::Outcome::kNotPositive:
      return absl::InvalidArgumentError("New image size must be positive");
    case ResizeResult::Outcome::kNotGrowing:
      return absl::InvalidArgumentError("Preallocation can only be used for growing images");
    case ResizeResult::Outcome::kShrinking:
      return absl::InvalidArgumentError("Use the --shrink option to perform a shrink operation.");
    case ResizeResult::Outcome::kUnsupported:
      return absl::UnimplementedError("Image format driver does not support resize");
    default:
      return absl::InternalError("the guest does not say what became of the image");
  }
}

// Returns the exit status.
int Finish(const Options& options, const ResizeReply& reply) {
  const ResizeResult& result = reply.result;
  if (options.request.image.format.empty() && result.format == "raw") {
    WarnOfProbedRaw(kName, options.path);
  }
  PrintWarnings(kName, reply.warnings);
  if (const absl::Status refusal = Refusal(result); !refusal.ok()) {
    const int status = ReportError(kName, refusal, options.common.format);
    if (result.outcome == ResizeResult::Outcome::kShrinking) {
      PrintWarning(kName, Cat(ActsAsQemuImg() ? "warning: " : "",
                              "Shrinking an image will delete all data beyond the shrunken "
                              "image's end. Before performing such an operation, make sure "
                              "there is no important data there."));
    }
    return status;
  }
  if (!options.quiet) Print("Image resized.\n");
  return kExitOk;
}

absl::StatusOr<int> Run(Options& options, Job& job) {
  const absl::StatusOr<ResizeReply> reply = Resize(options, job);
  if (!reply.ok()) return reply.status();
  return Finish(options, *reply);
}

}  // namespace

const OptionTable& ResizeLine() { return Line(); }

int ResizeMain(int argc, char** argv) { return RunJob(kName, argc, argv, Parse, Run); }

}  // namespace hotcell::cli
