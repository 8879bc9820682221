#include <string>
#include <utility>
#include <vector>

#include "hotcell/engine.h"
#include "tools/hotcell/commands/command.h"
#include "tools/hotcell/commands/job.h"
#include "tools/hotcell/common/error.h"
#include "tools/hotcell/common/exit_codes.h"
#include "tools/hotcell/common/files.h"
#include "tools/hotcell/common/invocation.h"
#include "tools/hotcell/options/arguments.h"
#include "tools/hotcell/options/command_line.h"
#include "tools/hotcell/options/common_options.h"
#include "tools/hotcell/options/formats.h"
#include "tools/hotcell/options/image_opts.h"
#include "tools/hotcell/options/shared_options.h"
#include "tools/hotcell/report/check_report.h"

namespace hotcell::cli {
namespace {

constexpr std::string_view kName = "check";

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

constexpr Option<CheckOptions> kOptions[] = {
    {kFormatRow,
     [](std::string_view value, CheckOptions& options) {
       return SetSourceFormat(value, options.request.source.format);
     }},
    {With(kImageOptsRow, "FILE is keys: driver=FORMAT,file.filename=PATH"),
     On<&CheckOptions::image_opts>},
    {With(kOutputRow, "human or json, with qemu-img's keys"), kSetOutputFormat},
    {With(kQuietRow, "no summary"), On<&CheckOptions::quiet>},
    {CacheRow('T', "cache"), kSetSourceCache},
    {kForceShareRow, kIgnore},  // images that are only looked at are not locked
};

const CommandLine<CheckOptions>& Line() {
  static const auto* const line = [] {
    auto* const made = new CommandLine<CheckOptions>();
    made->Text(R"(usage: hotcell check [OPTION]... FILE

Looks for damage in the tables of the disk image FILE, as 'qemu-img check' does. A backing
file is not opened. What is found goes to standard error, the summary to standard output.

As with qemu-img:
)");
    made->Add(kOptions);
    made->Text(R"(Nothing is repaired: -r is refused.

The further files of a VMDK are not opened unless you say so:
)");
    AddReferences(*made, "\nas in 'hotcell help convert'");
    made->Text("\nOther:\n");
    AddJobOptions(*made, "; the time is 3600 seconds unless you say");
    made->Text(R"(
Exit status: 0 nothing is wrong, 1 it could not be checked, 2 damaged, 3 space is lost and
the contents are right, 63 the format has no check, 130 and 143 cancelled.
)");
    made->Refuse(kRefused);
    return made;
  }();
  return *line;
}

absl::Status Parse(int argc, char** argv, CheckOptions& options) {
  constexpr std::string_view kOperands[] = {"FILE"};
  const absl::StatusOr<std::vector<std::string>> operands = Line().Parse(argc, argv, options);
  if (!operands.ok()) return operands.status();
  if (options.common.help) return absl::OkStatus();
  if (absl::Status status = CheckOperands(*operands, kOperands); !status.ok()) return status;
  options.request.source.name = operands->front();
  return SetImage(operands->front(), options.image_opts, options.path,
                  options.request.source.format);
}

absl::StatusOr<int> Check(CheckOptions& options, Job& job) {
  const absl::StatusOr<File> file = OpenForReading(options.path);
  if (!file.ok()) return file.status();
  CheckRequest& request = options.request;
  request.source.fd = file->fd();
  request.references = options.common.references;
  const absl::StatusOr<CheckReply> reply = job.Perform(&Engine::Check, request);
  if (!reply.ok()) return reply.status();
  CheckReport report = reply->report;
  if (ActsAsQemuImg()) KeepWhatQemuImgTells(report);
  if (report.unsupported) {
    (void)ReportError(kName, absl::UnimplementedError("This image format does not support checks"),
                      options.common.format);
    return kExitCheckUnsupported;
  }
  PrintWarnings(kName, reply->warnings);
  PrintToStderr(CheckFindings(report));
  if (options.common.format == OutputFormat::kJson) {
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

const OptionTable& CheckLine() { return Line(); }

int CheckMain(int argc, char** argv) { return RunJob(kName, argc, argv, Parse, Check); }

}  // namespace hotcell::cli
