// The tables of rules.h, interpreted as plainly as can be. Tests hold the BPF programs, which
// libseccomp made of the same tables, against it, and make of each rule the calls that it must
// allow and those that it must not. A rule that is added to a table needs nothing here.
#ifndef HOTCELL_POLICY_TESTING_RULE_MODEL_H_
#define HOTCELL_POLICY_TESTING_RULE_MODEL_H_

#include <linux/audit.h>
#include <linux/filter.h>

#include <array>
#include <cstdint>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "policy/filters.h"
#include "policy/rules.h"

namespace hotcell::policy::testing {

struct Call {
  int number = 0;
  std::array<uint64_t, 6> arguments = {};
  uint32_t arch = AUDIT_ARCH_X86_64;
};
std::ostream& operator<<(std::ostream& out, const Call& call);

// A filter, and what it was made of.
struct Stage {
  std::string name;  // "Setup", "Run1", "Run16DirtyLog"
  std::vector<const Rule*> rules;
  uint32_t vcpus = 0;
  uint32_t refusal = 0;  // SECCOMP_RET_* of a call that no rule allows
  std::span<const sock_filter> program;
};
void PrintTo(const Stage& stage, std::ostream* out);
Stage SetupStage();
Stage RunStage(uint32_t vcpus, RunExtra extra = RunExtra::kNothing);
// The one for set-up, and those of the run for every number of vCPUs with every extra.
std::vector<Stage> AllStages();

// What the process knows that the rules depend on.
struct Process {
  uint32_t vcpus = 0;
  uint32_t tgid = 0;
};

// SECCOMP_RET_* of a rule's action.
uint32_t ReturnOf(const Rule& rule);
bool Matches(const Rule& rule, const Call& call, const Process& process);
// SECCOMP_RET_* that the tables mean for `call`. `without` is left out of them.
uint32_t Decide(const Stage& stage, const Call& call, uint32_t tgid, const Rule* without = nullptr);

// Calls that match `rule`: one for each lane where it speaks of lanes. Arguments without a
// condition are `others`, save for the bits that a mask leaves open.
std::vector<Call> MatchingCalls(const Rule& rule, const Process& process, uint64_t others = 0);
// Every value that differs from that of `call` in one bit, neighbours, the ends of ranges, and
// what a comparison of half the bits would take for the same; for the argument of `condition`.
std::vector<Call> Perturb(const Call& call, const Condition& condition, const Process& process);

// "ioctl_enter_the_guest": of letters, digits and underscores.
std::string NameOf(const Rule& rule);
// NameOf(), with a number where an earlier rule of the stage has the same.
std::string UniqueNameOf(const Stage& stage, const Rule& rule);

}  // namespace hotcell::policy::testing

#endif  // HOTCELL_POLICY_TESTING_RULE_MODEL_H_
