#include <string>
#include <string_view>
#include <vector>

#include "tools/hotcell/commands/command.h"
#include "tools/hotcell/common/exit_codes.h"
#include "tools/hotcell/options/arguments.h"
#include "tools/hotcell/options/common_options.h"
#include "tools/hotcell/report/policy_text.h"

namespace hotcell::cli {
namespace {

constexpr std::string_view kName = "policy";

enum PolicyOption : int { kOutput = kFirstLongOption, kHelp };

constexpr OptionSpec kOptions[] = {
    {kOutput, "output", true}, {kHelp, "help", false}, {'h', nullptr, false}};

struct Options {
  OutputFormat format = OutputFormat::kHuman;
  bool help = false;
};

absl::Status Parse(int argc, char** argv, Options& options) {
  const auto apply = [&](int id, std::string_view value) -> absl::Status {
    if (id != kOutput) {
      options.help = true;
      return absl::OkStatus();
    }
    const absl::StatusOr<OutputFormat> format = ParseOutputFormat(value);
    if (!format.ok()) return format.status();
    options.format = *format;
    return absl::OkStatus();
  };
  const absl::StatusOr<std::vector<std::string>> operands =
      ParseArguments(argc, argv, kOptions, {}, apply);
  if (!operands.ok()) return operands.status();
  return CheckOperands(*operands, {});
}

}  // namespace

int PolicyMain(int argc, char** argv) {
  Options options;
  const absl::Status status = Parse(argc, argv, options);
  if (!status.ok()) return ReportError(kName, status, options.format);
  if (options.help) {
    PrintHelp(*FindCommand(kName));
    return kExitOk;
  }
  if (options.format == OutputFormat::kJson) {
    Print(PolicyJson(PolicyDescription()) + "\n");
  } else {
    Print(PolicyText(PolicyDescription()));
  }
  return kExitOk;
}

}  // namespace hotcell::cli
