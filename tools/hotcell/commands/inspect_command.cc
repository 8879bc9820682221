#include <string>
#include <utility>
#include <vector>

#include "hotcell/engine.h"
#include "tools/hotcell/commands/command.h"
#include "tools/hotcell/commands/job.h"
#include "tools/hotcell/common/exit_codes.h"
#include "tools/hotcell/common/files.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/options/arguments.h"
#include "tools/hotcell/options/command_line.h"
#include "tools/hotcell/options/common_options.h"
#include "tools/hotcell/options/formats.h"
#include "tools/hotcell/options/shared_options.h"
#include "tools/hotcell/options/verdict_options.h"
#include "tools/hotcell/report/verdict_report.h"

namespace hotcell::cli {
namespace {

constexpr std::string_view kName = "inspect";

struct InspectOptions {
  InspectRequest request;  // all but the file descriptor and JobOptions
  VerdictOptions verdict;
  bool quiet = false;
  CommonOptions common = {.limits = {.wall_time = kLookTime}};
};

constexpr Option<InspectOptions> kOptions[] = {
    {With(kFormatRow, "format that FILE is said to have (default: found out in the guest)"),
     [](std::string_view value, InspectOptions& options) {
       return SetSourceFormat(value, options.request.source.format);
     }},
};

constexpr Option<InspectOptions> kMoreOptions[] = {
    {With(kQuietRow, "print nothing; the exit status tells"), On<&InspectOptions::quiet>},
    {With(kForceShareRow, ""), kIgnore},  // images that are only looked at are not locked
    {With(kOutputRow, "human or json; docs/schema/inspect.json describes the document"),
     kSetOutputFormat},
};

const CommandLine<InspectOptions>& Line() {
  static const auto* const line = [] {
    auto* const made = new CommandLine<InspectOptions>();
    made->Text(R"(usage: hotcell inspect [OPTION]... FILE

Judges, for a service that takes images from strangers, whether FILE is safe to be used as
one: what format it has and what else it could be taken for, whether it names other files,
is encrypted, damaged or too big, or whether a raw copy of its disk would be taken for an
image. Nothing but FILE is opened.

)");
    made->Add(kOptions);
    made->Add(PolicyOptions(), &InspectOptions::verdict);
    made->Add(kMoreOptions);
    made->Take(ReferenceOptions(), &InspectOptions::common);  // as all commands; nothing is opened
    AddJobOptions(*made, "; the time is 600 seconds unless you say");
    made->Text(R"(
Exit status: 0 safe, 1 the file could not be looked at, 2 not safe, 130 and 143 cancelled.
)");
    return made;
  }();
  return *line;
}

absl::Status Parse(int argc, char** argv, InspectOptions& options) {
  constexpr std::string_view kOperands[] = {"FILE"};
  const absl::StatusOr<std::vector<std::string>> operands = Line().Parse(argc, argv, options);
  if (!operands.ok()) return operands.status();
  if (options.common.help) return absl::OkStatus();
  if (absl::Status status = CheckOperands(*operands, kOperands); !status.ok()) return status;
  options.request.source.name = operands->front();
  return absl::OkStatus();
}

absl::StatusOr<int> Inspect(InspectOptions& options, Job& job) {
  const std::string& path = options.request.source.name;
  const absl::StatusOr<File> file = OpenForReading(path);
  if (!file.ok()) return file.status();
  InspectRequest& request = options.request;
  request.source.fd = file->fd();
  request.check = options.verdict.check;
  absl::StatusOr<InspectReply> reply = job.Perform(&Engine::Inspect, request);
  if (!reply.ok()) return reply.status();
  InspectReport report = {.filename = path, .reply = *std::move(reply)};
  report.verdict = JudgeBy(options.verdict, report.reply, options.common.limits);
  if (options.common.format == OutputFormat::kJson) {
    InspectJson(report).Write(Print);
    Print("\n");
  } else if (!options.quiet) {
    Print(InspectText(report));
  }
  return report.verdict.safe() ? kExitOk : kExitUnsafe;
}

}  // namespace

const OptionTable& InspectLine() { return Line(); }

int InspectMain(int argc, char** argv) { return RunJob(kName, argc, argv, Parse, Inspect); }

}  // namespace hotcell::cli
