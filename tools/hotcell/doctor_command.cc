#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "tools/hotcell/arguments.h"
#include "tools/hotcell/command.h"
#include "tools/hotcell/common_options.h"
#include "tools/hotcell/doctor_checks.h"
#include "tools/hotcell/doctor_guests.h"
#include "tools/hotcell/exit_codes.h"
#include "tools/hotcell/formats.h"
#include "tools/hotcell/json.h"
#include "tools/hotcell/layers.h"

namespace hotcell::cli {
namespace {

constexpr std::string_view kName = "doctor";
constexpr absl::Duration kGuestTime = absl::Seconds(10);

constexpr int kOutput = kFirstLongOption;
constexpr OptionSpec kOptions[] = {{kOutput, "output", true}};

absl::Status Parse(int argc, char** argv, CommonOptions& options) {
  options.limits.wall_time = kGuestTime;
  const auto apply = [&](int id, std::string_view value) -> absl::Status {
    if (id != kOutput) return ApplyCommonOption(id, value, options);
    const absl::StatusOr<OutputFormat> format = ParseOutputFormat(value);
    if (!format.ok()) return format.status();
    options.format = *format;
    return absl::OkStatus();
  };
  const absl::StatusOr<std::vector<std::string>> operands =
      ParseArguments(argc, argv, WithCommonOptions(kOptions), {}, apply);
  if (!operands.ok()) return operands.status();
  return CheckOperands(*operands, {});
}

struct Findings {
  std::vector<Check> checks;
  std::vector<v1::LayerResult> layers;
  bool works = true;

  void Add(Check check) {
    works = works && check.state != CheckState::kProblem;
    checks.push_back(std::move(check));
  }
};

Findings Examine(const CommonOptions& options) {
  HostPaths paths;
  paths.kvm = options.engine.kvm_path;
  Findings findings;
  findings.Add(CheckKernel());
  findings.Add(CheckKvmModule(paths));
  findings.Add(CheckNested(paths));
  findings.Add(CheckKvmDevice(paths));
  findings.Add(CheckMemory(paths));
  findings.Add(CheckHugePages(paths));
  findings.Add(CheckMemfdSealing());
  findings.Add(CheckInheritedLimits());
  findings.Add(CheckUserNamespaces(paths));
  for (Check& check : CheckGuests(options.engine, options.Job(), findings.layers)) {
    findings.Add(std::move(check));
  }
  for (Check& check : CheckLayers(findings.layers)) findings.Add(std::move(check));
  return findings;
}

void PrintText(const Findings& findings) {
  for (const Check& check : findings.checks) {
    Print(absl::StrFormat("%-8s %-22s %s\n", StateName(check.state), check.name, check.finding));
    if (!check.remedy.empty()) Print(absl::StrFormat("%31s remedy: %s\n", "", check.remedy));
  }
  Print(findings.works ? "hotcell convert works on this machine.\n"
                       : "hotcell convert does not work on this machine.\n");
}

void PrintJson(const Findings& findings) {
  Json checks = Json::Array();
  for (const Check& check : findings.checks) {
    Json entry = Json::Object();
    entry.SetString("name", check.name)
        .SetString("state", StateName(check.state))
        .SetString("finding", check.finding);
    if (!check.remedy.empty()) entry.SetString("remedy", check.remedy);
    checks.Append(std::move(entry));
  }
  Json document = Json::Object();
  document.SetBool("works", findings.works)
      .Set("checks", std::move(checks))
      .Set("formats", FormatsJson())
      .Set("confinement", LayersJson(findings.layers));
  Print(document.Dump() + "\n");
}

}  // namespace

int DoctorMain(int argc, char** argv) {
  CommonOptions options;
  const absl::Status status = Parse(argc, argv, options);
  if (!status.ok()) return ReportError(kName, status, options.format);
  if (options.help) {
    PrintHelp(*FindCommand(kName));
    return kExitOk;
  }
  const Findings findings = Examine(options);
  if (options.format == OutputFormat::kJson) {
    PrintJson(findings);
  } else {
    PrintText(findings);
  }
  return findings.works ? kExitOk : kExitFailure;
}

}  // namespace hotcell::cli
