// What ApplyLayers() leaves a process, asked of the process itself and read from /proc.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/securebits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "guest/abi/abi.h"
#include "policy/layers.h"
#include "tests/support/process_limits.h"
#include "tests/syscall_probe/client.h"
#include "vmm-worker/confinement/confinement.h"

namespace hotcell::worker {
namespace {

using tests::Probe;
using tests::ProbeReply;
using tests::ProbeRequest;
using tests::ProbeRequestKind;

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

// The fields of that line of /proc/PID/status, as the host sees the process.
std::vector<uint64_t> StatusOf(pid_t pid, const std::string& name) {
  std::ifstream status(absl::StrCat("/proc/", pid, "/status"));
  for (std::string line; std::getline(status, line);) {
    std::istringstream fields(line);
    std::string label;
    if (!(fields >> label) || label != name + ":") continue;
    return {std::istream_iterator<uint64_t>(fields), {}};
  }
  ADD_FAILURE() << name;
  return {};
}

TEST_F(LayersTest, RootsWorkerIsAUserOfItsOwnToTheHost) {
  if (geteuid() != 0) GTEST_SKIP() << "takes root";
  SKIP_UNLESS_ACHIEVED(v1::LAYER_USER_IDS);
  const std::vector<uint64_t> users = StatusOf(probe_->pid(), "Uid");
  ASSERT_EQ(users.size(), 4u);
  EXPECT_GE(users[0], policy::kFirstUnusedId);
  EXPECT_LT(users[0], uint64_t{policy::kFirstUnusedId} + policy::kUnusedIds);
  EXPECT_THAT(users, testing::Each(users[0]));
  EXPECT_THAT(StatusOf(probe_->pid(), "Gid"), testing::ElementsAreArray(users));
  EXPECT_THAT(StatusOf(probe_->pid(), "Groups"), testing::IsEmpty());

  absl::StatusOr<Probe> other = Probe::Start();
  ASSERT_TRUE(other.ok()) << other.status();
  other->ApplyLayers();
  EXPECT_NE(StatusOf(other->pid(), "Uid"), users);
}

TEST_F(LayersTest, AnotherUsersWorkerHasThatUsersIds) {
  if (geteuid() == 0) GTEST_SKIP() << "this is root";
  EXPECT_TRUE(Achieved(v1::LAYER_USER_IDS));
  EXPECT_THAT(StatusOf(probe_->pid(), "Uid"), testing::Each(geteuid()));
}

TEST_F(LayersTest, TheWorkerGoesFirstWhenMemoryRunsOut) {
  SKIP_UNLESS_ACHIEVED(v1::LAYER_OOM_SCORE);
  const auto score = [](const std::string& process) {
    int value = -1;
    std::ifstream("/proc/" + process + "/oom_score_adj") >> value;
    return value;
  };
  EXPECT_EQ(score(std::to_string(probe_->pid())), 1000);
  EXPECT_LT(score("self"), 1000) << "the broker's own";
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

TEST_F(LayersTest, NoCapabilityCanComeBackByAnExec) {
  SKIP_UNLESS_ACHIEVED(v1::LAYER_BOUNDING_SET);  // takes CAP_SETPCAP
  for (int capability = 0; capability <= CAP_LAST_CAP; ++capability) {
    EXPECT_EQ(Call(SYS_prctl, {PR_CAPBSET_READ, capability}).result, 0) << capability;
  }
}

TEST_F(LayersTest, SecureBitsAreSetAndLocked) {
  SKIP_UNLESS_ACHIEVED(v1::LAYER_SECUREBITS);
  EXPECT_EQ(Call(SYS_prctl, {PR_GET_SECUREBITS}).result, int64_t{policy::kSecurebits});
  EXPECT_EQ(Call(SYS_prctl, {PR_SET_SECUREBITS, 0}).error, EPERM);
}

TEST_F(LayersTest, TheCapabilityLayersGoTogetherWithAUserNamespace) {
  SKIP_UNLESS_ACHIEVED(v1::LAYER_USER_NAMESPACE);
  EXPECT_TRUE(Achieved(v1::LAYER_BOUNDING_SET));
  EXPECT_TRUE(Achieved(v1::LAYER_SECUREBITS));
}

TEST_F(LayersTest, SpeculationIsOffForGood) {
  SKIP_UNLESS_ACHIEVED(v1::LAYER_SPECULATION);
  for (const policy::SpeculationSpec& one : policy::kSpeculation) {
    const ProbeReply reply =
        Call(SYS_prctl, {PR_GET_SPECULATION_CTRL, static_cast<int64_t>(one.control), 0, 0, 0});
    EXPECT_TRUE(policy::IsOffForGood(static_cast<int>(reply.result))) << one.name;
  }
}

// Achieved is what the kernel says of the process, whatever the prctl returned.
TEST_F(LayersTest, SpeculationIsNotReportedOffWhereItIsOn) {
  for (const policy::SpeculationSpec& one : policy::kSpeculation) {
    const ProbeReply reply =
        Call(SYS_prctl, {PR_GET_SPECULATION_CTRL, static_cast<int64_t>(one.control), 0, 0, 0});
    const bool on = reply.result < 0 || (reply.result & PR_SPEC_ENABLE) != 0;
    EXPECT_FALSE(on && Achieved(v1::LAYER_SPECULATION)) << one.name;
  }
}

TEST_F(LayersTest, MemoryIsNeverExecutableAndWritable) {
  SKIP_UNLESS_ACHIEVED(v1::LAYER_DENY_WRITE_EXECUTE);
  constexpr int64_t kPrivate = MAP_PRIVATE | MAP_ANONYMOUS;
  const int64_t page = Call(SYS_mmap, {0, 4096, PROT_READ | PROT_WRITE, kPrivate, -1, 0}).result;
  ASSERT_GT(page, 0);
  EXPECT_EQ(Call(SYS_mprotect, {page, 4096, PROT_READ | PROT_EXEC}).error, EACCES);
  EXPECT_EQ(Call(SYS_mmap, {0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, kPrivate, -1, 0}).error,
            EACCES);
}

TEST_F(LayersTest, HasAnEmptySessionKeyringOfItsOwn) {
  SKIP_UNLESS_ACHIEVED(v1::LAYER_SESSION_KEYRING);
  constexpr int kGetKeyringId = 0;  // linux/keyctl.h
  constexpr int kRead = 11;
  constexpr int kSessionKeyring = -3;
  const int64_t own = Call(SYS_keyctl, {kGetKeyringId, kSessionKeyring, 0}).result;
  EXPECT_GT(own, 0);
  EXPECT_NE(own, syscall(SYS_keyctl, kGetKeyringId, kSessionKeyring, 0));
  EXPECT_EQ(Call(SYS_keyctl, {kRead, kSessionKeyring, 0, 0}).result, 0);
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
  for (const policy::LimitSpec& one : policy::kConfinementLimits) {
    const ProbeReply reply =
        probe_->Send({.in_scratch = 8, .number = SYS_prlimit64, .arguments = {0, one.resource}})
            .value();
    rlimit limit;
    std::memcpy(&limit, reply.scratch, sizeof(limit));
    EXPECT_EQ(limit.rlim_cur, one.value) << one.name;
    EXPECT_EQ(limit.rlim_max, one.value) << one.name;
  }
}

TEST_F(LayersTest, TheRunStageLowersWhatIsLeft) {
  ASSERT_EQ(probe_->Do(ProbeRequestKind::kInstallSetupFilter).value().result, 1);
  ASSERT_EQ(probe_->Do(ProbeRequestKind::kInstallRunFilter, {1, 0, 77}).value().result, 1);
  for (const policy::LimitSpec& limit : policy::kRunLimits) {
    const rlimit value = tests::LimitOfProcess(probe_->pid(), limit.resource).value();
    const uint64_t expected = limit.from == policy::LimitValue::kCpuSeconds ? 77 : limit.value;
    EXPECT_EQ(value.rlim_cur, expected) << limit.name;
    EXPECT_EQ(value.rlim_max, expected) << limit.name;
  }
}

TEST_F(LayersTest, OnlyWhatSetUpAppliesIsPending) {
  for (const policy::LayerSpec& spec : policy::kLayers) {
    if (spec.layer == v1::LAYER_SECCOMP) continue;
    const bool later = spec.phase > policy::LayerPhase::kConfinement;
    const v1::LayerState state = tests::FindLayer(report_, spec.layer).state();
    EXPECT_EQ(state == v1::LAYER_STATE_PENDING, later) << spec.name;
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

}  // namespace
}  // namespace hotcell::worker
