// The worker's own filters, but for what they do about a forbidden call in the run: as in set-up,
// the worker's handler of SIGSYS has to tell of it.
#include <linux/seccomp.h>

#include <algorithm>
#include <span>

#include "policy/filters.h"

extern "C" {
std::span<const sock_filter> __real__ZN7hotcell6policy9RunFilterEjNS0_8RunExtraE(
    uint32_t vcpus, hotcell::policy::RunExtra extra);

std::span<const sock_filter> __wrap__ZN7hotcell6policy9RunFilterEjNS0_8RunExtraE(
    uint32_t vcpus, hotcell::policy::RunExtra extra) {
  static sock_filter trapping[hotcell::policy::kMaxFilterLength];
  const auto filter = __real__ZN7hotcell6policy9RunFilterEjNS0_8RunExtraE(vcpus, extra);
  std::ranges::transform(filter, trapping, [](sock_filter instruction) {
    const bool refuses =
        instruction.code == (BPF_RET | BPF_K) && instruction.k == hotcell::policy::kRunRefusal;
    if (refuses) instruction.k = hotcell::policy::kSetupRefusal;
    return instruction;
  });
  return {trapping, filter.size()};
}
}
