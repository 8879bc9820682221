#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hotcell/engine.h"
#include "tools/hotcell/commands/command.h"
#include "tools/hotcell/common/exit_codes.h"
#include "tools/hotcell/common/files.h"
#include "tools/hotcell/common/signals.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/options/arguments.h"
#include "tools/hotcell/options/common_options.h"
#include "tools/hotcell/options/formats.h"
#include "tools/hotcell/options/verdict_options.h"
#include "tools/hotcell/report/verdict_report.h"

namespace hotcell::cli {
namespace {

constexpr std::string_view kName = "inspect";

enum InspectOption : int {
  kOutput = kFirstLongOption,
};

constexpr OptionSpec kOptions[] = {
    {'f', "format", true},
    {'q', "quiet", false},
    {'U', "force-share", false},
    {kOutput, "output", true},
};

struct InspectOptions {
  InspectRequest request;  // all but the file descriptor and JobOptions
  VerdictOptions verdict;
  bool quiet = false;
  CommonOptions common = {.limits = {.wall_time = kLookTime}};
};

absl::Status ApplyOption(int id, std::string_view value, InspectOptions& options) {
  switch (id) {
    case 'f':
      return SetSourceFormat(value, options.request.source.format);
    case 'q':
      options.quiet = true;
      return absl::OkStatus();
    case 'U':  // images that are only looked at are not locked
      return absl::OkStatus();
    case kOutput: {
      const absl::StatusOr<OutputFormat> format = ParseOutputFormat(value);
      if (!format.ok()) return format.status();
      options.common.format = *format;
      return absl::OkStatus();
    }
    default:
      return IsVerdictOption(id) ? ApplyVerdictOption(id, value, options.verdict)
                                 : ApplyCommonOption(id, value, options.common);
  }
}

absl::Status Parse(int argc, char** argv, InspectOptions& options) {
  constexpr std::string_view kOperands[] = {"FILE"};
  const absl::StatusOr<std::vector<std::string>> operands = ParseArguments(
      argc, argv, WithImageOptions(WithVerdictOptions(kOptions)), {},
      [&](int id, std::string_view value) { return ApplyOption(id, value, options); });
  if (!operands.ok()) return operands.status();
  if (options.common.help) return absl::OkStatus();
  if (absl::Status status = CheckOperands(*operands, kOperands); !status.ok()) return status;
  options.request.source.name = operands->front();
  return absl::OkStatus();
}

// Returns the exit status.
int Inspect(const InspectOptions& options) {
  const OutputFormat format = options.common.format;
  const auto fail = [&](const absl::Status& status) { return ReportError(kName, status, format); };
  const std::string& path = options.request.source.name;
  Cancellation cancellation;
  const JobSignals signals(cancellation, {kName, format});
  std::optional<JobTime> time(std::in_place, options.common.limits.wall_time);
  const absl::StatusOr<File> file = OpenForReading(path);
  if (!file.ok()) return fail(file.status());
  const absl::StatusOr<const Engine*> engine = options.common.StartEngine();
  if (!engine.ok()) return fail(engine.status());
  InspectRequest request = options.request;
  request.source.fd = file->fd();
  request.check = options.verdict.check;
  request.options = options.common.Job();
  request.options.cancellation = &cancellation;
  time->Restart();
  absl::StatusOr<InspectReply> reply = (*engine)->Inspect(request);
  time.reset();
  if (!reply.ok()) return signals.Fail(reply.status());
  InspectReport report = {.filename = path, .reply = *std::move(reply)};
  report.verdict = Judge(report.reply, options.verdict.policy, options.common.limits);
  if (format == OutputFormat::kJson) {
    InspectJson(report).Write(Print);
    Print("\n");
  } else if (!options.quiet) {
    Print(InspectText(report));
  }
  return report.verdict.safe() ? kExitOk : kExitUnsafe;
}

}  // namespace

int InspectMain(int argc, char** argv) {
  InspectOptions options;
  const absl::Status status = Parse(argc, argv, options);
  if (!status.ok()) return ReportError(kName, status, options.common.format);
  if (options.common.help) {
    PrintHelp(*FindCommand(kName));
    return kExitOk;
  }
  return Inspect(options);
}

}  // namespace hotcell::cli
