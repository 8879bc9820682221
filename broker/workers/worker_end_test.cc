#include "broker/workers/worker_end.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <vector>

#include "guest/abi/abi.h"
#include "hotcell/failure.h"

namespace hotcell::broker {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr Symbol kSymbols[] = {{0x200000, "_start"}, {0x201000, "hotcell::guest::Inflate()"}};

GuestEnd Ended(EndReason reason) {
  GuestEnd end;
  end.reason = reason;
  end.registers.rip = 0x201012;
  return end;
}

std::string MessageOf(const absl::Status& status) { return std::string(status.message()); }

TEST(GuestEndStatusTest, ExitCodeZeroIsSuccess) {
  EXPECT_TRUE(GuestEndStatus(Ended(EndReason::kExited), "", kSymbols).ok());
}

TEST(GuestEndStatusTest, APanicTellsItsText) {
  GuestEnd end = Ended(EndReason::kExited);
  end.exit_code = abi::kExitPanic;
  const absl::Status status = GuestEndStatus(end, "heap.cc:12: bad\x1b", kSymbols);
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(MessageOf(status), "the guest gave up: heap.cc:12: bad\\x1b");
}

TEST(GuestEndStatusTest, WantOfMemoryIsToldWhereTheGuestSaysNothing) {
  GuestEnd end = Ended(EndReason::kExited);
  end.exit_code = abi::kExitOutOfMemory;
  EXPECT_EQ(MessageOf(GuestEndStatus(end, "", kSymbols)), "the guest is out of memory");
  EXPECT_EQ(MessageOf(GuestEndStatus(end, "no room", kSymbols)), "no room");
}

TEST(GuestEndStatusTest, APageFaultIsSymbolised) {
  GuestEnd end = Ended(EndReason::kGuestFault);
  end.fault = {.vector = 14, .error_code = 6};
  EXPECT_EQ(MessageOf(GuestEndStatus(end, "", kSymbols)),
            "guest fault: page fault (vector 14, error 0x6) at hotcell::guest::Inflate()+0x12, "
            "address 0x0 on vCPU 0");
}

TEST(GuestEndStatusTest, EveryOtherEndIsAnErrorThatSaysWhich) {
  GuestEnd exit = Ended(EndReason::kUnexpectedExit);
  exit.kvm_exit_reason = 6;
  exit.address = 0xdead;
  exit.access_size = 4;
  exit.is_write = true;
  EXPECT_THAT(MessageOf(GuestEndStatus(exit, "", kSymbols)),
              HasSubstr("KVM exit reason 6, write of 4 bytes at 0xdead"));
  GuestEnd load = Ended(EndReason::kLoadError);
  load.detail = "no\nELF";
  EXPECT_THAT(MessageOf(GuestEndStatus(load, "", kSymbols)), HasSubstr("(no\\nELF)"));
  for (const int reason : {0, 2, 3, 4, 5, 6, 7, 99}) {
    EXPECT_FALSE(GuestEndStatus(Ended(static_cast<EndReason>(reason)), "", kSymbols).ok())
        << reason;
  }
}

TEST(ViolationStatusTest, NamesTheSystemCallAndThePhase) {
  v1::Violation violation;
  violation.set_syscall(41);
  violation.set_phase(v1::PHASE_SETUP);
  EXPECT_THAT(MessageOf(ViolationStatus(violation)), HasSubstr("socket (41) during its set-up"));
  violation.set_syscall(-5);
  EXPECT_THAT(MessageOf(ViolationStatus(violation)), HasSubstr("number -5"));
}

TEST(FailureStatusTest, TellsStepErrnoAndDetail) {
  v1::Failure failure;
  failure.set_step(v1::STEP_KVM_CREATE_VM);
  failure.set_error(EBUSY);
  failure.set_detail("again");
  EXPECT_EQ(MessageOf(FailureStatus(failure)),
            "the worker failed to KVM_CREATE_VM (again): Device or resource busy");
  failure.set_error(0);
  EXPECT_EQ(FailureStatus(failure).code(), absl::StatusCode::kInternal);
}

TEST(FailureStatusTest, TellsKvmFromTheRestOfTheHost) {
  v1::Failure failure;
  failure.set_step(v1::STEP_KVM_CREATE_VM);
  EXPECT_EQ(FailureKindOf(FailureStatus(failure)), FailureKind::kKvm);
  failure.set_step(v1::STEP_ALLOCATE_GUEST_MEMORY);
  EXPECT_EQ(FailureKindOf(FailureStatus(failure)), FailureKind::kHost);
}

WorkerDeath KilledBy(int signal, absl::Duration cpu_time = absl::ZeroDuration()) {
  return {.known = true, .code = CLD_KILLED, .status = signal, .cpu_time = cpu_time};
}

TEST(WorkerDeathStatusTest, TellsSignalsFromExits) {
  EXPECT_EQ(MessageOf(WorkerDeathStatus(KilledBy(SIGKILL), {})),
            "the worker was killed by signal 9 (SIGKILL) before its guest ended");
  const absl::Status exited =
      WorkerDeathStatus({.known = true, .code = CLD_EXITED, .status = 159}, {});
  EXPECT_THAT(MessageOf(exited), HasSubstr("status 159"));
  EXPECT_EQ(FailureKindOf(exited), FailureKind::kWorkerDied);
}

TEST(WorkerDeathStatusTest, KilledByItsFilterItHasViolatedIt) {
  const WorkerDeath death = {.known = true, .code = CLD_DUMPED, .status = SIGSYS};
  for (const auto& [phase, words] : {std::pair(Phase::kRun, "during the run of the guest and was"),
                                     std::pair(Phase::kSetup, "during its set-up and was")}) {
    const absl::Status status = WorkerDeathStatus(death, {.phase = phase});
    EXPECT_EQ(FailureKindOf(status), FailureKind::kViolation);
    EXPECT_THAT(MessageOf(status), AllOf(HasSubstr(words), HasSubstr("killed by SIGSYS")));
    const Violation violation = ViolationOf(status).value();
    EXPECT_EQ(violation.phase, phase);
    EXPECT_FALSE(violation.syscall.has_value());
  }
}

TEST(WorkerDeathStatusTest, SaysThatADeathIsNotKnown) {
  const absl::Status status = WorkerDeathStatus({}, {});
  EXPECT_THAT(MessageOf(status), AllOf(HasSubstr("not known, because this process ignores SIGCHLD"),
                                       HasSubstr("may have been for a forbidden system call")));
  EXPECT_EQ(FailureKindOf(status), FailureKind::kWorkerDied);
}

TEST(WorkerDeathStatusTest, NamesTheLimitOfCpuTimeThatTheKernelKeeps) {
  const DeathContext context = {.inherited_cpu = absl::Seconds(2)};
  for (const WorkerDeath& death :
       {KilledBy(SIGXCPU), KilledBy(SIGKILL, absl::Milliseconds(1900))}) {
    const absl::Status status = WorkerDeathStatus(death, context);
    EXPECT_THAT(MessageOf(status), HasSubstr("RLIMIT_CPU is "));
    EXPECT_EQ(FailureKindOf(status), FailureKind::kLimit);
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  }
  EXPECT_THAT(MessageOf(WorkerDeathStatus(KilledBy(SIGXCPU), context)), HasSubstr("is 2 s"));
  EXPECT_THAT(MessageOf(WorkerDeathStatus(KilledBy(SIGXCPU), {})), HasSubstr("RLIMIT_RTTIME"));
  EXPECT_EQ(FailureKindOf(WorkerDeathStatus(KilledBy(SIGKILL, absl::Seconds(1)), context)),
            FailureKind::kWorkerDied);
  EXPECT_EQ(FailureKindOf(WorkerDeathStatus(KilledBy(SIGKILL, absl::Hours(1)), {})),
            FailureKind::kWorkerDied);
}

TEST(WorkerDeathStatusTest, AsksWhetherItWasForLackOfMemory) {
  const DeathContext group = {
      .groups = {.memory = 8 << 20, .tasks = std::nullopt, .out_of_memory_kills = 1}};
  EXPECT_THAT(MessageOf(WorkerDeathStatus(KilledBy(SIGKILL), group)),
              AllOf(HasSubstr("out of memory?"), HasSubstr("limit is 8388608 bytes")));
  EXPECT_THAT(MessageOf(WorkerDeathStatus(KilledBy(SIGTERM), group)),
              Not(HasSubstr("out of memory")));
  const DeathContext limited = {.memory_limits = " (RLIMIT_AS is 1 bytes)"};
  EXPECT_THAT(MessageOf(WorkerDeathStatus(KilledBy(SIGSEGV), limited)),
              HasSubstr("out of memory? (RLIMIT_AS is 1 bytes)"));
}

class CheckLayersTest : public testing::Test {
 protected:
  CheckLayersTest() {
    for (const v1::Layer layer :
         {v1::LAYER_NO_NEW_PRIVS, v1::LAYER_CLOSED_FDS, v1::LAYER_SECCOMP}) {
      Add(layer, v1::LAYER_STATE_ACHIEVED);
    }
  }
  void Add(v1::Layer layer, v1::LayerState state, int error = 0) {
    v1::LayerResult& result = *confined_.add_layers();
    result.set_layer(layer);
    result.set_state(state);
    result.set_error(error);
  }

  v1::Confined confined_;
};

TEST_F(CheckLayersTest, AcceptsTheThreeThatMustBe) { EXPECT_TRUE(CheckLayers(confined_, {}).ok()); }

TEST_F(CheckLayersTest, AnUnavailableLayerMattersOnlyWhenRequired) {
  Add(v1::LAYER_LANDLOCK, v1::LAYER_STATE_UNAVAILABLE, ENOSYS);
  EXPECT_TRUE(CheckLayers(confined_, {}).ok());
  const std::vector<Layer> required = {Layer::kLandlock};
  EXPECT_THAT(MessageOf(CheckLayers(confined_, required)),
              HasSubstr("landlock: Function not implemented (it takes a kernel of 5.13"));
  EXPECT_EQ(FailureKindOf(CheckLayers(confined_, required)), FailureKind::kConfinement);
}

TEST_F(CheckLayersTest, AFailedLayerAlwaysMatters) {
  Add(v1::LAYER_RLIMITS, v1::LAYER_STATE_FAILED, EINVAL);
  EXPECT_EQ(CheckLayers(confined_, {}).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(CheckLayersTest, AnEmptyReportNamesAllThatIsMissing) {
  EXPECT_THAT(MessageOf(CheckLayers({}, {})),
              AllOf(HasSubstr("no-new-privs: the worker does not tell of it (it takes "),
                    HasSubstr("; closed-fds: "), HasSubstr("; seccomp: ")));
}

TEST_F(CheckLayersTest, RefusesNonsense) {
  Add(v1::LAYER_SECCOMP, v1::LAYER_STATE_ACHIEVED);
  EXPECT_EQ(CheckLayers(confined_, {}).code(), absl::StatusCode::kInternal);
  v1::Confined unknown;
  unknown.add_layers()->set_layer(static_cast<v1::Layer>(1000));
  EXPECT_EQ(CheckLayers(unknown, {}).code(), absl::StatusCode::kInternal);
}

TEST_F(CheckLayersTest, ALayerOfSetUpMayFollowUnlessNoJobRunsWithoutIt) {
  Add(v1::LAYER_DONTDUMP, v1::LAYER_STATE_PENDING);
  const std::vector<Layer> required = {Layer::kDontdump};
  EXPECT_TRUE(CheckLayers(confined_, required).ok());
  confined_.mutable_layers(0)->set_state(v1::LAYER_STATE_PENDING);
  EXPECT_EQ(CheckLayers(confined_, {}).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(CheckLayersTest, ReadyCompletesWhatWasPending) {
  Add(v1::LAYER_DONTDUMP, v1::LAYER_STATE_PENDING);
  v1::Ready ready;
  ready.add_layers()->set_layer(v1::LAYER_DONTDUMP);
  ready.mutable_layers(0)->set_state(v1::LAYER_STATE_ACHIEVED);
  ASSERT_TRUE(AddSetupLayers(ready, confined_).ok());
  EXPECT_EQ(confined_.layers(3).state(), v1::LAYER_STATE_ACHIEVED);
}

TEST_F(CheckLayersTest, ALayerThatReadyDoesNotNameHasFailed) {
  Add(v1::LAYER_DONTDUMP, v1::LAYER_STATE_PENDING);
  ASSERT_TRUE(AddSetupLayers({}, confined_).ok());
  EXPECT_EQ(CheckLayers(confined_, {}).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(CheckLayersTest, ReadyChangesNothingThatWasSaidBefore) {
  Add(v1::LAYER_LANDLOCK, v1::LAYER_STATE_UNAVAILABLE, ENOSYS);
  v1::Ready ready;
  ready.add_layers()->set_layer(v1::LAYER_LANDLOCK);
  ready.mutable_layers(0)->set_state(v1::LAYER_STATE_ACHIEVED);
  EXPECT_EQ(AddSetupLayers(ready, confined_).code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace hotcell::broker
