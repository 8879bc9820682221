// Resource limits of the worker, which are lowered and never raised: what it inherits, from a
// service's prlimit(1) or a shell's ulimit, may be less than what policy/layers.h has.
#ifndef HOTCELL_VMM_WORKER_CONFINEMENT_LIMITS_H_
#define HOTCELL_VMM_WORKER_CONFINEMENT_LIMITS_H_

#include <sys/resource.h>

#include <cstdint>
#include <span>

#include "policy/layers.h"

namespace hotcell::worker {

// What a limit of `value` comes to where `inherited` is there: of the soft and of the hard limit
// the smaller one. To raise a hard limit takes a right over the host that the worker does not have.
rlimit LowerOf(const rlimit& inherited, rlim_t value);

// A limit that could not be set; `error` is 0 when all could.
struct LimitFailure {
  int resource = 0;  // RLIMIT_*
  int error = 0;     // errno
};

// Lowers each of `limits`, whose values are all fixed, to what LowerOf() says.
LimitFailure LowerLimits(std::span<const policy::LimitSpec> limits);

// The CPU time that the process may use as it was started. To be asked before the set-up filter,
// which lets limits be set and not read.
rlimit InheritedCpuLimit();

// Lowers policy::kRunLimits. `cpu_seconds` is CPU time of the whole process since its birth, 0: no
// limit of ours; `inherited_cpu` is InheritedCpuLimit()'s, whose soft limit becomes the hard one.
LimitFailure LowerRunLimits(uint32_t cpu_seconds, const rlimit& inherited_cpu);

}  // namespace hotcell::worker

#endif  // HOTCELL_VMM_WORKER_CONFINEMENT_LIMITS_H_
