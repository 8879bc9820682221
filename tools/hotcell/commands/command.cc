#include "tools/hotcell/commands/command.h"

#include <cerrno>
#include <cstdio>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "tools/hotcell/common/error.h"
#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/exit_codes.h"
#include "tools/hotcell/common/inherited.h"
#include "tools/hotcell/common/invocation.h"
#include "tools/hotcell/common/suggest.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/options/common_options.h"
#include "tools/hotcell/options/config.h"
#include "tools/hotcell/options/formats.h"

namespace hotcell::cli {
namespace {

constexpr Command kCommands[] = {
    {"convert", "convert a disk image, read in a guest", ConvertLine, ConvertMain},
    {"create", "make a disk image that holds nothing", CreateLine, CreateMain, ConfigScope::kJobs},
    {"dd", "copy a part of a disk image", DdLine, DdMain},
    {"info", "describe a disk image", InfoLine, InfoMain},
    {"compare", "tell whether two disk images hold the same disk", CompareLine, CompareMain,
     ConfigScope::kImages, kExitCompareFailed},
    {"check", "look for damage in a disk image", CheckLine, CheckMain},
    {"inspect", "judge whether a file is safe to take for an image", InspectLine, InspectMain},
    {"digest", "hash disks, whatever their format", DigestLine, DigestMain},
    {"map", "tell where the bytes of a disk are", MapLine, MapMain},
    {"measure", "tell how large an image would be", MeasureLine, MeasureMain},
    {"rebase", "name another backing file in a disk image", RebaseLine, RebaseMain},
    {"resize", "give the disk in an image another size", ResizeLine, ResizeMain},
    {"snapshot", "list the snapshots in a disk image", SnapshotLine, SnapshotMain},
    {"run", "run a bare-metal guest program", RunLine, RunMain, ConfigScope::kJobs,
     kExitNotStarted},
    {"policy", "show what the worker may do", PolicyLine, PolicyMain, ConfigScope::kNone},
    {"doctor", "check what this machine can do", DoctorLine, DoctorMain, ConfigScope::kNone},
};

int output_error = 0;  // the first that Print() or Flush() met
bool stdout_is_image = false;

// Commands of qemu-img that are not done.
struct RefusedCommand {
  std::string_view name;
  std::string_view why;
};

constexpr RefusedCommand kRefusedCommands[] = {
    {"amend", "an image's options are chosen when it is made: convert it with -o"},
    {"bench",
     "it measures QEMU's own block layer; 'hotcell convert --stats' tells what a job took"},
    {"bitmap", "persistent bitmaps are listed by 'hotcell info', and not changed"},
    {"commit", "nothing is written into a backing file: 'hotcell convert' makes one image of both"},
};

void PrintOverview() {
  Print("usage: hotcell COMMAND [OPTION]... [OPERAND]...\n\n");
  Print("Converts and inspects disk images that nobody should trust, in a KVM guest that a\n");
  Print("confined process owns.\n\nCommands:\n");
  for (const Command& command : kCommands) {
    const std::string padding(10 - command.name.size(), ' ');
    Print(Cat("  ", command.name, padding, command.summary, "\n"));
  }
  Print("\n'hotcell help COMMAND' explains a command, 'hotcell --version' tells the version.\n");
  // qemu-img's help ends so, and some look there.
  Print(Cat("\nSupported formats: ", FormatNames(), "\n"));
}

// Scripts look for the number after "qemu-img version"; it is that of the qemu-img whose behaviour
// is kept.
void PrintVersion() {
  Print(ActsAsQemuImg() ? Cat("qemu-img version 7.2.22 (hotcell ", HOTCELL_VERSION, ")\n")
                        : Cat("hotcell ", HOTCELL_VERSION, "\n"));
}

// Whether it is the option that qemu-img takes for traces before the command.
bool IsTraceOption(std::string_view name) {
  return name.starts_with("-T") || name == "--trace" || name.starts_with("--trace=");
}

absl::Status UnknownCommand(std::string_view name) {
  for (const RefusedCommand& refused : kRefusedCommands) {
    if (name != refused.name) continue;
    return WithRemedy(absl::UnimplementedError(Cat("the command '", name, "' is not done")),
                      refused.why);
  }
  if (IsTraceOption(name)) {
    return WithRemedy(absl::UnimplementedError("option '--trace' is not supported"),
                      "it traces QEMU's own code; 'hotcell convert --stats' tells what a job did");
  }
  const bool is_option = !name.empty() && name.front() == '-';
  absl::Status status = absl::InvalidArgumentError(
      Cat(is_option ? "unknown option '" : "unknown command '", name, "'"));
  status = WithErrorId(status, is_option ? ErrorId::kUsage : ErrorId::kUnknownCommand, name);
  std::vector<std::string_view> names = {"help", "--help", "--version"};
  for (const Command& command : kCommands) names.push_back(command.name);
  const std::optional<std::string_view> nearest = Nearest(name, names);
  return WithRemedy(std::move(status), nearest.has_value() ? Cat("did you mean '", *nearest, "'?")
                                                           : "see 'hotcell --help'");
}

int Help(int argc, char** argv) {
  if (argc < 2) {
    PrintOverview();
    return kExitOk;
  }
  const std::string_view name = argv[1];
  if (const Command* command = FindCommand(name)) {
    PrintHelp(*command);
    return kExitOk;
  }
  return ReportError("help", UnknownCommand(name), OutputFormat::kHuman);
}

// What the command line, which nobody has parsed yet, asks for.
OutputFormat WantedFormat(std::span<char* const> arguments) {
  constexpr std::string_view kOption = "--output";
  OutputFormat wanted = OutputFormat::kHuman;
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string_view argument = arguments[i];
    if (argument == "--") break;
    if (!argument.starts_with(kOption)) continue;
    argument.remove_prefix(kOption.size());
    if (argument.empty() && i + 1 < arguments.size()) argument = arguments[++i];
    if (argument.starts_with('=')) argument.remove_prefix(1);
    if (argument == "json") wanted = OutputFormat::kJson;
    if (argument == "human") wanted = OutputFormat::kHuman;
  }
  return wanted;
}

// Runs the command with the options of the machine's configuration before those of the command
// line.
int RunConfigured(const Command& command, int argc, char** argv) {
  const OutputFormat format = WantedFormat({argv + 1, static_cast<size_t>(argc) - 1});
  const absl::StatusOr<std::vector<std::string>> configured =
      ConfiguredArguments(command.scope, {command.name, format, command.error_status});
  if (!configured.ok()) {
    (void)ReportError(command.name, configured.status(), format);
    return command.error_status;
  }
  std::vector<std::string> arguments = {argv[0]};
  arguments.insert(arguments.end(), configured->begin(), configured->end());
  arguments.insert(arguments.end(), argv + 1, argv + argc);
  std::vector<char*> pointers;
  pointers.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  return command.run(static_cast<int>(arguments.size()), pointers.data());
}

int Dispatch(int argc, char** argv) {
  if (argc < 2) {
    const absl::Status error =
        WithErrorId(absl::InvalidArgumentError("no command is given"), ErrorId::kNoCommand);
    return ReportError("", WithRemedy(error, "see 'hotcell --help'"), OutputFormat::kHuman);
  }
  const std::string_view name = argv[1];
  if (name == "--version" || name == "-V") {
    PrintVersion();
    return kExitOk;
  }
  if (name == "--help" || name == "-h") return Help(1, argv);
  if (name == "help") return Help(argc - 1, argv + 1);
  if (const Command* command = FindCommand(name))
    return RunConfigured(*command, argc - 1, argv + 1);
  return ReportError("", UnknownCommand(name), OutputFormat::kHuman);
}

absl::Status LostOutput(int error) {
  const absl::Status status = absl::ErrnoToStatus(error, "cannot write to standard output");
  if (error != EBADF) return status;
  return WithRemedy(status, "it is closed: send it to a file, or to /dev/null");
}

// The exit status of a process whose standard output could not be written.
int LostOutputStatus(const Command* command, int status) {
  if (command == nullptr) return kExitFailure;
  // The status tells already whose failure it was. A guest's own code does not: it would claim that
  // the guest's output arrived.
  if (status >= kExitViolation && command->run != RunMain) return status;
  return command->error_status;
}

}  // namespace

std::span<const Command> Commands() { return kCommands; }

const Command* FindCommand(std::string_view name) {
  for (const Command& command : kCommands) {
    if (command.name == name) return &command;
  }
  return nullptr;
}

int Main(int argc, char** argv) {
  SetInvokedAs(argc > 0 ? argv[0] : "");
  if (!AdaptToInherited()) {
    return ReportError("",
                       absl::ErrnoToStatus(errno,
                                           "cannot open /dev/null in the place of a "
                                           "standard descriptor that is closed"),
                       OutputFormat::kHuman);
  }
  const int status = Dispatch(argc, argv);
  const absl::Cleanup reap = ReapWorkers;  // once the output is out
  Flush();
  if (output_error != 0 || std::ferror(stdout) != 0) {
    const int error = output_error == 0 ? EIO : output_error;
    if (error == EPIPE && ActsAsQemuImg()) return status;
    (void)ReportError("", LostOutput(error), OutputFormat::kHuman);
    return LostOutputStatus(argc > 1 ? FindCommand(argv[1]) : nullptr, status);
  }
  return status;
}

void LeaveStandardOutputToImage() { stdout_is_image = true; }

bool IsStandardOutputLeftToImage() { return stdout_is_image; }

std::FILE* TextOutput() {
  if (!stdout_is_image) return stdout;
  return ActsAsQemuImg() ? nullptr : stderr;
}

void Print(std::string_view text) {
  std::FILE* const output = TextOutput();
  if (output == nullptr) return;
  errno = 0;
  const size_t written = std::fwrite(text.data(), 1, text.size(), output);
  if (written != text.size() && output_error == 0) output_error = errno;
}

void Flush() {
  errno = 0;
  if (std::fflush(stdout) != 0 && output_error == 0) output_error = errno;
}

void PrintHelp(const Command& command) { Print(command.line().Help()); }

void PrintWarning(std::string_view command, std::string_view text) {
  const std::string line = ActsAsQemuImg()
                               ? Cat("qemu-img: ", Escape(text), "\n")
                               : Cat("hotcell: ", command, ": warning: ", Escape(text), "\n");
  PrintToStderr(line);
}

void PrintWarnings(std::string_view command, const std::vector<std::string>& warnings) {
  if (ActsAsQemuImg()) return;
  for (const std::string& warning : warnings) PrintWarning(command, warning);
}

}  // namespace hotcell::cli
