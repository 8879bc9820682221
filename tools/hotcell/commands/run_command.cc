#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "hotcell/engine.h"
#include "hotcell/output_file.h"
#include "tools/hotcell/commands/command.h"
#include "tools/hotcell/commands/job.h"
#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/exit_codes.h"
#include "tools/hotcell/common/files.h"
#include "tools/hotcell/common/signals.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/options/run_options.h"
#include "tools/hotcell/report/convert_stats.h"
#include "tools/hotcell/report/run_json.h"
#include "tools/hotcell/report/run_report.h"

namespace hotcell::cli {
namespace {

constexpr std::string_view kName = "run";
constexpr unsigned kResultPort = 0xeff;
constexpr size_t kMaxProgram = 256 << 20;      // bytes
constexpr size_t kMaxSerialInput = 128 << 10;  // bytes; it travels in one frame
constexpr size_t kMaxSerialShown = 16 << 20;   // bytes that -v and JSON have
constexpr size_t kMaxInput = size_t{1} << 30;  // bytes
constexpr std::string_view kElfMagic =
    "\x7f"
    "ELF";

int Fail(const absl::Status& status, const RunOptions& options, int exit_status) {
  (void)ReportError(kName, status, options.common.format);
  return exit_status;
}

// What is said beside the guest's own output goes to stderr.
void Tell(std::string_view text) { PrintToStderr(text); }

// Fills in what files hold. They may take as long as the guest may. Signals end the command as
// they end any other, since there is nothing yet to be tidied up.
absl::Status ReadInputs(const RunOptions& options, RunRequest& request) {
  const Watch watch({.command = kName,
                     .format = options.common.format,
                     .failed = kExitNotStarted,
                     .held_up = "the program or an input does not answer, or does not end"});
  const JobTime time(options.common.limits.wall_time);
  absl::StatusOr<std::string> program =
      ReadWholeFile(options.program_path, /*allow_pipes=*/false, kMaxProgram, "program");
  if (!program.ok()) return program.status();
  request.program = *std::move(program);
  if (request.program.empty()) {
    return absl::InvalidArgumentError(Cat("program '", options.program_path, "' is empty"));
  }
  request.program_is_elf =
      std::string_view(request.program).substr(0, kElfMagic.size()) == kElfMagic;
  if (request.mode == GuestMode::kPayload && !request.program_is_elf) {
    return absl::InvalidArgumentError(
        Cat("'", options.program_path, "' is not an ELF64 file, which a payload has to be"));
  }
  if (!request.program_is_elf && !options.has_entry) request.entry = request.load_address;

  if (!options.serial_input_path.empty()) {
    absl::StatusOr<std::string> input =
        ReadWholeFile(options.serial_input_path,
                      /*allow_pipes=*/true, kMaxSerialInput, "serial input");
    if (!input.ok()) return input.status();
    request.serial_input = *std::move(input);
  }
  if (!options.input_path.empty()) {
    absl::StatusOr<std::string> input =
        ReadWholeFile(options.input_path, /*allow_pipes=*/false, kMaxInput, "input");
    if (!input.ok()) return input.status();
    request.input = *std::move(input);
  }
  return absl::OkStatus();
}

absl::Status WriteOutput(OutputFile& file, const std::string& path, std::string_view bytes) {
  if (file.in_place() && ftruncate(file.fd(), 0) != 0) return FileError("empty", path, errno);
  while (!bytes.empty()) {
    const ssize_t wrote = write(file.fd(), bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return FileError("write", path, errno);
    bytes.remove_prefix(static_cast<size_t>(wrote));
  }
  return file.Commit(/*sync=*/true);
}

void TellDetails(const RunOptions& options, const GuestEnd& end, std::string_view serial_output) {
  const bool verbose = options.request.verbose;
  if (verbose) {
    Tell(absl::StrFormat("serial output: %d bytes: %s\n", serial_output.size(),
                         Escape(serial_output)));
  }
  if (end.result && verbose) {
    Tell(absl::StrFormat("result: %d (0x%x)\n", *end.result, *end.result));
  } else if (end.result && options.common.format != OutputFormat::kJson) {
    Tell(absl::StrFormat("port 0x%x: %d\n", kResultPort, *end.result));
  }
  if (verbose || options.show_registers) {
    Tell(Cat("registers before:\n", RegistersText(end.initial_registers)));
    Tell(Cat("registers after:\n", RegistersText(end.registers)));
  }
  if (options.request.log_dirty_pages) Tell(Cat("dirty pages:\n", DirtyPagesText(end)));
  if (verbose && !end.vga_text.empty()) {
    Tell(Cat("VGA text:\n", VgaText(end.vga_text)));
  }
}

// Prints what the guest left. `exit_status` is for the document.
void ReportRemains(const RunOptions& options, const RunReply& reply, std::string_view serial_output,
                   int exit_status) {
  const GuestEnd& end = reply.worker.end;
  const bool as_json = options.common.format == OutputFormat::kJson;
  if (options.show_vga && !as_json) Print(VgaText(end.vga_text));
  Flush();
  TellDetails(options, end, serial_output);
  if (as_json) Print(RunJson(options, reply, serial_output, exit_status) + "\n");
  if (!reply.panic.empty()) {
    Tell(Cat("hotcell: run: the guest panicked: ", Escape(reply.panic), "\n"));
  }
}

void TellEnd(const RunOptions& options, const GuestEnd& end) {
  if (!EndedByItself(end)) {
    Tell(Cat("hotcell: run: ", DescribeEnd(end), "\n"));
  } else if (options.request.verbose) {
    Tell(Cat(DescribeEnd(end), "\n"));
  }
}

// A guest's run, from outside.
struct Ended {
  absl::StatusOr<RunReply> reply;
  std::optional<RunReply> stopped;  // what a guest left that a limit or a signal ended
  std::string serial_output;        // where it is to be told at the end
  double seconds = 0;
};

Ended RunGuest(const Engine& engine, const RunOptions& options, RunRequest& request,
               const Cancellation& cancellation, std::optional<JobTime>& time) {
  Ended ended;
  // A guest may not steer the user's terminal; into files and pipes go its bytes as they are.
  const bool as_json = options.common.format == OutputFormat::kJson;
  const bool to_terminal = isatty(STDOUT_FILENO) != 0;
  request.serial_output = [&](std::string_view bytes) {
    if (request.verbose || as_json) {
      ended.serial_output += bytes.substr(0, kMaxSerialShown - ended.serial_output.size());
    }
    if (as_json) return;
    Print(to_terminal ? EscapeConsole(bytes) : std::string(bytes));
    Flush();
  };
  request.trace = [](std::string_view line) { Tell(Cat(Escape(line), "\n")); };
  request.stopped = [&](const RunReply& reply) { ended.stopped = reply; };
  request.options = options.common.Job();
  request.options.cancellation = &cancellation;
  const absl::Time start = absl::Now();
  time->Restart();
  ended.reply = engine.Run(request);
  time.reset();
  ended.seconds = absl::ToDoubleSeconds(absl::Now() - start);
  return ended;
}

void TellStats(const Engine& engine, const RunOptions& options, const WorkerReport& worker,
               double seconds) {
  if (!options.show_stats) return;
  engine.ReapWorkers();  // the worker's share is known once it is gone
  Tell(StatsText(worker, MeasureCost(seconds)));
}

int Run(RunOptions& options) {
  RunRequest request = options.request;
  if (absl::Status status = ReadInputs(options, request); !status.ok()) {
    return Fail(status, options, kExitNotStarted);
  }
  Cancellation cancellation;
  const JobSignals signals(cancellation, {kName, OutputFormat::kHuman, kExitNotStarted});
  std::optional<JobTime> time(std::in_place, options.common.limits.wall_time);
  const absl::StatusOr<const Engine*> engine = options.common.StartEngine();
  if (!engine.ok()) return Fail(engine.status(), options, RunExitStatus(engine.status()));
  std::optional<OutputFile> output;
  if (!options.output_path.empty()) {
    absl::StatusOr<OutputFile> created = OutputFile::Create(options.output_path);
    if (!created.ok()) return Fail(created.status(), options, kExitNotStarted);
    output = *std::move(created);
  }

  const Ended ended = RunGuest(**engine, options, request, cancellation, time);
  const absl::Status end =
      signals.caught() != 0
          ? absl::CancelledError(Cat("cancelled by SIG", sigabbrev_np(signals.caught())))
          : ended.reply.status();
  if (!end.ok()) {
    const int exit_status =
        signals.caught() != 0 ? kExitSignalBase + signals.caught() : RunExitStatus(end);
    if (!ended.stopped) return Fail(end, options, exit_status);
    ReportRemains(options, *ended.stopped, ended.serial_output, exit_status);
    TellStats(**engine, options, ended.stopped->worker, ended.seconds);
    (void)ReportError(kName, end, OutputFormat::kHuman);
    return exit_status;
  }
  const int exit_status = RunExitStatus(ended.reply->worker.end);
  ReportRemains(options, *ended.reply, ended.serial_output, exit_status);
  TellEnd(options, ended.reply->worker.end);
  TellStats(**engine, options, ended.reply->worker, ended.seconds);
  if (output.has_value() && exit_status == kExitOk) {
    absl::Status status = WriteOutput(*output, options.output_path, ended.reply->output);
    if (!status.ok()) return Fail(status, options, kExitNotStarted);
  }
  return exit_status;
}

}  // namespace

int RunMain(int argc, char** argv) {
  return RunWithoutJob(kName, argc, argv, ParseRunOptions, Run);
}

}  // namespace hotcell::cli
