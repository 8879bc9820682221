#include "tools/hotcell/options/run_options.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "tools/hotcell/common/error.h"
#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/size.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/options/arguments.h"
#include "tools/hotcell/options/command_line.h"
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

absl::StatusOr<GuestMode> ParseMode(std::string_view text) {
  if (text == "real") return GuestMode::kReal;
  if (text == "long") return GuestMode::kLong;
  if (text == "payload") return GuestMode::kPayload;
  return absl::InvalidArgumentError(
      Cat("unknown mode '", Escape(text), "': real, long or payload"));
}

// The options as they are given: some have a default that depends on the rest.
struct GivenOptions : RunOptions {
  std::optional<uint64_t> load;
  std::optional<uint64_t> entry;
  std::optional<uint64_t> output_capacity;
};

// --output takes a format here as it does with every other command; a file of such a name has "./"
// before it.
constexpr auto kSetOutput = [](std::string_view value, GivenOptions& options) -> absl::Status {
  const bool is_format = value == "human" || value == "json";
  if (is_format) return Assign(ParseOutputFormat(value), options.common.format);
  options.output_path = std::string(value);
  return absl::OkStatus();
};

constexpr Option<GivenOptions> kOptions[] = {
    {{.names = {"mode"},
      .value = "MODE",
      .help = "long: 64-bit, CPL 0, identity mapped (default)\n"
              "real: 16-bit\n"
              "payload: CPL 3 with page protection, an ELF64 linked for the guest\n"
              "run-time, as the transcoder is",
      .completion = Completion::kWords,
      .words = "real long payload"},
     [](std::string_view value, GivenOptions& options) {
       return Assign(ParseMode(value), options.request.mode);
     }},
    {{.names = {"load"},
      .value = "ADDRESS",
      .help = "where a flat binary goes (default: long 0x10000, real 0x1000)"},
     [](std::string_view value, GivenOptions& options) {
       return Assign(ParseNumber(value), options.load);
     }},
    {{.names = {"entry"},
      .value = "ADDRESS",
      .help = "first instruction (default: --load, or what the ELF64 says)"},
     [](std::string_view value, GivenOptions& options) {
       return Assign(ParseNumber(value), options.entry);
     }},
    {{.names = {"mem"}, .value = "SIZE", .help = "RAM, at least 4M (default 64M)"},
     [](std::string_view value, GivenOptions& options) {
       return SetLimit("memory", value, options.common.limits);
     }},
    {{.names = {"vcpus"}, .value = "COUNT", .help = "1 to 16 (real: 1)"},
     [](std::string_view value, GivenOptions& options) {
       return Assign(ParseCount(value, "vCPUs", 1, kMaxVcpus), options.request.vcpus);
     }},
};

constexpr Option<GivenOptions> kMoreOptions[] = {
    {{.names = {"serial-input"},
      .value = "FILE",
      .help = "what the guest reads from its serial port; -: standard input",
      .completion = Completion::kFile},
     [](std::string_view value, GivenOptions& options) {
       options.serial_input_path = std::string(value);
       return absl::OkStatus();
     }},
    {{.names = {"input"},
      .value = "FILE",
      .help = "mapped into the arena (long mode, payload)",
      .completion = Completion::kFile},
     [](std::string_view value, GivenOptions& options) {
       options.input_path = std::string(value);
       return absl::OkStatus();
     }},
    {{.names = {"output"},
      .value = "FILE",
      .help = "what the guest leaves in the arena's output area (likewise)",
      .completion = Completion::kFile},
     kSetOutput},
    {{.names = {"output"},
      .value = "json",
      .help = "the result as a JSON document on standard output, with what the guest\n"
              "sent to its serial port in it; a file of that name is ./json",
      .completion = Completion::kFile},
     kSetOutput},
    {{.names = {"output-capacity"}, .value = "SIZE", .help = "room for it (default 16M)"},
     [](std::string_view value, GivenOptions& options) {
       return Assign(ParseSize(value), options.output_capacity);
     }},
    {{.names = {"dirty-pages"}, .help = "log and show the pages that KVM counts as written"},
     [](std::string_view, GivenOptions& options) {
       options.request.log_dirty_pages = true;
       return absl::OkStatus();
     }},
    {{.names = {"registers"}, .help = "show the registers before and after"},
     On<&GivenOptions::show_registers>},
    {{.names = {"vga"}, .help = "print the VGA text page at the end"}, On<&GivenOptions::show_vga>},
    {{.letter = 'v',
      .names = {"verbose"},
      .help = "narrate, and show result, registers and VGA text",
      .shows_name = true},
     [](std::string_view, GivenOptions& options) {
       options.request.verbose = true;
       return absl::OkStatus();
     }},
    {{.names = {"stats"}, .help = "show VM exits, time, peak memory, confinement"},
     On<&GivenOptions::show_stats>},
};

constexpr std::string_view kUsage =
    R"(usage: hotcell run [OPTION]... PROGRAM

Runs a bare-metal program, a flat binary or an ELF64, in a KVM guest that a confined
process owns. Standard output carries what the guest sends to its serial port; everything
else goes to standard error.

)";

constexpr std::string_view kNotes =
    R"(
Ports (real and long mode): 0x3f8 serial data, 0x3fd serial line status, 0x01 exit code,
0xeff result. VGA text memory is at 0xb8000.

Exit status: the guest's own code, 0 after HLT; or
  119  the worker made a forbidden system call
  120  the guest was not started: command line, files or confinement
  121  a port that no device answers, or another unexpected exit
  122  memory access outside RAM and devices
  123  triple fault
  124  stopped by --timeout
  125  guest fault (payload mode), or a guest that broke its contract
  126  KVM cannot be used, or cannot go on
  127  the worker died or broke the protocol
  130, 143  cancelled by SIGINT, SIGTERM
)";

const CommandLine<GivenOptions>& Line() {
  static const auto* const line = [] {
    auto* const made = new CommandLine<GivenOptions>();
    made->Text(kUsage);
    made->Add(kOptions);
    made->Take<CommonOptions>(LimitOptions(), &GivenOptions::common);
    made->Tell({"timeout"}, "stop the guest after this time (default 60)");
    made->Add(kMoreOptions);
    made->Take<CommonOptions>(ProgramOptions(), &GivenOptions::common);
    made->Tell({"limit", "require", "worker", "kvm"}, "\nas in 'hotcell help convert'");
    made->Add<CommonOptions>(HelpOption(), &GivenOptions::common);
    made->Text(kNotes);
    return made;
  }();
  return *line;
}

// What makes no sense together.
absl::Status CheckCombination(const GivenOptions& options) {
  const GuestMode mode = options.request.mode;
  const bool has_arena_files = !options.input_path.empty() || !options.output_path.empty();
  if (has_arena_files && mode == GuestMode::kReal) {
    return absl::InvalidArgumentError("--input and --output need --mode long or payload");
  }
  if (options.output_capacity.has_value() && options.output_path.empty()) {
    return absl::InvalidArgumentError("--output-capacity needs --output");
  }
  const uint64_t most = options.common.limits.output_bytes;
  if (options.output_capacity.value_or(0) > most) {
    return WithRemedy(absl::InvalidArgumentError(
                          Cat("--output-capacity of ", *options.output_capacity,
                              " bytes is more than the limit output-bytes, ", most, ", allows")),
                      "ask for less, or raise --limit output-bytes=SIZE");
  }
  if (!options.serial_input_path.empty() && mode == GuestMode::kPayload) {
    return absl::InvalidArgumentError("a payload has no serial port: --serial-input is of no use");
  }
  if (options.load.has_value() && mode == GuestMode::kPayload) {
    return absl::InvalidArgumentError("a payload is an ELF64 and says itself where it is loaded");
  }
  return absl::OkStatus();
}

void ApplyDefaults(GivenOptions& options) {
  RunRequest& request = options.request;
  const uint64_t default_load = request.mode == GuestMode::kReal ? kRealModeLoad : kLongModeLoad;
  request.load_address = options.load.value_or(default_load);
  request.entry = options.entry.value_or(0);
  options.has_entry = options.entry.has_value();
  if (!options.output_path.empty()) {
    request.output_capacity = options.output_capacity.value_or(
        std::min(kDefaultOutputCapacity, options.common.limits.output_bytes));
  }
}

}  // namespace

const OptionTable& RunLine() { return Line(); }

absl::Status ParseRunOptions(int argc, char** argv, RunOptions& options) {
  constexpr std::string_view kOperands[] = {"PROGRAM"};
  GivenOptions given;
  given.common.limits.wall_time = kDefaultTimeout;
  const absl::StatusOr<std::vector<std::string>> operands = Line().Parse(argc, argv, given);
  absl::Status status = operands.status();
  if (status.ok() && !given.common.help) status = CheckOperands(*operands, kOperands);
  if (status.ok() && !given.common.help) status = CheckCombination(given);
  if (status.ok() && !given.common.help) {
    given.program_path = operands->front();
    ApplyDefaults(given);
  }
  options = std::move(given);
  return status;
}

}  // namespace hotcell::cli
