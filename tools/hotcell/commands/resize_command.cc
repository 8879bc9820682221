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
#include "tools/hotcell/common/size.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/common/watch.h"
#include "tools/hotcell/options/arguments.h"
#include "tools/hotcell/options/common_options.h"
#include "tools/hotcell/options/formats.h"
#include "tools/hotcell/options/image_opts.h"
#include "tools/hotcell/target/image_lock.h"

namespace hotcell::cli {
namespace {

constexpr std::string_view kName = "resize";

enum ResizeOption : int { kImageOpts = kFirstLongOption, kPreallocation, kShrink };

constexpr OptionSpec kOptions[] = {
    {'f', "format", true},
    {'q', "quiet", false},
    {kImageOpts, "image-opts", false},
    {kPreallocation, "preallocation", true},
    {kShrink, "shrink", false},
};

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

absl::Status ApplyOption(int id, std::string_view value, Options& options) {
  switch (id) {
    case 'f':
      return SetSourceFormat(value, options.request.image.format);
    case 'q':
      options.quiet = true;
      return absl::OkStatus();
    case kImageOpts:
      options.image_opts = true;
      return absl::OkStatus();
    case kPreallocation: {
      const absl::StatusOr<Preallocation> mode = ParsePreallocation(value);
      if (!mode.ok()) return mode.status();
      options.request.preallocation = *mode;
      return absl::OkStatus();
    }
    case kShrink:
      options.request.shrink = true;
      return absl::OkStatus();
    default:
      return ApplyCommonOption(id, value, options.common);
  }
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
  absl::StatusOr<std::vector<std::string>> operands = ParseArguments(
      argc, argv, WithImageOptions(kOptions), kRefused,
      [&](int id, std::string_view value) { return ApplyOption(id, value, options); });
  if (!operands.ok()) return operands.status();
  if (options.common.help) return absl::OkStatus();
  if (!last.empty()) operands->push_back(last);
  if (ActsAsQemuImg() && operands->size() != 2) {
    return absl::InvalidArgumentError("Expecting image file name and size");
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
  absl::StatusOr<ImageOpts> opened = ParseImageOperand(operands->front(), options.image_opts);
  if (!opened.ok()) return opened.status();
  options.path = image.name = std::move(opened->path);
  if (!opened->format.empty()) image.format = std::move(opened->format);
  return absl::OkStatus();
}

absl::StatusOr<ResizeReply> Resize(const Options& options, const Cancellation& cancellation) {
  const JobTime time(options.common.limits.wall_time);
  const absl::StatusOr<File> file = OpenInPlace(options.path);
  if (!file.ok()) return file.status();
  ResizeRequest request = options.request;
  if (absl::Status status = LockForWriting(*file, options.path, request.image.format);
      !status.ok()) {
    return status;
  }
  const absl::StatusOr<const Engine*> engine = options.common.StartEngine();
  if (!engine.ok()) return engine.status();
  request.image.fd = file->fd();
  request.references = options.common.references;
  request.options = options.common.Job();
  request.options.cancellation = &cancellation;
  time.Restart();
  return (*engine)->Resize(request);
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

}  // namespace

int ResizeMain(int argc, char** argv) {
  Options options;
  const absl::Status status = Parse(argc, argv, options);
  if (!status.ok()) return ReportError(kName, status, options.common.format);
  if (options.common.help) {
    PrintHelp(*FindCommand(kName));
    return kExitOk;
  }
  Cancellation cancellation;
  const JobSignals signals(cancellation, {kName, options.common.format});
  const absl::StatusOr<ResizeReply> reply = Resize(options, cancellation);
  if (reply.ok()) return Finish(options, *reply);
  return signals.Fail(reply.status());
}

}  // namespace hotcell::cli
