// What an intruder in a worker cannot do in one call: code of his own, another job's memory, a life
// that is longer than the job's.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/kvm.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/unique_fd.h"
#include "guest/abi/abi.h"
#include "tests/hostile/compromised_worker/attacked_host.h"

namespace hotcell::tests {
namespace {

using ::testing::HasSubstr;

class Intruder : public AttackedHost {};

// ---- Code of his own ----------------------------------------------------------------------------

TEST_F(Intruder, CannotWriteIntoTheWorkersText) { ExpectCrash(Run(Chain().Store(TextAddress()))); }

TEST_F(Intruder, CannotExecuteTheArena) { ExpectCrash(Run(Chain().Jump(Bytes("\xc3")))); }

TEST_F(Intruder, CannotExecuteTheStack) { ExpectCrash(Run(Chain().Jump(StackAddress()))); }

TEST_F(Intruder, CannotExecuteData) { ExpectCrash(Run(Chain().Jump(DataAddress()))); }

// Calls that the filter does not even look at.
TEST_F(Intruder, DiesOfAnX32Call) {
  constexpr int64_t kX32 = 0x40000000;
  const Outcome outcome = Run(Chain().Call(kX32 | SYS_write, {abi::kFdControlOut, Bytes("x"), 1}));
  ExpectViolation(outcome);
}

TEST_F(Intruder, DiesOfTheEntryOfI386) {
  constexpr int kGetpid32 = 20;
  const Outcome outcome = Run(Chain().Interrupt80(kGetpid32));
  // SIGSEGV: a kernel without it.
  EXPECT_THAT(std::string(outcome.status.message()),
              ::testing::AnyOf(HasSubstr("SIGSYS"), HasSubstr("SIGSEGV")));
}

// ---- A call that nobody shall hear of
// ------------------------------------------------------------

Chain SecretCall(int patience) {
  return Chain().AccompaniedCall(SYS_socket, {AF_INET, SOCK_STREAM, 0, 0, 0, patience});
}

class IntruderWithTwoThreads : public AttackedHost {};

TEST_F(IntruderWithTwoThreads, CannotHideACall) {
  for (int i = 0; i < 100 && !HasFailure(); ++i) ExpectViolation(Run(SecretCall(1000)));
}

// This shows that it is the kernel's kill which prevents it: a handler in the worker is on the
// intruder's stack, and the job ends well or with something else than the violation.
TEST_F(IntruderWithTwoThreads, HidesACallFromAHandler) {
  int hidden = 0;
  for (int i = 0; i < 30 && hidden == 0; ++i) {
    const Outcome outcome = Run(SecretCall(300'000), Confinement::kTrapsInTheRun);
    if (FailureKindOf(outcome.status) != FailureKind::kViolation) ++hidden;
  }
  EXPECT_GT(hidden, 0);
}

TEST_F(Intruder, CannotHideACallBehindABlockedSigsys) {
  const Chain blocked = Chain().BlockSigsys();
  const Outcome outcome = Run(blocked);
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  ASSERT_EQ(outcome.results[0].result, 0);
  ExpectViolation(Run(Chain(blocked).Call(SYS_socket, {AF_INET, SOCK_STREAM, 0})));
}

// ---- What is left in its hands ------------------------------------------------------------------

std::vector<int> OpenDescriptors(const std::vector<StepResult>& results) {
  std::vector<int> open;
  for (size_t fd = 0; fd < results.size(); ++fd) {
    if (results[fd].error != EBADF) open.push_back(static_cast<int>(fd));
  }
  return open;
}

TEST_F(Intruder, FindsFewDescriptorsWithoutTheFilter) {
  Chain chain;
  for (int fd = 0; fd < static_cast<int>(kMaxSteps); ++fd) chain.Call(SYS_fcntl, {fd, F_GETFD});
  const Outcome outcome = Run(chain, Confinement::kLayersAlone);
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  // No /dev/kvm, no VM, no arena, no doorbell: those that a guest needs, and the vCPU.
  EXPECT_THAT(OpenDescriptors(outcome.results),
              ::testing::ElementsAre(0, 1, 2, abi::kFdControlIn, abi::kFdControlOut, abi::kFdWake,
                                     abi::kFdVcpu));
}

TEST_F(Intruder, CannotTryDescriptorsOneAfterTheOther) {
  for (const int fd : {0, 1, 2, 5, 6, 7, 15, 16, 33, 48, 63, 64, 255}) {
    ExpectDeathOfTheFirstCall(Chain().Call(SYS_read, {fd, Space(8), 8}));
  }
}

TEST_F(Intruder, MayStillEnterItsOwnGuest) {
  const Outcome outcome = Run(Chain().Call(SYS_ioctl, {abi::kFdVcpu, KVM_RUN, 0}));
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(outcome.results[0].error, 0);
}

// ---- Another job's memory -----------------------------------------------------------------------

// A job whose worker an intruder holds, which lasts until the deadline.
class OtherJob {
 public:
  OtherJob(const Engine& engine, RunRequest request)
      : request_(std::move(request)), thread_([this, &engine] {
          request_.options.cancellation = &cancellation_;
          status_ = engine.Run(request_).status();
        }) {}
  // Ends it.
  absl::Status Cancel() {
    cancellation_.Cancel();
    thread_.join();
    return status_;
  }

 private:
  Cancellation cancellation_;
  RunRequest request_;
  absl::Status status_;
  std::thread thread_;
};

// The children of all threads of the process.
std::vector<pid_t> ChildrenOf(pid_t process) {
  std::vector<pid_t> children;
  for (const auto& task :
       std::filesystem::directory_iterator(absl::StrCat("/proc/", process, "/task"))) {
    std::ifstream file(task.path() / "children");
    for (pid_t pid = 0; file >> pid;) children.push_back(pid);
  }
  return children;
}

// The one child of this process that is not the victim, as soon as there is one.
pid_t WaitForWorker(pid_t victim) {
  for (int i = 0; i < 1000; ++i) {
    std::vector<pid_t> workers = ChildrenOf(getpid());
    std::erase(workers, victim);
    if (!workers.empty()) return workers.front();
    absl::SleepFor(absl::Milliseconds(5));
  }
  return -1;
}

class IntruderBesideAnotherJob : public AttackedHost {
 protected:
  void SetUp() override {
    AttackedHost::SetUp();
    if (IsSkipped()) return;
    ReapWorkers();
    other_ = std::make_unique<OtherJob>(engine(Confinement::kAll), Request(Chain().Spin()));
    pid_ = WaitForWorker(VictimProcess());
    ASSERT_GT(pid_, 0);
  }
  void TearDown() override {
    // It has noticed nothing.
    EXPECT_TRUE(other_ == nullptr || absl::IsCancelled(other_->Cancel()));
    AttackedHost::TearDown();
  }

  Argument Remote() const {
    return Object(iovec{.iov_base = reinterpret_cast<void*>(0x400000), .iov_len = 8});
  }
  void ExpectNothingGained(const Chain& chain, int error) {
    ExpectDeathOfTheFirstCall(chain);
    const Outcome outcome = Run(chain, Confinement::kLayersWithoutLimits);
    ASSERT_TRUE(outcome.status.ok()) << outcome.status;
    EXPECT_EQ(outcome.results.back().error, error);
  }

  std::unique_ptr<OtherJob> other_;
  pid_t pid_ = -1;
};

TEST_F(IntruderBesideAnotherJob, CannotReadItsMemory) {
  ExpectNothingGained(Chain().Call(SYS_process_vm_readv, {pid_, Remote(), 1, Remote(), 1, 0}),
                      ESRCH);
}

TEST_F(IntruderBesideAnotherJob, CannotTraceIt) {
  constexpr int kSeize = 0x4206;
  ExpectNothingGained(Chain().Call(SYS_ptrace, {kSeize, pid_, 0, 0}), ESRCH);
}

TEST_F(IntruderBesideAnotherJob, CannotKillIt) {
  ExpectNothingGained(Chain().Call(SYS_kill, {pid_, SIGKILL}), ESRCH);
}

TEST_F(IntruderBesideAnotherJob, CannotOpenItsArena) {
  const std::string arena = absl::StrCat("/proc/", pid_, "/fd/", abi::kFdArena);
  ExpectNothingGained(Chain().Call(SYS_openat, {AT_FDCWD, Bytes(arena), O_RDWR}), ENOENT);
}

TEST_F(IntruderBesideAnotherJob, CannotTakeItsDescriptors) {
  ExpectNothingGained(Chain().Call(SYS_pidfd_open, {pid_, 0}), ESRCH);
}

TEST_F(IntruderBesideAnotherJob, CannotMapWhatIsNotItsOwn) {
  // Its own arena is all the shared memory that there is: a descriptor of it would be one that it
  // has.
  Chain chain;
  for (int fd = 0; fd < 64; ++fd) {
    chain.Call(SYS_mmap, {0, 4096, PROT_READ, MAP_SHARED, fd, 0});
  }
  ExpectDeathOfTheFirstCall(chain);
  const Outcome outcome = Run(chain, Confinement::kLayersAlone);
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  for (int fd = 0; fd < abi::kFdVcpu; ++fd) {
    EXPECT_NE(outcome.results[static_cast<size_t>(fd)].error, 0) << fd;
  }
}

// ---- The arena's size ---------------------------------------------------------------------------

// The broker's promise to itself, for when an intruder has the descriptor after all.
class ArenaSeals : public AttackedHost {
 protected:
  // What a job's arena is, as the broker keeps it open meanwhile.
  UniqueFd FindArena() {
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code error;
      const std::string target = std::filesystem::read_symlink(entry.path(), error);
      if (target.find("memfd:") == std::string::npos) continue;
      return UniqueFd(open(entry.path().c_str(), O_RDWR | O_CLOEXEC));
    }
    return {};
  }
};

TEST_F(ArenaSeals, NeitherGrowNorShrinkNorCanBeLoosened) {
  ReapWorkers();
  OtherJob job(engine(Confinement::kAll), Request(Chain().Spin()));
  ASSERT_GT(WaitForWorker(VictimProcess()), 0);
  const UniqueFd arena = FindArena();
  ASSERT_TRUE(arena.valid()) << "the job has no arena";
  const off_t size = lseek(arena.get(), 0, SEEK_END);
  EXPECT_EQ(ftruncate(arena.get(), 0), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(ftruncate(arena.get(), size + 4096), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(fallocate(arena.get(), 0, size, 4096), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(fcntl(arena.get(), F_ADD_SEALS, F_SEAL_WRITE), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(lseek(arena.get(), 0, SEEK_END), size);
  EXPECT_TRUE(absl::IsCancelled(job.Cancel()));
}

// ---- A longer life ------------------------------------------------------------------------------

class IntruderThatStays : public AttackedHost {
 protected:
  static bool IsGoneSoon(pid_t pid) {
    for (int i = 0; i < 1000; ++i) {
      if (kill(pid, 0) != 0 && errno == ESRCH) return true;
      absl::SleepFor(absl::Milliseconds(5));
    }
    return false;
  }

  // Runs the job in a broker of its own, kills that broker, and says whether the worker is gone
  // within five seconds.
  static bool DiesWithItsBroker(const Chain& chain, Confinement confinement) {
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0) return false;
    const pid_t broker = fork();
    if (broker == 0) {
      OtherJob job(engine(confinement), Request(chain));
      const pid_t worker = WaitForWorker(0);
      absl::SleepFor(absl::Milliseconds(100));  // until the attack is under way
      if (write(report[1], &worker, sizeof(worker)) != sizeof(worker)) _exit(1);
      while (true) pause();
    }
    close(report[1]);
    pid_t worker = -1;
    const bool told = read(report[0], &worker, sizeof(worker)) == sizeof(worker);
    close(report[0]);
    const bool was_alive = told && worker > 0 && kill(worker, 0) == 0;
    kill(broker, SIGKILL);
    waitpid(broker, nullptr, 0);
    return was_alive && IsGoneSoon(worker);
  }
};

TEST_F(IntruderThatStays, IsEndedByTheDeadline) {
  const Outcome outcome = Run(Chain().Spin(), Confinement::kAll, absl::Milliseconds(300));
  EXPECT_EQ(outcome.status.code(), absl::StatusCode::kDeadlineExceeded) << outcome.status;
  EXPECT_LT(outcome.elapsed, absl::Seconds(2));
}

TEST_F(IntruderThatStays, IsEndedByTheDeadlineWithoutTheFilterToo) {
  const Outcome outcome = Run(Chain().Spin(), Confinement::kLayersAlone, absl::Milliseconds(300));
  EXPECT_EQ(outcome.status.code(), absl::StatusCode::kDeadlineExceeded) << outcome.status;
}

TEST_F(IntruderThatStays, IsEndedThoughItCatchesEverySignal) {
  Chain chain;
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGPIPE}) {
    chain.Call(SYS_rt_sigaction, {signal, Object(SIG_IGN), 0, 8});
  }
  chain.Spin();
  ExpectDeathOfTheFirstCall(chain);
  const Outcome outcome = Run(chain, Confinement::kLayersAlone, absl::Milliseconds(300));
  EXPECT_EQ(outcome.status.code(), absl::StatusCode::kDeadlineExceeded) << outcome.status;
}

TEST_F(IntruderThatStays, IsEndedWhenItClosesTheControlPipe) {
  const Chain chain =
      Chain().Call(SYS_close, {abi::kFdControlOut}).Call(SYS_close, {abi::kFdControlIn}).Spin();
  ExpectDeathOfTheFirstCall(chain);
  const Outcome outcome = Run(chain, Confinement::kLayersAlone);
  // The worker exits by itself where its own control thread sees the end of the other pipe first.
  EXPECT_THAT(
      std::string(outcome.status.message()),
      ::testing::AnyOf(HasSubstr("closed its control pipe"), HasSubstr("exited with status 1")));
  EXPECT_LT(outcome.elapsed, absl::Seconds(5));
}

// A child that it forks has the pid namespace's end as its own.
TEST_F(IntruderThatStays, LeavesNoChildBehind) {
  if (!HasLayer(Layer::kPidNamespace)) GTEST_SKIP() << "no pid namespace";
  ReapWorkers();
  OtherJob job(engine(Confinement::kLayersAlone),
               Request(Chain().Call(SYS_setsid).Call(SYS_fork).Call(SYS_fork).Spin()));
  const pid_t worker = WaitForWorker(VictimProcess());
  ASSERT_GT(worker, 0);
  absl::SleepFor(absl::Milliseconds(200));
  const std::vector<pid_t> children = ChildrenOf(worker);
  EXPECT_TRUE(absl::IsCancelled(job.Cancel()));
  for (const pid_t child : children) EXPECT_TRUE(IsGoneSoon(child)) << child;
  // RLIMIT_NPROC does not hold for root.
  EXPECT_TRUE(!children.empty() || geteuid() != 0 || HasLayer(Layer::kUserIds));
}

TEST_F(IntruderThatStays, DiesWithItsBroker) {
  EXPECT_TRUE(DiesWithItsBroker(Chain().Spin(), Confinement::kAll));
}

TEST_F(IntruderThatStays, DiesWithItsBrokerWithoutTheFilterToo) {
  EXPECT_TRUE(DiesWithItsBroker(Chain().Call(SYS_setsid).Spin(), Confinement::kLayersAlone));
}

}  // namespace
}  // namespace hotcell::tests
