#include <cstdint>
#include <string>
#include <vector>

#include "hotcell/engine.h"
#include "tools/hotcell/arguments.h"
#include "tools/hotcell/command.h"
#include "tools/hotcell/common_options.h"
#include "tools/hotcell/exit_codes.h"
#include "tools/hotcell/files.h"
#include "tools/hotcell/formats.h"
#include "tools/hotcell/info_report.h"
#include "tools/hotcell/signals.h"

namespace hotcell::cli {
namespace {

constexpr std::string_view kName = "info";
constexpr uint64_t kStatBlock = 512;  // the unit of st_blocks

enum InfoOption : int { kBackingChain = kFirstLongOption, kImageOpts, kOutput };

constexpr OptionSpec kOptions[] = {
    {'f', "format", true},
    {'U', "force-share", false},
    {kBackingChain, "backing-chain", false},
    {kImageOpts, "image-opts", false},
    {kOutput, "output", true},
};

constexpr RefusedOption kRefused[] = {
    {"object", "secrets are not done"},
    {"t", "the file is only read"},
};

struct InfoOptions {
  std::string path;
  std::string source_format;
  CommonOptions common;
};

absl::Status Parse(int argc, char** argv, InfoOptions& options) {
  const auto apply = [&](int id, std::string_view value) -> absl::Status {
    switch (id) {
      case 'f':
        options.source_format = std::string(value);
        return CheckSourceFormat(value);
      case 'U':  // no image is locked
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
  };
  constexpr std::string_view kOperands[] = {"FILE"};
  const absl::StatusOr<std::vector<std::string>> operands =
      ParseArguments(argc, argv, WithImageOptions(kOptions), kRefused, apply);
  if (!operands.ok()) return operands.status();
  if (options.common.help) return absl::OkStatus();
  if (absl::Status status = CheckOperands(*operands, kOperands); !status.ok()) return status;
  options.path = operands->front();
  return absl::OkStatus();
}

absl::StatusOr<InfoReport> Inspect(const InfoOptions& options, const Cancellation& cancellation) {
  const absl::StatusOr<File> file = OpenForReading(options.path);
  if (!file.ok()) return file.status();
  const absl::StatusOr<const Engine*> engine = options.common.StartEngine();
  if (!engine.ok()) return engine.status();
  InfoRequest request;
  request.source.fd = file->fd();
  request.source.name = options.path;
  request.source.format = options.source_format;
  request.options = options.common.Job();
  request.options.cancellation = &cancellation;
  absl::StatusOr<InfoReply> reply = (*engine)->Info(request);
  if (!reply.ok()) return reply.status();
  InfoReport report;
  report.filename = options.path;
  report.actual_size = static_cast<uint64_t>(file->info().st_blocks) * kStatBlock;
  report.image = std::move(reply->info);
  report.warnings = std::move(reply->warnings);
  report.layers = std::move(reply->worker.layers);
  return report;
}

}  // namespace

int InfoMain(int argc, char** argv) {
  InfoOptions options;
  const absl::Status status = Parse(argc, argv, options);
  if (!status.ok()) return ReportError(kName, status, options.common.format);
  if (options.common.help) {
    PrintHelp(*FindCommand(kName));
    return kExitOk;
  }
  Cancellation cancellation;
  const JobSignals signals(cancellation);
  const absl::StatusOr<InfoReport> report = Inspect(options, cancellation);
  if (!report.ok()) {
    (void)ReportError(kName, report.status(), options.common.format);
    return signals.caught() == 0 ? kExitFailure : kExitSignalBase + signals.caught();
  }
  if (options.common.format == OutputFormat::kJson) {
    Print(InfoJson(*report) + "\n");
    return kExitOk;
  }
  Print(InfoText(*report));
  for (const std::string& warning : report->warnings) PrintWarning(kName, warning);
  return kExitOk;
}

}  // namespace hotcell::cli
