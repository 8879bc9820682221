#include "tools/hotcell/options/convert_options.h"

#include <cstdint>
#include <utility>
#include <vector>

#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/invocation.h"
#include "tools/hotcell/common/size.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/options/arguments.h"
#include "tools/hotcell/options/file_names.h"
#include "tools/hotcell/options/formats.h"
#include "tools/hotcell/options/image_opts.h"
#include "tools/hotcell/options/snapshot_option.h"

namespace hotcell::cli {
namespace {

constexpr uint64_t kMaxCoroutines = 16;  // qemu-img's

enum ConvertOption : int {
  kLanes = kFirstLongOption,
  kOutput,
  kStats,
  kImageOpts,
  kTargetIsZero,
  kInspect,
  kTargetImageOpts,
  kBackingOrMapping,
};

constexpr OptionSpec kOptions[] = {
    {'B', nullptr, true},
    {'b', nullptr, true},
    {kBackingOrMapping, "backing", true},  // before the one that all commands have
    {'C', "copy-range-offloading", false},
    {'c', "compress", false},
    {'F', "backing-format", true},
    {'f', "source-format", true},
    {kImageOpts, "image-opts", false},
    {kTargetIsZero, "target-is-zero", false},
    {kInspect, "inspect", false},
    {'l', "snapshot", true},
    {'m', "parallel", true},
    {'n', "no-create", false},
    {'o', "target-format-options", true},
    {'O', "target-format", true},
    {kTargetImageOpts, "target-image-opts", false},
    {'p', "progress", false},
    {'q', "quiet", false},
    {'r', "rate-limit", true},
    {'r', "rate", true},
    {'S', "sparse-size", true},
    {'t', "target-cache", true},
    {'T', "source-cache", true},
    {'U', "force-share", false},
    {'W', "oob-writes", false},
    {kLanes, "lanes", true},
    {kOutput, "output", true},
    {kStats, "stats", false},
};

constexpr RefusedOption kRefused[] = {
    {"bitmaps", "bitmaps are not copied"},
    {"object", "secrets and throttles are not done"},
    {"salvage", "a sector that cannot be read is an error"},
    {"skip-broken-bitmaps", "bitmaps are not copied"},
};

absl::Status SetSparseSize(std::string_view text, uint64_t& sparse_size) {
  constexpr uint64_t kSector = 512;
  constexpr uint64_t kMost = 16 << 20;
  const absl::StatusOr<uint64_t> size = ParseSize(text, "buffer size for sparse output");
  if (!size.ok()) return size.status();
  if (*size % kSector != 0 || *size > kMost) {
    if (ActsAsQemuImg()) {
      return absl::InvalidArgumentError(Cat(
          "Invalid buffer size for sparse output specified. Valid sizes are multiples of ", kSector,
          " up to ", kMost, ". Select 0 to disable sparse detection (fully allocates output)."));
    }
    return absl::InvalidArgumentError(Cat("-S ", Escape(text), ": a multiple of ", kSector,
                                          " up to ", kMost, ", or 0 to leave no zeroes out"));
  }
  sparse_size = *size;
  return absl::OkStatus();
}

absl::Status SetCacheMode(std::string_view text, std::string_view what, CacheMode& mode) {
  const absl::StatusOr<CacheMode> parsed = ParseCacheMode(text, what);
  if (!parsed.ok()) return parsed.status();
  mode = *parsed;
  return absl::OkStatus();
}

// QEMU 11 calls -B so as well; the two are told apart by the '='.
absl::Status SetBackingOrMapping(std::string_view value, ConvertOptions& options) {
  if (value.find('=') != std::string_view::npos) {
    return AddBacking(value, options.common.references);
  }
  options.backing.name = std::string(value);
  return absl::OkStatus();
}

absl::Status CheckCoroutines(std::string_view text) {
  absl::Status status = ParseCount(text, "coroutines", 1, kMaxCoroutines).status();
  if (status.ok() || !ActsAsQemuImg()) return status;
  return absl::InvalidArgumentError(
      Cat("Invalid number of coroutines. Allowed number of coroutines is between 1 and ",
          kMaxCoroutines));
}

absl::Status ApplyOption(int id, std::string_view value, ConvertOptions& options) {
  ConvertRequest& request = options.request;
  switch (id) {
    case 'C':
      request.copy_offload = true;
      return absl::OkStatus();
    case 'B':
    case 'b':
      options.backing.name = std::string(value);
      return absl::OkStatus();
    case kBackingOrMapping:
      return SetBackingOrMapping(value, options);
    case 'F':
      options.backing.format = std::string(value);
      return absl::OkStatus();
    case 'c':
      request.compress = true;
      return absl::OkStatus();
    case 'f':
      options.has_source_format = true;
      return SetSourceFormat(value, request.source.format);
    case 'l':
      return SetSnapshot(value, request);
    case 'm':
      return CheckCoroutines(value);
    case 'n':
      request.target_is_existing = true;
      return absl::OkStatus();
    case 'o':
      return AddTargetOptions(value, request.target_options, options.list_target_options);
    case 'O':
      options.has_target_format = true;
      return SetTargetFormat(value, request.target_format);
    case 'p':
      options.progress = true;
      return absl::OkStatus();
    case 'q':
      options.quiet = true;
      return absl::OkStatus();
    case 'r': {
      const absl::StatusOr<uint64_t> rate = ParseSize(value, "rate limit");
      if (!rate.ok()) return rate.status();
      options.common.limits.output_rate = *rate;
      return absl::OkStatus();
    }
    case 'S':
      options.has_sparse_size = true;
      return SetSparseSize(value, request.sparse_size);
    case 't':
      return SetCacheMode(value, "cache", request.target_cache);
    case 'T':
      return SetCacheMode(value, "source cache", request.source_cache);
    case 'U':
      options.force_share = true;
      return absl::OkStatus();
    case 'W':  // lanes write as they please wherever the format allows it
      return absl::OkStatus();
    case kLanes: {
      const absl::StatusOr<uint32_t> lanes = ParseLanes(value);
      if (!lanes.ok()) return lanes.status();
      request.lanes = *lanes;
      return absl::OkStatus();
    }
    case kOutput: {
      const absl::StatusOr<OutputFormat> format = ParseOutputFormat(value);
      if (!format.ok()) return format.status();
      options.common.format = *format;
      return absl::OkStatus();
    }
    case kImageOpts:
      options.image_opts = true;
      return absl::OkStatus();
    case kTargetImageOpts:
      options.target_image_opts = true;
      return absl::OkStatus();
    case kTargetIsZero:
      request.target_is_zero = true;
      return absl::OkStatus();
    case kStats:
      options.stats = true;
      return absl::OkStatus();
    case kInspect:
      options.inspect = true;
      return absl::OkStatus();
    default:
      return IsVerdictOption(id) ? ApplyVerdictOption(id, value, options.verdict)
                                 : ApplyCommonOption(id, value, options.common);
  }
}

// From --target-image-opts, or a name with what may stand before it.
absl::Status SetTarget(std::string_view operand, ConvertOptions& options) {
  ConvertRequest& request = options.request;
  if (options.target_image_opts) {
    const absl::StatusOr<ImageOpts> image = ParseImageOpts(operand);
    if (!image.ok()) return image.status();
    options.target_path = image->path;
    // qemu-img would probe it; nothing but raw is written into, and nothing else is made here.
    const std::string format = image->format.empty() ? "raw" : image->format;
    if (absl::Status status = SetTargetFormat(format, request.target_format); !status.ok()) {
      return status;
    }
  } else {
    absl::StatusOr<TargetName> name = ParseTargetName(operand);
    if (!name.ok()) return name.status();
    options.target_path = std::move(name->path);
    request.target_is_zero |= name->is_zero && request.target_is_existing;
  }
  request.target_name = options.target_path;
  if (!options.target_path.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(Cat("'", Escape(operand), "' names no file"));
}

// The inputs and, last, the output.
absl::Status SetOperands(const std::vector<std::string>& operands, ConvertOptions& options) {
  constexpr std::string_view kOperands[] = {"INPUT", "OUTPUT"};
  if (operands.size() < 2) return CheckOperands(operands, kOperands);
  for (const std::string& operand : operands) {
    if (operand.empty()) return absl::InvalidArgumentError("an operand is empty");
  }
  ConvertRequest& request = options.request;
  const std::string format = request.source.format;
  for (size_t i = 0; i + 1 < operands.size(); ++i) {
    absl::StatusOr<ImageOpts> image = ParseImageOperand(operands[i], options.image_opts);
    if (!image.ok()) return image.status();
    if (image->format.empty()) image->format = format;
    options.source_paths.push_back(image->path);
    ImageSource source = {.name = image->path, .format = image->format};
    if (i == 0) {
      request.source = std::move(source);
    } else {
      request.more_sources.push_back(std::move(source));
    }
  }
  return SetTarget(operands.back(), options);
}

// Options that do not go together.
absl::Status CheckCombination(const ConvertOptions& options) {
  const ConvertRequest& request = options.request;
  const bool in_place = request.target_is_existing;
  if (options.image_opts && options.has_source_format) {
    return absl::InvalidArgumentError("--image-opts and --format are mutually exclusive");
  }
  if (options.target_image_opts && !in_place) {
    return absl::InvalidArgumentError("--target-image-opts requires use of -n flag");
  }
  if (options.target_image_opts && options.has_target_format) {
    return absl::InvalidArgumentError("--target-image-opts and -O both say what the format is");
  }
  if (in_place && (!request.target_options.empty() || options.backing.name)) {
    return absl::InvalidArgumentError(
        "-o and -B have no effect with -n: the target exists already");
  }
  if (request.target_is_zero && !in_place) {
    return absl::InvalidArgumentError("--target-is-zero requires use of -n flag");
  }
  if (options.backing.name && !request.more_sources.empty()) {
    return absl::InvalidArgumentError(
        "Having a backing file for the target makes no sense when concatenating multiple input "
        "images");
  }
  if (request.copy_offload && request.compress) {
    return absl::InvalidArgumentError("-C copies data as it is, and -c compresses it");
  }
  if (request.copy_offload && options.has_sparse_size) {
    return absl::InvalidArgumentError("-C does not look for the zeroes that -S is about");
  }
  if (options.verdict.given && !options.inspect) {
    return absl::InvalidArgumentError(
        "--allow-format, --max-virtual-size, --max-reader-memory, --max-expansion and --no-check "
        "are "
        "for the verdict of --inspect");
  }
  if (options.inspect && !request.more_sources.empty()) {
    return absl::InvalidArgumentError("--inspect takes one input");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ParseConvertOptions(int argc, char** argv, ConvertOptions& options) {
  const absl::StatusOr<std::vector<std::string>> operands = ParseArguments(
      argc, argv, WithImageOptions(WithVerdictOptions(kOptions)), kRefused,
      [&](int id, std::string_view value) { return ApplyOption(id, value, options); });
  if (!operands.ok()) return operands.status();
  if (options.common.help || options.list_target_options) return absl::OkStatus();
  ConvertRequest& request = options.request;
  absl::Status status = SetOperands(*operands, options);
  if (status.ok()) {
    status = TakeBackingOptions(request.target_format, request.target_options, options.backing);
  }
  // qemu-img converts all of the disk, whatever -o size= says.
  (void)TakeOption(request.target_options, "size");
  if (status.ok()) status = CheckCombination(options);
  request.references = options.common.references;
  return status;
}

}  // namespace hotcell::cli
