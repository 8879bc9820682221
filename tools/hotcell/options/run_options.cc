#include "tools/hotcell/options/run_options.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "tools/hotcell/common/error.h"
#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/size.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/options/arguments.h"
#include "tools/hotcell/options/limit_options.h"

namespace hotcell::cli {
namespace {

constexpr uint64_t kMaxVcpus = 16;
// A guest that hangs is ended without being asked to.
constexpr absl::Duration kDefaultTimeout = absl::Seconds(60);
constexpr uint64_t kDefaultOutputCapacity = 16 << 20;  // bytes
// Above the interrupt vector table; above GDT and page tables.
constexpr uint64_t kRealModeLoad = 0x1000;
constexpr uint64_t kLongModeLoad = 0x10000;

enum RunOption : int {
  kDirtyPages = kFirstLongOption,
  kEntry,
  kInput,
  kLoad,
  kMem,
  kMode,
  kOutput,
  kOutputCapacity,
  kRegisters,
  kSerialInput,
  kStats,
  kVcpus,
  kVga,
};

constexpr OptionSpec kOptions[] = {
    {'v', "verbose", false},
    {kDirtyPages, "dirty-pages", false},
    {kEntry, "entry", true},
    {kInput, "input", true},
    {kLoad, "load", true},
    {kMem, "mem", true},
    {kMode, "mode", true},
    {kOutput, "output", true},
    {kOutputCapacity, "output-capacity", true},
    {kRegisters, "registers", false},
    {kSerialInput, "serial-input", true},
    {kStats, "stats", false},
    {kVcpus, "vcpus", true},
    {kVga, "vga", false},
};

absl::StatusOr<GuestMode> ParseMode(std::string_view text) {
  if (text == "real") return GuestMode::kReal;
  if (text == "long") return GuestMode::kLong;
  if (text == "payload") return GuestMode::kPayload;
  return absl::InvalidArgumentError(
      Cat("unknown mode '", Escape(text), "': real, long or payload"));
}

template <typename T>
absl::Status Assign(const absl::StatusOr<T>& value, T& destination) {
  if (!value.ok()) return value.status();
  destination = *value;
  return absl::OkStatus();
}

// What has been given on the command line and has a default that depends on the rest.
struct Given {
  std::optional<uint64_t> load;
  std::optional<uint64_t> entry;
  std::optional<uint64_t> output_capacity;
};

absl::Status ApplyOption(int id, std::string_view value, RunOptions& options, Given& given) {
  RunRequest& request = options.request;
  switch (id) {
    case 'v':
      request.verbose = true;
      return absl::OkStatus();
    case kDirtyPages:
      request.log_dirty_pages = true;
      return absl::OkStatus();
    case kEntry:
      return Assign(ParseNumber(value), given.entry.emplace());
    case kInput:
      options.input_path = std::string(value);
      return absl::OkStatus();
    case kLoad:
      return Assign(ParseNumber(value), given.load.emplace());
    case kMem:
      return SetLimit("memory", value, options.common.limits);
    case kMode:
      return Assign(ParseMode(value), request.mode);
    case kOutput: {
      // As with every other command; a file of that name has "./" before it.
      const bool is_format = value == "human" || value == "json";
      if (!is_format) {
        options.output_path = std::string(value);
        return absl::OkStatus();
      }
      return Assign(ParseOutputFormat(value), options.common.format);
    }
    case kOutputCapacity:
      return Assign(ParseSize(value), given.output_capacity.emplace());
    case kRegisters:
      options.show_registers = true;
      return absl::OkStatus();
    case kSerialInput:
      options.serial_input_path = std::string(value);
      return absl::OkStatus();
    case kStats:
      options.show_stats = true;
      return absl::OkStatus();
    case kVcpus: {
      const absl::StatusOr<uint64_t> vcpus = ParseCount(value, "vCPUs", 1, kMaxVcpus);
      if (!vcpus.ok()) return vcpus.status();
      request.vcpus = static_cast<uint32_t>(*vcpus);
      return absl::OkStatus();
    }
    case kVga:
      options.show_vga = true;
      return absl::OkStatus();
    default:
      return ApplyCommonOption(id, value, options.common);
  }
}

// What makes no sense together.
absl::Status CheckCombination(const RunOptions& options, const Given& given) {
  const GuestMode mode = options.request.mode;
  const bool has_arena_files = !options.input_path.empty() || !options.output_path.empty();
  if (has_arena_files && mode == GuestMode::kReal) {
    return absl::InvalidArgumentError("--input and --output need --mode long or payload");
  }
  if (given.output_capacity.has_value() && options.output_path.empty()) {
    return absl::InvalidArgumentError("--output-capacity needs --output");
  }
  const uint64_t most = options.common.limits.output_bytes;
  if (given.output_capacity.value_or(0) > most) {
    return WithRemedy(absl::InvalidArgumentError(
                          Cat("--output-capacity of ", *given.output_capacity,
                              " bytes is more than the limit output-bytes, ", most, ", allows")),
                      "ask for less, or raise --limit output-bytes=SIZE");
  }
  if (!options.serial_input_path.empty() && mode == GuestMode::kPayload) {
    return absl::InvalidArgumentError("a payload has no serial port: --serial-input is of no use");
  }
  if (given.load.has_value() && mode == GuestMode::kPayload) {
    return absl::InvalidArgumentError("a payload is an ELF64 and says itself where it is loaded");
  }
  return absl::OkStatus();
}

void ApplyDefaults(RunOptions& options, const Given& given) {
  RunRequest& request = options.request;
  const uint64_t default_load = request.mode == GuestMode::kReal ? kRealModeLoad : kLongModeLoad;
  request.load_address = given.load.value_or(default_load);
  request.entry = given.entry.value_or(0);
  options.has_entry = given.entry.has_value();
  if (!options.output_path.empty()) {
    request.output_capacity = given.output_capacity.value_or(
        std::min(kDefaultOutputCapacity, options.common.limits.output_bytes));
  }
}

}  // namespace

absl::Status ParseRunOptions(int argc, char** argv, RunOptions& options) {
  constexpr std::string_view kOperands[] = {"PROGRAM"};
  Given given;
  options.common.limits.wall_time = kDefaultTimeout;
  const absl::StatusOr<std::vector<std::string>> operands = ParseArguments(
      argc, argv, WithCommonOptions(kOptions), {},
      [&](int id, std::string_view value) { return ApplyOption(id, value, options, given); });
  if (!operands.ok()) return operands.status();
  if (options.common.help) return absl::OkStatus();
  if (absl::Status status = CheckOperands(*operands, kOperands); !status.ok()) return status;
  if (absl::Status status = CheckCombination(options, given); !status.ok()) return status;
  options.program_path = operands->front();
  ApplyDefaults(options, given);
  return absl::OkStatus();
}

}  // namespace hotcell::cli
