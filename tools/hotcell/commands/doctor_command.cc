#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "tools/hotcell/commands/command.h"
#include "tools/hotcell/commands/doctor_checks.h"
#include "tools/hotcell/commands/doctor_guests.h"
#include "tools/hotcell/commands/job.h"
#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/exit_codes.h"
#include "tools/hotcell/common/files.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/options/arguments.h"
#include "tools/hotcell/options/command_line.h"
#include "tools/hotcell/options/common_options.h"
#include "tools/hotcell/options/config.h"
#include "tools/hotcell/options/formats.h"
#include "tools/hotcell/options/shared_options.h"
#include "tools/hotcell/report/json.h"
#include "tools/hotcell/report/layers.h"

namespace hotcell::cli {
namespace {

constexpr std::string_view kName = "doctor";
constexpr absl::Duration kGuestTime = absl::Seconds(10);

struct Options {
  CommonOptions common;
  std::optional<Check> configuration;
};

constexpr Option<Options> kOptions[] = {
    {With(kOutputRow, "human or json; json also lists the image formats"), kSetOutputFormat}};

const CommandLine<Options>& Line() {
  static const auto* const line = [] {
    auto* const made = new CommandLine<Options>();
    made->Text(R"(usage: hotcell doctor [OPTION]...

Checks what this machine can do: opens /dev/kvm, makes a VM, runs a guest to HLT, converts
a small image in a guest, tries each confinement layer, and looks at kernel, KVM module,
huge pages, user namespaces and the configuration file, which the guests' jobs follow. Each
problem comes with its remedy.

)");
    made->Add(kOptions);
    made->Take(LimitOptions(), &Options::common);
    made->Take(ProgramOptions(), &Options::common);
    made->Tell({"timeout"}, "for each guest (default 10)");
    made->Tell({"worker", "kvm"}, "\nthe worker program and the KVM device to check");
    made->Add(HelpOption(), &Options::common);
    made->Text("\nExit status: 0 'hotcell convert' works here, 1 it does not.\n");
    return made;
  }();
  return *line;
}

// What the configuration may hold.
const CommandLine<Options>& ConfigurationLine() {
  static const auto* const line = [] {
    auto* const made = new CommandLine<Options>();
    made->Take(LimitOptions(), &Options::common);
    made->Take(ProgramOptions(), &Options::common);
    made->Take(ReferenceOptions(), &Options::common);
    return made;
  }();
  return *line;
}

// Takes in what the configuration says, so that the guests run as jobs would.
Check CheckConfiguration(Options& options) {
  Check check = {"configuration", CheckState::kOk, "none", ""};
  const std::vector<std::string> files = ConfigFiles();
  if (!files.empty()) check.finding = absl::StrJoin(files, ", ");
  const auto fail = [&](const absl::Status& status, std::string_view remedy) {
    check.state = CheckState::kProblem;
    check.finding = Escape(View(status.message()));
    check.remedy = std::string(remedy);
    return check;
  };
  absl::StatusOr<std::vector<std::string>> arguments =
      ConfiguredArguments(ConfigScope::kImages, {kName, OutputFormat::kHuman});
  if (!arguments.ok()) return fail(arguments.status(), "mend that file: no job runs until then");
  std::vector<char*> pointers = {const_cast<char*>("doctor")};
  for (std::string& argument : *arguments) pointers.push_back(argument.data());
  const int count = static_cast<int>(pointers.size());
  pointers.push_back(nullptr);
  const absl::StatusOr<std::vector<std::string>> parsed =
      ConfigurationLine().Parse(count, pointers.data(), options);
  if (!parsed.ok()) return fail(parsed.status(), "mend that file: no job runs until then");
  for (const std::string& directory : options.common.references.directories()) {
    const File opened(open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC), {});
    if (opened.fd() >= 0) continue;
    return fail(absl::ErrnoToStatus(
                    errno, Cat("cannot open the directory ", directory, " of follow-references")),
                "make it, or take the line out: no job that reads an image runs until then");
  }
  return check;
}

absl::Status Parse(int argc, char** argv, Options& options) {
  options.configuration = CheckConfiguration(options);
  Limits& limits = options.common.limits;
  limits.wall_time = std::min(limits.wall_time, kGuestTime);
  const absl::StatusOr<std::vector<std::string>> operands = Line().Parse(argc, argv, options);
  return operands.ok() ? CheckOperands(*operands, {}) : operands.status();
}

struct Findings {
  std::vector<Check> checks;
  std::vector<LayerResult> layers;
  bool works = true;

  void Add(Check check) {
    works = works && check.state != CheckState::kProblem;
    checks.push_back(std::move(check));
  }
};

Findings Examine(const CommonOptions& options, Check configuration) {
  HostPaths paths;
  paths.kvm = options.engine.kvm_path;
  Findings findings;
  findings.Add(CheckKernel());
  findings.Add(CheckKvmModule(paths));
  findings.Add(CheckNested(paths));
  Check kvm = CheckKvmDevice(paths);
  const bool has_kvm = kvm.state != CheckState::kProblem;
  findings.Add(std::move(kvm));
  findings.Add(CheckMemory(paths));
  findings.Add(CheckHugePages(paths));
  findings.Add(CheckMemfdSealing());
  findings.Add(CheckInheritedLimits());
  findings.Add(CheckUserNamespaces(paths));
  findings.Add(std::move(configuration));
  if (!has_kvm) {
    findings.Add({"guest", CheckState::kNote, "none was started, for want of the KVM device", ""});
    return findings;
  }
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

int Diagnose(Options& options) {
  const Findings findings = Examine(options.common, *std::move(options.configuration));
  if (options.common.format == OutputFormat::kJson) {
    PrintJson(findings);
  } else {
    PrintText(findings);
  }
  return findings.works ? kExitOk : kExitFailure;
}

}  // namespace

const OptionTable& DoctorLine() { return Line(); }

int DoctorMain(int argc, char** argv) { return RunWithoutJob(kName, argc, argv, Parse, Diagnose); }

}  // namespace hotcell::cli
