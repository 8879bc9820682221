#include "vmm-worker/confinement.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/kvm.h>
#include <linux/securebits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
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
#include <set>
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

// ---- Layers -------------------------------------------------------------------------------------

class LayersTest : public testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<Probe> probe = Probe::Start({.lanes = 2});
    ASSERT_TRUE(probe.ok()) << probe.status();
    probe_.emplace(std::move(*probe));
    report_ = probe_->ApplyLayers();
    ASSERT_GT(report_.layers_size(), 0);
  }

  // A machine may withhold what only a kernel option or an administrator gives.
  bool Achieved(v1::Layer layer) const {
    return tests::FindLayer(report_, layer).state() == v1::LAYER_STATE_ACHIEVED;
  }
  ProbeReply Call(int64_t number, std::initializer_list<int64_t> arguments = {}) {
    return probe_->Call(number, arguments).value();
  }

  std::optional<Probe> probe_;
  v1::Confined report_;
};

#define SKIP_UNLESS_ACHIEVED(layer)                                                              \
  if (!Achieved(layer)) {                                                                        \
    const v1::LayerResult result = tests::FindLayer(report_, layer);                             \
    ASSERT_EQ(result.state(), v1::LAYER_STATE_UNAVAILABLE) << v1::Layer_Name(layer);             \
    GTEST_SKIP() << v1::Layer_Name(layer) << " is not to be had here, errno " << result.error(); \
  }

TEST_F(LayersTest, EachIsReportedOnceAndNoneFails) {
  std::set<int> seen;
  for (const v1::LayerResult& result : report_.layers()) {
    EXPECT_TRUE(seen.insert(result.layer()).second) << v1::Layer_Name(result.layer());
    EXPECT_NE(result.state(), v1::LAYER_STATE_FAILED)
        << v1::Layer_Name(result.layer()) << " " << strerror(result.error());
    EXPECT_EQ(result.state() == v1::LAYER_STATE_UNAVAILABLE, result.error() != 0);
  }
  for (int layer = v1::Layer_MIN + 1; layer <= v1::Layer_MAX; ++layer) {
    EXPECT_EQ(seen.contains(layer), layer != v1::LAYER_SECCOMP) << layer;
  }
}

TEST_F(LayersTest, NoNewPrivilegesAreGained) {
  EXPECT_TRUE(Achieved(v1::LAYER_NO_NEW_PRIVS));
  EXPECT_EQ(Call(SYS_prctl, {PR_GET_NO_NEW_PRIVS}).result, 1);
}

TEST_F(LayersTest, OnlyTheNamedDescriptorsAreOpen) {
  EXPECT_TRUE(Achieved(v1::LAYER_CLOSED_FDS));
  std::set<int> open;
  for (int fd = 0; fd < 1100; ++fd) {
    if (Call(SYS_fcntl, {fd, F_GETFD}).result >= 0) open.insert(fd);
  }
  EXPECT_THAT(open, testing::ElementsAre(0, 1, 2, abi::kFdControlIn, abi::kFdControlOut,
                                         abi::kFdKvm, abi::kFdArena, abi::kFdDoorbell,
                                         abi::kFdDoorbell + 1, abi::kFdWake, abi::kFdWake + 1));
}

TEST_F(LayersTest, AllCapabilitySetsAreEmpty) {
  ASSERT_TRUE(Achieved(v1::LAYER_CAPABILITIES));
  ProbeRequest request{.in_scratch = 3, .number = SYS_capget, .arguments = {0, 64}};
  const __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  std::memcpy(request.scratch, &header, sizeof(header));
  const ProbeReply reply = probe_->Send(request).value();
  ASSERT_EQ(reply.result, 0);
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
  std::memcpy(sets, reply.scratch + 64, sizeof(sets));
  for (const __user_cap_data_struct& set : sets) {
    EXPECT_EQ(set.effective | set.permitted | set.inheritable, 0u);
  }
  for (int capability = 0; capability <= CAP_LAST_CAP; ++capability) {
    EXPECT_EQ(Call(SYS_prctl, {PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, capability, 0, 0}).result, 0);
  }
}

TEST_F(LayersTest, NoCapabilityCanComeBack) {
  SKIP_UNLESS_ACHIEVED(v1::LAYER_USER_NAMESPACE);  // without, an ordinary user keeps them
  for (int capability = 0; capability <= CAP_LAST_CAP; ++capability) {
    EXPECT_EQ(Call(SYS_prctl, {PR_CAPBSET_READ, capability}).result, 0) << capability;
  }
  EXPECT_EQ(Call(SYS_prctl, {PR_GET_SECUREBITS}).result & (SECBIT_NOROOT | SECBIT_NOROOT_LOCKED),
            SECBIT_NOROOT | SECBIT_NOROOT_LOCKED);
}

TEST_F(LayersTest, TheRootIsEmptyAndReadOnly) {
  SKIP_UNLESS_ACHIEVED(v1::LAYER_MOUNT_NAMESPACE);
  for (const char* path : {"/etc/passwd", "/proc/self/mem", "/dev/kvm", "/usr", "../../etc"}) {
    // newfstatat: Landlock does not stand in its way.
    const ProbeReply reply =
        probe_->CallWithPath(SYS_newfstatat, 1, path, {AT_FDCWD, 0, 0x1000, 0}).value();
    EXPECT_EQ(reply.error, ENOENT) << path;
  }
  EXPECT_NE(probe_->CallWithPath(SYS_mkdirat, 1, "/directory", {AT_FDCWD, 0, 0700}).value().error,
            0);
}

TEST_F(LayersTest, NoFileCanBeOpened) {
  for (const char* path : {"/etc/passwd", "/proc/self/mem", "/dev/null"}) {
    EXPECT_NE(probe_->CallWithPath(SYS_openat, 1, path, {AT_FDCWD, 0, O_RDONLY}).value().error, 0)
        << path;
  }
}

TEST_F(LayersTest, LandlockGrantsNoRight) {
  SKIP_UNLESS_ACHIEVED(v1::LAYER_LANDLOCK);
  // The root directory exists; without Landlock it could be listed.
  EXPECT_EQ(
      probe_->CallWithPath(SYS_openat, 1, "/", {AT_FDCWD, 0, O_RDONLY | O_DIRECTORY}).value().error,
      EACCES);
}

TEST_F(LayersTest, NoNetworkIsReached) {
  SKIP_UNLESS_ACHIEVED(v1::LAYER_NET_NAMESPACE);
  const int64_t udp = Call(SYS_socket, {AF_INET, SOCK_DGRAM, 0}).result;
  ASSERT_GE(udp, 0);
  ProbeRequest connect{.in_scratch = 2, .number = SYS_connect};
  connect.arguments[0] = udp;
  connect.arguments[2] = sizeof(sockaddr_in);
  const sockaddr_in loopback = {
      .sin_family = AF_INET, .sin_port = htons(53), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  std::memcpy(connect.scratch, &loopback, sizeof(loopback));
  EXPECT_EQ(probe_->Send(connect).value().error, ENETUNREACH);
  // Interface 1 is the loopback, which is down; there is no other.
  ProbeRequest name{.in_scratch = 4, .number = SYS_ioctl, .arguments = {udp, SIOCGIFNAME, 0}};
  ifreq interface = {};
  interface.ifr_ifindex = 2;
  std::memcpy(name.scratch, &interface, sizeof(interface));
  EXPECT_EQ(probe_->Send(name).value().error, ENODEV);
}

TEST_F(LayersTest, IsTheOnlyProcessItSees) {
  SKIP_UNLESS_ACHIEVED(v1::LAYER_PID_NAMESPACE);
  EXPECT_EQ(Call(SYS_getpid).result, 1);
  EXPECT_EQ(Call(SYS_getppid).result, 0);
  EXPECT_EQ(Call(SYS_kill, {getpid(), 0}).error, ESRCH);
  EXPECT_EQ(Call(SYS_kill, {-1, 0}).error, ESRCH);
}

TEST_F(LayersTest, NamespacesAreNotTheCallers) {
  const struct {
    v1::Layer layer;
    const char* name;
  } namespaces[] = {
      {v1::LAYER_USER_NAMESPACE, "user"},     {v1::LAYER_MOUNT_NAMESPACE, "mnt"},
      {v1::LAYER_PID_NAMESPACE, "pid"},       {v1::LAYER_NET_NAMESPACE, "net"},
      {v1::LAYER_IPC_NAMESPACE, "ipc"},       {v1::LAYER_UTS_NAMESPACE, "uts"},
      {v1::LAYER_CGROUP_NAMESPACE, "cgroup"},
  };
  if (geteuid() != 0) GTEST_SKIP() << "only root sees an undumpable process's namespaces";
  for (const auto& one : namespaces) {
    if (!Achieved(one.layer)) continue;
    char own[64] = {};
    char other[64] = {};
    ASSERT_GT(readlink(absl::StrCat("/proc/self/ns/", one.name).c_str(), own, 63), 0);
    ASSERT_GT(readlink(absl::StrCat("/proc/", probe_->pid(), "/ns/", one.name).c_str(), other, 63),
              0);
    EXPECT_STRNE(own, other);
  }
}

TEST_F(LayersTest, LimitsAreLowered) {
  EXPECT_TRUE(Achieved(v1::LAYER_RLIMITS));
  const struct {
    int resource;
    rlim_t limit;
  } limits[] = {{RLIMIT_CORE, 0},    {RLIMIT_FSIZE, 0},    {RLIMIT_NOFILE, 64},
                {RLIMIT_MEMLOCK, 0}, {RLIMIT_MSGQUEUE, 0}, {RLIMIT_RTPRIO, 0}};
  for (const auto& one : limits) {
    const ProbeReply reply =
        probe_->Send({.in_scratch = 8, .number = SYS_prlimit64, .arguments = {0, one.resource}})
            .value();
    rlimit limit;
    std::memcpy(&limit, reply.scratch, sizeof(limit));
    EXPECT_EQ(limit.rlim_cur, one.limit) << one.resource;
    EXPECT_EQ(limit.rlim_max, one.limit) << one.resource;
  }
}

TEST_F(LayersTest, IsUndumpableAndDiesWithItsParent) {
  EXPECT_TRUE(Achieved(v1::LAYER_UNDUMPABLE));
  EXPECT_EQ(Call(SYS_prctl, {PR_GET_DUMPABLE}).result, 0);
  EXPECT_TRUE(Achieved(v1::LAYER_PARENT_DEATH_SIGNAL));
  const ProbeReply reply =
      probe_->Send({.in_scratch = 2, .number = SYS_prctl, .arguments = {PR_GET_PDEATHSIG}}).value();
  int signal = 0;
  std::memcpy(&signal, reply.scratch, sizeof(signal));
  EXPECT_EQ(signal, SIGKILL);
}

TEST_F(LayersTest, HasItsNameInTheProcessList) {
  std::ifstream file(absl::StrCat("/proc/", probe_->pid(), "/comm"));
  std::string name;
  std::getline(file, name);
  EXPECT_EQ(name, "hotcell-worker");
}

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
    {"unknown_number", 1000, {}},
};

// Allowed in set-up, not while a guest runs.
const Attempt kForbiddenLater[] = {
    {"write_doorbell", SYS_write, {abi::kFdDoorbell, 0, 8}},
    {"getpid", SYS_getpid, {}},
    {"mmap", SYS_mmap, {0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1}},
    {"munmap", SYS_munmap, {0, 4096}},
    {"mprotect", SYS_mprotect, {0, 4096, PROT_READ}},
    {"brk", SYS_brk, {0}},
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
  void ExpectViolation(v1::Phase phase) {
    EXPECT_FALSE(probe_->Call(GetParam().number, GetParam().arguments).has_value());
    const ProbeEnd end = probe_->End();
    EXPECT_EQ(end.status, kViolationExitStatus) << "signal " << end.signal;
    ASSERT_TRUE(end.violation.has_value());
    EXPECT_EQ(end.violation->syscall(), GetParam().number);
    EXPECT_EQ(end.violation->arch(), 0xc000003e);
    EXPECT_EQ(end.violation->phase(), phase);
  }
  std::optional<Probe> probe_;
};

class SetupViolationTest : public ViolationTest {};
class RunViolationTest : public ViolationTest {};

TEST_P(SetupViolationTest, EndsTheWorkerWithAReport) {
  probe_->ApplyLayers();
  ASSERT_EQ(probe_->Do(ProbeRequestKind::kInstallSetupFilter).value().result, 1);
  ExpectViolation(v1::PHASE_SETUP);
}

TEST_P(RunViolationTest, EndsTheWorkerWithAReport) {
  ASSERT_TRUE(probe_->LockDown(1));
  ExpectViolation(v1::PHASE_RUN);
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
  // The second thread waits on a condition variable from set-up on, and answers under the filter.
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
  EXPECT_EQ(probe_->End().status, kViolationExitStatus);
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
  const broker::UniqueFd kvm(open("/dev/kvm", O_RDWR | O_CLOEXEC));
  if (!kvm.valid()) GTEST_SKIP() << "/dev/kvm: " << strerror(errno);
  absl::StatusOr<Probe> probe = Probe::Start({.kvm = kvm.get()});
  ASSERT_TRUE(probe.ok()) << probe.status();
  probe->ApplyLayers();
  ASSERT_EQ(probe->Do(ProbeRequestKind::kInstallSetupFilter).value().result, 1);
  EXPECT_EQ(probe->Call(SYS_ioctl, {abi::kFdKvm, KVM_GET_API_VERSION, 0}).value().result, 12);
  const int64_t vm = probe->Call(SYS_ioctl, {abi::kFdKvm, KVM_CREATE_VM, 0}).value().result;
  ASSERT_GE(vm, 0);
  const int64_t vcpu = probe->Call(SYS_ioctl, {vm, KVM_CREATE_VCPU, 0}).value().result;
  ASSERT_GE(vcpu, 0);
  ASSERT_EQ(probe->Call(SYS_dup3, {vcpu, abi::kFdVcpu, O_CLOEXEC}).value().result, abi::kFdVcpu);
  for (const int64_t fd : {vcpu, vm, int64_t{abi::kFdKvm}, int64_t{abi::kFdArena}}) {
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
  const broker::UniqueFd probe(static_cast<int>(syscall(SYS_pidfd_open, ids[0], 0)));
  const broker::UniqueFd parent_fd(static_cast<int>(syscall(SYS_pidfd_open, parent, 0)));
  broker::UniqueFd pipe;
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
