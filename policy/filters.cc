#include "policy/filters.h"

#include <algorithm>

#include "guest/abi/abi.h"

namespace hotcell::policy {
namespace {

#include "policy_generated/filters.inc"

static_assert(std::size(kSetupFilter) <= kMaxFilterLength);
static_assert(std::size(kRunFilters) == abi::kMaxLanes);
static_assert(std::size(kDirtyLogFilters) == abi::kMaxLanes);
static_assert(std::size(kDoorbellFilters) == abi::kMaxLanes);

}  // namespace

std::span<const sock_filter> SetupFilter() { return kSetupFilter; }

std::span<const sock_filter> RunFilter(uint32_t vcpus, RunExtra extra) {
  if (vcpus < 1 || vcpus > abi::kMaxLanes) return {};
  switch (extra) {
    case RunExtra::kNothing:
      return kRunFilters[vcpus - 1];
    case RunExtra::kDirtyLog:
      return kDirtyLogFilters[vcpus - 1];
    case RunExtra::kDoorbells:
      return kDoorbellFilters[vcpus - 1];
  }
  return {};
}

void BindTgid(std::span<const sock_filter> filter, uint32_t tgid, sock_filter* out) {
  std::ranges::transform(filter, out, [tgid](sock_filter instruction) {
    if (instruction.k == kTgidPlaceholder) instruction.k = tgid;
    return instruction;
  });
}

}  // namespace hotcell::policy
