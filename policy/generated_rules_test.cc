// What every filter decides, held against what the tables of rules.h say. All cases are made from
// the tables: a new rule is tested the moment it is there. What the tables ought to say is in
// filters_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>

#include <algorithm>
#include <random>
#include <set>
#include <vector>

#include "policy/bpf_evaluator.h"
#include "policy/filters.h"
#include "policy/testing/bpf_explorer.h"
#include "policy/testing/rule_model.h"

namespace hotcell::policy::testing {
namespace {

constexpr uint32_t kTgid = 0x123456;
constexpr int kX32Bit = 0x40000000;
// Beyond it there are no calls, and will be none for long.
constexpr int kNumbers = 4096;
constexpr uint64_t kOthers[] = {0, ~0ull, 0x1000, 0x5555555555555555, 0xaaaaaaaaaaaaaaaa};

class StageTest : public ::testing::TestWithParam<Stage> {
 protected:
  StageTest() : program_(stage().program.size()) {
    BindTgid(stage().program, kTgid, program_.data());
  }

  static const Stage& stage() { return GetParam(); }
  static Process process() { return {stage().vcpus, kTgid}; }
  static bool IsRefusal(uint32_t action) { return action == stage().refusal; }

  // What the kernel would do.
  uint32_t Filter(const Call& call) const {
    seccomp_data data = {.nr = call.number, .arch = call.arch};
    std::ranges::copy(call.arguments, data.args);
    return Evaluate(program_, data).value_or(kNoReturn);
  }
  static uint32_t Model(const Call& call) { return Decide(stage(), call, kTgid); }
  std::set<int> Numbers() const {
    std::set<int> numbers;
    for (const Rule* rule : stage().rules) numbers.insert(static_cast<int>(rule->number));
    return numbers;
  }

  std::vector<sock_filter> program_;
};

INSTANTIATE_TEST_SUITE_P(Tables, StageTest, ::testing::ValuesIn(AllStages()),
                         [](const auto& stage) { return stage.param.name; });

TEST_P(StageTest, EveryRuleAllowsItsCalls) {
  for (const Rule* rule : stage().rules) {
    for (const uint64_t others : kOthers) {
      for (const Call& call : MatchingCalls(*rule, process(), others)) {
        ASSERT_EQ(Filter(call), ReturnOf(*rule)) << NameOf(*rule) << ": " << call;
      }
    }
  }
}

TEST_P(StageTest, EveryBitOfACheckedArgumentCounts) {
  for (const Rule* rule : stage().rules) {
    for (const Condition& condition : rule->conditions) {
      for (const uint64_t others : kOthers) {
        for (const Call& call : MatchingCalls(*rule, process(), others)) {
          for (const Call& wrong : Perturb(call, condition, process())) {
            ASSERT_EQ(Filter(wrong), Model(wrong)) << NameOf(*rule) << ": " << wrong;
          }
        }
      }
    }
  }
}

TEST_P(StageTest, EveryConditionRefusesSomething) {
  for (const Rule* rule : stage().rules) {
    for (const Condition& condition : rule->conditions) {
      if (condition.match == Match::kNone) continue;
      const Call call = MatchingCalls(*rule, process(), 0).front();
      const std::vector<Call> perturbed = Perturb(call, condition, process());
      EXPECT_TRUE(std::ranges::any_of(perturbed,
                                      [&](const Call& wrong) { return IsRefusal(Filter(wrong)); }))
          << NameOf(*rule) << ": argument " << condition.argument << " is free";
    }
  }
}

TEST_P(StageTest, NoRuleIsCoveredByTheOthers) {
  for (const Rule* rule : stage().rules) {
    const std::vector<Call> calls = MatchingCalls(*rule, process(), 0);
    EXPECT_TRUE(std::ranges::any_of(calls, [&](const Call& call) {
      return IsRefusal(Decide(stage(), call, kTgid, rule));
    })) << NameOf(*rule);
  }
}

// Calls put together from what the tables compare with, and from what is close to it.
class CallGenerator {
 public:
  CallGenerator(const Stage& stage, uint32_t seed) : random_(seed) {
    values_ = {0, 1, ~0ull, kTgid, kTgidPlaceholder};
    for (const Rule* rule : stage.rules) {
      numbers_.push_back(static_cast<int>(rule->number));
      for (const Condition& condition : rule->conditions) {
        values_.push_back(condition.value);
        values_.push_back(condition.mask);
      }
    }
    // Every descriptor, and one more.
    for (uint64_t fd = 0; fd <= 64; ++fd) values_.push_back(fd);
  }

  Call Next() {
    Call call{.number = numbers_[Below(numbers_.size())]};
    for (uint64_t& argument : call.arguments) argument = NextArgument();
    return call;
  }

 private:
  size_t Below(size_t end) { return static_cast<size_t>(random_() % end); }
  uint64_t NextArgument() {
    const uint64_t value = values_[Below(values_.size())];
    switch (Below(8)) {
      case 0:
        return value ^ 1ull << Below(64);
      case 1:
        return value | values_[Below(values_.size())];
      case 2:
        return random_();
      case 3:
        return value | uint64_t{random_()} << 32;
      default:
        return value;
    }
  }

  std::mt19937_64 random_;
  std::vector<int> numbers_;
  std::vector<uint64_t> values_;
};

TEST_P(StageTest, FilterAndTablesAgreeAboutRandomCalls) {
  constexpr int kCalls = 20'000;
  const uint32_t seed = stage().vcpus;
  CallGenerator generator(stage(), seed);
  int refused = 0;
  for (int i = 0; i < kCalls; ++i) {
    const Call call = generator.Next();
    ASSERT_EQ(Filter(call), Model(call)) << call << ", seed " << seed;
    if (IsRefusal(Model(call))) ++refused;
  }
  // Otherwise they would agree about nothing.
  EXPECT_GT(refused, kCalls / 100);
  EXPECT_LT(refused, kCalls - kCalls / 100);
}

// ---- Numbers and architectures that no rule speaks of -------------------------------------------

TEST_P(StageTest, EveryOtherNumberIsRefused) {
  const std::set<int> numbers = Numbers();
  for (int number = 0; number < kNumbers; ++number) {
    if (numbers.contains(number)) continue;
    for (const uint64_t others : kOthers) {
      Call call{.number = number};
      call.arguments.fill(others);
      ASSERT_EQ(Filter(call), stage().refusal) << call;
    }
  }
  EXPECT_EQ(Filter({.number = -1}), stage().refusal);
}

TEST_P(StageTest, X32AndNegativeNumbersKill) {
  for (int number = 0; number < kNumbers; ++number) {
    EXPECT_EQ(Filter({.number = kX32Bit | number}), SECCOMP_RET_KILL_PROCESS) << number;
    EXPECT_EQ(Filter({.number = -2 - number}), SECCOMP_RET_KILL_PROCESS) << number;
  }
}

TEST_P(StageTest, CallsOfAnotherArchitectureKill) {
  for (const uint32_t arch : {uint32_t{AUDIT_ARCH_I386}, uint32_t{AUDIT_ARCH_X86_64} ^ 1u,
                              uint32_t{AUDIT_ARCH_AARCH64}, 0u, ~0u}) {
    for (int number = 0; number < kNumbers; ++number) {
      EXPECT_EQ(Filter({.number = number, .arch = arch}), SECCOMP_RET_KILL_PROCESS) << number;
    }
    for (const Rule* rule : stage().rules) {
      for (Call call : MatchingCalls(*rule, process())) {
        call.arch = arch;
        EXPECT_EQ(Filter(call), SECCOMP_RET_KILL_PROCESS) << call;
      }
    }
  }
}

bool IsOne(const Range& range, uint32_t value) {
  return range.first == value && range.last == value;
}

// The three above for all 2^32 numbers and architectures, and for all arguments.
TEST_P(StageTest, NoWayThroughTheFilterEndsOtherwise) {
  const std::set<int> numbers = Numbers();
  const std::vector<Outcome> outcomes = Explore(program_);
  ASSERT_GT(outcomes.size(), numbers.size());
  for (const Outcome& outcome : outcomes) {
    if (outcome.action == SECCOMP_RET_KILL_PROCESS) continue;
    SCOPED_TRACE(::testing::Message() << std::hex << "action 0x" << outcome.action << " for 0x"
                                      << outcome.number.first << " to 0x" << outcome.number.last);
    EXPECT_TRUE(IsOne(outcome.arch, AUDIT_ARCH_X86_64));
    EXPECT_TRUE(outcome.number.last < kX32Bit || IsOne(outcome.number, UINT32_MAX));
    if (IsRefusal(outcome.action)) continue;
    EXPECT_TRUE(outcome.number.first == outcome.number.last &&
                numbers.contains(static_cast<int>(outcome.number.first)));
  }
}

// ---- The cases themselves -----------------------------------------------------------------------

// Whether the generated calls tell `program` from the tables.
bool IsToldApart(const Stage& stage, std::span<const sock_filter> program,
                 std::span<const Call> calls) {
  return std::ranges::any_of(calls, [&](const Call& call) {
    seccomp_data data = {.nr = call.number, .arch = call.arch};
    std::ranges::copy(call.arguments, data.args);
    return Evaluate(program, data) != Decide(stage, call, kTgid);
  });
}

std::vector<Call> GeneratedCalls(const Stage& stage) {
  const Process process = {stage.vcpus, kTgid};
  std::vector<Call> calls;
  for (int number = -2; number < 1024; ++number) calls.push_back({.number = number});
  calls.push_back({.number = kX32Bit});
  calls.push_back({.arch = AUDIT_ARCH_I386});
  for (const Rule* rule : stage.rules) {
    for (const Call& call : MatchingCalls(*rule, process, 0x1000)) {
      calls.push_back(call);
      for (const Condition& condition : rule->conditions) {
        std::ranges::copy(Perturb(call, condition, process), std::back_inserter(calls));
      }
    }
  }
  return calls;
}

// What a mistake could make of an instruction. Not of masks, of loads, and of the numbers that the
// search tree turns at: some of these are redundant, so that another one is as right. So is that
// number -1 is told from those of x32, where both have the same end.
std::vector<sock_filter> Mutations(const sock_filter& right, const Stage& stage) {
  sock_filter other_constant = right;
  other_constant.k ^= 1;
  sock_filter other_way = right;
  std::swap(other_way.jt, other_way.jf);
  const bool is_of_x32 = right.k == UINT32_MAX && stage.refusal == SECCOMP_RET_KILL_PROCESS;
  switch (BPF_CLASS(right.code)) {
    case BPF_RET:
      return {other_constant};
    case BPF_JMP:
      if (BPF_OP(right.code) == BPF_JEQ && is_of_x32) return {};
      if (BPF_OP(right.code) == BPF_JEQ) return {other_constant, other_way};
      if (BPF_OP(right.code) != BPF_JA) return {other_way};
      return {};
    default:
      return {};
  }
}

// A filter that differs in one instruction from the right one is found out: the cases above can
// fail, wherever a mistake may be.
TEST_P(StageTest, EveryMutationOfTheFilterIsNoticed) {
  const std::vector<Call> calls = GeneratedCalls(stage());
  ASSERT_FALSE(IsToldApart(stage(), program_, calls));
  for (size_t at = 0; at < program_.size(); ++at) {
    const sock_filter right = program_[at];
    for (const sock_filter& wrong : Mutations(right, stage())) {
      program_[at] = wrong;
      EXPECT_TRUE(IsToldApart(stage(), program_, calls)) << "instruction " << at;
    }
    program_[at] = right;
  }
}

// ---- The explorer -------------------------------------------------------------------------------

TEST(BpfExplorerTest, SplitsNumbersAndFollowsBothBranchesOfArguments) {
  const sock_filter program[] = {
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
      {BPF_JMP | BPF_JGE | BPF_K, 0, 3, 10},
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, args)},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 7},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_TRAP},
  };
  std::set<std::pair<Range, uint32_t>> found;
  for (const Outcome& outcome : Explore(program)) found.insert({outcome.number, outcome.action});
  EXPECT_THAT(found, ::testing::ElementsAre(std::pair(Range{0, 9}, SECCOMP_RET_TRAP),
                                            std::pair(Range{10, UINT32_MAX}, SECCOMP_RET_TRAP),
                                            std::pair(Range{10, UINT32_MAX}, SECCOMP_RET_ALLOW)));
}

TEST(BpfExplorerTest, FindsAWayOutOfTheProgram) {
  const sock_filter program[] = {{BPF_JMP | BPF_JA, 0, 0, 7}};
  ASSERT_EQ(Explore(program).size(), 1u);
  EXPECT_EQ(Explore(program).front().action, kNoReturn);
}

}  // namespace
}  // namespace hotcell::policy::testing
