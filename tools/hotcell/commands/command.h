// The commands of `hotcell`. Each takes the command line from its own name on and returns the exit
// status of the process.
#ifndef HOTCELL_TOOLS_HOTCELL_COMMANDS_COMMAND_H_
#define HOTCELL_TOOLS_HOTCELL_COMMANDS_COMMAND_H_

#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "tools/hotcell/common/error.h"
#include "tools/hotcell/common/exit_codes.h"
#include "tools/hotcell/options/command_line.h"
#include "tools/hotcell/options/config.h"

namespace hotcell::cli {

struct Command {
  std::string_view name;
  std::string_view summary;
  const OptionTable& (*line)();  // its command line
  int (*run)(int argc, char** argv);
  ConfigScope scope = ConfigScope::kImages;
  int error_status = kExitFailure;  // of an error before its command line is looked at
};

std::span<const Command> Commands();
const Command* FindCommand(std::string_view name);  // nullptr: there is none

int ConvertMain(int argc, char** argv);
int CreateMain(int argc, char** argv);
int DdMain(int argc, char** argv);
int InfoMain(int argc, char** argv);
int InspectMain(int argc, char** argv);
int CheckMain(int argc, char** argv);
int CompareMain(int argc, char** argv);
int DigestMain(int argc, char** argv);
int MapMain(int argc, char** argv);
int MeasureMain(int argc, char** argv);
int RebaseMain(int argc, char** argv);
int ResizeMain(int argc, char** argv);
int SnapshotMain(int argc, char** argv);
int RunMain(int argc, char** argv);
int PolicyMain(int argc, char** argv);
int DoctorMain(int argc, char** argv);

const OptionTable& ConvertLine();
const OptionTable& CreateLine();
const OptionTable& DdLine();
const OptionTable& InfoLine();
const OptionTable& InspectLine();
const OptionTable& CheckLine();
const OptionTable& CompareLine();
const OptionTable& DigestLine();
const OptionTable& MapLine();
const OptionTable& MeasureLine();
const OptionTable& RebaseLine();
const OptionTable& ResizeLine();
const OptionTable& SnapshotLine();
const OptionTable& RunLine();
const OptionTable& PolicyLine();
const OptionTable& DoctorLine();

// `hotcell ARGUMENTS`: options of the program itself, then the command.
int Main(int argc, char** argv);

// Standard output is what an image is written to: text goes to standard error from here on, and
// through the link nowhere, where a line on standard error is taken for a failure.
void LeaveStandardOutputToImage();
bool IsStandardOutputLeftToImage();

// Where Print() writes; nullptr: nowhere.
std::FILE* TextOutput();

// Writes to standard output; errors come out when Main() ends.
void Print(std::string_view text);
// Has it come out now.
void Flush();
void PrintHelp(const Command& command);
// A warning that qemu-img gives too: "hotcell: dd: warning: ..." on stderr, or its "qemu-img: ...".
void PrintWarning(std::string_view command, std::string_view text);
// What the guest found odd about the images, a line each on stderr. Through the link qemu-img
// nothing: that program has no such warnings, and services take any line there for a failure.
void PrintWarnings(std::string_view command, const std::vector<std::string>& warnings);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_COMMANDS_COMMAND_H_
