// Filters that allow everything, in the place of policy/filters.cc: what is left of the lock-down
// when seccomp is taken out of it. The code that installs them is the worker's own.
#include <linux/seccomp.h>

#include <algorithm>

#include "policy/filters.h"

namespace hotcell::policy {
namespace {

constexpr sock_filter kAllow[] = {{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};

}  // namespace

std::span<const sock_filter> SetupFilter() { return kAllow; }
std::span<const sock_filter> RunFilter(uint32_t, RunExtra) { return kAllow; }
void BindTgid(std::span<const sock_filter> filter, uint32_t, sock_filter* out) {
  std::ranges::copy(filter, out);
}

}  // namespace hotcell::policy
