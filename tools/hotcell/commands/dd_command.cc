#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hotcell/engine.h"
#include "tools/hotcell/commands/command.h"
#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/exit_codes.h"
#include "tools/hotcell/common/files.h"
#include "tools/hotcell/common/signals.h"
#include "tools/hotcell/common/size.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/options/arguments.h"
#include "tools/hotcell/options/common_options.h"
#include "tools/hotcell/options/file_names.h"
#include "tools/hotcell/options/formats.h"
#include "tools/hotcell/options/image_opts.h"
#include "tools/hotcell/target/target.h"

namespace hotcell::cli {
namespace {

constexpr std::string_view kName = "dd";
constexpr uint64_t kMaxBlockSize = INT32_MAX;

constexpr int kImageOpts = kFirstLongOption;
constexpr OptionSpec kOptions[] = {
    {'f', "format", true},
    {'n', nullptr, false},
    {'O', "output-format", true},
    {'U', "force-share", false},
    {kImageOpts, "image-opts", false},
};

constexpr RefusedOption kRefused[] = {
    {"object", "secrets are not done"},
};

struct Options {
  std::string source_path;
  std::string target_path;
  uint64_t block_size = 512;  // bytes
  std::optional<uint64_t> count;
  uint64_t skip = 0;
  bool image_opts = false;
  ConvertRequest request;
  CommonOptions common;
};

absl::Status ApplyOption(int id, std::string_view value, Options& options) {
  switch (id) {
    case 'f':
      return SetSourceFormat(value, options.request.source.format);
    case 'n':
      options.request.target_is_existing = true;
      return absl::OkStatus();
    case 'O':
      return SetTargetFormat(value, options.request.target_format);
    case 'U':  // inputs are not locked
      return absl::OkStatus();
    case kImageOpts:
      options.image_opts = true;
      return absl::OkStatus();
    default:
      return ApplyCommonOption(id, value, options.common);
  }
}

absl::Status SetNumber(std::string_view name, std::string_view value, Options& options) {
  const absl::StatusOr<uint64_t> number = ParseSize(value, name);
  if (!number.ok()) return number.status();
  if (name == "count") options.count = *number;
  if (name == "skip") options.skip = *number;
  if (name != "bs") return absl::OkStatus();
  if (*number == 0 || *number > kMaxBlockSize) {
    return absl::InvalidArgumentError(
        Cat("Invalid bs specified. Must be between 1 and ", kMaxBlockSize, "."));
  }
  options.block_size = *number;
  return absl::OkStatus();
}

// "if=FILE" and the like.
absl::Status SetOperand(std::string_view operand, Options& options) {
  const size_t equals = operand.find('=');
  const std::string_view name = operand.substr(0, equals);
  const std::string_view value =
      equals == std::string_view::npos ? std::string_view() : operand.substr(equals + 1);
  if (equals != std::string_view::npos) {
    if (name == "if") options.source_path = std::string(value);
    if (name == "of") options.target_path = std::string(value);
    if (name == "if" || name == "of") return absl::OkStatus();
    if (name == "bs" || name == "count" || name == "skip") {
      return SetNumber(name, value, options);
    }
  }
  return absl::InvalidArgumentError(
      Cat("unrecognized operand ", Escape(name), ": if=, of=, bs=, count= and skip= are"));
}

uint64_t Multiply(uint64_t blocks, uint64_t block_size) {
  uint64_t bytes = 0;
  return __builtin_mul_overflow(blocks, block_size, &bytes) ? UINT64_MAX : bytes;
}

absl::Status Parse(int argc, char** argv, Options& options) {
  const absl::StatusOr<std::vector<std::string>> operands = ParseArguments(
      argc, argv, WithImageOptions(kOptions), kRefused,
      [&](int id, std::string_view value) { return ApplyOption(id, value, options); });
  if (!operands.ok()) return operands.status();
  if (options.common.help) return absl::OkStatus();
  for (const std::string& operand : *operands) {
    if (absl::Status status = SetOperand(operand, options); !status.ok()) return status;
  }
  if (options.source_path.empty() || options.target_path.empty()) {
    return absl::InvalidArgumentError("Must specify both input and output files");
  }
  ConvertRequest& request = options.request;
  absl::StatusOr<ImageOpts> image = ParseImageOperand(options.source_path, options.image_opts);
  if (!image.ok()) return image.status();
  options.source_path = std::move(image->path);
  if (!image->format.empty()) request.source.format = std::move(image->format);
  request.source.name = options.source_path;
  absl::StatusOr<TargetName> target = ParseTargetName(options.target_path);
  if (!target.ok()) return target.status();
  options.target_path = request.target_name = std::move(target->path);
  request.target_is_zero = target->is_zero && request.target_is_existing;
  request.references = options.common.references;
  // As in qemu-img, blocks are counted from the start of the disk, the skipped ones included.
  request.window = {.begin = Multiply(options.skip, options.block_size),
                    .end = Multiply(options.count.value_or(UINT64_MAX), options.block_size)};
  return absl::OkStatus();
}

absl::Status Copy(const Cancellation& cancellation, Options& options) {
  std::optional<JobTime> time(std::in_place, options.common.limits.wall_time);
  const absl::StatusOr<File> source = OpenForReading(options.source_path);
  if (!source.ok()) return source.status();
  absl::Status status = CheckTargetIsNoSource(options.target_path, options.source_path, *source);
  if (status.ok()) {
    status = CheckTargetIsNoReference(options.target_path, options.common.references);
  }
  if (!status.ok()) return status;
  const absl::StatusOr<const Engine*> engine = options.common.StartEngine();
  if (!engine.ok()) return engine.status();
  absl::StatusOr<Target> target =
      Target::Open(options.target_path, {.format = options.request.target_format,
                                         .existing = options.request.target_is_existing,
                                         .making = "error while creating output image"});
  if (!target.ok()) return target.status();
  ConvertRequest& request = options.request;
  request.source.fd = source->fd();
  request.target_fd = target->fd();
  request.target_is_existing = target->is_existing();
  request.target_replaces = target->replaces();
  request.options = options.common.Job();
  request.options.cancellation = &cancellation;
  time->Restart();
  const absl::StatusOr<ConvertReply> reply = (*engine)->Convert(request);
  time.reset();
  if (!reply.ok()) return target->Explain(reply.status());
  status = target->Commit(/*sync=*/false);
  if (!status.ok()) return status;
  if (reply->result.virtual_size == 0 && request.window->begin != 0) {
    PrintWarning(kName, Cat(options.source_path, ": cannot skip to specified offset"));
  }
  PrintWarnings(kName, reply->warnings);
  return absl::OkStatus();
}

}  // namespace

int DdMain(int argc, char** argv) {
  Options options;
  const absl::Status status = Parse(argc, argv, options);
  if (!status.ok()) return ReportError(kName, status, options.common.format);
  if (options.common.help) {
    PrintHelp(*FindCommand(kName));
    return kExitOk;
  }
  Cancellation cancellation;
  const JobSignals signals(cancellation, {kName, options.common.format});
  const absl::Status copied = Copy(cancellation, options);
  if (copied.ok()) return kExitOk;
  return signals.Fail(copied);
}

}  // namespace hotcell::cli
