#include "policy/testing/rule_model.h"

#include <linux/seccomp.h>
#include <seccomp.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <memory>

#include "guest/abi/abi.h"

namespace hotcell::policy::testing {
namespace {

constexpr uint32_t kX32Bit = 0x40000000;

void Append(std::span<const Rule> table, std::vector<const Rule*>& rules) {
  for (const Rule& rule : table) rules.push_back(&rule);
}

void AppendExtra(RunExtra extra, Stage& stage) {
  switch (extra) {
    case RunExtra::kNothing:
      return;
    case RunExtra::kDirtyLog:
      stage.name += "DirtyLog";
      return Append(kDirtyLogRules, stage.rules);
    case RunExtra::kDoorbells:
      stage.name += "Doorbells";
      return Append(kDoorbellRules, stage.rules);
  }
  std::abort();
}

bool Holds(const Condition& condition, const Call& call, const Process& process) {
  const uint64_t argument = call.arguments[condition.argument];
  switch (condition.match) {
    case Match::kNone:
      return true;
    case Match::kEquals:
      return argument == condition.value;
    case Match::kMasked:
      return (argument & condition.mask) == condition.value;
    case Match::kLaneFd:
      return argument >= condition.value && argument - condition.value < process.vcpus;
    case Match::kOwnTgid:
      return argument == process.tgid;
  }
  std::abort();
}

uint64_t MatchingValue(const Condition& condition, uint64_t other, uint32_t lane,
                       const Process& process) {
  switch (condition.match) {
    case Match::kNone:
      return other;
    case Match::kEquals:
      return condition.value;
    case Match::kMasked:
      return condition.value | (other & ~condition.mask);
    case Match::kLaneFd:
      return condition.value + lane;
    case Match::kOwnTgid:
      return process.tgid;
  }
  std::abort();
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Call& call) {
  out << "call " << call.number << " (" << std::hex << "0x" << call.number << ") of arch 0x"
      << call.arch << " with";
  for (const uint64_t argument : call.arguments) out << " 0x" << argument;
  return out << std::dec;
}

void PrintTo(const Stage& stage, std::ostream* out) { *out << stage.name; }

Stage SetupStage() {
  Stage stage{
      .name = "Setup", .vcpus = abi::kMaxLanes, .refusal = kSetupRefusal, .program = SetupFilter()};
  Append(kRunRules, stage.rules);
  Append(kDirtyLogRules, stage.rules);
  Append(kDoorbellRules, stage.rules);
  Append(kSetupRules, stage.rules);
  return stage;
}

Stage RunStage(uint32_t vcpus, RunExtra extra) {
  Stage stage{.name = "Run" + std::to_string(vcpus),
              .vcpus = vcpus,
              .refusal = kRunRefusal,
              .program = RunFilter(vcpus, extra)};
  Append(kRunRules, stage.rules);
  AppendExtra(extra, stage);
  return stage;
}

std::vector<Stage> AllStages() {
  std::vector<Stage> stages = {SetupStage()};
  for (const RunExtra extra : {RunExtra::kNothing, RunExtra::kDirtyLog, RunExtra::kDoorbells}) {
    for (uint32_t vcpus = 1; vcpus <= abi::kMaxLanes; ++vcpus) {
      stages.push_back(RunStage(vcpus, extra));
    }
  }
  return stages;
}

uint32_t ReturnOf(const Rule& rule) {
  switch (rule.action) {
    case Action::kAllow:
      return SECCOMP_RET_ALLOW;
    case Action::kNoSuchCall:
      return uint32_t{SECCOMP_RET_ERRNO} | ENOSYS;
  }
  std::abort();
}

bool Matches(const Rule& rule, const Call& call, const Process& process) {
  return rule.number == call.number &&
         std::ranges::all_of(rule.conditions, [&](const Condition& condition) {
           return Holds(condition, call, process);
         });
}

uint32_t Decide(const Stage& stage, const Call& call, uint32_t tgid, const Rule* without) {
  if (call.arch != AUDIT_ARCH_X86_64) return SECCOMP_RET_KILL_PROCESS;
  // -1 is how a tracer skips a call: it is refused like any other that does not exist.
  if (static_cast<uint32_t>(call.number) >= kX32Bit && call.number != -1) {
    return SECCOMP_RET_KILL_PROCESS;
  }
  for (const Rule* rule : stage.rules) {
    if (rule == without) continue;
    if (Matches(*rule, call, {stage.vcpus, tgid})) return ReturnOf(*rule);
  }
  return stage.refusal;
}

std::vector<Call> MatchingCalls(const Rule& rule, const Process& process, uint64_t others) {
  const bool has_lanes = std::ranges::any_of(rule.conditions, [](const Condition& condition) {
    return condition.match == Match::kLaneFd;
  });
  std::vector<Call> calls;
  for (uint32_t lane = 0; lane < (has_lanes ? process.vcpus : 1); ++lane) {
    Call call{.number = static_cast<int>(rule.number)};
    call.arguments.fill(others);
    for (const Condition& condition : rule.conditions) {
      if (condition.match == Match::kNone) continue;
      uint64_t& argument = call.arguments[condition.argument];
      argument = MatchingValue(condition, argument, lane, process);
    }
    calls.push_back(call);
  }
  return calls;
}

std::vector<Call> Perturb(const Call& call, const Condition& condition, const Process& process) {
  if (condition.match == Match::kNone) return {};
  const uint64_t right = call.arguments[condition.argument];
  std::vector<uint64_t> values = {
      0, ~0ull, right - 1, right + 1, ~right, right | 0xffffffff00000000, right << 32, right >> 32};
  for (int bit = 0; bit < 64; ++bit) values.push_back(right ^ 1ull << bit);
  if (condition.match == Match::kLaneFd) {
    values.push_back(condition.value - 1);
    values.push_back(condition.value + process.vcpus);
  }
  std::vector<Call> calls;
  for (const uint64_t value : values) {
    if (value == right) continue;
    calls.push_back(call);
    calls.back().arguments[condition.argument] = value;
  }
  return calls;
}

std::string NameOf(const Rule& rule) {
  const std::unique_ptr<char, decltype(&std::free)> call(
      seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, static_cast<int>(rule.number)),
      &std::free);
  std::string name = call == nullptr ? std::to_string(rule.number) : call.get();
  bool pending = true;
  for (const char* c = rule.reason; *c != '\0'; ++c) {
    if (std::isalnum(static_cast<unsigned char>(*c)) == 0) {
      pending = true;
      continue;
    }
    if (pending) name += '_';
    pending = false;
    name += *c;
  }
  return name;
}

std::string UniqueNameOf(const Stage& stage, const Rule& rule) {
  const std::string name = NameOf(rule);
  int occurrence = 1;
  for (const Rule* earlier : stage.rules) {
    if (earlier == &rule) break;
    if (NameOf(*earlier) == name) ++occurrence;
  }
  return occurrence == 1 ? name : name + "_" + std::to_string(occurrence);
}

}  // namespace hotcell::policy::testing
