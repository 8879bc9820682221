#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "hotcell/engine.h"
#include "tools/hotcell/commands/command.h"
#include "tools/hotcell/commands/job.h"
#include "tools/hotcell/common/files.h"
#include "tools/hotcell/options/arguments.h"
#include "tools/hotcell/options/command_line.h"
#include "tools/hotcell/options/common_options.h"
#include "tools/hotcell/options/formats.h"
#include "tools/hotcell/options/image_opts.h"
#include "tools/hotcell/options/shared_options.h"
#include "tools/hotcell/report/compare_report.h"
#include "tools/hotcell/report/progress.h"

namespace hotcell::cli {
namespace {

constexpr std::string_view kName = "compare";

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

constexpr Option<CompareOptions> kOptions[] = {
    {{.letter = 'f',
      .names = {"a-format"},
      .value = "FORMAT",
      .completion = Completion::kFormat,
      .joined = true},
     [](std::string_view value, CompareOptions& options) {
       return SetSourceFormat(value, options.request.first.format);
     }},
    {{.letter = 'F',
      .names = {"b-format"},
      .value = "FORMAT",
      .help = "format of FIRST, SECOND (default: found out in the guest)",
      .completion = Completion::kFormat},
     [](std::string_view value, CompareOptions& options) {
       return SetSourceFormat(value, options.request.second.format);
     }},
    {With(kImageOptsRow, "FIRST and SECOND are driver=FORMAT,file.filename=FILE"),
     On<&CompareOptions::image_opts>},
    {kProgressRow, On<&CompareOptions::progress>},
    {With(kQuietRow, "print nothing but errors"), On<&CompareOptions::quiet>},
    {{.letter = 's',
      .names = {"strict"},
      .help = "strict: sizes must be the same, and so must what is allocated, zero and\n"
              "compressed"},
     [](std::string_view, CompareOptions& options) {
       options.request.strict = true;
       return absl::OkStatus();
     }},
    {With(CacheRow('T', "cache"),
          "cache mode of both: none, writeback, unsafe, directsync, writethrough"),
     kSetSourceCache},
    {kForceShareRow, kIgnore},  // images that are only looked at are not locked
};

constexpr Option<CompareOptions> kOtherOptions[] = {
    {kLanesRow, kSetLanes},
    {With(kOutputRow,
          "human or json; progress goes to standard error then, a line\n"
          "{\"progress\": PERCENT} each time"),
     kSetOutputFormat},
};

const CommandLine<CompareOptions>& Line() {
  static const auto* const line = [] {
    auto* const made = new CommandLine<CompareOptions>();
    made->Text(R"(usage: hotcell compare [OPTION]... FIRST SECOND

Tells whether two disk images, which may be of different formats, hold the same disk. Where
one disk is longer, the other reads as zeroes.

As with qemu-img:
)");
    made->Add(kOptions);
    made->Text(
        R"(QEMU 11's long names are taken as well: --a-format, --b-format, --progress, --quiet, --strict,
--cache.

Files that an image refers to are not opened unless you say so:
)");
    AddReferences(*made, "\nas in 'hotcell help convert', for both images");
    made->Text("\nOther:\n");
    made->Add(kOtherOptions);
    AddJobOptions(*made);
    made->Text(R"(
Exit status: 0 the same, 1 different, 2 an image could not be opened or another error, 3 what
is allocated could not be found out, 4 data could not be read, 130 and 143 cancelled.
)");
    made->Refuse(kRefused);
    return made;
  }();
  return *line;
}

absl::Status Parse(int argc, char** argv, CompareOptions& options) {
  constexpr std::string_view kOperands[] = {"FIRST", "SECOND"};
  const absl::StatusOr<std::vector<std::string>> operands = Line().Parse(argc, argv, options);
  if (!operands.ok()) return operands.status();
  if (options.common.help) return absl::OkStatus();
  if (absl::Status status = CheckOperands(*operands, kOperands); !status.ok()) return status;
  CompareRequest& request = options.request;
  if (options.image_opts && !(request.first.format + request.second.format).empty()) {
    return absl::InvalidArgumentError("--image-opts and -f, -F both say what the formats are");
  }
  const auto set = [&](const std::string& operand, SourceImage& source) {
    return SetImage(operand, options.image_opts, source.name, source.format);
  };
  absl::Status status = set((*operands)[0], request.first);
  if (status.ok()) status = set((*operands)[1], request.second);
  return status;
}

absl::StatusOr<int> Compare(CompareOptions& options, Job& job) {
  const OutputFormat format = options.common.format;
  const absl::StatusOr<File> first = OpenForReading(options.request.first.name);
  if (!first.ok()) return first.status();
  const absl::StatusOr<File> second = OpenForReading(options.request.second.name);
  if (!second.ok()) return second.status();

  ProgressPrinter progress(options.progress && !options.quiet,
                           format == OutputFormat::kJson ? stderr : stdout, stderr, format);
  job.ShowProgress(progress);
  CompareRequest& request = options.request;
  request.first.fd = first->fd();
  request.second.fd = second->fd();
  request.references = options.common.references;
  progress.Begin();
  const absl::StatusOr<CompareReply> reply = job.Perform(&Engine::Compare, request);
  if (!reply.ok()) {
    progress.Abandon();
    return reply.status();
  }
  if (!reply->failure.ok()) {
    progress.Abandon();
    (void)ReportError(kName, CompareFailure(request, *reply), format);
    return CompareExitStatus(reply->result);
  }
  if (!options.quiet) PrintWarnings(kName, reply->warnings);
  if (format == OutputFormat::kJson) {
    Print(CompareJson(request, *reply) + "\n");
  } else if (!options.quiet) {
    Print(CompareText(reply->result));
  }
  progress.Abandon();  // the result stands on the progress's line, as with qemu-img
  return CompareExitStatus(reply->result);
}

}  // namespace

const OptionTable& CompareLine() { return Line(); }

int CompareMain(int argc, char** argv) { return RunJob(kName, argc, argv, Parse, Compare); }

}  // namespace hotcell::cli
