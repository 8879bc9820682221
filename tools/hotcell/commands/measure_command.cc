#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hotcell/engine.h"
#include "tools/hotcell/commands/command.h"
#include "tools/hotcell/commands/job.h"
#include "tools/hotcell/common/exit_codes.h"
#include "tools/hotcell/common/files.h"
#include "tools/hotcell/common/size.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/options/arguments.h"
#include "tools/hotcell/options/command_line.h"
#include "tools/hotcell/options/common_options.h"
#include "tools/hotcell/options/formats.h"
#include "tools/hotcell/options/image_opts.h"
#include "tools/hotcell/options/shared_options.h"
#include "tools/hotcell/options/snapshot_option.h"
#include "tools/hotcell/options/target_backing.h"
#include "tools/hotcell/report/json.h"

namespace hotcell::cli {
namespace {

constexpr std::string_view kName = "measure";

constexpr RefusedOption kRefused[] = {
    {"object", "secrets are not done"},
};

struct Options {
  std::string path;  // empty: --size
  std::optional<uint64_t> size;
  bool image_opts = false;
  bool list_target_options = false;  // -o help
  MeasureRequest request;
  CommonOptions common = {.limits = {.wall_time = kSurveyTime}};
};

constexpr Option<Options> kOptions[] = {
    {{.letter = 's',
      .names = {"size"},
      .value = "SIZE",
      .help = "of an empty disk",
      .shows_name = true},
     [](std::string_view value, Options& options) {
       return Assign(ParseSize(value, "image size"), options.size);
     }},
    {{.letter = 'O',
      .names = {"target-format"},
      .value = "FORMAT",
      .completion = Completion::kWords,
      .words = "raw qcow2",
      .joined = true},
     [](std::string_view value, Options& options) {
       return SetSourceFormat(value, options.request.target_format);
     }},
    {{.letter = 'o',
      .names = {"options"},
      .value = "NAME=VALUE,...",
      .help = "\nformat of that image, and its options: raw (default) or qcow2; also\n"
              "--target-format, --options",
      .completion = Completion::kTargetOptions},
     [](std::string_view value, Options& options) {
       return AddTargetOptions(value, options.request.target_options, options.list_target_options);
     }},
    {{.letter = 'f',
      .names = {"format"},
      .value = "FORMAT",
      .help = "\nformat of FILE (default: found out in the guest)",
      .completion = Completion::kFormat,
      .shows_name = true},
     [](std::string_view value, Options& options) {
       return SetSourceFormat(value, options.request.source.format);
     }},
    {{.letter = 'l',
      .names = {"snapshot"},
      .value = "SNAPSHOT",
      .help = "\nan internal snapshot of FILE, by id or name",
      .shows_name = true},
     [](std::string_view value, Options& options) { return SetSnapshot(value, options.request); }},
    {kOutputRow, kSetOutputFormat},
    {With(kImageOptsRow, "FILE is driver=FORMAT,file.filename=FILE"), On<&Options::image_opts>},
    {kForceShareRow, kIgnore},  // images that are only looked at are not locked
};

const CommandLine<Options>& Line() {
  static const auto* const line = [] {
    auto* const made = new CommandLine<Options>();
    made->Text(R"(usage: hotcell measure [OPTION]... FILE
       hotcell measure [OPTION]... -s SIZE

Tells how large an image of the disk in FILE, or of an empty disk, would be, as 'qemu-img
measure' does.

)");
    made->Add(kOptions);
    AddReferences(*made, "");
    AddJobOptions(*made, "; the time is 3600 seconds unless you say");
    made->Text("\nExit status: 0 done, 1 error.\n");
    made->Refuse(kRefused);
    return made;
  }();
  return *line;
}

absl::Status SetOperands(const std::vector<std::string>& operands, Options& options) {
  if (operands.size() > 1) {
    return absl::InvalidArgumentError("At most one filename argument is allowed.");
  }
  if (operands.empty() && !options.size) {
    return absl::InvalidArgumentError("Either --size N or one filename must be specified.");
  }
  if (!operands.empty() && options.size) {
    return absl::InvalidArgumentError("--size N cannot be used together with a filename.");
  }
  options.request.size = options.size.value_or(0);
  if (operands.empty()) return absl::OkStatus();
  absl::Status status =
      SetImage(operands.front(), options.image_opts, options.path, options.request.source.format);
  options.request.source.name = options.path;
  return status;
}

absl::Status Parse(int argc, char** argv, Options& options) {
  const absl::StatusOr<std::vector<std::string>> operands = Line().Parse(argc, argv, options);
  if (!operands.ok()) return operands.status();
  if (options.common.help || options.list_target_options) return absl::OkStatus();
  if (absl::Status status = SetOperands(*operands, options); !status.ok()) return status;
  MeasureRequest& request = options.request;
  TargetBacking backing;
  absl::Status status = TakeBackingOptions(request.target_format, request.target_options, backing);
  request.target_has_backing = backing.name.has_value();
  // qemu-img measures the source, or --size, whatever -o size= says.
  (void)TakeOption(request.target_options, "size");
  request.references = options.common.references;
  return status;
}

std::string MeasureText(const MeasureResult& result) {
  std::string text = Cat("required size: ", result.required,
                         "\nfully allocated size: ", result.fully_allocated, "\n");
  if (result.bitmaps) Append(text, "bitmaps size: ", *result.bitmaps, "\n");
  return text;
}

std::string MeasureJson(const MeasureResult& result) {
  Json json = Json::Object();
  if (result.bitmaps) json.SetNumber("bitmaps", *result.bitmaps);
  json.SetNumber("required", result.required).SetNumber("fully-allocated", result.fully_allocated);
  return json.Dump() + "\n";
}

absl::StatusOr<int> Run(Options& options, Job& job) {
  std::optional<File> file;
  MeasureRequest& request = options.request;
  if (!options.path.empty()) {
    absl::StatusOr<File> opened = OpenForReading(options.path);
    if (!opened.ok()) return opened.status();
    file = *std::move(opened);
    request.source.fd = file->fd();
  }
  const absl::StatusOr<MeasureReply> reply = job.Perform(&Engine::Measure, request);
  if (!reply.ok()) return reply.status();
  Print(options.common.format == OutputFormat::kJson ? MeasureJson(reply->result)
                                                     : MeasureText(reply->result));
  PrintWarnings(kName, reply->warnings);
  return kExitOk;
}

}  // namespace

const OptionTable& MeasureLine() { return Line(); }

int MeasureMain(int argc, char** argv) { return RunJob(kName, argc, argv, Parse, Run); }

}  // namespace hotcell::cli
