#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hotcell/engine.h"
#include "hotcell/failure.h"
#include "tools/hotcell/commands/command.h"
#include "tools/hotcell/common/exit_codes.h"
#include "tools/hotcell/common/invocation.h"
#include "tools/hotcell/common/signals.h"
#include "tools/hotcell/common/size.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/options/arguments.h"
#include "tools/hotcell/options/common_options.h"
#include "tools/hotcell/options/file_names.h"
#include "tools/hotcell/options/formats.h"
#include "tools/hotcell/options/target_backing.h"
#include "tools/hotcell/report/creation_text.h"
#include "tools/hotcell/target/target.h"

namespace hotcell::cli {
namespace {

constexpr std::string_view kName = "create";

constexpr OptionSpec kOptions[] = {
    {'b', "backing", true},         {'B', "backing-format", true}, {'F', nullptr, true},
    {'f', "format", true},          {'o', "options", true},        {'q', "quiet", false},
    {'u', "backing-unsafe", false},
};

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

absl::Status ApplyOption(int id, std::string_view value, Options& options) {
  switch (id) {
    case 'b':
      options.backing.name = std::string(value);
      return absl::OkStatus();
    case 'B':  // as QEMU 11 calls it
    case 'F':
      options.backing.format = std::string(value);
      return absl::OkStatus();
    case 'f':
      return SetTargetFormat(value, options.request.target_format);
    case 'o':
      return AddTargetOptions(value, options.request.target_options, options.list_target_options);
    case 'q':
      options.quiet = true;
      return absl::OkStatus();
    case 'u':
      options.open_backing = false;
      return absl::OkStatus();
    default:
      return ApplyCommonOption(id, value, options.common);
  }
}

// From the operand or from -o size=.
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
  const absl::StatusOr<std::vector<std::string>> operands = ParseArguments(
      argc, argv, WithCommonOptions(kOptions), kRefused,
      [&](int id, std::string_view value) { return ApplyOption(id, value, options); });
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
absl::Status SetBacking(const Engine& engine, const Cancellation& cancellation, Options& options) {
  CreateRequest& request = options.request;
  request.options = options.common.Job();
  request.options.cancellation = &cancellation;
  if (options.backing.name && options.open_backing) {
    absl::StatusOr<TargetBase> backing =
        InspectBacking(engine, options.path, options.backing, request.options);
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

absl::Status Create(const Cancellation& cancellation, Options& options) {
  std::optional<JobTime> time(std::in_place, options.common.limits.wall_time);
  const absl::StatusOr<const Engine*> engine = options.common.StartEngine();
  if (!engine.ok()) return engine.status();
  if (absl::Status status = SetBacking(**engine, cancellation, options); !status.ok()) {
    return status;
  }
  time->Restart();
  const CreateRequest& request = options.request;
  const absl::StatusOr<std::string> text =
      FormattingText(options.path, request.target_format, options.given);
  if (!text.ok()) return text.status();
  absl::StatusOr<Target> target = Target::Open(options.path, {.format = request.target_format});
  if (!target.ok()) return target.status();
  options.request.target_fd = target->fd();
  options.request.open_extent =
      target->OpenExtents(request.target_format, request.target_options,
                          [](const std::string&) { return absl::OkStatus(); });
  const absl::StatusOr<ConvertReply> reply = (*engine)->CreateImage(request);
  time.reset();
  if (!reply.ok()) return reply.status();
  if (absl::Status status = target->Commit(/*sync=*/false); !status.ok()) return status;
  if (options.quiet) return absl::OkStatus();
  Print(*text + "\n");
  PrintWarnings(kName, reply->warnings);
  return absl::OkStatus();
}

}  // namespace

int CreateMain(int argc, char** argv) {
  Options options;
  const absl::Status status = Parse(argc, argv, options);
  if (!status.ok()) return ReportError(kName, status, options.common.format);
  if (options.common.help) {
    PrintHelp(*FindCommand(kName));
    return kExitOk;
  }
  if (options.list_target_options) {
    Print(TargetOptionsHelp(options.request.target_format));
    return kExitOk;
  }
  Cancellation cancellation;
  const JobSignals signals(cancellation, {kName, options.common.format});
  const absl::Status created = Create(cancellation, options);
  if (created.ok()) return kExitOk;
  return signals.Fail(created);
}

}  // namespace hotcell::cli
