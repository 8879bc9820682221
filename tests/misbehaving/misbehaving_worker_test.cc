// How the command tells what went wrong, by its exit status and its JSON: for a worker that is
// confined by the real filter and then misbehaves. No VM is needed: /dev/null stands for /dev/kvm.
#include "tests/misbehaving/misbehaving_worker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "guest/abi/abi.h"
#include "nlohmann/json.hpp"
#include "tools/hotcell/testing/program.h"

namespace hotcell::tests {
namespace {

using cli::Hotcell;
using cli::Outcome;
using nlohmann::ordered_json;
using testing::HasSubstr;

struct Case {
  std::string name;
  Misbehaviour behaviour;
  int exit_status;
  std::string kind;
  std::string message;  // a part of it
};

class MisbehavingWorkerTest : public testing::TestWithParam<Case> {
 protected:
  MisbehavingWorkerTest() { cli::WriteFile(image_, std::string(8192, 'x')); }

  std::vector<std::string> Options(Misbehaviour behaviour) const {
    const uint64_t memory =
        abi::kMinGuestMemory + static_cast<uint64_t>(behaviour) * abi::kPageSize;
    return {"--worker=" MISBEHAVING_WORKER_PATH, "--kvm=/dev/null", "--timeout=0.5",
            "--memory=" + std::to_string(memory)};
  }
  // `command` with the options of a worker that does `behaviour`.
  Outcome Run(std::vector<std::string> command, Misbehaviour behaviour) const {
    const std::vector<std::string> options = Options(behaviour);
    command.insert(command.begin() + 1, options.begin(), options.end());
    return Hotcell(command);
  }
  // Each command that runs a job.
  std::vector<std::vector<std::string>> Commands() const {
    const std::string target = scratch_.Path("target");
    return {{"convert", "-O", "qcow2", image_, target},
            {"create", "-f", "qcow2", target, "1M"},
            {"dd", "if=" + image_, "of=" + target},
            {"compare", image_, image_},
            {"check", image_},
            {"inspect", image_},
            {"digest", image_},
            {"map", image_},
            {"measure", image_},
            {"run", "--mode=long", image_}};
  }
  static ordered_json ErrorOf(const Outcome& outcome) {
    const ordered_json document = ordered_json::parse(outcome.out, nullptr, false);
    return document.is_object() ? document["error"] : ordered_json();
  }

  const cli::ScratchDirectory scratch_;
  const std::string image_ = scratch_.Path("image");
};

TEST_P(MisbehavingWorkerTest, IsToldByExitStatusAndKind) {
  const Outcome outcome = Run({"info", "--output=json", image_}, GetParam().behaviour);
  EXPECT_EQ(outcome.status, GetParam().exit_status) << outcome.err;
  EXPECT_EQ(ErrorOf(outcome)["kind"], GetParam().kind) << outcome.out;
  EXPECT_THAT(outcome.err, HasSubstr(GetParam().message));
}

TEST_P(MisbehavingWorkerTest, EveryCommandHasTheSameExitStatus) {
  for (const std::vector<std::string>& command : Commands()) {
    const Outcome outcome = Run(command, GetParam().behaviour);
    EXPECT_EQ(outcome.status, GetParam().exit_status) << command[0] << ": " << outcome.err;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Each, MisbehavingWorkerTest,
    testing::Values(
        Case{"ViolatesInSetup", Misbehaviour::kViolatesInSetup, 119, "violation",
             "forbidden system call socket (41) with 0x2, 0x1, 0x0, "},
        Case{"ViolatesRunning", Misbehaviour::kViolatesRunning, 119, "violation",
             "forbidden system call during the run of the guest and was killed by SIGSYS"},
        Case{"ViolatesAsI386", Misbehaviour::kViolatesAsI386, 119, "violation", "killed by SIGSYS"},
        Case{"ViolatesAsX32", Misbehaviour::kViolatesAsX32, 119, "violation", "killed by SIGSYS"},
        Case{"Crashes", Misbehaviour::kCrashes, 127, "worker-died", "signal 11 (SIGSEGV)"},
        Case{"Exits", Misbehaviour::kExits, 127, "worker-died", "exited with status 42"},
        Case{"RepeatsReady", Misbehaviour::kRepeatsReady, 127, "worker-protocol",
             "Ready in state running"},
        Case{"Stops", Misbehaviour::kStops, 127, "worker-protocol", "without being told"},
        Case{"Hangs", Misbehaviour::kHangs, 124, "deadline", "`wall-time` of 500ms"},
        Case{"Fails", Misbehaviour::kFails, 126, "kvm", "failed to KVM_CREATE_VM"}),
    [](const testing::TestParamInfo<Case>& each) { return each.param.name; });

TEST_F(MisbehavingWorkerTest, JsonHasTheCallItsArgumentsAndThePhase) {
  const ordered_json setup =
      ErrorOf(Run({"info", "--output=json", image_}, Misbehaviour::kViolatesInSetup))["violation"];
  EXPECT_EQ(setup["syscall"], "socket");
  EXPECT_EQ(setup["number"], 41);
  EXPECT_EQ(setup["architecture"], "x86_64");
  EXPECT_EQ(setup["phase"], "set-up");
  ASSERT_EQ(setup["arguments"].size(), 6u);
  EXPECT_EQ(setup["arguments"][0], "0x2");
  EXPECT_EQ(setup["arguments"][1], "0x1");
  EXPECT_EQ(setup["arguments"][2], "0x0");
  EXPECT_NE(setup["instruction_pointer"], "0x0");
}

TEST_F(MisbehavingWorkerTest, JsonHasNothingButThePhaseWhereTheKernelKilledAtOnce) {
  for (const Misbehaviour behaviour :
       {Misbehaviour::kViolatesRunning, Misbehaviour::kViolatesAsI386}) {
    const Outcome outcome = Run({"info", "--output=json", image_}, behaviour);
    EXPECT_EQ(ErrorOf(outcome)["violation"], ordered_json({{"phase", "run"}})) << outcome.out;
  }
}

TEST_F(MisbehavingWorkerTest, AGuestFaultIsNotItsWorkersDeath) {
  const Outcome info = Run({"info", "--output=json", image_}, Misbehaviour::kFaults);
  EXPECT_EQ(info.status, 125) << info.err;
  EXPECT_EQ(ErrorOf(info)["kind"], "guest-fault");
  const Outcome run = Run({"run", "--mode=long", image_}, Misbehaviour::kFaults);
  EXPECT_EQ(run.status, 125) << run.err;
}

TEST_F(MisbehavingWorkerTest, AGuestThatLeavesNoReportHasBrokenItsContract) {
  const Outcome outcome = Run({"info", "--output=json", image_}, Misbehaviour::kLeavesNoReport);
  EXPECT_EQ(outcome.status, 125) << outcome.err;
  EXPECT_EQ(ErrorOf(outcome)["kind"], "guest-contract");
}

TEST_F(MisbehavingWorkerTest, WithoutSeccompNothingRunsWhateverIsRequired) {
  const Outcome outcome = Run({"info", "--output=json", image_}, Misbehaviour::kLacksSeccomp);
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(ErrorOf(outcome)["kind"], "confinement");
  EXPECT_THAT(outcome.err, HasSubstr("seccomp: Function not implemented (it takes "));
}

TEST_F(MisbehavingWorkerTest, ALayerThatIsRequiredAndMissingRefusesTheJobWithAReasonAndARemedy) {
  for (const std::string layers : {"landlock", "seccomp,landlock", "all"}) {
    const Outcome outcome =
        Run({"info", "--output=json", "--require=" + layers, image_}, Misbehaviour::kLacksLandlock);
    EXPECT_EQ(outcome.status, 1) << layers;
    EXPECT_EQ(ErrorOf(outcome)["kind"], "confinement") << layers << outcome.out;
    EXPECT_THAT(outcome.err, HasSubstr("could not be confined as required: "));
    EXPECT_THAT(outcome.err, HasSubstr("landlock: Function not implemented (it takes a kernel of "
                                       "5.13 or later with CONFIG_SECURITY_LANDLOCK"));
  }
}

TEST_F(MisbehavingWorkerTest, ALayerThatNobodyRequiresMayBeMissing) {
  const Outcome outcome = Run({"info", "--output=json", image_}, Misbehaviour::kLacksLandlock);
  EXPECT_EQ(ErrorOf(outcome)["kind"], "worker-died") << outcome.err;
}

TEST_F(MisbehavingWorkerTest, EveryCommandThatRunsAJobTakesRequire) {
  for (std::vector<std::string> command : Commands()) {
    command.insert(command.begin() + 1, "--require=landlock");
    const Outcome outcome = Run(command, Misbehaviour::kLacksLandlock);
    EXPECT_EQ(outcome.status, command[0] == "run"       ? 120
                              : command[0] == "compare" ? 2
                                                        : 1)
        << command[0];
    EXPECT_THAT(outcome.err, HasSubstr("landlock: Function not implemented"));
  }
}

TEST_F(MisbehavingWorkerTest, TheConfigurationOfTheMachineCanRequireToo) {
  const std::string config = scratch_.Path("hotcell.conf");
  cli::WriteFile(config, "require = all\n");
  ASSERT_EQ(setenv("HOTCELL_CONFIG", config.c_str(), 1), 0);
  const Outcome outcome = Run({"info", image_}, Misbehaviour::kLacksLandlock);
  ASSERT_EQ(unsetenv("HOTCELL_CONFIG"), 0);
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.err, HasSubstr("landlock: Function not implemented"));
}

TEST_F(MisbehavingWorkerTest, AsQemuImgEveryFailureIsStatusOne) {
  const std::string qemu_img = scratch_.Path("qemu-img");
  std::filesystem::create_symlink(cli::HotcellPath(), qemu_img);
  std::vector<std::string> command = {qemu_img, "info"};
  for (const std::string& option : Options(Misbehaviour::kViolatesRunning)) {
    command.push_back(option);
  }
  command.push_back(image_);
  const Outcome outcome = cli::RunProgram(command);
  EXPECT_EQ(outcome.status, 1) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("forbidden system call during the run"));
}

}  // namespace
}  // namespace hotcell::tests
