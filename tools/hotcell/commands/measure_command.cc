#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hotcell/engine.h"
#include "tools/hotcell/commands/command.h"
#include "tools/hotcell/common/exit_codes.h"
#include "tools/hotcell/common/files.h"
#include "tools/hotcell/common/signals.h"
#include "tools/hotcell/common/size.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/options/arguments.h"
#include "tools/hotcell/options/common_options.h"
#include "tools/hotcell/options/formats.h"
#include "tools/hotcell/options/image_opts.h"
#include "tools/hotcell/options/snapshot_option.h"
#include "tools/hotcell/options/target_backing.h"
#include "tools/hotcell/report/json.h"

namespace hotcell::cli {
namespace {

constexpr std::string_view kName = "measure";

enum MeasureOption : int { kImageOpts = kFirstLongOption, kOutput };

constexpr OptionSpec kOptions[] = {
    {'f', "format", true},
    {'l', "snapshot", true},
    {'O', "target-format", true},
    {'o', "options", true},
    {'s', "size", true},
    {'U', "force-share", false},
    {kImageOpts, "image-opts", false},
    {kOutput, "output", true},
};

constexpr RefusedOption kRefused[] = {
    {"object", "secrets are not done"},
};

struct Options {
  std::string path;  // empty: --size
  std::optional<uint64_t> size;
  bool image_opts = false;
  bool list_target_options = false;  // -o help
  MeasureRequest request;
  CommonOptions common = {.limits = {.wall_time = kSurveyTime}};
};

absl::Status ApplyOption(int id, std::string_view value, Options& options) {
  MeasureRequest& request = options.request;
  switch (id) {
    case 'f':
      return SetSourceFormat(value, request.source.format);
    case 'l':
      return SetSnapshot(value, request);
    case 'O':
      return SetSourceFormat(value, request.target_format);
    case 'o':
      return AddTargetOptions(value, request.target_options, options.list_target_options);
    case 'U':  // images that are only looked at are not locked
      return absl::OkStatus();
    case kImageOpts:
      options.image_opts = true;
      return absl::OkStatus();
    case 's': {
      const absl::StatusOr<uint64_t> size = ParseSize(value, "image size");
      if (!size.ok()) return size.status();
      options.size = *size;
      return absl::OkStatus();
    }
    case kOutput: {
      const absl::StatusOr<OutputFormat> format = ParseOutputFormat(value);
      if (!format.ok()) return format.status();
      options.common.format = *format;
      return absl::OkStatus();
    }
    default:
      return ApplyCommonOption(id, value, options.common);
  }
}

absl::Status SetOperands(const std::vector<std::string>& operands, Options& options) {
  if (operands.size() > 1) {
    return absl::InvalidArgumentError("At most one filename argument is allowed.");
  }
  if (operands.empty() && !options.size) {
    return absl::InvalidArgumentError("Either --size N or one filename must be specified.");
  }
  if (!operands.empty() && options.size) {
    return absl::InvalidArgumentError("--size N cannot be used together with a filename.");
  }
  options.request.size = options.size.value_or(0);
  if (operands.empty()) return absl::OkStatus();
  absl::StatusOr<ImageOpts> image = ParseImageOperand(operands.front(), options.image_opts);
  if (!image.ok()) return image.status();
  options.path = options.request.source.name = std::move(image->path);
  if (!image->format.empty()) options.request.source.format = std::move(image->format);
  return absl::OkStatus();
}

absl::Status Parse(int argc, char** argv, Options& options) {
  const absl::StatusOr<std::vector<std::string>> operands = ParseArguments(
      argc, argv, WithImageOptions(kOptions), kRefused,
      [&](int id, std::string_view value) { return ApplyOption(id, value, options); });
  if (!operands.ok()) return operands.status();
  if (options.common.help || options.list_target_options) return absl::OkStatus();
  if (absl::Status status = SetOperands(*operands, options); !status.ok()) return status;
  MeasureRequest& request = options.request;
  TargetBacking backing;
  absl::Status status = TakeBackingOptions(request.target_format, request.target_options, backing);
  request.target_has_backing = backing.name.has_value();
  // qemu-img measures the source, or --size, whatever -o size= says.
  (void)TakeOption(request.target_options, "size");
  request.references = options.common.references;
  return status;
}

std::string MeasureText(const MeasureResult& result) {
  std::string text = Cat("required size: ", result.required,
                         "\nfully allocated size: ", result.fully_allocated, "\n");
  if (result.bitmaps) Append(text, "bitmaps size: ", *result.bitmaps, "\n");
  return text;
}

std::string MeasureJson(const MeasureResult& result) {
  Json json = Json::Object();
  if (result.bitmaps) json.SetNumber("bitmaps", *result.bitmaps);
  json.SetNumber("required", result.required).SetNumber("fully-allocated", result.fully_allocated);
  return json.Dump() + "\n";
}

absl::Status Run(const Cancellation& cancellation, Options& options) {
  std::optional<JobTime> time(std::in_place, options.common.limits.wall_time);
  std::optional<File> file;
  MeasureRequest& request = options.request;
  if (!options.path.empty()) {
    absl::StatusOr<File> opened = OpenForReading(options.path);
    if (!opened.ok()) return opened.status();
    file = *std::move(opened);
    request.source.fd = file->fd();
  }
  const absl::StatusOr<const Engine*> engine = options.common.StartEngine();
  if (!engine.ok()) return engine.status();
  request.options = options.common.Job();
  request.options.cancellation = &cancellation;
  time->Restart();
  const absl::StatusOr<MeasureReply> reply = (*engine)->Measure(request);
  time.reset();
  if (!reply.ok()) return reply.status();
  Print(options.common.format == OutputFormat::kJson ? MeasureJson(reply->result)
                                                     : MeasureText(reply->result));
  PrintWarnings(kName, reply->warnings);
  return absl::OkStatus();
}

}  // namespace

int MeasureMain(int argc, char** argv) {
  Options options;
  const absl::Status status = Parse(argc, argv, options);
  if (!status.ok()) return ReportError(kName, status, options.common.format);
  if (options.common.help) {
    PrintHelp(*FindCommand(kName));
    return kExitOk;
  }
  if (options.list_target_options) {
    Print(TargetOptionsHelp(options.request.target_format));
    return kExitOk;
  }
  Cancellation cancellation;
  const JobSignals signals(cancellation, {kName, options.common.format});
  const absl::Status measured = Run(cancellation, options);
  if (measured.ok()) return kExitOk;
  return signals.Fail(measured);
}

}  // namespace hotcell::cli
