#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "hotcell/engine.h"
#include "tools/hotcell/commands/command.h"
#include "tools/hotcell/commands/job.h"
#include "tools/hotcell/common/exit_codes.h"
#include "tools/hotcell/common/files.h"
#include "tools/hotcell/options/arguments.h"
#include "tools/hotcell/options/command_line.h"
#include "tools/hotcell/options/common_options.h"
#include "tools/hotcell/options/formats.h"
#include "tools/hotcell/options/image_opts.h"
#include "tools/hotcell/options/shared_options.h"
#include "tools/hotcell/report/info_report.h"

namespace hotcell::cli {
namespace {

constexpr std::string_view kName = "info";
constexpr uint64_t kStatBlock = 512;  // the unit of st_blocks

constexpr RefusedOption kRefused[] = {
    {"object", "secrets are not done"},
    {"limits", "they are those of QEMU's own block layer; hotcell's are --limit NAME=VALUE"},
};

struct InfoOptions {
  std::string path;
  std::string source_format;
  bool image_opts = false;
  bool backing_chain = false;
  CommonOptions common = {.limits = {.wall_time = kLookTime}};
};

constexpr Option<InfoOptions> kOptions[] = {
    {kFormatRow,
     [](std::string_view value, InfoOptions& options) {
       return SetSourceFormat(value, options.source_format);
     }},
    {{.names = {"backing-chain"},
      .help = "describe the images below FILE too; one that may not be opened is an error"},
     On<&InfoOptions::backing_chain>},
};

constexpr Option<InfoOptions> kMoreOptions[] = {
    {kImageOptsRow, On<&InfoOptions::image_opts>},
    {With(kOutputRow,
          "human or json; json has qemu-img's keys, and hotcell's own (confinement,\n"
          "references, warnings) under the key \"hotcell\""),
     kSetOutputFormat},
    // Little is read, and once; and images that are only looked at are not locked.
    {Joined(CacheRow('t', "cache")),
     [](std::string_view value, InfoOptions&) { return ParseCacheMode(value, "cache").status(); }},
    {kForceShareRow, kIgnore},
};

const CommandLine<InfoOptions>& Line() {
  static const auto* const line = [] {
    auto* const made = new CommandLine<InfoOptions>();
    made->Text(R"(usage: hotcell info [OPTION]... FILE

Describes the disk image FILE, which is read in a KVM guest, as 'qemu-img info' does.
Files that it refers to are named and, without --backing-chain, not opened.

)");
    made->Add(kOptions);
    AddReferences(*made, "\nallow them, as in 'hotcell help convert'");
    made->Add(kMoreOptions);
    AddJobOptions(*made, "; the time is 600 seconds unless you say");
    made->Text("\nExit status: 0 done, 1 error.\n");
    made->Refuse(kRefused);
    return made;
  }();
  return *line;
}

absl::Status Parse(int argc, char** argv, InfoOptions& options) {
  constexpr std::string_view kOperands[] = {"FILE"};
  const absl::StatusOr<std::vector<std::string>> operands = Line().Parse(argc, argv, options);
  if (!operands.ok()) return operands.status();
  if (options.common.help) return absl::OkStatus();
  if (absl::Status status = CheckOperands(*operands, kOperands); !status.ok()) return status;
  options.path = operands->front();
  if (options.image_opts && !options.source_format.empty()) {
    return absl::InvalidArgumentError("-f and --image-opts both say what the format is");
  }
  return SetImage(options.path, options.image_opts, options.path, options.source_format);
}

// The reports of the image and, when asked for, of those below it.
absl::StatusOr<std::vector<InfoReport>> Inspect(const InfoOptions& options, Job& job) {
  const absl::StatusOr<File> file = OpenForReading(options.path);
  if (!file.ok()) return file.status();
  InfoRequest request;
  request.source.fd = file->fd();
  request.source.name = options.path;
  request.source.format = options.source_format;
  request.backing_chain = options.backing_chain;
  request.references = options.common.references;
  absl::StatusOr<InfoReply> reply = job.Perform(&Engine::Info, request);
  if (!reply.ok()) return reply.status();
  std::vector<InfoReport> reports;
  reports.push_back({.filename = options.path,
                     .actual_size = static_cast<uint64_t>(file->info().st_blocks) * kStatBlock,
                     .image = std::move(reply->info),
                     .warnings = std::move(reply->warnings),
                     .layers = std::move(reply->worker.layers)});
  for (ChainImage& below : reply->backing_chain) {
    const InfoReport& above = reports.back();
    reports.push_back({.filename = FullBackingName(above.filename, above.image.backing_file),
                       .actual_size = below.allocated_size,
                       .image = std::move(below.info),
                       .warnings = {},
                       .layers = above.layers});
  }
  return reports;
}

void PrintReports(const std::vector<InfoReport>& reports, const InfoOptions& options) {
  if (options.common.format == OutputFormat::kJson) {
    const Json json = options.backing_chain ? InfoChainJson(reports) : InfoJson(reports.front());
    json.Write(Print);
    Print("\n");
    return;
  }
  for (const InfoReport& report : reports) {
    if (&report != &reports.front()) Print("\n");
    Print(InfoText(report));
  }
  PrintWarnings(kName, reports.front().warnings);
}

absl::StatusOr<int> Run(InfoOptions& options, Job& job) {
  const absl::StatusOr<std::vector<InfoReport>> reports = Inspect(options, job);
  if (!reports.ok()) return reports.status();
  PrintReports(*reports, options);
  return kExitOk;
}

}  // namespace

const OptionTable& InfoLine() { return Line(); }

int InfoMain(int argc, char** argv) { return RunJob(kName, argc, argv, Parse, Run); }

}  // namespace hotcell::cli
