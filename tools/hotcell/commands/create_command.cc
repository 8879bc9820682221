#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hotcell/engine.h"
#include "hotcell/failure.h"
#include "tools/hotcell/commands/command.h"
#include "tools/hotcell/commands/job.h"
#include "tools/hotcell/common/exit_codes.h"
#include "tools/hotcell/common/invocation.h"
#include "tools/hotcell/common/size.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/options/arguments.h"
#include "tools/hotcell/options/command_line.h"
#include "tools/hotcell/options/common_options.h"
#include "tools/hotcell/options/file_names.h"
#include "tools/hotcell/options/formats.h"
#include "tools/hotcell/options/shared_options.h"
#include "tools/hotcell/options/target_backing.h"
#include "tools/hotcell/report/creation_text.h"
#include "tools/hotcell/target/target.h"

namespace hotcell::cli {
namespace {

constexpr std::string_view kName = "create";

constexpr RefusedOption kRefused[] = {
    {"object", "secrets are not done"},
};

struct Options {
  std::string path;
  CreateRequest request;
  std::optional<uint64_t> size;
  TargetBacking backing;
  TargetOptions given;  // what FormattingText() prints
  bool open_backing = true;
  bool quiet = false;
  bool list_target_options = false;  // -o help
  CommonOptions common;
};

constexpr auto kSetBackingFormat = [](std::string_view value, Options& options) {
  options.backing.format = std::string(value);
  return absl::OkStatus();
};

constexpr Option<Options> kOptions[] = {
    {{.letter = 'f',
      .names = {"format"},
      .value = "FORMAT",
      .help = "format of FILE (default: raw)",
      .completion = Completion::kTargetFormat},
     [](std::string_view value, Options& options) {
       return SetTargetFormat(value, options.request.target_format);
     }},
    {{.letter = 'o',
      .names = {"options"},
      .value = "NAME=VALUE,...",
      .help = "options of the format; '-o help' lists them",
      .completion = Completion::kTargetOptions},
     [](std::string_view value, Options& options) {
       return AddTargetOptions(value, options.request.target_options, options.list_target_options);
     }},
    {{.letter = 'b',
      .names = {"backing"},
      .value = "FILE",
      .completion = Completion::kFile,
      .joined = true},
     [](std::string_view value, Options& options) {
       options.backing.name = std::string(value);
       return absl::OkStatus();
     }},
    {{.letter = 'F',
      .value = "FORMAT",
      .help = "the backing file, and its format, which has to be said (-B as well)",
      .completion = Completion::kFormat},
     kSetBackingFormat},
    // The name that QEMU 11 has for -F.
    {{.letter = 'B',
      .names = {"backing-format"},
      .value = "FORMAT",
      .completion = Completion::kFormat},
     kSetBackingFormat},
    {{.letter = 'u',
      .names = {"backing-unsafe"},
      .help = "do not open the backing file; SIZE has to be given"},
     [](std::string_view, Options& options) {
       options.open_backing = false;
       return absl::OkStatus();
     }},
    {With(kQuietRow,
          "print nothing\n"
          "QEMU 11's long names are taken as well: --format, --options, --backing,\n"
          "--backing-format, --backing-unsafe, --quiet"),
     On<&Options::quiet>},
};

const CommandLine<Options>& Line() {
  static const auto* const line = [] {
    auto* const made = new CommandLine<Options>();
    made->Text(R"(usage: hotcell create [OPTION]... FILE [SIZE]

Makes a disk image that holds nothing, or what its backing file holds. FILE appears when
it is complete. SIZE is bytes, or a number with k, M, G, T, P or E; with a backing file it
may be left out.

)");
    made->Add(kOptions);
    AddJobOptions(*made);
    made->Text("\nExit status: 0 done, 1 error.\n");
    made->Refuse(kRefused);
    return made;
  }();
  return *line;
}

// Sets the size, from the operand or from -o size=.
absl::Status SetSize(const std::vector<std::string>& operands, Options& options) {
  std::optional<std::string> text = TakeOption(options.request.target_options, "size");
  if (operands.size() > 1) {
    if (text) return absl::InvalidArgumentError("The image size must be specified only once");
    text = operands[1];
  }
  if (!text) return absl::OkStatus();
  const absl::StatusOr<uint64_t> size = ParseSize(*text, "image size");
  if (!size.ok()) return size.status();
  options.size = *size;
  return absl::OkStatus();
}

absl::Status Parse(int argc, char** argv, Options& options) {
  const absl::StatusOr<std::vector<std::string>> operands = Line().Parse(argc, argv, options);
  if (!operands.ok()) return operands.status();
  if (options.common.help || options.list_target_options) return absl::OkStatus();
  constexpr std::string_view kOperands[] = {"FILENAME", "SIZE"};
  const std::span<const std::string_view> expected(kOperands, operands->size() > 1 ? 2 : 1);
  if (absl::Status status = CheckOperands(*operands, expected); !status.ok()) return status;
  const std::string& operand = operands->front();
  absl::StatusOr<TargetName> name = ParseTargetName(operand);
  if (!name.ok()) {
    return ActsAsQemuImg()
               ? Reworded(name.status(), Cat(operand, ": ", View(name.status().message())))
               : name.status();
  }
  options.path = options.request.target_name = std::move(name->path);
  if (absl::Status status = SetSize(*operands, options); !status.ok()) return status;
  options.given = options.request.target_options;
  CreateRequest& request = options.request;
  if (absl::Status status =
          TakeBackingOptions(request.target_format, request.target_options, options.backing);
      !status.ok()) {
    return status;
  }
  if (options.backing.name && BackingPath(options.path, *options.backing.name) == options.path) {
    return absl::InvalidArgumentError(
        "Error: Trying to create an image with the same filename as the backing file");
  }
  if (!options.size && !(options.backing.name && options.open_backing)) {
    return absl::InvalidArgumentError("Image creation needs a size parameter");
  }
  return absl::OkStatus();
}

// Looks at the backing image, as far as it may be, and completes the request.
absl::Status SetBacking(const Engine& engine, Job& job, Options& options) {
  CreateRequest& request = options.request;
  request.options = job.Options();
  if (options.backing.name && options.open_backing) {
    absl::StatusOr<BackingImage> backing =
        DescribeBacking(engine, options.path, options.backing, request.options);
    if (!backing.ok()) return backing.status();
    request.backing = *std::move(backing);
    if (!options.size) options.size = request.backing->size;
  } else if (options.backing.name) {
    request.backing = {.name = *options.backing.name, .format = *options.backing.format};
  }
  request.size = *options.size;
  if (options.backing.name) {
    options.given.emplace_back("backing_file", *options.backing.name);
    options.given.emplace_back("backing_fmt", *options.backing.format);
  }
  options.given.emplace_back("size", std::to_string(request.size));
  return absl::OkStatus();
}

absl::StatusOr<int> Create(Options& options, Job& job) {
  const absl::StatusOr<const Engine*> engine = job.StartEngine();
  if (!engine.ok()) return engine.status();
  if (absl::Status status = SetBacking(**engine, job, options); !status.ok()) return status;
  CreateRequest& request = options.request;
  const absl::StatusOr<std::string> text =
      FormattingText(options.path, request.target_format, options.given);
  if (!text.ok()) return text.status();
  absl::StatusOr<Target> target = Target::Open(options.path, {.format = request.target_format});
  if (!target.ok()) return target.status();
  request.target_fd = target->fd();
  request.open_extent_file =
      target->OpenExtents(request.target_format, request.target_options,
                          [](const std::string&) { return absl::OkStatus(); });
  const absl::StatusOr<ConvertReply> reply = job.Perform(&Engine::CreateImage, request);
  if (!reply.ok()) return reply.status();
  if (absl::Status status = target->Commit(/*sync=*/false); !status.ok()) return status;
  if (options.quiet) return kExitOk;
  Print(*text + "\n");
  PrintWarnings(kName, reply->warnings);
  return kExitOk;
}

}  // namespace

const OptionTable& CreateLine() { return Line(); }

int CreateMain(int argc, char** argv) { return RunJob(kName, argc, argv, Parse, Create); }

}  // namespace hotcell::cli
