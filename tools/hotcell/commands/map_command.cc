#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "hotcell/engine.h"
#include "tools/hotcell/commands/command.h"
#include "tools/hotcell/commands/job.h"
#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/exit_codes.h"
#include "tools/hotcell/common/files.h"
#include "tools/hotcell/common/invocation.h"
#include "tools/hotcell/common/size.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/options/arguments.h"
#include "tools/hotcell/options/command_line.h"
#include "tools/hotcell/options/common_options.h"
#include "tools/hotcell/options/formats.h"
#include "tools/hotcell/options/image_opts.h"
#include "tools/hotcell/options/shared_options.h"

namespace hotcell::cli {
namespace {

constexpr std::string_view kName = "map";

constexpr RefusedOption kRefused[] = {
    {"object", "secrets are not done"},
};

struct Options {
  std::string path;
  bool image_opts = false;
  MapRequest request;
  CommonOptions common = {.limits = {.wall_time = kSurveyTime}};
};

constexpr Option<Options> kOptions[] = {
    {kFormatRow,
     [](std::string_view value, Options& options) {
       return SetSourceFormat(value, options.request.source.format);
     }},
    {{.letter = 's',
      .names = {"start-offset"},
      .value = "OFFSET",
      .help = "\nbegin here (default: 0)",
      .shows_name = true},
     [](std::string_view value, Options& options) {
       return Assign(ParseSize(value, "start offset"), options.request.begin);
     }},
    {{.letter = 'l',
      .names = {"max-length"},
      .value = "LENGTH",
      .help = "\nso many bytes (default: to the end of the disk)",
      .shows_name = true},
     [](std::string_view value, Options& options) {
       return Assign(ParseSize(value, "max length"), options.request.length);
     }},
    {With(kOutputRow,
          "human: data in files, an error where it is compressed; json: all of the\ndisk"),
     kSetOutputFormat},
    {With(kImageOptsRow, "FILE is driver=FORMAT,file.filename=FILE"), On<&Options::image_opts>},
    {kForceShareRow, kIgnore},  // images that are only looked at are not locked
};

const CommandLine<Options>& Line() {
  static const auto* const line = [] {
    auto* const made = new CommandLine<Options>();
    made->Text(R"(usage: hotcell map [OPTION]... FILE

Tells where the bytes of the disk in the image FILE are, as 'qemu-img map' does.

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

absl::Status Parse(int argc, char** argv, Options& options) {
  constexpr std::string_view kOperands[] = {"FILE"};
  const absl::StatusOr<std::vector<std::string>> operands = Line().Parse(argc, argv, options);
  if (!operands.ok()) return operands.status();
  if (options.common.help) return absl::OkStatus();
  if (absl::Status status = CheckOperands(*operands, kOperands); !status.ok()) return status;
  absl::Status status =
      SetImage(operands->front(), options.image_opts, options.path, options.request.source.format);
  if (!status.ok()) return status;
  options.request.source.name = options.path;
  options.request.references = options.common.references;
  return absl::OkStatus();
}

// Prints extents as qemu-img does.
class MapPrinter {
 public:
  MapPrinter(OutputFormat format, uint64_t begin) : json_(format == OutputFormat::kJson) {
    empty_.start = begin;
    if (!json_) {
      Print(absl::StrFormat("%-16s%-16s%-16s%s\n", "Offset", "Length", "Mapped to", "File"));
    }
  }

  absl::Status Add(const MapExtent& extent) {
    any_ = true;
    if (json_) {
      PrintJson(extent);
      return absl::OkStatus();
    }
    if (!extent.data) return absl::OkStatus();
    if (!extent.offset) {
      return absl::UnimplementedError("File contains external, encrypted or compressed clusters.");
    }
    if (extent.zero) return absl::OkStatus();  // in a hole of the file
    Print(absl::StrFormat("%#-16x%#-16x%#-16x%s\n", extent.start, extent.length, *extent.offset,
                          Escape(extent.file)));
    return absl::OkStatus();
  }

  void Finish() {
    if (!json_) return;
    if (!any_) PrintJson(empty_);
    Print("]\n");
  }

 private:
  static std::string_view TrueOrFalse(bool value) { return value ? "true" : "false"; }

  void PrintJson(const MapExtent& extent) {
    std::string line =
        Cat(first_ ? "[" : ",\n", "{ \"start\": ", extent.start, ", \"length\": ", extent.length,
            ", \"depth\": ", extent.depth, ", \"present\": ", TrueOrFalse(extent.present),
            ", \"zero\": ", TrueOrFalse(extent.zero), ", \"data\": ", TrueOrFalse(extent.data));
    // qemu-img prints this from 8.2 on; under its name we speak as 7.2.
    if (!ActsAsQemuImg()) Append(line, ", \"compressed\": ", TrueOrFalse(extent.compressed));
    if (extent.offset) Append(line, ", \"offset\": ", *extent.offset);
    Print(line + "}");
    first_ = false;
  }

  const bool json_;
  MapExtent empty_;
  bool any_ = false;
  bool first_ = true;
};

absl::StatusOr<int> Run(Options& options, Job& job) {
  const absl::StatusOr<File> file = OpenForReading(options.path);
  if (!file.ok()) return file.status();
  MapRequest& request = options.request;
  request.source.fd = file->fd();
  // Nothing is printed of an image that cannot be mapped.
  std::optional<MapPrinter> printer;
  request.extent = [&](const MapExtent& extent) {
    job.EndTime();  // the job has ended, and who reads this may take all the time they like
    if (!printer) printer.emplace(options.common.format, request.begin);
    return printer->Add(extent);
  };
  const absl::StatusOr<MapReply> reply = job.Perform(&Engine::Map, request);
  if (!reply.ok()) return reply.status();
  if (!printer) printer.emplace(options.common.format, request.begin);
  printer->Finish();
  PrintWarnings(kName, reply->warnings);
  return kExitOk;
}

}  // namespace

const OptionTable& MapLine() { return Line(); }

int MapMain(int argc, char** argv) { return RunJob(kName, argc, argv, Parse, Run); }

}  // namespace hotcell::cli
