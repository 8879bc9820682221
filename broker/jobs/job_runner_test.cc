#include "broker/jobs/job_runner.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "broker/files/file_table.h"
#include "broker/files/reference_resolver.h"
#include "broker/host/monotonic_clock.h"
#include "broker/testing/fake_worker.h"
#include "hotcell/failure.h"

namespace hotcell::broker {
namespace {

using testing::HasSubstr;

size_t CountEntries(const char* directory) {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(directory)) ++count;
  return count;
}

class JobRunnerTest : public testing::Test {
 protected:
  JobRunnerTest()
      : worker_(open(FAKE_WORKER_PATH, O_PATH | O_CLOEXEC)),
        kvm_(open("/dev/null", O_RDWR | O_CLOEXEC)) {
    options_.limits.wall_time = absl::Seconds(20);
  }

  absl::StatusOr<WorkerReport> Run(FakeBehaviour behaviour) {
    v1::Setup setup;
    setup.set_memory_size(static_cast<uint64_t>(behaviour));
    setup.set_vcpus(1);
    const auto worker = Worker::Start({.worker_fd = worker_.get(), .kvm_fd = kvm_.get()},
                                      {.lanes = 1, .report_capacity = 4096}, setup);
    if (!worker.ok()) return worker.status();
    FileTable files(FileLimits{});
    auto references = *ReferenceResolver::Create({});
    auto io = *IoEngine::Create(**worker, files, references);
    JobSpec spec;
    spec.begin = MonotonicNow();
    spec.io = io.get();
    spec.options = &options_;
    spec.serial_output = serial_output_;
    const absl::Time start = absl::Now();
    auto report = SuperviseJob(**worker, spec, dying_);
    elapsed_ = absl::Now() - start;
    return report;
  }
  std::string Error(FakeBehaviour behaviour, absl::StatusCode code) {
    const absl::Status status = Run(behaviour).status();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_LT(elapsed_, absl::Seconds(5));
    return std::string(status.message());
  }

  UniqueFd worker_;
  UniqueFd kvm_;
  DyingWorkers dying_;
  JobOptions options_;
  std::function<void(std::string_view)> serial_output_;
  absl::Duration elapsed_;
};

constexpr auto kInternal = absl::StatusCode::kInternal;

TEST_F(JobRunnerTest, AGoodWorkerFinishes) {
  const auto report = Run(FakeBehaviour::kFinishes);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->end.reason, EndReason::kExited);
  EXPECT_EQ(report->layers.size(), 4u);
  EXPECT_GT(report->pid, 0);
}

TEST_F(JobRunnerTest, ARequiredLayerThatIsMissingRefusesTheJob) {
  EXPECT_THAT(Error(FakeBehaviour::kNoSeccomp, absl::StatusCode::kFailedPrecondition),
              HasSubstr("seccomp"));
  options_.required_layers = {Layer::kNetNamespace};
  EXPECT_THAT(Error(FakeBehaviour::kFinishes, absl::StatusCode::kFailedPrecondition),
              HasSubstr("net-namespace: Operation not permitted (it takes "));
}

TEST_F(JobRunnerTest, AFailedLayerRefusesTheJobThoughNobodyRequiresIt) {
  EXPECT_THAT(Error(FakeBehaviour::kFailedLayer, absl::StatusCode::kFailedPrecondition),
              HasSubstr("landlock: Operation not permitted"));
}

TEST_F(JobRunnerTest, BrokenProtocolKillsTheWorker) {
  EXPECT_THAT(Error(FakeBehaviour::kReadyFirst, kInternal), HasSubstr("Ready in state spawned"));
  EXPECT_THAT(Error(FakeBehaviour::kGarbage, kInternal), HasSubstr("no FromWorker message"));
  EXPECT_THAT(Error(FakeBehaviour::kHugeFrame, kInternal), HasSubstr("a frame of 2147483647"));
  EXPECT_THAT(Error(FakeBehaviour::kHalfFrame, kInternal), HasSubstr("ends early"));
}

TEST_F(JobRunnerTest, TellsHowAWorkerDiedThatSomebodyElseReaped) {
  using testing::AnyOf;
  signal(SIGCHLD, SIG_IGN);
  const std::string text = Error(FakeBehaviour::kKillsItself, absl::StatusCode::kAborted);
  signal(SIGCHLD, SIG_DFL);
  // Since Linux 6.15 the kernel tells all the same.
  EXPECT_THAT(text, AnyOf(HasSubstr("killed by signal 4 (SIGILL)"),
                          HasSubstr("how is not known, because this process ignores SIGCHLD")));
}

TEST_F(JobRunnerTest, TellsHowAWorkerDied) {
  EXPECT_THAT(Error(FakeBehaviour::kExits, kInternal), HasSubstr("exited with status 42"));
  EXPECT_THAT(Error(FakeBehaviour::kKillsItself, absl::StatusCode::kAborted),
              HasSubstr("killed by signal 4 (SIGILL)"));
  EXPECT_THAT(Error(FakeBehaviour::kViolates, kInternal),
              HasSubstr("forbidden system call execve (59) during the run of the guest"));
  EXPECT_THAT(Error(FakeBehaviour::kFails, absl::StatusCode::kResourceExhausted),
              HasSubstr("failed to KVM_CREATE_VM: Cannot allocate memory"));
}

TEST_F(JobRunnerTest, TellsKindsOfFailuresApart) {
  options_.limits.wall_time = absl::Milliseconds(300);
  const auto kind = [&](FakeBehaviour behaviour) { return FailureKindOf(Run(behaviour).status()); };
  EXPECT_EQ(kind(FakeBehaviour::kFinishes), FailureKind::kNone);
  EXPECT_EQ(kind(FakeBehaviour::kNoSeccomp), FailureKind::kConfinement);
  EXPECT_EQ(kind(FakeBehaviour::kFailedLayer), FailureKind::kConfinement);
  EXPECT_EQ(kind(FakeBehaviour::kViolates), FailureKind::kViolation);
  EXPECT_EQ(kind(FakeBehaviour::kExits), FailureKind::kWorkerDied);
  EXPECT_EQ(kind(FakeBehaviour::kKillsItself), FailureKind::kWorkerDied);
  EXPECT_EQ(kind(FakeBehaviour::kGarbage), FailureKind::kWorkerProtocol);
  EXPECT_EQ(kind(FakeBehaviour::kReadyFirst), FailureKind::kWorkerProtocol);
  EXPECT_EQ(kind(FakeBehaviour::kClosesPipe), FailureKind::kWorkerProtocol);
  EXPECT_EQ(kind(FakeBehaviour::kFails), FailureKind::kKvm);
  EXPECT_EQ(kind(FakeBehaviour::kBreaksRing), FailureKind::kGuestContract);
  EXPECT_EQ(kind(FakeBehaviour::kAsksForSlot), FailureKind::kGuestContract);
  EXPECT_EQ(kind(FakeBehaviour::kHangsRunning), FailureKind::kDeadline);
  EXPECT_EQ(kind(FakeBehaviour::kStopsWhenTold), FailureKind::kDeadline);
}

TEST_F(JobRunnerTest, AWorkerThatClosesItsPipeAndStaysIsKilled) {
  EXPECT_THAT(Error(FakeBehaviour::kClosesPipe, kInternal), HasSubstr("closed its control pipe"));
  EXPECT_LT(elapsed_, absl::Seconds(1));
}

TEST_F(JobRunnerTest, TheDeadlineEndsAWorkerInAnyState) {
  options_.limits.wall_time = absl::Milliseconds(300);
  for (const FakeBehaviour behaviour :
       {FakeBehaviour::kHangsAtOnce, FakeBehaviour::kHangsRunning, FakeBehaviour::kStopsWhenTold}) {
    EXPECT_THAT(Error(behaviour, absl::StatusCode::kDeadlineExceeded),
                HasSubstr("`wall-time` of 300ms"));
    EXPECT_GE(elapsed_, absl::Milliseconds(300));
    EXPECT_LT(elapsed_, absl::Milliseconds(800));
  }
}

TEST_F(JobRunnerTest, AStoppedGuestTellsWhereItWas) {
  options_.limits.wall_time = absl::Milliseconds(100);
  EXPECT_THAT(Error(FakeBehaviour::kStopsWhenTold, absl::StatusCode::kDeadlineExceeded),
              HasSubstr("the guest was at 0x0:0x1234"));
}

TEST_F(JobRunnerTest, CpuTimeIsLimitedToo) {
  options_.limits.cpu_time = absl::Milliseconds(200);
  EXPECT_THAT(Error(FakeBehaviour::kBurnsCpu, absl::StatusCode::kDeadlineExceeded),
              HasSubstr("`cpu-time` of 200ms"));
  EXPECT_LT(elapsed_, absl::Seconds(4));
}

TEST_F(JobRunnerTest, CancellationEndsAJobFromAnotherThread) {
  for (const FakeBehaviour behaviour :
       {FakeBehaviour::kHangsAtOnce, FakeBehaviour::kHangsRunning, FakeBehaviour::kStopsWhenTold}) {
    Cancellation cancellation;
    options_.cancellation = &cancellation;
    std::thread canceller([&] {
      absl::SleepFor(absl::Milliseconds(100));
      cancellation.Cancel();
    });
    Error(behaviour, absl::StatusCode::kCancelled);
    canceller.join();
    EXPECT_LT(elapsed_, absl::Milliseconds(700));
  }
}

TEST_F(JobRunnerTest, ACancelledJobDoesNotStart) {
  Cancellation cancellation;
  cancellation.Cancel();
  options_.cancellation = &cancellation;
  Error(FakeBehaviour::kHangsRunning, absl::StatusCode::kCancelled);
  EXPECT_LT(elapsed_, absl::Milliseconds(500));
}

TEST_F(JobRunnerTest, ConsoleOutputComesThrough) {
  std::string console;
  serial_output_ = [&](std::string_view text) { console += text; };
  ASSERT_TRUE(Run(FakeBehaviour::kConsole).ok());
  EXPECT_EQ(console, "hello");
}

TEST_F(JobRunnerTest, AGuestWithoutConsoleMayNotWriteToOne) {
  EXPECT_THAT(Error(FakeBehaviour::kConsole, kInternal), HasSubstr("has no console"));
}

TEST_F(JobRunnerTest, AFloodOfOutputDoesNotOutliveTheDeadline) {
  options_.limits.wall_time = absl::Milliseconds(300);
  serial_output_ = [](std::string_view) {};
  Error(FakeBehaviour::kFloods, absl::StatusCode::kDeadlineExceeded);
  EXPECT_LT(elapsed_, absl::Seconds(1));
}

TEST_F(JobRunnerTest, ABrokenRingEndsTheJobWithTheReason) {
  EXPECT_THAT(Error(FakeBehaviour::kBreaksRing, kInternal),
              HasSubstr("129 requests in a submission ring of 128"));
  EXPECT_THAT(Error(FakeBehaviour::kAsksForSlot, kInternal), HasSubstr("opcode 4 for slot 7"));
}

TEST_F(JobRunnerTest, AWorkerCannotKeepTheBrokersThreadsByItsEventFds) {
  options_.limits.wall_time = absl::Milliseconds(200);
  Error(FakeBehaviour::kBlocksEventFds, absl::StatusCode::kDeadlineExceeded);
  EXPECT_LT(elapsed_, absl::Seconds(1));
}

TEST_F(JobRunnerTest, AMissingWorkerProgramIsAnError) {
  worker_ = UniqueFd(open("/etc/passwd", O_PATH | O_CLOEXEC));
  EXPECT_FALSE(Run(FakeBehaviour::kFinishes).ok());
}

TEST_F(JobRunnerTest, FewWorkersOfEndedJobsWaitToBeReaped) {
  const size_t fds = CountEntries("/proc/self/fd");
  for (size_t i = 0; i < 3 * DyingWorkers::kMax; ++i) {
    ASSERT_TRUE(Run(FakeBehaviour::kFinishes).ok());
    EXPECT_LE(CountEntries("/proc/self/fd"), fds + DyingWorkers::kMax);
  }
  dying_.ReapAll();
  EXPECT_EQ(CountEntries("/proc/self/fd"), fds);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG | __WALL), -1);
}

TEST_F(JobRunnerTest, HoweverJobsEndNothingIsLeft) {
  options_.limits.wall_time = absl::Milliseconds(50);
  Run(FakeBehaviour::kFinishes).IgnoreError();
  dying_.ReapAll();
  const size_t fds = CountEntries("/proc/self/fd");
  const size_t threads = CountEntries("/proc/self/task");
  for (int i = 0; i < 100; ++i) {
    Run(static_cast<FakeBehaviour>(1 + i % 21)).IgnoreError();
  }
  dying_.ReapAll();
  EXPECT_EQ(CountEntries("/proc/self/fd"), fds);
  EXPECT_EQ(CountEntries("/proc/self/task"), threads);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG | __WALL), -1);
  EXPECT_EQ(errno, ECHILD);
}

}  // namespace
}  // namespace hotcell::broker
