#include "broker/workers/spawn.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "guest/abi/abi.h"
#include "tests/syscall_probe/client.h"

namespace hotcell::broker {
namespace {

using testing::HasSubstr;
using tests::Probe;
using tests::ProbeReply;
using tests::ProbeRequestKind;

// Runs `body` in a process of its own, whose descriptors, user and limits it may change. Its
// expectations count as the caller's.
void InChild(const std::function<void()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    body();
    _exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

bool HasChildren() { return waitpid(-1, nullptr, WNOHANG | __WALL) != -1 || errno != ECHILD; }

// ---- What a worker starts with ------------------------------------------------------------------

TEST(SpawnTest, DescriptorsLandWhereTheyBelongWhateverTheirNumbers) {
  InChild([] {
    // Every source sits on the number that another one shall get.
    constexpr int kOut = abi::kFdControlIn;
    constexpr int kIn = abi::kFdControlOut;
    constexpr int kArena = abi::kFdKvm;
    constexpr int kKvm = 0;
    constexpr int kDoorbell = abi::kFdWake;
    constexpr int kWake = abi::kFdDoorbell;
    const UniqueFd program = tests::OpenProbe();
    int in[2];
    int out[2];
    ASSERT_EQ(pipe2(in, O_CLOEXEC), 0);
    ASSERT_EQ(pipe2(out, O_CLOEXEC), 0);
    const int to = fcntl(in[1], F_DUPFD_CLOEXEC, 200);
    const int from = fcntl(out[0], F_DUPFD_CLOEXEC, 200);
    const int worker_in = fcntl(in[0], F_DUPFD_CLOEXEC, 200);
    const int worker_out = fcntl(out[1], F_DUPFD_CLOEXEC, 200);
    const int program_fd = fcntl(program.get(), F_DUPFD_CLOEXEC, 200);
    dup3(worker_in, kIn, O_CLOEXEC);
    dup3(worker_out, kOut, O_CLOEXEC);
    dup3(open("/dev/zero", O_RDWR), kKvm, 0);
    dup3(open("/dev/full", O_RDWR), kArena, 0);
    dup3(eventfd(71, 0), kDoorbell, 0);
    dup3(eventfd(72, 0), kWake, 0);
    for (const int fd : {worker_in, worker_out}) close(fd);
    const absl::StatusOr<SpawnedWorker> worker = SpawnWorker(program_fd, {.control_in = kIn,
                                                                          .control_out = kOut,
                                                                          .kvm = kKvm,
                                                                          .arena = kArena,
                                                                          .doorbells = {kDoorbell},
                                                                          .wakes = {kWake}});
    ASSERT_TRUE(worker.ok()) << worker.status();

    const auto call = [&](int64_t number, int64_t first, uint32_t in_scratch, int64_t third) {
      tests::ProbeRequest request{.in_scratch = in_scratch, .number = number};
      request.arguments[0] = first;
      request.arguments[2] = third;
      ProbeReply reply;
      EXPECT_EQ(write(to, &request, sizeof(request)), ssize_t{sizeof(request)});
      EXPECT_EQ(read(from, &reply, sizeof(reply)), ssize_t{sizeof(reply)});
      return reply;
    };
    const auto device = [&](int fd) {
      struct stat file;
      std::memcpy(&file, call(SYS_fstat, fd, 2, 0).scratch, sizeof(file));
      return file.st_rdev;
    };
    const auto events = [&](int fd) {
      uint64_t count = 0;
      std::memcpy(&count, call(SYS_read, fd, 2, sizeof(count)).scratch, sizeof(count));
      return count;
    };
    EXPECT_EQ(device(abi::kFdKvm), makedev(1, 5));
    EXPECT_EQ(device(abi::kFdArena), makedev(1, 7));
    for (const int fd : {0, 1, 2}) EXPECT_EQ(device(fd), makedev(1, 3));
    EXPECT_EQ(events(abi::kFdDoorbell), 71u);
    EXPECT_EQ(events(abi::kFdWake), 72u);
    std::vector<int> open_fds;
    for (int fd = 0; fd < 300; ++fd) {
      if (call(SYS_fcntl, fd, 0, 0).result != -1 || call(SYS_fstat, fd, 2, 0).result == 0) {
        open_fds.push_back(fd);
      }
    }
    EXPECT_THAT(open_fds, testing::IsSupersetOf({0, 1, 2, 3, 4, 5, 6, 16, 32}));
  });
}

TEST(SpawnTest, NothingElseIsOpen) {
  const UniqueFd inheritable(open("/dev/null", O_RDONLY));
  absl::StatusOr<Probe> probe = Probe::Start();
  ASSERT_TRUE(probe.ok()) << probe.status();
  std::vector<int> open_fds;
  for (int fd = 0; fd < 1100; ++fd) {
    if (probe->Call(SYS_fcntl, {fd, F_GETFD}).value().result >= 0) open_fds.push_back(fd);
  }
  EXPECT_THAT(open_fds,
              testing::ElementsAre(0, 1, 2, abi::kFdControlIn, abi::kFdControlOut, abi::kFdKvm,
                                   abi::kFdArena, abi::kFdDoorbell, abi::kFdWake));
}

TEST(SpawnTest, NothingOfTheCallersSurroundingsIsPassedOn) {
  setenv("SECRET", "of the caller", 1);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGTERM, SIG_IGN);
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
  absl::StatusOr<Probe> probe = Probe::Start();
  pthread_sigmask(SIG_UNBLOCK, &blocked, nullptr);
  ASSERT_TRUE(probe.ok()) << probe.status();

  const ProbeReply start = probe->Do(ProbeRequestKind::kDescribeStart).value();
  EXPECT_EQ(start.result, 1000) << "one argument, no environment";
  EXPECT_STREQ(start.scratch, "hotcell-worker");
  const ProbeReply directory =
      probe->Send({.in_scratch = 1, .number = SYS_getcwd, .arguments = {0, 100}}).value();
  EXPECT_STREQ(directory.scratch, "/");
  EXPECT_EQ(probe->Call(SYS_getsid, {0}).value().result, probe->Call(SYS_getpid).value().result);
  EXPECT_EQ(probe->CallWithPath(SYS_openat, 1, "/dev/tty", {AT_FDCWD, 0, O_RDWR}).value().result,
            -1);
  for (const int64_t ignored : {SIGPIPE, SIGTERM}) {
    const ProbeReply action =
        probe->Send({.in_scratch = 4, .number = SYS_rt_sigaction, .arguments = {ignored, 0, 0, 8}})
            .value();
    EXPECT_EQ(action.result, 0);
    uint64_t handler = 1;
    std::memcpy(&handler, action.scratch, sizeof(handler));
    EXPECT_EQ(handler, 0u) << "SIG_DFL";
  }
  uint64_t mask = 1;
  const ProbeReply signals =
      probe
          ->Send({.in_scratch = 4, .number = SYS_rt_sigprocmask, .arguments = {SIG_BLOCK, 0, 0, 8}})
          .value();
  std::memcpy(&mask, signals.scratch, sizeof(mask));
  EXPECT_EQ(mask, 0u);
}

// ---- The caller is left alone -------------------------------------------------------------------

volatile sig_atomic_t signals_taken = 0;

TEST(SpawnTest, ItsEndIsSeenByACallerThatIgnoresItsChildren) {
  InChild([] {
    signal(SIGCHLD, SIG_IGN);
    absl::StatusOr<Probe> probe = Probe::Start();
    ASSERT_TRUE(probe.ok()) << probe.status();
    pollfd end = {.fd = probe->pidfd(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(poll(&end, 1, 0), 0);
    ASSERT_EQ(syscall(SYS_pidfd_send_signal, probe->pidfd(), SIGKILL, nullptr, 0), 0);
    EXPECT_EQ(poll(&end, 1, 10'000), 1);
    EXPECT_FALSE(HasChildren());
  });
}

TEST(SpawnTest, SignalMaskAndHandlersStayTheCallers) {
  InChild([] {
    signal(SIGUSR2, [](int) { signals_taken = signals_taken + 1; });
    absl::StatusOr<Probe> probe = Probe::Start();
    ASSERT_TRUE(probe.ok()) << probe.status();
    raise(SIGUSR2);
    EXPECT_EQ(signals_taken, 1);
  });
}

TEST(SpawnTest, ManyThreadsMaySpawnAtOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&good] {
      for (int round = 0; round < 5; ++round) {
        absl::StatusOr<Probe> probe = Probe::Start();
        if (probe.ok() && probe->Call(SYS_getpid).has_value() && probe->End().status == 0) ++good;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 40);
}

// ---- Under limits and filters of the caller's ---------------------------------------------------

TEST(SpawnTest, ASoftLimitOfTheCallersIsNotTheWorkers) {
  InChild([] {
    rlimit files;
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
    const rlimit low = {40, files.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
    const absl::StatusOr<Probe> probe = Probe::Start();
    ASSERT_TRUE(probe.ok()) << probe.status();
    rlimit of_worker;
    ASSERT_EQ(prlimit(probe->pid(), RLIMIT_NOFILE, nullptr, &of_worker), 0);
    EXPECT_EQ(of_worker.rlim_cur, files.rlim_max);
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
    EXPECT_EQ(files.rlim_cur, 40u) << "the caller's own";
  });
}

// Refuses clone3() as a container's filter does; `error` is its answer.
void RefuseClone3(uint32_t error) {
  const sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter = {std::size(program), const_cast<sock_filter*>(program)};
  ASSERT_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  ASSERT_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0), 0);
}

class RefusedClone3Test : public testing::TestWithParam<uint32_t> {};

TEST_P(RefusedClone3Test, TheWorkerStartsAsConfinedAndWithoutTheCallersSignals) {
  InChild([] {
    signal(SIGUSR2, [](int) { signals_taken = signals_taken + 1; });
    signal(SIGTERM, SIG_IGN);
    absl::StatusOr<Probe> usual = Probe::Start();
    ASSERT_TRUE(usual.ok()) << usual.status();
    RefuseClone3(GetParam());
    absl::StatusOr<Probe> probe = Probe::Start();
    ASSERT_TRUE(probe.ok()) << probe.status();
    for (const int64_t number : {SIGUSR2, SIGTERM}) {
      const ProbeReply action =
          probe->Send({.in_scratch = 4, .number = SYS_rt_sigaction, .arguments = {number, 0, 0, 8}})
              .value();
      uint64_t handler = 1;
      std::memcpy(&handler, action.scratch, sizeof(handler));
      EXPECT_EQ(handler, 0u) << "SIG_DFL";
    }
    const v1::Confined expected = usual->ApplyLayers();
    EXPECT_EQ(probe->ApplyLayers().SerializeAsString(), expected.SerializeAsString());
    raise(SIGUSR2);
    EXPECT_EQ(signals_taken, 1);
    EXPECT_EQ(probe->End().status, 0);
  });
}

INSTANTIATE_TEST_SUITE_P(Answers, RefusedClone3Test, testing::Values(ENOSYS, EPERM));

// ---- Errors -------------------------------------------------------------------------------------

struct Pipes {
  UniqueFd ends[2];
  Pipes() {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) == 0) {
      ends[0].reset(fds[0]);
      ends[1].reset(fds[1]);
    }
  }
  WorkerFds fds() const {
    return {.control_in = ends[0].get(), .control_out = ends[1].get(), .kvm = ends[0].get()};
  }
};

TEST(SpawnErrorTest, AProgramThatIsNoProgramIsNamed) {
  const Pipes pipes;
  const UniqueFd text(open("/proc/self/status", O_RDONLY | O_CLOEXEC));
  const absl::Status status = SpawnWorker(text.get(), pipes.fds()).status();
  EXPECT_THAT(status.message(), HasSubstr("execute the worker program"));
  EXPECT_THAT(status.message(), HasSubstr("install hotcell-worker"));
  EXPECT_FALSE(HasChildren());
}

TEST(SpawnErrorTest, ADescriptorThatIsClosedIsAnError) {
  const Pipes pipes;
  WorkerFds fds = pipes.fds();
  fds.control_out = -1;
  const UniqueFd program = tests::OpenProbe();
  const absl::Status status = SpawnWorker(program.get(), fds).status();
  EXPECT_THAT(status.message(), HasSubstr("cannot find the worker's descriptors"));
  EXPECT_FALSE(HasChildren());
}

TEST(SpawnErrorTest, TooManyLanesAreRefused) {
  const Pipes pipes;
  WorkerFds fds = pipes.fds();
  fds.wakes.assign(abi::kMaxLanes + 1, fds.kvm);
  EXPECT_EQ(SpawnWorker(0, fds).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(SpawnErrorTest, ALowLimitOnOpenFilesIsNamedWithItsRemedy) {
  InChild([] {
    const UniqueFd program = tests::OpenProbe();
    const rlimit low = {40, 40};
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
    const absl::Status status = Probe::Start({.program = program.get()}).status();
    EXPECT_THAT(status.message(), HasSubstr("RLIMIT_NOFILE is 40, see ulimit -n"));
    EXPECT_FALSE(HasChildren());
  });
}

// ---- With fewer rights --------------------------------------------------------------------------

void BecomeOrdinaryUser() {
  constexpr uid_t kNobody = 65534;
  ASSERT_EQ(setgroups(0, nullptr), 0);
  ASSERT_EQ(setresgid(kNobody, kNobody, kNobody), 0);
  ASSERT_EQ(setresuid(kNobody, kNobody, kNobody), 0);
}

void Write(const char* path, const std::string& text) {
  std::ofstream file(path);
  file << text << std::flush;
  ASSERT_TRUE(file.good()) << path;
}

// No user namespace below this one, and no capability in it.
void ForbidNamespaces() {
  const uid_t uid = geteuid();
  const gid_t gid = getegid();
  ASSERT_EQ(unshare(CLONE_NEWUSER), 0);
  Write("/proc/self/setgroups", "deny");
  Write("/proc/self/uid_map", absl::StrCat("1000 ", uid, " 1"));
  Write("/proc/self/gid_map", absl::StrCat("1000 ", gid, " 1"));
  Write("/proc/sys/user/max_user_namespaces", "0");
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
  ASSERT_EQ(syscall(SYS_capset, &header, none), 0);
}

bool MayMakeUserNamespaces() {
  const pid_t child = fork();
  if (child == 0) _exit(unshare(CLONE_NEWUSER) == 0 ? 0 : 1);
  int status = -1;
  waitpid(child, &status, 0);
  return status == 0;
}

v1::LayerResult UserIds(const v1::Confined& report) {
  return tests::FindLayer(report, v1::LAYER_USER_IDS);
}

// Enters a user namespace with root and no other user. Its groups may be changed, for it is mapped
// by a process that stays outside.
void BecomeRootAlone() {
  const pid_t namespace_of = getpid();
  int go[2];
  ASSERT_EQ(pipe2(go, O_CLOEXEC), 0);
  const pid_t outside = fork();
  if (outside == 0) {
    char byte = 0;
    if (read(go[0], &byte, 1) != 1) _exit(1);
    const std::string process = absl::StrCat("/proc/", namespace_of, "/");
    Write((process + "uid_map").c_str(), "0 0 1");
    Write((process + "gid_map").c_str(), "0 0 1");
    _exit(testing::Test::HasFailure() ? 1 : 0);
  }
  ASSERT_EQ(unshare(CLONE_NEWUSER), 0);
  ASSERT_EQ(write(go[1], "x", 1), 1);
  int status = -1;
  ASSERT_EQ(waitpid(outside, &status, 0), outside);
  ASSERT_EQ(status, 0);
}

TEST(SpawnRightsTest, RootKeepsItsIdsWhereThereAreNoOthers) {
  if (geteuid() != 0) GTEST_SKIP() << "takes root";
  if (!MayMakeUserNamespaces()) GTEST_SKIP() << "no user namespaces on this machine";
  InChild([] {
    BecomeRootAlone();
    absl::StatusOr<Probe> probe = Probe::Start();
    ASSERT_TRUE(probe.ok()) << probe.status();
    const v1::Confined report = probe->ApplyLayers();
    EXPECT_EQ(UserIds(report).state(), v1::LAYER_STATE_UNAVAILABLE);
    EXPECT_EQ(UserIds(report).error(), EINVAL);
    for (const v1::Layer layer :
         {v1::LAYER_USER_NAMESPACE, v1::LAYER_PID_NAMESPACE, v1::LAYER_MOUNT_NAMESPACE,
          v1::LAYER_CAPABILITIES, v1::LAYER_BOUNDING_SET}) {
      EXPECT_EQ(tests::FindLayer(report, layer).state(), v1::LAYER_STATE_ACHIEVED)
          << v1::Layer_Name(layer);
    }
  });
}

void DropCapability(int capability) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
  ASSERT_EQ(syscall(SYS_capget, &header, sets), 0);
  sets[CAP_TO_INDEX(capability)].effective &= ~CAP_TO_MASK(capability);
  sets[CAP_TO_INDEX(capability)].permitted &= ~CAP_TO_MASK(capability);
  ASSERT_EQ(prctl(PR_CAPBSET_DROP, capability, 0, 0, 0), 0);
  ASSERT_EQ(syscall(SYS_capset, &header, sets), 0);
}

// Without CAP_SYS_ADMIN there is no pid namespace but in a new user namespace, where ids do not
// exist; without CAP_KILL root could not end its worker.
TEST(SpawnRightsTest, RootWithoutTheCapabilitiesSaysThatItKeepsItsIds) {
  if (geteuid() != 0) GTEST_SKIP() << "takes root";
  for (const int capability : {CAP_SYS_ADMIN, CAP_KILL, CAP_SETUID, CAP_SETGID}) {
    InChild([&] {
      DropCapability(capability);
      absl::StatusOr<Probe> probe = Probe::Start();
      ASSERT_TRUE(probe.ok()) << probe.status();
      const v1::LayerResult result = UserIds(probe->ApplyLayers());
      EXPECT_EQ(result.state(), v1::LAYER_STATE_UNAVAILABLE) << capability;
      EXPECT_EQ(result.error(), EPERM);
    });
  }
}

TEST(SpawnRightsTest, RootKeepsItsIdsUnderALimitThatItsWorkerNeedNotFear) {
  if (geteuid() != 0) GTEST_SKIP() << "takes root";
  InChild([] {
    const rlimit few = {8, 8};
    ASSERT_EQ(setrlimit(RLIMIT_NPROC, &few), 0);
    absl::StatusOr<Probe> probe = Probe::Start();
    ASSERT_TRUE(probe.ok()) << probe.status();
    EXPECT_EQ(UserIds(probe->ApplyLayers()).state(), v1::LAYER_STATE_UNAVAILABLE);
  });
}

TEST(SpawnRightsTest, AProgramThatOnlyRootMayReadIsExecuted) {
  if (geteuid() != 0) GTEST_SKIP() << "takes root";
  const std::string directory = testing::TempDir() + "/hotcell-root-only";
  ASSERT_EQ(mkdir(directory.c_str(), 0700), 0) << strerror(errno);
  const std::string path = directory + "/probe";
  const UniqueFd probe_program = tests::OpenProbe();
  std::filesystem::copy_file(absl::StrCat("/proc/self/fd/", probe_program.get()), path);
  ASSERT_EQ(chmod(path.c_str(), 0700), 0);
  const UniqueFd program(open(path.c_str(), O_PATH | O_CLOEXEC));
  std::filesystem::remove_all(directory);
  absl::StatusOr<Probe> probe = Probe::Start({.program = program.get()});
  ASSERT_TRUE(probe.ok()) << probe.status();
  EXPECT_NE(UserIds(probe->ApplyLayers()).state(), v1::LAYER_STATE_FAILED);
}

TEST(SpawnRightsTest, AnOrdinaryUsersWorkerIsConfinedAsWell) {
  if (geteuid() != 0) GTEST_SKIP() << "the other tests run as an ordinary user already";
  if (!MayMakeUserNamespaces()) GTEST_SKIP() << "no user namespaces on this machine";
  const UniqueFd program = tests::OpenProbe();
  InChild([&] {
    BecomeOrdinaryUser();
    absl::StatusOr<Probe> probe = Probe::Start({.program = program.get()});
    ASSERT_TRUE(probe.ok()) << probe.status();
    const v1::Confined report = probe->ApplyLayers();
    EXPECT_GT(report.layers_size(), 0);
    for (const v1::LayerResult& layer : report.layers()) {
      const bool is_the_hosts_matter = layer.layer() == v1::LAYER_LANDLOCK ||
                                       layer.layer() == v1::LAYER_SPECULATION ||
                                       layer.layer() == v1::LAYER_DENY_WRITE_EXECUTE;
      if (is_the_hosts_matter || layer.state() == v1::LAYER_STATE_PENDING) continue;
      EXPECT_EQ(layer.state(), v1::LAYER_STATE_ACHIEVED)
          << v1::Layer_Name(layer.layer()) << " " << strerror(layer.error());
    }
    EXPECT_EQ(probe->Do(ProbeRequestKind::kInstallSetupFilter).value().result, 1);
  });
}

TEST(SpawnRightsTest, WithoutNamespacesEachMissingLayerIsReported) {
  if (!MayMakeUserNamespaces()) GTEST_SKIP() << "no user namespaces on this machine";
  const UniqueFd program = tests::OpenProbe();
  InChild([&] {
    ForbidNamespaces();
    absl::StatusOr<Probe> probe = Probe::Start({.program = program.get()});
    ASSERT_TRUE(probe.ok()) << probe.status();
    const v1::Confined report = probe->ApplyLayers();
    const auto state = [&](v1::Layer layer) { return tests::FindLayer(report, layer).state(); };
    for (const v1::Layer layer :
         {v1::LAYER_USER_NAMESPACE, v1::LAYER_MOUNT_NAMESPACE, v1::LAYER_PID_NAMESPACE,
          v1::LAYER_NET_NAMESPACE, v1::LAYER_IPC_NAMESPACE, v1::LAYER_UTS_NAMESPACE,
          v1::LAYER_CGROUP_NAMESPACE}) {
      EXPECT_EQ(state(layer), v1::LAYER_STATE_UNAVAILABLE) << v1::Layer_Name(layer);
      EXPECT_NE(tests::FindLayer(report, layer).error(), 0);
    }
    for (const v1::Layer layer :
         {v1::LAYER_NO_NEW_PRIVS, v1::LAYER_CLOSED_FDS, v1::LAYER_CAPABILITIES, v1::LAYER_RLIMITS,
          v1::LAYER_UNDUMPABLE, v1::LAYER_PARENT_DEATH_SIGNAL}) {
      EXPECT_EQ(state(layer), v1::LAYER_STATE_ACHIEVED) << v1::Layer_Name(layer);
    }
    EXPECT_EQ(probe->Do(ProbeRequestKind::kInstallSetupFilter).value().result, 1);
    EXPECT_EQ(probe->Do(ProbeRequestKind::kInstallRunFilter, {1}).value().result, 1);
    EXPECT_FALSE(probe->Call(SYS_getppid).has_value());
    EXPECT_EQ(probe->End().signal, SIGSYS);
  });
}

TEST(SpawnRightsTest, AnOrdinaryUsersWorkerUsesTheKvmItIsGiven) {
  if (geteuid() != 0) GTEST_SKIP() << "the other tests run as an ordinary user already";
  const UniqueFd kvm(open("/dev/kvm", O_RDWR | O_CLOEXEC));
  if (!kvm.valid()) GTEST_SKIP() << "/dev/kvm: " << strerror(errno);
  const UniqueFd program = tests::OpenProbe();
  InChild([&] {
    BecomeOrdinaryUser();
    absl::StatusOr<Probe> probe = Probe::Start({.kvm = kvm.get(), .program = program.get()});
    ASSERT_TRUE(probe.ok()) << probe.status();
    probe->ApplyLayers();
    ASSERT_EQ(probe->Do(ProbeRequestKind::kInstallSetupFilter).value().result, 1);
    EXPECT_GE(probe->Call(SYS_ioctl, {abi::kFdKvm, KVM_CREATE_VM, 0}).value().result, 0);
  });
}

}  // namespace
}  // namespace hotcell::broker
