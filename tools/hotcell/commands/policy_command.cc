#include <string>
#include <string_view>
#include <vector>

#include "tools/hotcell/commands/command.h"
#include "tools/hotcell/commands/job.h"
#include "tools/hotcell/common/exit_codes.h"
#include "tools/hotcell/options/arguments.h"
#include "tools/hotcell/options/command_line.h"
#include "tools/hotcell/options/common_options.h"
#include "tools/hotcell/options/shared_options.h"
#include "tools/hotcell/report/policy_text.h"

namespace hotcell::cli {
namespace {

constexpr std::string_view kName = "policy";

// Without a guest, it has no other of the options that all commands have.
struct Options {
  CommonOptions common;
};

constexpr Option<Options> kOptions[] = {{kOutputRow, kSetOutputFormat}};

const CommandLine<Options>& Line() {
  static const auto* const line = [] {
    auto* const made = new CommandLine<Options>();
    made->Text(R"(usage: hotcell policy [OPTION]...

Shows what the worker, which owns the guest, may ask of the kernel, and what else confines it:
each system call that its filters allow, with the arguments it must have, who makes it and
what for; each layer of confinement, and what it is against. It is what this program's worker
was built with; 'hotcell doctor' tells which layers this machine gives.

)");
    made->Add(kOptions);
    made->Add(HelpOption(), &Options::common);
    return made;
  }();
  return *line;
}

absl::Status Parse(int argc, char** argv, Options& options) {
  const absl::StatusOr<std::vector<std::string>> operands = Line().Parse(argc, argv, options);
  return operands.ok() ? CheckOperands(*operands, {}) : operands.status();
}

int Show(Options& options) {
  if (options.common.format == OutputFormat::kJson) {
    Print(PolicyJson(PolicyDescription()) + "\n");
  } else {
    Print(PolicyText(PolicyDescription()));
  }
  return kExitOk;
}

}  // namespace

const OptionTable& PolicyLine() { return Line(); }

int PolicyMain(int argc, char** argv) { return RunWithoutJob(kName, argc, argv, Parse, Show); }

}  // namespace hotcell::cli
