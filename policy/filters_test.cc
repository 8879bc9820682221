// What the tables ought to say, call by call. That the filters say what the tables do, for every
// rule, argument and number, is in generated_rules_test.cc.
#include "policy/filters.h"

#include <asm/unistd.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/futex.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "guest/abi/abi.h"
#include "policy/bpf_evaluator.h"
#include "policy/testing/bpf_explorer.h"

namespace hotcell::policy {
namespace {

using ::testing::ElementsAre;

constexpr uint32_t kTgid = 4321;
constexpr uint64_t kHighestNumber = 2048;  // far beyond the last system call

struct Call {
  int number;
  std::array<uint64_t, 6> arguments;
};

uint32_t Decide(std::span<const sock_filter> filter, const Call& call,
                uint32_t arch = AUDIT_ARCH_X86_64) {
  seccomp_data data = {.nr = call.number, .arch = arch};
  std::ranges::copy(call.arguments, data.args);
  const std::optional<uint32_t> action = Evaluate(filter, data);
  EXPECT_TRUE(action.has_value()) << "the program is not valid";
  return action.value_or(SECCOMP_RET_KILL_PROCESS);
}

std::vector<sock_filter> Bound(std::span<const sock_filter> filter) {
  std::vector<sock_filter> bound(filter.size());
  BindTgid(filter, kTgid, bound.data());
  return bound;
}

std::vector<sock_filter> SetupRules() { return Bound(SetupFilter()); }
std::vector<sock_filter> RunRules(uint32_t vcpus, RunExtra extra = RunExtra::kNothing) {
  return Bound(RunFilter(vcpus, extra));
}

// The calls that for some arguments end otherwise than with a refusal.
std::set<int> NumbersLetThrough(std::span<const sock_filter> filter) {
  std::set<int> numbers;
  for (const testing::Outcome& outcome : testing::Explore(filter)) {
    if (outcome.action == SECCOMP_RET_KILL_PROCESS) continue;
    if ((outcome.action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_TRAP) continue;
    EXPECT_EQ(outcome.number.first, outcome.number.last);
    numbers.insert(static_cast<int>(outcome.number.first));
  }
  return numbers;
}

const std::vector<Call>& CallsOfTheRunStage() {
  static const std::vector<Call> calls = {
      {__NR_ioctl, {abi::kFdVcpu, KVM_RUN, 0}},
      {__NR_read, {abi::kFdWake, 0x1000, 8}},
      {__NR_read, {abi::kFdControlIn, 0x1000, 4}},
      {__NR_write, {abi::kFdControlOut, 0x1000, 100}},
      {__NR_futex, {0x1000, FUTEX_WAIT_PRIVATE, 2}},
      {__NR_futex, {0x1000, FUTEX_WAKE_PRIVATE, 1}},
      {__NR_tgkill, {kTgid, 17, SIGUSR1}},
      {__NR_rt_sigreturn, {}},
      {__NR_restart_syscall, {}},
      {__NR_exit_group, {0}},
  };
  return calls;
}

TEST(RunFilterTest, AllowsItsCallsForEveryNumberOfVcpus) {
  for (uint32_t vcpus = 1; vcpus <= abi::kMaxLanes; ++vcpus) {
    for (const Call& call : CallsOfTheRunStage()) {
      EXPECT_EQ(Decide(RunRules(vcpus), call), SECCOMP_RET_ALLOW) << call.number << ", " << vcpus;
    }
  }
}

TEST(RunFilterTest, LetsNoOtherNumberThrough) {
  EXPECT_THAT(NumbersLetThrough(RunRules(1)),
              ElementsAre(__NR_read, __NR_write, __NR_rt_sigreturn, __NR_ioctl, __NR_futex,
                          __NR_restart_syscall, __NR_exit_group, __NR_tgkill));
}

TEST(RunFilterTest, FutexIsLimitedToTwoPrivateOperations) {
  const std::vector<sock_filter> filter = RunRules(1);
  std::vector<uint64_t> allowed;
  for (uint64_t operation = 0; operation < 1024; ++operation) {
    if (Decide(filter, {__NR_futex, {0x1000, operation}}) == SECCOMP_RET_ALLOW) {
      allowed.push_back(operation);
    }
  }
  EXPECT_THAT(allowed, ElementsAre(FUTEX_WAIT_PRIVATE, FUTEX_WAKE_PRIVATE));
}

TEST(RunFilterTest, DescriptorsEndWithTheLastVcpu) {
  for (uint32_t vcpus = 1; vcpus <= abi::kMaxLanes; ++vcpus) {
    const std::vector<sock_filter> filter = RunRules(vcpus);
    std::vector<uint64_t> run;
    std::vector<uint64_t> wait;
    for (uint64_t fd = 0; fd < 128; ++fd) {
      if (Decide(filter, {__NR_ioctl, {fd, KVM_RUN}}) == SECCOMP_RET_ALLOW) run.push_back(fd);
      if (Decide(filter, {__NR_read, {fd}}) == SECCOMP_RET_ALLOW) wait.push_back(fd);
    }
    ASSERT_EQ(run.size(), vcpus);
    EXPECT_EQ(run.front(), uint64_t{abi::kFdVcpu});
    EXPECT_EQ(run.back(), abi::kFdVcpu + vcpus - 1);
    ASSERT_EQ(wait.size(), vcpus + 1);
    EXPECT_EQ(wait[0], uint64_t{abi::kFdControlIn});
    EXPECT_EQ(wait[1], uint64_t{abi::kFdWake});
    EXPECT_EQ(wait.back(), abi::kFdWake + vcpus - 1);
  }
}

TEST(RunFilterTest, DirtyLogAddsOneRequestOnOneDescriptor) {
  const Call call = {__NR_ioctl, {abi::kFdVm, KVM_GET_DIRTY_LOG, 0x1000}};
  EXPECT_EQ(Decide(RunRules(2), call), kRunRefusal);
  EXPECT_EQ(Decide(RunRules(2, RunExtra::kDirtyLog), call), SECCOMP_RET_ALLOW);
  EXPECT_EQ(
      Decide(RunRules(2, RunExtra::kDirtyLog), {__NR_ioctl, {abi::kFdVcpu, KVM_GET_DIRTY_LOG}}),
      kRunRefusal);
  EXPECT_EQ(Decide(RunRules(2, RunExtra::kDirtyLog), {__NR_ioctl, {abi::kFdVm, KVM_RUN}}),
            kRunRefusal);
}

TEST(RunFilterTest, DoorbellsAddWritesToTheJobsDoorbells) {
  const Call call = {__NR_write, {abi::kFdDoorbell + 1, 0x1000, 8}};
  EXPECT_EQ(Decide(RunRules(2), call), kRunRefusal);
  EXPECT_EQ(Decide(RunRules(2, RunExtra::kDoorbells), call), SECCOMP_RET_ALLOW);
  EXPECT_EQ(Decide(RunRules(1, RunExtra::kDoorbells), call), kRunRefusal);
  EXPECT_EQ(Decide(RunRules(2, RunExtra::kDoorbells), {__NR_write, {abi::kFdWake, 0x1000, 8}}),
            kRunRefusal);
}

TEST(RunFilterTest, ExistsForOneToSixteenVcpusOnly) {
  EXPECT_TRUE(RunFilter(0, RunExtra::kNothing).empty());
  EXPECT_TRUE(RunFilter(abi::kMaxLanes + 1, RunExtra::kNothing).empty());
  EXPECT_TRUE(RunFilter(UINT32_MAX, RunExtra::kDirtyLog).empty());
}

TEST(RunFilterTest, TriesTheHottestCallFirst) {
  // The checks of the architecture, which come before, load another word or compare with JGE.
  const std::vector<sock_filter> program = RunRules(4);
  const auto load = std::ranges::find_if(program, [](const sock_filter& instruction) {
    return instruction.code == (BPF_LD | BPF_W | BPF_ABS) &&
           instruction.k == offsetof(seccomp_data, nr);
  });
  const auto first = std::find_if(load, program.end(), [](const sock_filter& instruction) {
    return instruction.code == (BPF_JMP | BPF_JEQ | BPF_K) && instruction.k < kHighestNumber;
  });
  ASSERT_NE(first, program.end());
  EXPECT_EQ(first->k, uint32_t{__NR_ioctl});
}

// ---- Both stages --------------------------------------------------------------------------------

class BothFiltersTest : public ::testing::TestWithParam<bool> {
 protected:
  std::vector<sock_filter> filter() const {
    return GetParam() ? RunRules(abi::kMaxLanes) : SetupRules();
  }
  std::span<const sock_filter> unbound() const {
    return GetParam() ? RunFilter(abi::kMaxLanes, RunExtra::kDirtyLog) : SetupFilter();
  }
  uint32_t refusal() const { return GetParam() ? kRunRefusal : kSetupRefusal; }
};

INSTANTIATE_TEST_SUITE_P(Stages, BothFiltersTest, ::testing::Bool(),
                         [](const auto& stage) { return stage.param ? "Run" : "Setup"; });

TEST_P(BothFiltersTest, TgkillIsForTheProcessItselfOnly) {
  EXPECT_EQ(Decide(filter(), {__NR_tgkill, {kTgid, 1, SIGUSR1}}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(Decide(filter(), {__NR_tgkill, {kTgid + 1, 1, SIGUSR1}}), refusal());
  EXPECT_EQ(Decide(filter(), {__NR_tgkill, {kTgid, 1, SIGKILL}}), refusal());
}

TEST_P(BothFiltersTest, WithoutATgidNoSignalIsSent) {
  EXPECT_EQ(std::ranges::count(unbound(), kTgidPlaceholder, &sock_filter::k), 1);
  for (const uint64_t tgid : {0u, 1u, kTgid, 4194304u}) {
    EXPECT_EQ(Decide(unbound(), {__NR_tgkill, {tgid, 1, SIGUSR1}}), refusal());
  }
}

TEST_P(BothFiltersTest, NothingIsMadeExecutable) {
  for (uint64_t others = 0; others < 8; ++others) {
    const uint64_t protection = others | PROT_EXEC;
    EXPECT_EQ(Decide(filter(), {__NR_mprotect, {0, 4096, protection}}), refusal());
    EXPECT_EQ(Decide(filter(), {__NR_mmap, {0, 4096, protection, MAP_ANONYMOUS, ~0ull}}),
              refusal());
    EXPECT_EQ(Decide(filter(), {__NR_mmap, {0, 4096, protection, MAP_SHARED, abi::kFdArena}}),
              refusal());
    EXPECT_EQ(Decide(filter(), {__NR_mmap, {0, 4096, protection, MAP_SHARED, abi::kFdVcpu}}),
              refusal());
    EXPECT_EQ(Decide(filter(), {__NR_pkey_mprotect, {0, 4096, protection}}), refusal());
  }
}

// ---- Set-up -------------------------------------------------------------------------------------

TEST(SetupFilterTest, AllowsTheCallsOfTheRunStage) {
  // The filters are stacked: what set-up forbids stays forbidden.
  for (const Call& call : CallsOfTheRunStage()) {
    EXPECT_EQ(Decide(SetupRules(), call), SECCOMP_RET_ALLOW) << call.number;
  }
  EXPECT_EQ(Decide(SetupRules(), {__NR_ioctl, {abi::kFdVm, KVM_GET_DIRTY_LOG}}), SECCOMP_RET_ALLOW);
}

TEST(SetupFilterTest, LetsNoOtherNumberThrough) {
  EXPECT_THAT(NumbersLetThrough(SetupRules()),
              ElementsAre(__NR_read, __NR_write, __NR_close, __NR_mmap, __NR_mprotect, __NR_munmap,
                          __NR_rt_sigaction, __NR_rt_sigprocmask, __NR_rt_sigreturn, __NR_ioctl,
                          __NR_madvise, __NR_getpid, __NR_clone, __NR_gettid, __NR_futex,
                          __NR_restart_syscall, __NR_exit_group, __NR_tgkill, __NR_set_robust_list,
                          __NR_dup3, __NR_prlimit64, __NR_seccomp, __NR_rseq, __NR_clone3));
}

TEST(SetupFilterTest, CloneMakesThreadsOnly) {
  constexpr uint64_t kThread = 0x3d0f00;  // what glibc's pthread_create() passes
  EXPECT_EQ(Decide(SetupRules(), {__NR_clone, {kThread}}), SECCOMP_RET_ALLOW);
  for (int bit = 0; bit < 64; ++bit) {
    EXPECT_EQ(Decide(SetupRules(), {__NR_clone, {kThread ^ 1ull << bit}}), kSetupRefusal) << bit;
  }
}

TEST(SetupFilterTest, Clone3DoesNotExist) {
  EXPECT_EQ(Decide(SetupRules(), {__NR_clone3, {}}), uint32_t{SECCOMP_RET_ERRNO} | ENOSYS);
}

TEST(SetupFilterTest, KnowsTheKvmRequestsOfASetUpEachForItsDescriptor) {
  constexpr uint64_t kSetCpuid2Request = 0x4008ae90;
  const std::map<uint64_t, std::set<uint64_t>> expected = {
      {abi::kFdKvm,
       {KVM_GET_API_VERSION, KVM_CREATE_VM, KVM_GET_VCPU_MMAP_SIZE, KVM_CHECK_EXTENSION}},
      {abi::kFdVm,
       {KVM_CREATE_VCPU, KVM_SET_USER_MEMORY_REGION, KVM_IOEVENTFD, KVM_SET_TSS_ADDR,
        KVM_ENABLE_CAP, KVM_SET_IDENTITY_MAP_ADDR, KVM_X86_SET_MSR_FILTER, KVM_GET_DIRTY_LOG}},
      {abi::kFdVcpu + 5,
       {KVM_RUN, KVM_ENABLE_CAP, kSetCpuid2Request, KVM_GET_SREGS, KVM_SET_SREGS, KVM_SET_XCRS}},
      {abi::kFdArena, {}},
  };
  const std::vector<sock_filter> filter = SetupRules();
  for (const auto& [fd, requests] : expected) {
    std::set<uint64_t> allowed;
    // All of KVM's numbers, in every direction, with the sizes that its structures have.
    for (uint64_t number = 0; number < 256; ++number) {
      for (uint64_t head = 0; head < 1 << 16; head += 8) {
        const uint64_t size = head & ((1 << 14) - 1);
        if (size > 128 && size != 312 && size != 392 && size != 1024 && size != 4096) continue;
        const uint64_t request = head << 16 | KVMIO << 8 | number;
        if (Decide(filter, {__NR_ioctl, {fd, request}}) == SECCOMP_RET_ALLOW) {
          allowed.insert(request);
        }
      }
    }
    EXPECT_EQ(allowed, requests) << fd;
  }
}

TEST(SetupFilterTest, OnlyWhatIsGivenUpIsClosed) {
  std::vector<uint64_t> allowed;
  for (uint64_t fd = 0; fd < 128; ++fd) {
    if (Decide(SetupRules(), {__NR_close, {fd}}) == SECCOMP_RET_ALLOW) allowed.push_back(fd);
  }
  std::vector<uint64_t> expected = {abi::kFdKvm, abi::kFdArena, abi::kFdVm};
  for (uint64_t lane = 0; lane < abi::kMaxLanes; ++lane) {
    expected.push_back(abi::kFdDoorbell + lane);
  }
  EXPECT_EQ(allowed, expected);
}

TEST(SetupFilterTest, SignalMasksAreOfTheSizeThatTheKernelKnows) {
  EXPECT_EQ(Decide(SetupRules(), {__NR_rt_sigprocmask, {SIG_BLOCK, 0x1000, 0, 8}}),
            SECCOMP_RET_ALLOW);
  EXPECT_EQ(Decide(SetupRules(), {__NR_rt_sigprocmask, {SIG_SETMASK, 0x1000, 0, 8}}),
            SECCOMP_RET_ALLOW);
  EXPECT_EQ(Decide(SetupRules(), {__NR_rt_sigprocmask, {SIG_UNBLOCK, 0x1000, 0, 8}}),
            SECCOMP_RET_ALLOW);
  EXPECT_EQ(Decide(SetupRules(), {__NR_rt_sigprocmask, {3, 0x1000, 0, 8}}), kSetupRefusal);
  EXPECT_EQ(Decide(SetupRules(), {__NR_rt_sigprocmask, {SIG_BLOCK, 0x1000, 0, 16}}), kSetupRefusal);
}

TEST(SetupFilterTest, FilesOtherThanTheArenaAreNotMapped) {
  for (uint64_t fd = 0; fd < 128; ++fd) {
    const bool allowed = fd == abi::kFdArena || (fd >= abi::kFdVcpu && fd < abi::kFdVcpu + 16);
    constexpr uint64_t kBoth = PROT_READ | PROT_WRITE;
    EXPECT_EQ(Decide(SetupRules(), {__NR_mmap, {0, 4096, kBoth, MAP_SHARED, fd}}),
              allowed ? SECCOMP_RET_ALLOW : kSetupRefusal)
        << fd;
    EXPECT_EQ(Decide(SetupRules(), {__NR_mmap, {0, 4096, kBoth, MAP_PRIVATE, fd}}), kSetupRefusal);
    EXPECT_EQ(Decide(SetupRules(), {__NR_mmap, {0, 4096, PROT_READ, MAP_SHARED, fd}}),
              kSetupRefusal);
  }
}

TEST(SetupFilterTest, OnlyTheKickAndGlibcMayHaveAHandler) {
  for (uint64_t signal = 0; signal < 128; ++signal) {
    EXPECT_EQ(Decide(SetupRules(), {__NR_rt_sigaction, {signal}}),
              signal == SIGUSR1 || signal == 33 ? SECCOMP_RET_ALLOW : kSetupRefusal);
  }
}

TEST(SetupFilterTest, LimitsAndFiltersOnlyTighten) {
  EXPECT_EQ(Decide(SetupRules(), {__NR_prlimit64, {0, RLIMIT_NPROC}}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(Decide(SetupRules(), {__NR_prlimit64, {1, RLIMIT_NPROC}}), kSetupRefusal);
  EXPECT_EQ(Decide(SetupRules(), {__NR_prlimit64, {0, RLIMIT_NPROC, 0, 4096}}), kSetupRefusal);
  EXPECT_EQ(Decide(SetupRules(), {__NR_prlimit64, {0, RLIMIT_CORE}}), kSetupRefusal);
  EXPECT_EQ(Decide(SetupRules(), {__NR_seccomp, {SECCOMP_SET_MODE_FILTER, 1}}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(Decide(SetupRules(), {__NR_seccomp, {SECCOMP_SET_MODE_FILTER, 0}}), kSetupRefusal);
  // A listener would be a descriptor to the worker's own system calls.
  EXPECT_EQ(Decide(SetupRules(), {__NR_seccomp, {1, SECCOMP_FILTER_FLAG_NEW_LISTENER}}),
            kSetupRefusal);
}

// ---- The evaluator ------------------------------------------------------------------------------

TEST(BpfEvaluatorTest, RefusesProgramsWithoutAnEnd) {
  const sock_filter jump_out[] = {{BPF_JMP | BPF_JA, 0, 0, 7}};
  EXPECT_EQ(Evaluate(jump_out, {}), std::nullopt);
  EXPECT_EQ(Evaluate({}, {}), std::nullopt);
}

TEST(BpfEvaluatorTest, RefusesLoadsOutsideTheCall) {
  const sock_filter load[] = {{BPF_LD | BPF_W | BPF_ABS, 0, 0, sizeof(seccomp_data)},
                              {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
  EXPECT_EQ(Evaluate(load, {}), std::nullopt);
}

TEST(BpfEvaluatorTest, FollowsBothBranches) {
  const sock_filter masked[] = {{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, args)},
                                {BPF_ALU | BPF_AND | BPF_K, 0, 0, 4},
                                {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 4},
                                {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
                                {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_TRAP}};
  EXPECT_EQ(Evaluate(masked, {.args = {7}}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(Evaluate(masked, {.args = {3}}), SECCOMP_RET_TRAP);
}

}  // namespace
}  // namespace hotcell::policy
