#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hotcell/engine.h"
#include "tools/hotcell/commands/command.h"
#include "tools/hotcell/common/exit_codes.h"
#include "tools/hotcell/common/files.h"
#include "tools/hotcell/common/signals.h"
#include "tools/hotcell/options/arguments.h"
#include "tools/hotcell/options/common_options.h"
#include "tools/hotcell/options/formats.h"
#include "tools/hotcell/options/image_opts.h"
#include "tools/hotcell/report/compare_report.h"
#include "tools/hotcell/report/progress.h"

namespace hotcell::cli {
namespace {

constexpr std::string_view kName = "compare";

enum CompareOption : int { kLanes = kFirstLongOption, kOutput, kImageOpts };

constexpr OptionSpec kOptions[] = {
    {'f', "a-format", true},     {'F', "b-format", true},
    {'p', "progress", false},    {'q', "quiet", false},
    {'s', "strict", false},      {'T', "cache", true},
    {'U', "force-share", false}, {kImageOpts, "image-opts", false},
    {kLanes, "lanes", true},     {kOutput, "output", true},
};

constexpr RefusedOption kRefused[] = {
    {"object", "secrets and throttles are not done"},
};

struct CompareOptions {
  CompareRequest request;  // all but the file descriptors and JobOptions
  bool image_opts = false;
  bool progress = false;
  bool quiet = false;
  CommonOptions common;
};

absl::Status ApplyOption(int id, std::string_view value, CompareOptions& options) {
  CompareRequest& request = options.request;
  switch (id) {
    case 'f':
      return SetSourceFormat(value, request.first.format);
    case 'F':
      return SetSourceFormat(value, request.second.format);
    case 'p':
      options.progress = true;
      return absl::OkStatus();
    case 'q':
      options.quiet = true;
      return absl::OkStatus();
    case kImageOpts:
      options.image_opts = true;
      return absl::OkStatus();
    case 's':
      request.strict = true;
      return absl::OkStatus();
    case 'T': {
      const absl::StatusOr<CacheMode> mode = ParseCacheMode(value, "source cache");
      if (!mode.ok()) return mode.status();
      request.source_cache = *mode;
      return absl::OkStatus();
    }
    case 'U':  // images that are only looked at are not locked
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
    default:
      return ApplyCommonOption(id, value, options.common);
  }
}

absl::Status SetImage(const std::string& operand, bool image_opts, ImageSource& source) {
  absl::StatusOr<ImageOpts> image = ParseImageOperand(operand, image_opts);
  if (!image.ok()) return image.status();
  source.name = std::move(image->path);
  if (!image->format.empty()) source.format = std::move(image->format);
  return absl::OkStatus();
}

absl::Status Parse(int argc, char** argv, CompareOptions& options) {
  constexpr std::string_view kOperands[] = {"FIRST", "SECOND"};
  const absl::StatusOr<std::vector<std::string>> operands = ParseArguments(
      argc, argv, WithImageOptions(kOptions), kRefused,
      [&](int id, std::string_view value) { return ApplyOption(id, value, options); });
  if (!operands.ok()) return operands.status();
  if (options.common.help) return absl::OkStatus();
  if (absl::Status status = CheckOperands(*operands, kOperands); !status.ok()) return status;
  CompareRequest& request = options.request;
  if (options.image_opts && !(request.first.format + request.second.format).empty()) {
    return absl::InvalidArgumentError("--image-opts and -f, -F both say what the formats are");
  }
  absl::Status status = SetImage((*operands)[0], options.image_opts, request.first);
  if (status.ok()) status = SetImage((*operands)[1], options.image_opts, request.second);
  return status;
}

int Fail(const absl::Status& status, const CompareOptions& options) {
  const int failed = ReportError(kName, status, options.common.format);
  return failed == kExitFailure ? kExitCompareFailed : failed;
}

// Returns the exit status.
int Compare(const CompareOptions& options) {
  const OutputFormat format = options.common.format;
  Cancellation cancellation;
  JobSignals signals(cancellation, {kName, format, kExitCompareFailed});
  std::optional<JobTime> time(std::in_place, options.common.limits.wall_time);
  const absl::StatusOr<File> first = OpenForReading(options.request.first.name);
  if (!first.ok()) return Fail(first.status(), options);
  const absl::StatusOr<File> second = OpenForReading(options.request.second.name);
  if (!second.ok()) return Fail(second.status(), options);
  const absl::StatusOr<const Engine*> engine = options.common.StartEngine();
  if (!engine.ok()) return Fail(engine.status(), options);

  ProgressPrinter progress(options.progress && !options.quiet,
                           format == OutputFormat::kJson ? stderr : stdout, stderr, format);
  CompareRequest request = options.request;
  request.first.fd = first->fd();
  request.second.fd = second->fd();
  request.references = options.common.references;
  request.options = options.common.Job();
  request.options.cancellation = &cancellation;
  request.options.progress = [&](uint64_t done, uint64_t total) {
    progress.Update(done, total);
    if (signals.TakeProgressRequest()) progress.PrintOnce(done, total);
  };
  progress.Begin();
  time->Restart();
  const absl::StatusOr<CompareReply> reply = (*engine)->Compare(request);
  time.reset();
  if (!reply.ok()) {
    progress.Abandon();
    return signals.Fail(reply.status());
  }
  if (!reply->failure.ok()) {
    progress.Abandon();
    (void)Fail(CompareFailure(options.request, *reply), options);
    return CompareExitStatus(reply->result);
  }
  if (!options.quiet) PrintWarnings(kName, reply->warnings);
  if (format == OutputFormat::kJson) {
    Print(CompareJson(options.request, *reply) + "\n");
  } else if (!options.quiet) {
    Print(CompareText(reply->result));
  }
  progress.Abandon();  // the result stands on the progress's line, as with qemu-img
  return CompareExitStatus(reply->result);
}

}  // namespace

int CompareMain(int argc, char** argv) {
  CompareOptions options;
  const absl::Status status = Parse(argc, argv, options);
  if (!status.ok()) return Fail(status, options);
  if (options.common.help) {
    PrintHelp(*FindCommand(kName));
    return kExitOk;
  }
  return Compare(options);
}

}  // namespace hotcell::cli
