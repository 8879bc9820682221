#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "hotcell/engine.h"
#include "hotcell/output_file.h"
#include "tools/hotcell/command.h"
#include "tools/hotcell/convert_stats.h"
#include "tools/hotcell/escape.h"
#include "tools/hotcell/exit_codes.h"
#include "tools/hotcell/files.h"
#include "tools/hotcell/run_json.h"
#include "tools/hotcell/run_options.h"
#include "tools/hotcell/run_report.h"
#include "tools/hotcell/signals.h"
#include "tools/hotcell/text.h"

namespace hotcell::cli {
namespace {

constexpr std::string_view kName = "run";
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
void Tell(std::string_view text) { (void)std::fwrite(text.data(), 1, text.size(), stderr); }

// Fills in what files hold.
absl::Status ReadInputs(const RunOptions& options, RunRequest& request) {
  absl::StatusOr<std::string> program =
      ReadWholeFile(options.program_path, /*allow_pipes=*/false, kMaxProgram, "program");
  if (!program.ok()) return program.status();
  request.program = *std::move(program);
  if (request.program.empty()) {
    return absl::InvalidArgumentError(Cat("program '", options.program_path, "' is empty"));
  }
  request.program_is_elf =
      std::string_view(request.program).substr(0, kElfMagic.size()) == kElfMagic;
  if (request.mode == v1::GUEST_MODE_PAYLOAD && !request.program_is_elf) {
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

void TellDetails(const RunOptions& options, const v1::Finished& finished,
                 std::string_view serial_output) {
  const bool verbose = options.request.verbose;
  if (verbose) {
    Tell(absl::StrFormat("serial output: %d bytes: %s\n", serial_output.size(),
                         Escape(serial_output)));
  }
  if (finished.has_result() && verbose) {
    Tell(absl::StrFormat("result: %d (0x%x)\n", finished.result_port_value(),
                         finished.result_port_value()));
  }
  if (verbose || options.show_registers) {
    Tell(Cat("registers before:\n", RegistersText(finished.initial_registers())));
    Tell(Cat("registers after:\n", RegistersText(finished.registers())));
  }
  if (options.request.log_dirty_pages) Tell(Cat("dirty pages:\n", DirtyPagesText(finished)));
  if (verbose && !finished.vga_text().empty()) {
    Tell(Cat("VGA text:\n", VgaText(finished.vga_text())));
  }
}

// Prints what the guest left and returns the exit status.
int Report(const RunOptions& options, const RunReply& reply, std::string_view serial_output) {
  const v1::Finished& finished = reply.worker.finished;
  const bool as_json = options.common.format == OutputFormat::kJson;
  if (options.show_vga && !as_json) Print(VgaText(finished.vga_text()));
  (void)std::fflush(stdout);
  TellDetails(options, finished, serial_output);
  const int exit_status = RunExitStatus(finished);
  if (as_json) Print(RunJson(options, reply, serial_output, exit_status) + "\n");
  if (!reply.panic.empty()) {
    Tell(Cat("hotcell: run: the guest panicked: ", Escape(reply.panic), "\n"));
  }
  if (!EndedByItself(finished)) {
    Tell(Cat("hotcell: run: ", DescribeEnd(finished), "\n"));
  } else if (options.request.verbose) {
    Tell(Cat(DescribeEnd(finished), "\n"));
  }
  return exit_status;
}

int Run(const RunOptions& options) {
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

  std::string serial_output;
  // A guest may not steer the user's terminal; into files and pipes go its bytes as they are.
  const bool as_json = options.common.format == OutputFormat::kJson;
  const bool to_terminal = isatty(STDOUT_FILENO) != 0;
  request.serial_output = [&](std::string_view bytes) {
    if (request.verbose || as_json) {
      serial_output += bytes.substr(0, kMaxSerialShown - serial_output.size());
    }
    if (as_json) return;
    Print(to_terminal ? EscapeConsole(bytes) : std::string(bytes));
    (void)std::fflush(stdout);
  };
  request.trace = [](std::string_view line) { Tell(Cat(Escape(line), "\n")); };
  request.options = options.common.Job();
  request.options.cancellation = &cancellation;

  const absl::Time start = absl::Now();
  time->Restart();
  const absl::StatusOr<RunReply> reply = (*engine)->Run(request);
  time.reset();
  const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
  if (signals.caught() != 0) {
    return Fail(absl::CancelledError(Cat("cancelled by SIG", sigabbrev_np(signals.caught()))),
                options, kExitSignalBase + signals.caught());
  }
  if (!reply.ok()) return Fail(reply.status(), options, RunExitStatus(reply.status()));
  const int exit_status = Report(options, *reply, serial_output);
  if (options.show_stats) {
    (*engine)->ReapWorkers();  // the worker's share is known once it is gone
    Tell(StatsText(reply->worker, MeasureCost(seconds)));
  }
  if (output.has_value() && exit_status == kExitOk) {
    absl::Status status = WriteOutput(*output, options.output_path, reply->output);
    if (!status.ok()) return Fail(status, options, kExitNotStarted);
  }
  return exit_status;
}

}  // namespace

int RunMain(int argc, char** argv) {
  RunOptions options;
  const absl::Status status = ParseRunOptions(argc, argv, options);
  if (!status.ok()) return Fail(status, options, kExitNotStarted);
  if (options.common.help) {
    PrintHelp(*FindCommand(kName));
    return kExitOk;
  }
  return Run(options);
}

}  // namespace hotcell::cli
