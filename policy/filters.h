// The rules in rules.h as BPF programs, compiled with the project.
#ifndef HOTCELL_POLICY_FILTERS_H_
#define HOTCELL_POLICY_FILTERS_H_

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstdint>
#include <span>

namespace hotcell::policy {

// What becomes of a call that no rule allows. While the machine is set up, which is trusted code's
// work, the worker's own handler of SIGSYS reports it; the low 16 bits, which the kernel hands to
// the handler in si_errno, are hotcell.v1.PHASE_SETUP. Once a guest runs, whoever took the worker
// over may have a second thread to take the handler's stack over as well: so the kernel kills, and
// the wait status tells the broker. The filters are stacked, and the kernel prefers the kill.
inline constexpr uint32_t kSetupRefusal = SECCOMP_RET_TRAP | 1;
inline constexpr uint32_t kRunRefusal = SECCOMP_RET_KILL_PROCESS;

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
