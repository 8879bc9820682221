#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "hotcell/engine.h"
#include "tools/hotcell/commands/command.h"
#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/exit_codes.h"
#include "tools/hotcell/common/files.h"
#include "tools/hotcell/common/invocation.h"
#include "tools/hotcell/common/signals.h"
#include "tools/hotcell/common/size.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/options/arguments.h"
#include "tools/hotcell/options/common_options.h"
#include "tools/hotcell/options/formats.h"
#include "tools/hotcell/options/image_opts.h"

namespace hotcell::cli {
namespace {

constexpr std::string_view kName = "map";

enum MapOption : int { kImageOpts = kFirstLongOption, kOutput };

constexpr OptionSpec kOptions[] = {
    {'f', "format", true},       {'l', "max-length", true}, {'s', "start-offset", true},
    {'U', "force-share", false}, {kOutput, "output", true}, {kImageOpts, "image-opts", false},
};

constexpr RefusedOption kRefused[] = {
    {"object", "secrets are not done"},
};

struct Options {
  std::string path;
  bool image_opts = false;
  MapRequest request;
  CommonOptions common = {.limits = {.wall_time = kSurveyTime}};
};

absl::Status SetSize(std::string_view text, std::string_view what, uint64_t& size) {
  const absl::StatusOr<uint64_t> parsed = ParseSize(text, what);
  if (!parsed.ok()) return parsed.status();
  size = *parsed;
  return absl::OkStatus();
}

absl::Status ApplyOption(int id, std::string_view value, Options& options) {
  switch (id) {
    case 'f':
      return SetSourceFormat(value, options.request.source.format);
    case 'l':
      return SetSize(value, "max length", options.request.length);
    case 's':
      return SetSize(value, "start offset", options.request.begin);
    case 'U':  // images that are only looked at are not locked
      return absl::OkStatus();
    case kImageOpts:
      options.image_opts = true;
      return absl::OkStatus();
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

absl::Status Parse(int argc, char** argv, Options& options) {
  constexpr std::string_view kOperands[] = {"FILE"};
  const absl::StatusOr<std::vector<std::string>> operands = ParseArguments(
      argc, argv, WithImageOptions(kOptions), kRefused,
      [&](int id, std::string_view value) { return ApplyOption(id, value, options); });
  if (!operands.ok()) return operands.status();
  if (options.common.help) return absl::OkStatus();
  if (absl::Status status = CheckOperands(*operands, kOperands); !status.ok()) return status;
  absl::StatusOr<ImageOpts> image = ParseImageOperand(operands->front(), options.image_opts);
  if (!image.ok()) return image.status();
  options.path = options.request.source.name = std::move(image->path);
  if (!image->format.empty()) options.request.source.format = std::move(image->format);
  options.request.references = options.common.references;
  return absl::OkStatus();
}

// Prints extents as qemu-img does.
class MapPrinter {
 public:
  MapPrinter(OutputFormat format, uint64_t begin) : json_(format == OutputFormat::kJson) {
    empty_.start = begin;
    if (!json_) {
      Print(absl::StrFormat("%-16s%-16s%-16s%s\n", "Offset", "Length", "Mapped to", "File"));
    }
  }

  absl::Status Add(const MapExtent& extent) {
    any_ = true;
    if (json_) {
      PrintJson(extent);
      return absl::OkStatus();
    }
    if (!extent.data) return absl::OkStatus();
    if (!extent.offset) {
      return absl::UnimplementedError("File contains external, encrypted or compressed clusters.");
    }
    if (extent.zero) return absl::OkStatus();  // in a hole of the file
    Print(absl::StrFormat("%#-16x%#-16x%#-16x%s\n", extent.start, extent.length, *extent.offset,
                          Escape(extent.file)));
    return absl::OkStatus();
  }

  void Finish() {
    if (!json_) return;
    if (!any_) PrintJson(empty_);
    Print("]\n");
  }

 private:
  static std::string_view TrueOrFalse(bool value) { return value ? "true" : "false"; }

  void PrintJson(const MapExtent& extent) {
    std::string line =
        Cat(first_ ? "[" : ",\n", "{ \"start\": ", extent.start, ", \"length\": ", extent.length,
            ", \"depth\": ", extent.depth, ", \"present\": ", TrueOrFalse(extent.present),
            ", \"zero\": ", TrueOrFalse(extent.zero), ", \"data\": ", TrueOrFalse(extent.data));
    // As qemu-img from 8.2 on; under its name we speak as 7.2.
    if (!ActsAsQemuImg()) Append(line, ", \"compressed\": ", TrueOrFalse(extent.compressed));
    if (extent.offset) Append(line, ", \"offset\": ", *extent.offset);
    Print(line + "}");
    first_ = false;
  }

  const bool json_;
  MapExtent empty_;
  bool any_ = false;
  bool first_ = true;
};

absl::Status Run(const Cancellation& cancellation, Options& options) {
  std::optional<JobTime> time(std::in_place, options.common.limits.wall_time);
  const absl::StatusOr<File> file = OpenForReading(options.path);
  if (!file.ok()) return file.status();
  const absl::StatusOr<const Engine*> engine = options.common.StartEngine();
  if (!engine.ok()) return engine.status();
  MapRequest& request = options.request;
  request.source.fd = file->fd();
  request.options = options.common.Job();
  request.options.cancellation = &cancellation;
  // Nothing is printed of an image that cannot be mapped.
  std::optional<MapPrinter> printer;
  request.extent = [&](const MapExtent& extent) {
    time.reset();  // the job has ended, and who reads this may take all the time they like
    if (!printer) printer.emplace(options.common.format, request.begin);
    return printer->Add(extent);
  };
  time->Restart();
  const absl::StatusOr<MapReply> reply = (*engine)->Map(request);
  if (!reply.ok()) return reply.status();
  time.reset();
  if (!printer) printer.emplace(options.common.format, request.begin);
  printer->Finish();
  PrintWarnings(kName, reply->warnings);
  return absl::OkStatus();
}

}  // namespace

int MapMain(int argc, char** argv) {
  Options options;
  const absl::Status status = Parse(argc, argv, options);
  if (!status.ok()) return ReportError(kName, status, options.common.format);
  if (options.common.help) {
    PrintHelp(*FindCommand(kName));
    return kExitOk;
  }
  Cancellation cancellation;
  const JobSignals signals(cancellation, {kName, options.common.format});
  const absl::Status mapped = Run(cancellation, options);
  if (mapped.ok()) return kExitOk;
  return signals.Fail(mapped);
}

}  // namespace hotcell::cli
