// Leaves the limits of the run out of the lock-down: the linker lets the worker's calls of
// setrlimit() come here (--wrap).
#include <sys/resource.h>

#include <algorithm>

#include "policy/layers.h"

extern "C" {

int __real_setrlimit(__rlimit_resource_t resource, const rlimit* limit);
int __wrap_setrlimit(__rlimit_resource_t resource, const rlimit* limit);

int __wrap_setrlimit(__rlimit_resource_t resource, const rlimit* limit) {
  const bool is_of_the_run =
      std::ranges::any_of(hotcell::policy::kRunLimits, [&](const hotcell::policy::LimitSpec& spec) {
        return spec.resource == static_cast<int>(resource) && spec.value == limit->rlim_cur;
      });
  return is_of_the_run ? 0 : __real_setrlimit(resource, limit);
}
}
