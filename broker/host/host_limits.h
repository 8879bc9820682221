// Limits that this process has from whoever started it, and what a job takes of them: so that an
// error says "RLIMIT_NOFILE is 20; 75 are needed" and not which of our steps ran into it.
#ifndef HOTCELL_BROKER_HOST_HOST_LIMITS_H_
#define HOTCELL_BROKER_HOST_HOST_LIMITS_H_

#include <sys/resource.h>

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "hotcell/host_limits.h"

namespace hotcell::broker {

// The number of open files that a worker of so many lanes is born with, and a little more while it
// is: no limit below that is enough.
uint64_t WorkerDescriptors(uint32_t lanes);

// What a job takes at least. A job may need more; what then fails is explained by ExplainErrno().
struct JobNeeds {
  uint32_t lanes = 0;
  uint64_t arena = 0;         // bytes
  uint64_t guest_memory = 0;  // bytes
};

// kResourceExhausted names a limit that is lower than what a job takes, its value and what is
// needed.
absl::Status CheckHostLimits(const JobNeeds& needs);

// "" or " (an outer seccomp filter ... may be refusing the call)", for an errno of a call that the
// kernel refuses nobody. Nothing for other errnos, or where this process has no such filter.
std::string ExplainRefusal(int error);

// How much CPU time each worker that this process starts may use: its own soft limit. Infinite
// without one.
absl::Duration InheritedCpu();

// "RLIMIT_CPU is 2 s, and the worker has used them up"; kResourceExhausted, Remedy::kRaiseCpuLimit.
absl::Status CpuUsedUp(absl::Duration limit);

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_HOST_HOST_LIMITS_H_
