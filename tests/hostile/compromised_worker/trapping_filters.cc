// The worker's own filters, but for what they do about a forbidden call in the run: as in set-up,
// the worker's handler of SIGSYS has to tell of it. Linked with --wrap=RunFilter, in its mangled
// name.
#include <linux/seccomp.h>

#include <algorithm>
#include <span>

#include "policy/filters.h"

namespace hotcell::policy {

std::span<const sock_filter> RealRunFilter(uint32_t vcpus, RunExtra extra) asm(
    "__real__ZN7hotcell6policy9RunFilterEjNS0_8RunExtraE");
std::span<const sock_filter> TrappingRunFilter(uint32_t vcpus, RunExtra extra) asm(
    "__wrap__ZN7hotcell6policy9RunFilterEjNS0_8RunExtraE");

std::span<const sock_filter> TrappingRunFilter(uint32_t vcpus, RunExtra extra) {
  static sock_filter trapping[kMaxFilterLength];
  const std::span<const sock_filter> filter = RealRunFilter(vcpus, extra);
  std::ranges::transform(filter, trapping, [](sock_filter instruction) {
    const bool refuses = instruction.code == (BPF_RET | BPF_K) && instruction.k == kRunRefusal;
    if (refuses) instruction.k = kSetupRefusal;
    return instruction;
  });
  return {trapping, filter.size()};
}

}  // namespace hotcell::policy
