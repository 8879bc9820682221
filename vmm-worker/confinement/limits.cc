#include "vmm-worker/confinement/limits.h"

#include <algorithm>
#include <cerrno>

namespace hotcell::worker {
namespace {

__rlimit_resource ResourceOf(const policy::LimitSpec& limit) {
  return static_cast<__rlimit_resource>(limit.resource);
}

LimitFailure Failed(const policy::LimitSpec& limit, int error) {
  return {.resource = static_cast<int>(limit.resource), .error = error};
}

LimitFailure Set(const policy::LimitSpec& limit, const rlimit& value) {
  return setrlimit(ResourceOf(limit), &value) == 0 ? LimitFailure() : Failed(limit, errno);
}

// Nothing that is inherited is below zero, so that the filter need not let it be read.
constexpr bool AreZeroUnlessOfCpuTime(std::span<const policy::LimitSpec> limits) {
  return std::ranges::all_of(limits, [](const policy::LimitSpec& limit) {
    return limit.from == policy::LimitValue::kFixed ? limit.value == 0
                                                    : limit.resource == RLIMIT_CPU;
  });
}
static_assert(AreZeroUnlessOfCpuTime(policy::kRunLimits));

}  // namespace

rlimit LowerOf(const rlimit& inherited, rlim_t value) {
  // RLIM_INFINITY is the largest number.
  return {std::min(inherited.rlim_cur, value), std::min(inherited.rlim_max, value)};
}

LimitFailure LowerLimits(std::span<const policy::LimitSpec> limits) {
  for (const policy::LimitSpec& limit : limits) {
    rlimit inherited;
    if (getrlimit(ResourceOf(limit), &inherited) < 0) return Failed(limit, errno);
    const LimitFailure failure = Set(limit, LowerOf(inherited, limit.value));
    if (failure.error != 0) return failure;
  }
  return {};
}

rlimit InheritedCpuLimit() {
  rlimit inherited;
  // A filter of somebody else's may refuse to tell. One that is lower than ours will then be found
  // out by the kernel, which refuses to raise it.
  if (getrlimit(RLIMIT_CPU, &inherited) < 0) return {RLIM_INFINITY, RLIM_INFINITY};
  return inherited;
}

LimitFailure LowerRunLimits(uint32_t cpu_seconds, const rlimit& inherited_cpu) {
  const rlim_t ours = cpu_seconds == 0 ? RLIM_INFINITY : cpu_seconds;
  // The first process of a pid namespace gets no SIGXCPU, which the soft limit would send; it gets
  // the hard one's SIGKILL.
  const rlim_t cpu = LowerOf(inherited_cpu, ours).rlim_cur;
  for (const policy::LimitSpec& limit : policy::kRunLimits) {
    const bool fixed = limit.from == policy::LimitValue::kFixed;
    const rlim_t value = fixed ? limit.value : cpu;
    if (value == RLIM_INFINITY) continue;
    const LimitFailure failure = Set(limit, {value, value});
    if (failure.error != 0) return failure;
  }
  return {};
}

}  // namespace hotcell::worker
