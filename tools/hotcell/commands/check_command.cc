#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hotcell/engine.h"
#include "tools/hotcell/commands/command.h"
#include "tools/hotcell/common/error.h"
#include "tools/hotcell/common/exit_codes.h"
#include "tools/hotcell/common/files.h"
#include "tools/hotcell/common/signals.h"
#include "tools/hotcell/options/arguments.h"
#include "tools/hotcell/options/common_options.h"
#include "tools/hotcell/options/formats.h"
#include "tools/hotcell/options/image_opts.h"
#include "tools/hotcell/report/check_report.h"

namespace hotcell::cli {
namespace {

constexpr std::string_view kName = "check";

enum CheckOption : int { kImageOpts = kFirstLongOption, kOutput };

constexpr OptionSpec kOptions[] = {
    {'f', "format", true},
    {'q', "quiet", false},
    {'T', "cache", true},
    {'U', "force-share", false},
    {kImageOpts, "image-opts", false},
    {kOutput, "output", true},
};

constexpr RefusedOption kRefused[] = {
    {"object", "secrets are not done"},
    {"r", "images are not repaired; 'hotcell convert' makes a sound copy of what can be read"},
    {"repair", "images are not repaired; 'hotcell convert' makes a sound copy of what can be read"},
};

struct CheckOptions {
  std::string path;
  CheckRequest request;  // all but the file descriptor and JobOptions
  bool image_opts = false;
  bool quiet = false;
  CommonOptions common = {.limits = {.wall_time = kSurveyTime}};
};

absl::Status ApplyOption(int id, std::string_view value, CheckOptions& options) {
  switch (id) {
    case 'f':
      return SetSourceFormat(value, options.request.source.format);
    case 'q':
      options.quiet = true;
      return absl::OkStatus();
    case 'T': {
      const absl::StatusOr<CacheMode> mode = ParseCacheMode(value, "source cache");
      if (!mode.ok()) return mode.status();
      options.request.source_cache = *mode;
      return absl::OkStatus();
    }
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

absl::Status Parse(int argc, char** argv, CheckOptions& options) {
  constexpr std::string_view kOperands[] = {"FILE"};
  const absl::StatusOr<std::vector<std::string>> operands = ParseArguments(
      argc, argv, WithImageOptions(kOptions), kRefused,
      [&](int id, std::string_view value) { return ApplyOption(id, value, options); });
  if (!operands.ok()) return operands.status();
  if (options.common.help) return absl::OkStatus();
  if (absl::Status status = CheckOperands(*operands, kOperands); !status.ok()) return status;
  options.request.source.name = operands->front();
  absl::StatusOr<ImageOpts> image = ParseImageOperand(operands->front(), options.image_opts);
  if (!image.ok()) return image.status();
  options.path = std::move(image->path);
  if (!image->format.empty()) options.request.source.format = std::move(image->format);
  return absl::OkStatus();
}

// Returns the exit status.
int Check(const CheckOptions& options) {
  const OutputFormat format = options.common.format;
  const auto fail = [&](const absl::Status& status) { return ReportError(kName, status, format); };
  Cancellation cancellation;
  const JobSignals signals(cancellation, {kName, format});
  std::optional<JobTime> time(std::in_place, options.common.limits.wall_time);
  const absl::StatusOr<File> file = OpenForReading(options.path);
  if (!file.ok()) return fail(file.status());
  const absl::StatusOr<const Engine*> engine = options.common.StartEngine();
  if (!engine.ok()) return fail(engine.status());
  CheckRequest request = options.request;
  request.source.fd = file->fd();
  request.references = options.common.references;
  request.options = options.common.Job();
  request.options.cancellation = &cancellation;
  time->Restart();
  const absl::StatusOr<CheckReply> reply = (*engine)->Check(request);
  time.reset();
  if (!reply.ok()) return signals.Fail(reply.status());
  const CheckReport& report = reply->report;
  if (report.unsupported) {
    (void)fail(absl::UnimplementedError("This image format does not support checks"));
    return kExitCheckUnsupported;
  }
  PrintWarnings(kName, reply->warnings);
  PrintToStderr(CheckFindings(report));
  if (format == OutputFormat::kJson) {
    Print(CheckJson(report, options.request.source.name) + "\n");
  } else if (!options.quiet) {
    Print(CheckText(report));
  }
  if (report.check_errors != 0) {
    (void)ReportError(kName, absl::DataLossError("Check failed"), OutputFormat::kHuman);
  }
  return CheckExitStatus(report);
}

}  // namespace

int CheckMain(int argc, char** argv) {
  CheckOptions options;
  const absl::Status status = Parse(argc, argv, options);
  if (!status.ok()) return ReportError(kName, status, options.common.format);
  if (options.common.help) {
    PrintHelp(*FindCommand(kName));
    return kExitOk;
  }
  return Check(options);
}

}  // namespace hotcell::cli
