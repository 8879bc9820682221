// Every rule of the worker's policy, tried out in a process that is confined as a worker is: its
// calls are answered by the kernel, and a call with another argument ends the process. The cases
// are made from the tables of policy/rules.h.
#include <gtest/gtest.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <ctime>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "guest/abi/abi.h"
#include "policy/testing/rule_model.h"
#include "tests/syscall_probe/client.h"
#include "vmm-worker/confinement/confinement.h"

namespace hotcell::tests {
namespace {

using policy::Condition;
using policy::Match;
using policy::Rule;
using policy::RunExtra;
using policy::testing::Call;
using policy::testing::Stage;

// A filter as a process can have it.
struct LiveStage {
  Stage stage;
  RunExtra extra = RunExtra::kNothing;
  v1::Phase phase = v1::PHASE_RUN;
};

void PrintTo(const LiveStage& live, std::ostream* out) { *out << live.stage.name; }

// The two that every job passes through.
std::vector<LiveStage> EveryJobsStages() {
  return {{policy::testing::SetupStage(), RunExtra::kNothing, v1::PHASE_SETUP},
          {policy::testing::RunStage(1)}};
}

std::vector<LiveStage> AllLiveStages() {
  std::vector<LiveStage> stages = EveryJobsStages();
  stages.push_back({policy::testing::RunStage(abi::kMaxLanes)});
  stages.push_back({policy::testing::RunStage(2, RunExtra::kDirtyLog), RunExtra::kDirtyLog});
  stages.push_back({policy::testing::RunStage(2, RunExtra::kDoorbells), RunExtra::kDoorbells});
  return stages;
}

// ---- A confined process -------------------------------------------------------------------------

class LiveTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { program_ = OpenProbe().release(); }
  static void TearDownTestSuite() { close(program_); }

  // A new one, with the filters of `live`. False, with a test failure, when there is none.
  bool Confine(const LiveStage& live) {
    probe_.reset();
    absl::StatusOr<Probe> probe = Probe::Start({.lanes = abi::kMaxLanes, .program = program_});
    EXPECT_TRUE(probe.ok()) << probe.status();
    if (!probe.ok()) return false;
    probe_.emplace(std::move(*probe));
    tgid_ = static_cast<uint32_t>(probe_->Call(SYS_getpid).value().result);
    const bool locked_down =
        live.phase == v1::PHASE_RUN
            ? probe_->LockDown(live.stage.vcpus, static_cast<int64_t>(live.extra))
            : probe_->ApplyLayers().layers_size() > 0 &&
                  probe_->Do(ProbeRequestKind::kInstallSetupFilter).value().result == 1;
    EXPECT_TRUE(locked_down);
    return locked_down;
  }

  // Nothing: the process died of it.
  std::optional<ProbeReply> Make(const Call& call) {
    ProbeRequest request{.number = call.number};
    std::ranges::copy(call.arguments, request.arguments);
    return probe_->Send(request);
  }

  // Makes the call in a new process, and expects that it ends with a report of the call, in the run
  // without one.
  void ExpectRefusal(const LiveStage& live, const Call& call) {
    ASSERT_TRUE(Confine(live));
    EXPECT_FALSE(Make(call).has_value()) << call;
    const ProbeEnd end = probe_->End();
    if (live.phase == v1::PHASE_RUN) {
      EXPECT_EQ(end.signal, SIGSYS) << call << ", status " << end.status;
      EXPECT_FALSE(end.violation.has_value()) << call;
      return;
    }
    EXPECT_EQ(end.status, worker::kViolationExitStatus) << call << ", signal " << end.signal;
    ASSERT_TRUE(end.violation.has_value()) << call;
    EXPECT_EQ(end.violation->syscall(), call.number) << call;
    EXPECT_EQ(end.violation->arch(), call.arch) << call;
    EXPECT_EQ(end.violation->phase(), live.phase) << call;
    EXPECT_TRUE(std::ranges::equal(end.violation->arguments(), call.arguments)) << call;
  }

  bool IsRefused(const LiveStage& live, const Call& call) const {
    return policy::testing::Decide(live.stage, call, tgid_) == live.stage.refusal;
  }
  policy::testing::Process process(const LiveStage& live) const {
    return {live.stage.vcpus, tgid_};
  }

  static inline int program_ = -1;
  std::optional<Probe> probe_;
  uint32_t tgid_ = 0;  // as the process itself sees it
};

// ---- Rules --------------------------------------------------------------------------------------

struct RuleCase {
  LiveStage live;
  const Rule* rule;
};

void PrintTo(const RuleCase& one, std::ostream* out) {
  *out << one.live.stage.name << ": " << policy::testing::NameOf(*one.rule);
}

std::vector<RuleCase> RuleCases() {
  std::vector<RuleCase> cases;
  for (const LiveStage& live : AllLiveStages()) {
    for (const Rule* rule : live.stage.rules) cases.push_back({live, rule});
  }
  return cases;
}

// exit_group() is not answered; see AnAllowedExitEndsTheProcess.
std::vector<RuleCase> AnsweredRuleCases() {
  std::vector<RuleCase> cases = RuleCases();
  std::erase_if(cases, [](const RuleCase& one) { return one.rule->number == SYS_exit_group; });
  return cases;
}

std::string NameOfCase(const ::testing::TestParamInfo<RuleCase>& one) {
  const Stage& stage = one.param.live.stage;
  return stage.name + "_" + UniqueNameOf(stage, *one.param.rule);
}

class LiveRuleTest : public LiveTest, public ::testing::WithParamInterface<RuleCase> {
 protected:
  static const LiveStage& live() { return GetParam().live; }
  static const Rule& rule() { return *GetParam().rule; }
};

class AnsweredRuleTest : public LiveRuleTest {};

INSTANTIATE_TEST_SUITE_P(Every, LiveRuleTest, ::testing::ValuesIn(RuleCases()), NameOfCase);
INSTANTIATE_TEST_SUITE_P(Every, AnsweredRuleTest, ::testing::ValuesIn(AnsweredRuleCases()),
                         NameOfCase);

// Arguments that no rule looks at, where 0 would be refused by the kernel before it has done what
// the call is for.
struct Usual {
  long number;
  size_t argument;
  uint64_t value;
};
constexpr Usual kUsual[] = {
    {SYS_mmap, 1, 4096},          {SYS_mmap, 2, PROT_READ},   {SYS_mmap, 3, MAP_PRIVATE},
    {SYS_set_robust_list, 1, 24}, {SYS_rt_sigprocmask, 3, 8}, {SYS_rt_sigaction, 3, 8},
};

Call WithUsualArguments(const Rule& rule, Call call) {
  for (const Usual& usual : kUsual) {
    const bool is_equal = std::ranges::any_of(rule.conditions, [&](const Condition& condition) {
      return condition.argument == usual.argument && condition.match != Match::kNone &&
             condition.match != Match::kMasked;
    });
    if (usual.number == rule.number && !is_equal) call.arguments[usual.argument] |= usual.value;
  }
  return call;
}

// What a rule's call comes back with. Three calls do not come back, or elsewhere than where they
// were made; they are made as the worker makes them.
std::optional<ProbeReply> MakeAsTheWorkerDoes(Probe& probe, const Call& call) {
  switch (call.number) {
    case SYS_clone:  // a thread needs a stack and a place to start
      return probe.Do(ProbeRequestKind::kStartThread);
    case SYS_rt_sigreturn:
      return probe.Do(ProbeRequestKind::kReturnFromSignal);
    default:
      break;
  }
  ProbeRequest request{.number = call.number};
  std::ranges::copy(call.arguments, request.arguments);
  return probe.Send(request);
}

TEST_P(AnsweredRuleTest, ItsCallsAreAnswered) {
  ASSERT_TRUE(Confine(live()));
  for (const Call& call : MatchingCalls(rule(), process(live()))) {
    const Call made = WithUsualArguments(rule(), call);
    ASSERT_TRUE(policy::testing::Matches(rule(), made, process(live()))) << made;
    const std::optional<ProbeReply> reply = MakeAsTheWorkerDoes(*probe_, made);
    ASSERT_TRUE(reply.has_value()) << made << " killed";
    EXPECT_EQ(reply->error == ENOSYS, rule().action == policy::Action::kNoSuchCall) << made;
  }
  const ProbeEnd end = probe_->End();
  EXPECT_EQ(end.status, 0) << "signal " << end.signal;
  EXPECT_FALSE(end.violation.has_value());
}

// Some of Perturb()'s: the low half's ends and the high half's, and neighbours. All of them are
// tried on the filters themselves (policy/generated_rules_test.cc).
std::vector<Call> SomeOf(const std::vector<Call>& perturbed, const Call& right, size_t argument) {
  constexpr std::array<uint64_t, 5> kFlips = {1, 2, 1ull << 31, 1ull << 32, 1ull << 63};
  std::vector<Call> some;
  for (const Call& call : perturbed) {
    const uint64_t flipped = call.arguments[argument] ^ right.arguments[argument];
    const bool is_one_bit = (flipped & (flipped - 1)) == 0;
    if (!is_one_bit || std::ranges::count(kFlips, flipped) > 0) some.push_back(call);
  }
  return some;
}

TEST_P(LiveRuleTest, ADifferentArgumentEndsTheProcess) {
  ASSERT_TRUE(Confine(live()));  // for tgid_
  const Call right = MatchingCalls(rule(), process(live())).back();
  for (const Condition& condition : rule().conditions) {
    std::set<std::array<uint64_t, 6>> made;
    for (const Call& wrong :
         SomeOf(Perturb(right, condition, process(live())), right, condition.argument)) {
      if (!IsRefused(live(), wrong) || !made.insert(wrong.arguments).second) continue;
      ASSERT_NO_FATAL_FAILURE(ExpectRefusal(live(), wrong));
    }
  }
}

// ---- Everything else ----------------------------------------------------------------------------

class LiveStageTest : public LiveTest, public ::testing::WithParamInterface<LiveStage> {};

INSTANTIATE_TEST_SUITE_P(Every, LiveStageTest, ::testing::ValuesIn(EveryJobsStages()),
                         [](const auto& live) { return live.param.stage.name; });

TEST_P(LiveStageTest, AnAllowedExitEndsTheProcess) {
  ASSERT_TRUE(Confine(GetParam()));
  EXPECT_FALSE(Make({.number = SYS_exit_group, .arguments = {42}}).has_value());
  const ProbeEnd end = probe_->End();
  EXPECT_EQ(end.status, 42);
  EXPECT_FALSE(end.violation.has_value());
}

// A futex that nobody wakes, for 400 ms, in a process that is stopped meanwhile and goes on: then
// the kernel makes the thread call restart_syscall.
TEST_P(LiveStageTest, AStopDoesNotEndATimedWait) {
  constexpr int64_t kTimeoutAt = 16;
  constexpr timespec kTimeout{.tv_sec = 0, .tv_nsec = 400'000'000};
  ASSERT_TRUE(Confine(GetParam()));
  ProbeRequest wait{.in_scratch = 1u << 0 | 1u << 3,
                    .number = SYS_futex,
                    .arguments = {0, FUTEX_WAIT_PRIVATE, 0, kTimeoutAt}};
  std::memcpy(wait.scratch + kTimeoutAt, &kTimeout, sizeof(kTimeout));
  std::thread stopper([pid = probe_->pid()] {
    for (const int signal : {SIGSTOP, SIGCONT}) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      kill(pid, signal);
    }
  });
  const std::optional<ProbeReply> reply = probe_->Send(wait);
  stopper.join();
  ASSERT_TRUE(reply.has_value()) << "signal " << probe_->End().signal;
  EXPECT_EQ(reply->error, ETIMEDOUT);
}

// Whichever stage's.
bool IsViolation(const ProbeEnd& end) { return end.violation.has_value() || end.signal == SIGSYS; }

// Since 6.14 Linux lets these two pass by every filter, for they are how a breakpoint that an
// administrator set with uprobes enters the kernel. Made from anywhere else they do nothing.
constexpr int kUretprobe = 335;
constexpr int kUprobe = 336;

// All that x86-64 has today, and some beyond.
TEST_P(LiveStageTest, EveryOtherNumberEndsTheProcess) {
  constexpr int kNumbers = 480;
  for (int number = -1; number < kNumbers; ++number) {
    const Call call{.number = number};
    if (!IsRefused(GetParam(), call) || number == kUretprobe || number == kUprobe) continue;
    ASSERT_NO_FATAL_FAILURE(ExpectRefusal(GetParam(), call));
  }
}

TEST_P(LiveStageTest, AUretprobeOfItsOwnEndsTheProcess) {
  ASSERT_TRUE(Confine(GetParam()));
  EXPECT_FALSE(Make({.number = kUretprobe}).has_value());
  const ProbeEnd end = probe_->End();
  EXPECT_TRUE(end.signal == SIGILL || IsViolation(end)) << end.signal;
}

TEST_P(LiveStageTest, AUprobeOfItsOwnDoesNothing) {
  ASSERT_TRUE(Confine(GetParam()));
  const std::optional<ProbeReply> reply = Make({.number = kUprobe});
  const int64_t error = reply ? reply->error : ENXIO;
  EXPECT_TRUE(error == ENXIO || error == ENOSYS) << error;
  EXPECT_NE(reply.has_value(), IsViolation(probe_->End()));
}

TEST_P(LiveStageTest, ACallOfX32EndsTheProcess) {
  constexpr int kX32 = 0x40000000;
  ASSERT_TRUE(Confine(GetParam()));  // for tgid_
  for (const Rule* rule : GetParam().stage.rules) {
    for (Call call : MatchingCalls(*rule, process(GetParam()))) {
      call.number |= kX32;
      ASSERT_TRUE(Confine(GetParam()));
      EXPECT_FALSE(Make(call).has_value()) << call;
      EXPECT_EQ(probe_->End().signal, SIGSYS) << call;
    }
  }
}

// The calls come by the 32-bit entry, which a 64-bit process may use where the kernel has it.
TEST_P(LiveStageTest, AnI386EntryEndsTheProcess) {
  absl::StatusOr<Probe> free = Probe::Start({.program = program_});
  ASSERT_TRUE(free.ok()) << free.status();
  constexpr int kGetpid32 = 20;
  const bool exists =
      free->Send({.kind = ProbeRequestKind::kInterrupt80, .number = kGetpid32}).has_value();
  // Without it the instruction is a fault.
  const int expected = exists ? SIGSYS : SIGSEGV;
  for (int64_t number = 0; number < 32; ++number) {
    ASSERT_TRUE(Confine(GetParam()));
    EXPECT_FALSE(
        probe_->Send({.kind = ProbeRequestKind::kInterrupt80, .number = number}).has_value());
    EXPECT_EQ(probe_->End().signal, expected) << number;
  }
}

}  // namespace
}  // namespace hotcell::tests
