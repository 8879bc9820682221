// The rules in rules.h as BPF programs, compiled with the project.
#ifndef HOTCELL_POLICY_FILTERS_H_
#define HOTCELL_POLICY_FILTERS_H_

#include <linux/filter.h>

#include <cstdint>
#include <span>

namespace hotcell::policy {

// The low 16 bits of the filters' SECCOMP_RET_TRAP. The kernel hands them to the handler of SIGSYS
// in si_errno, so that it knows the stage without any state of its own. Values of hotcell.v1.Phase.
inline constexpr uint16_t kTrapSetup = 1;
inline constexpr uint16_t kTrapRun = 2;

// Stands in the programs for the worker's thread group id, which exists at run time only. More than
// any id Linux gives out, so that a program in which it was forgotten refuses the call.
inline constexpr uint32_t kTgidPlaceholder = 0x7f0f0f0f;

// No program is longer, in instructions.
inline constexpr size_t kMaxFilterLength = 512;

// All tables, for any number of vCPUs.
std::span<const sock_filter> SetupFilter();

// What a job may need beyond kRunRules: kDirtyLogRules, or kDoorbellRules.
enum class RunExtra : uint8_t { kNothing, kDirtyLog, kDoorbells };

// kRunRules for `vcpus` vCPUs, 1 to abi::kMaxLanes, and the rules of `extra`. Empty for
// any other number.
std::span<const sock_filter> RunFilter(uint32_t vcpus, RunExtra extra);

// Copies `filter` to `out`, which has room for it, with `tgid` in the placeholder's place.
void BindTgid(std::span<const sock_filter> filter, uint32_t tgid, sock_filter* out);

}  // namespace hotcell::policy

#endif  // HOTCELL_POLICY_FILTERS_H_
