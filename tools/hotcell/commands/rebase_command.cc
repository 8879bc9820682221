#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hotcell/engine.h"
#include "tools/hotcell/commands/command.h"
#include "tools/hotcell/commands/probed_raw.h"
#include "tools/hotcell/common/exit_codes.h"
#include "tools/hotcell/common/files.h"
#include "tools/hotcell/common/invocation.h"
#include "tools/hotcell/common/signals.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/common/watch.h"
#include "tools/hotcell/options/arguments.h"
#include "tools/hotcell/options/common_options.h"
#include "tools/hotcell/options/formats.h"
#include "tools/hotcell/options/image_opts.h"
#include "tools/hotcell/report/progress.h"
#include "tools/hotcell/target/image_lock.h"

namespace hotcell::cli {
namespace {

constexpr std::string_view kName = "rebase";
constexpr size_t kMaxBackingName = 1023;  // bytes, as in QEMU

enum RebaseOption : int { kImageOpts = kFirstLongOption, kBackingOrMapping };

// The long names are those of QEMU 11.
constexpr OptionSpec kOptions[] = {
    {'b', nullptr, true},
    {kBackingOrMapping, "backing", true},  // before the one that all commands have
    {'F', "backing-format", true},
    {'B', nullptr, true},
    {'f', "format", true},
    {'p', "progress", false},
    {'q', "quiet", false},
    {'T', "backing-cache", true},
    {'t', "cache", true},
    {'U', "force-share", false},
    {'u', "backing-unsafe", false},
    {kImageOpts, "image-opts", false},
};

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

absl::Status ApplyOption(int id, std::string_view value, Options& options) {
  switch (id) {
    case 'b':
      options.request.backing_name = std::string(value);
      return absl::OkStatus();
    case kBackingOrMapping:  // QEMU's has a name, and ours NAME=FILE
      if (value.find('=') != std::string_view::npos) {
        return AddBacking(value, options.common.references);
      }
      options.request.backing_name = std::string(value);
      return absl::OkStatus();
    case 'F':
    case 'B':
      return SetBackingFormat(value, options.request.backing_format);
    case 'f':
      return SetSourceFormat(value, options.request.image.format);
    case 'p':
      options.progress = true;
      return absl::OkStatus();
    case 'q':
      options.quiet = true;
      return absl::OkStatus();
    case 'T':
      return ParseCacheMode(value, "source cache").status();  // nothing else is read
    case 't': {
      const absl::StatusOr<CacheMode> mode = ParseCacheMode(value, "cache");
      if (!mode.ok()) return mode.status();
      options.request.image.cache = *mode;
      return absl::OkStatus();
    }
    case 'U':  // qemu-img takes it, and locks the image all the same
      return absl::OkStatus();
    case 'u':
      options.header_only = true;
      return absl::OkStatus();
    case kImageOpts:
      options.image_opts = true;
      return absl::OkStatus();
    default:
      return ApplyCommonOption(id, value, options.common);
  }
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
  const absl::StatusOr<std::vector<std::string>> operands = ParseArguments(
      argc, argv, WithImageOptions(kOptions), kRefused,
      [&](int id, std::string_view value) { return ApplyOption(id, value, options); });
  if (!operands.ok()) return operands.status();
  if (options.common.help) return absl::OkStatus();
  if (ActsAsQemuImg() && operands->size() != 1) {
    return absl::InvalidArgumentError("Expecting one image file name");
  }
  constexpr std::string_view kOperands[] = {"FILE"};
  if (absl::Status status = CheckOperands(*operands, kOperands); !status.ok()) return status;
  if (!options.header_only) {
    return WithRemedy(absl::UnimplementedError("the command 'rebase' is not done without -u"),
                      "with -u, where the new backing file holds the same; 'hotcell convert -B' "
                      "makes an image on another one");
  }
  EditedImage& image = options.request.image;
  absl::StatusOr<ImageOpts> opened = ParseImageOperand(operands->front(), options.image_opts);
  if (!opened.ok()) return opened.status();
  options.path = image.name = std::move(opened->path);
  if (!opened->format.empty()) image.format = std::move(opened->format);
  return absl::OkStatus();
}

absl::StatusOr<RebaseReply> Rebase(const Options& options, const Cancellation& cancellation) {
  const JobTime time(options.common.limits.wall_time);
  const absl::StatusOr<File> file = OpenInPlace(options.path);
  if (!file.ok()) return file.status();
  RebaseRequest request = options.request;
  if (absl::Status status = LockForWriting(*file, options.path, request.image.format);
      !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckNames(request); !status.ok()) return status;
  const absl::StatusOr<const Engine*> engine = options.common.StartEngine();
  if (!engine.ok()) return engine.status();
  request.image.fd = file->fd();
  request.options = options.common.Job();
  request.options.cancellation = &cancellation;
  time.Restart();
  return (*engine)->Rebase(request);
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

}  // namespace

int RebaseMain(int argc, char** argv) {
  Options options;
  const absl::Status status = Parse(argc, argv, options);
  if (!status.ok()) return ReportError(kName, status, options.common.format);
  if (options.common.help) {
    PrintHelp(*FindCommand(kName));
    return kExitOk;
  }
  Cancellation cancellation;
  const JobSignals signals(cancellation, {kName, options.common.format});
  const absl::StatusOr<RebaseReply> reply = Rebase(options, cancellation);
  if (reply.ok()) return Finish(options, *reply);
  return signals.Fail(reply.status());
}

}  // namespace hotcell::cli
