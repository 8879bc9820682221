#include "vmm-worker/confinement/confinement.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/futex.h>
#include <linux/kvm.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "guest/abi/abi.h"
#include "tests/syscall_probe/client.h"

namespace hotcell::worker {
namespace {

using tests::Probe;
using tests::ProbeEnd;
using tests::ProbeReply;
using tests::ProbeRequest;
using tests::ProbeRequestKind;

// ---- Filters ------------------------------------------------------------------------------------

struct Attempt {
  const char* name;
  int64_t number;
  std::initializer_list<int64_t> arguments;
};

void PrintTo(const Attempt& attempt, std::ostream* out) { *out << attempt.name; }

// Forbidden from set-up on.
const Attempt kForbidden[] = {
    {"openat", SYS_openat, {AT_FDCWD, 0, O_RDONLY}},
    {"socket", SYS_socket, {AF_UNIX, SOCK_STREAM, 0}},
    {"execve", SYS_execve, {0, 0, 0}},
    {"execveat", SYS_execveat, {abi::kFdArena, 0, 0, 0, 0x1000}},
    {"fork", SYS_clone, {SIGCHLD, 0, 0, 0, 0}},
    {"vfork", SYS_vfork, {}},
    {"kill", SYS_kill, {1, SIGUSR1}},
    {"tgkill_other_signal", SYS_tgkill, {1, 1, SIGTERM}},
    {"ptrace", SYS_ptrace, {0, 0, 0, 0}},
    {"mmap_executable",
     SYS_mmap,
     {0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1}},
    {"mprotect_executable", SYS_mprotect, {0, 4096, PROT_READ | PROT_EXEC}},
    {"ioctl_other_request", SYS_ioctl, {abi::kFdKvm, 0x5401}},
    {"ioctl_kvm_run_on_kvm", SYS_ioctl, {abi::kFdKvm, KVM_RUN, 0}},
    {"read_arena", SYS_read, {abi::kFdArena, 0, 1}},
    {"write_arena", SYS_write, {abi::kFdArena, 0, 1}},
    {"write_wake", SYS_write, {abi::kFdWake, 0, 8}},
    {"futex_shared", SYS_futex, {0, FUTEX_WAKE, 1}},
    {"prctl", SYS_prctl, {PR_SET_DUMPABLE, 1}},
    {"memfd_create", SYS_memfd_create, {0, 0}},
    {"pidfd_getfd", SYS_pidfd_getfd, {3, 3, 0}},
    {"process_vm_writev", SYS_process_vm_writev, {1, 0, 0, 0, 0, 0}},
    {"io_uring_setup", SYS_io_uring_setup, {1, 0}},
    {"unshare", SYS_unshare, {CLONE_NEWUSER}},
    {"brk", SYS_brk, {0}},
    {"unknown_number", 1000, {}},
};

// Allowed in set-up, not while a guest runs.
const Attempt kForbiddenLater[] = {
    {"write_doorbell", SYS_write, {abi::kFdDoorbell, 0, 8}},
    {"getpid", SYS_getpid, {}},
    {"mmap", SYS_mmap, {0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1}},
    {"munmap", SYS_munmap, {0, 4096}},
    {"mprotect", SYS_mprotect, {0, 4096, PROT_READ}},
    {"close", SYS_close, {abi::kFdArena}},
    {"clone_thread", SYS_clone, {0x3d0f00, 0, 0, 0, 0}},
    {"clone3", SYS_clone3, {0, 0}},
    {"seccomp", SYS_seccomp, {1, 1, 0}},
    {"create_vm", SYS_ioctl, {abi::kFdKvm, KVM_CREATE_VM, 0}},
    {"second_vcpu", SYS_ioctl, {abi::kFdVcpu + 1, KVM_RUN, 0}},
    {"second_wake", SYS_read, {abi::kFdWake + 1, 0, 8}},
    {"exit_of_a_thread", SYS_exit, {0}},
    {"rt_sigaction", SYS_rt_sigaction, {SIGUSR1, 0, 0, 8}},
};

class ViolationTest : public testing::TestWithParam<Attempt> {
 protected:
  void SetUp() override {
    absl::StatusOr<Probe> probe = Probe::Start({.lanes = 2});
    ASSERT_TRUE(probe.ok()) << probe.status();
    probe_.emplace(std::move(*probe));
  }
  // Makes the call, and expects that the worker reports it.
  void ExpectReport() {
    EXPECT_FALSE(probe_->Call(GetParam().number, GetParam().arguments).has_value());
    const ProbeEnd end = probe_->End();
    EXPECT_EQ(end.status, kViolationExitStatus) << "signal " << end.signal;
    ASSERT_TRUE(end.violation.has_value());
    EXPECT_EQ(end.violation->syscall(), GetParam().number);
    EXPECT_EQ(end.violation->arch(), 0xc000003e);
    EXPECT_EQ(end.violation->phase(), v1::PHASE_SETUP);
    EXPECT_NE(end.violation->instruction_pointer(), 0u);
    std::vector<uint64_t> arguments(GetParam().arguments.begin(), GetParam().arguments.end());
    arguments.resize(6);
    EXPECT_THAT(end.violation->arguments(), testing::ElementsAreArray(arguments));
  }
  std::optional<Probe> probe_;
};

class SetupViolationTest : public ViolationTest {};
class RunViolationTest : public ViolationTest {};

TEST_P(SetupViolationTest, EndsTheWorkerWithAReport) {
  probe_->ApplyLayers();
  ASSERT_EQ(probe_->Do(ProbeRequestKind::kInstallSetupFilter).value().result, 1);
  ExpectReport();
}

TEST_P(RunViolationTest, KillsTheWorkerWithoutAWordOfItsOwn) {
  ASSERT_TRUE(probe_->LockDown(1));
  EXPECT_FALSE(probe_->Call(GetParam().number, GetParam().arguments).has_value());
  const ProbeEnd end = probe_->End();
  EXPECT_EQ(end.signal, SIGSYS) << "status " << end.status;
  EXPECT_FALSE(end.violation.has_value());
}

std::string AttemptName(const testing::TestParamInfo<Attempt>& attempt) {
  return attempt.param.name;
}
INSTANTIATE_TEST_SUITE_P(Always, SetupViolationTest, testing::ValuesIn(kForbidden), AttemptName);
INSTANTIATE_TEST_SUITE_P(Always, RunViolationTest, testing::ValuesIn(kForbidden), AttemptName);
INSTANTIATE_TEST_SUITE_P(Later, RunViolationTest, testing::ValuesIn(kForbiddenLater), AttemptName);

class FiltersTest : public testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<Probe> probe = Probe::Start();
    ASSERT_TRUE(probe.ok()) << probe.status();
    probe_.emplace(std::move(*probe));
    probe_->ApplyLayers();
    ASSERT_EQ(probe_->Do(ProbeRequestKind::kInstallSetupFilter).value().result, 1);
  }
  std::optional<Probe> probe_;
};

TEST_F(FiltersTest, SetUpMapsTheArenaAndMemory) {
  EXPECT_GT(
      probe_->Call(SYS_mmap, {0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1})
          .value()
          .result,
      0);
  EXPECT_GT(probe_->Call(SYS_mmap, {0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, abi::kFdArena, 0})
                .value()
                .result,
            0);
}

TEST_F(FiltersTest, ThreadsOfBeforeKeepTheirLocks) {
  // The second thread waits at a gate from set-up on, and answers under the filter.
  ASSERT_EQ(probe_->Do(ProbeRequestKind::kStartThread).value().result, 0);
  ASSERT_EQ(probe_->Do(ProbeRequestKind::kInstallRunFilter, {1}).value().result, 1);
  EXPECT_TRUE(probe_->Do(ProbeRequestKind::kBlockOnLock).has_value());
  EXPECT_EQ(probe_->End().status, 0);
}

TEST_F(FiltersTest, RunFilterCoversThreadsThatExist) {
  ASSERT_EQ(probe_->Do(ProbeRequestKind::kStartThread).value().result, 0);
  ASSERT_EQ(probe_->Do(ProbeRequestKind::kInstallRunFilter, {1}).value().result, 1);
  int filtered = 0;
  const std::string tasks = absl::StrCat("/proc/", probe_->pid(), "/task");
  for (const auto& task : std::filesystem::directory_iterator(tasks)) {
    std::ifstream status(task.path() / "status");
    for (std::string line; std::getline(status, line);) {
      if (line == "Seccomp_filters:\t2") ++filtered;
    }
  }
  EXPECT_EQ(filtered, 2);
}

TEST_F(FiltersTest, NoThreadCanBeMadeAfterTheRunFilter) {
  ASSERT_EQ(probe_->Do(ProbeRequestKind::kInstallRunFilter, {1}).value().result, 1);
  EXPECT_FALSE(probe_->Do(ProbeRequestKind::kStartThread).has_value());
  EXPECT_EQ(probe_->End().signal, SIGSYS);
}

TEST_F(FiltersTest, RunFilterNeedsAPossibleNumberOfVcpus) {
  for (const int64_t vcpus : {int64_t{0}, int64_t{abi::kMaxLanes} + 1}) {
    EXPECT_EQ(probe_->Do(ProbeRequestKind::kInstallRunFilter, {vcpus}).value().result, 0);
  }
}

TEST_F(FiltersTest, TheRunFilterStaysOnceInstalled) {
  ASSERT_EQ(probe_->Do(ProbeRequestKind::kInstallRunFilter, {1}).value().result, 1);
  EXPECT_FALSE(probe_->Do(ProbeRequestKind::kInstallRunFilter, {2}).has_value());
}

TEST_F(FiltersTest, EndOfTheControlPipeEndsALockedDownWorker) {
  ASSERT_EQ(probe_->Do(ProbeRequestKind::kInstallRunFilter, {1}).value().result, 1);
  EXPECT_EQ(probe_->End().status, 0);
}

// ---- KVM ----------------------------------------------------------------------------------------

TEST(ConfinedKvmTest, MakesAVmAndAVcpuAndEntersIt) {
  const UniqueFd kvm(open("/dev/kvm", O_RDWR | O_CLOEXEC));
  if (!kvm.valid()) GTEST_SKIP() << "/dev/kvm: " << strerror(errno);
  absl::StatusOr<Probe> probe = Probe::Start({.kvm = kvm.get()});
  ASSERT_TRUE(probe.ok()) << probe.status();
  probe->ApplyLayers();
  ASSERT_EQ(probe->Do(ProbeRequestKind::kInstallSetupFilter).value().result, 1);
  EXPECT_EQ(probe->Call(SYS_ioctl, {abi::kFdKvm, KVM_GET_API_VERSION, 0}).value().result, 12);
  // The arena's number is the lowest that is free from here on.
  ASSERT_EQ(probe->Call(SYS_close, {abi::kFdArena}).value().result, 0);
  const int64_t vm = probe->Call(SYS_ioctl, {abi::kFdKvm, KVM_CREATE_VM, 0}).value().result;
  ASSERT_EQ(vm, abi::kFdArena);
  ASSERT_EQ(probe->Call(SYS_dup3, {vm, abi::kFdVm, O_CLOEXEC}).value().result, abi::kFdVm);
  ASSERT_EQ(probe->Call(SYS_close, {vm}).value().result, 0);
  const int64_t vcpu = probe->Call(SYS_ioctl, {abi::kFdVm, KVM_CREATE_VCPU, 0}).value().result;
  ASSERT_EQ(vcpu, abi::kFdArena);
  ASSERT_EQ(probe->Call(SYS_dup3, {vcpu, abi::kFdVcpu, O_CLOEXEC}).value().result, abi::kFdVcpu);
  for (const int64_t fd : {vcpu, int64_t{abi::kFdVm}, int64_t{abi::kFdKvm}}) {
    EXPECT_EQ(probe->Call(SYS_close, {fd}).value().result, 0);
  }
  ASSERT_EQ(probe->Do(ProbeRequestKind::kInstallRunFilter, {1}).value().result, 1);
  // There is no memory at the reset vector: KVM says so in kvm_run, or fails, but it was asked.
  EXPECT_TRUE(probe->Call(SYS_ioctl, {abi::kFdVcpu, KVM_RUN, 0}).has_value());
  EXPECT_EQ(probe->End().status, 0);
}

// ---- A death in the family ----------------------------------------------------------------------

// Starts a probe from a process of its own, kills that process and waits for the probe's end. The
// control pipe is kept open here when `keep_pipe`, so that only the signal can have ended the
// probe.
bool DiesWithItsParent(bool confined) {
  int report[2];
  if (pipe2(report, O_CLOEXEC) < 0) return false;
  const pid_t parent = fork();
  if (parent == 0) {
    absl::StatusOr<Probe> probe = Probe::Start();
    if (!probe.ok()) _exit(1);
    if (confined) probe->ApplyLayers();
    const int ids[2] = {probe->pid(), probe->control_fd()};
    if (write(report[1], ids, sizeof(ids)) != sizeof(ids)) _exit(1);
    pause();
    _exit(1);
  }
  close(report[1]);
  int ids[2] = {};
  const bool told = read(report[0], ids, sizeof(ids)) == sizeof(ids);
  close(report[0]);
  const UniqueFd probe(static_cast<int>(syscall(SYS_pidfd_open, ids[0], 0)));
  const UniqueFd parent_fd(static_cast<int>(syscall(SYS_pidfd_open, parent, 0)));
  UniqueFd pipe;
  if (confined) pipe.reset(static_cast<int>(syscall(SYS_pidfd_getfd, parent_fd.get(), ids[1], 0)));
  kill(parent, SIGKILL);
  waitpid(parent, nullptr, 0);
  pollfd end = {.fd = probe.get(), .events = POLLIN, .revents = 0};
  return told && probe.valid() && (pipe.valid() || !confined) && poll(&end, 1, 10'000) == 1;
}

TEST(ParentDeathTest, KillsAConfinedWorkerWhosePipeStaysOpen) {
  EXPECT_TRUE(DiesWithItsParent(true));
}

TEST(ParentDeathTest, EndsAWorkerThatHasNotAskedForTheSignalYet) {
  EXPECT_TRUE(DiesWithItsParent(false));
}

}  // namespace
}  // namespace hotcell::worker
