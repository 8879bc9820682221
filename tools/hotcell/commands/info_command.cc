#include <cstdint>
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
#include "tools/hotcell/report/info_report.h"

namespace hotcell::cli {
namespace {

constexpr std::string_view kName = "info";
constexpr uint64_t kStatBlock = 512;  // the unit of st_blocks

enum InfoOption : int { kBackingChain = kFirstLongOption, kImageOpts, kOutput };

constexpr OptionSpec kOptions[] = {
    {'f', "format", true},
    {'t', "cache", true},
    {'U', "force-share", false},
    {kBackingChain, "backing-chain", false},
    {kImageOpts, "image-opts", false},
    {kOutput, "output", true},
};

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

absl::Status Apply(int id, std::string_view value, InfoOptions& options) {
  switch (id) {
    case 'f':
      return SetSourceFormat(value, options.source_format);
    case 't':  // little is read, and once
      return ParseCacheMode(value, "cache").status();
    case 'U':  // images that are only looked at are not locked
      return absl::OkStatus();
    case kBackingChain:
      options.backing_chain = true;
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

absl::Status Parse(int argc, char** argv, InfoOptions& options) {
  constexpr std::string_view kOperands[] = {"FILE"};
  const absl::StatusOr<std::vector<std::string>> operands =
      ParseArguments(argc, argv, WithImageOptions(kOptions), kRefused,
                     [&](int id, std::string_view value) { return Apply(id, value, options); });
  if (!operands.ok()) return operands.status();
  if (options.common.help) return absl::OkStatus();
  if (absl::Status status = CheckOperands(*operands, kOperands); !status.ok()) return status;
  options.path = operands->front();
  if (options.image_opts && !options.source_format.empty()) {
    return absl::InvalidArgumentError("-f and --image-opts both say what the format is");
  }
  absl::StatusOr<ImageOpts> image = ParseImageOperand(options.path, options.image_opts);
  if (!image.ok()) return image.status();
  options.path = std::move(image->path);
  if (!image->format.empty()) options.source_format = std::move(image->format);
  return absl::OkStatus();
}

// The reports of the image and, when asked for, of those below it.
absl::StatusOr<std::vector<InfoReport>> Inspect(const InfoOptions& options,
                                                const Cancellation& cancellation) {
  const JobTime time(options.common.limits.wall_time);
  const absl::StatusOr<File> file = OpenForReading(options.path);
  if (!file.ok()) return file.status();
  const absl::StatusOr<const Engine*> engine = options.common.StartEngine();
  if (!engine.ok()) return engine.status();
  InfoRequest request;
  request.source.fd = file->fd();
  request.source.name = options.path;
  request.source.format = options.source_format;
  request.backing_chain = options.backing_chain;
  request.references = options.common.references;
  request.options = options.common.Job();
  request.options.cancellation = &cancellation;
  time.Restart();
  absl::StatusOr<InfoReply> reply = (*engine)->Info(request);
  if (!reply.ok()) return reply.status();
  std::vector<InfoReport> reports;
  reports.push_back({.filename = options.path,
                     .actual_size = static_cast<uint64_t>(file->info().st_blocks) * kStatBlock,
                     .image = std::move(reply->info),
                     .warnings = std::move(reply->warnings),
                     .layers = std::move(reply->worker.layers)});
  for (BackingImage& below : reply->backing_chain) {
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
  const JobSignals signals(cancellation, {kName, options.common.format});
  const absl::StatusOr<std::vector<InfoReport>> reports = Inspect(options, cancellation);
  if (!reports.ok()) return signals.Fail(reports.status());
  PrintReports(*reports, options);
  return kExitOk;
}

}  // namespace hotcell::cli
