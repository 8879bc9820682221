// All that a seccomp filter can answer, for tests that look for a call which is allowed and should
// not be.
#ifndef HOTCELL_POLICY_TESTING_BPF_EXPLORER_H_
#define HOTCELL_POLICY_TESTING_BPF_EXPLORER_H_

#include <linux/filter.h>

#include <compare>
#include <cstdint>
#include <span>
#include <vector>

namespace hotcell::policy::testing {

// A range of numbers; both ends belong to it.
struct Range {
  uint32_t first = 0;
  uint32_t last = UINT32_MAX;
  // NOLINTNEXTLINE(modernize-use-nullptr): a false alarm of clang-tidy 14.
  auto operator<=>(const Range&) const = default;
};

// A system call whose number and architecture lie in these ranges may end in `action`.
struct Outcome {
  Range number;
  Range arch;
  uint32_t action = 0;
};

// Every way through `program`, for all of the 2^32 numbers and 2^32 architectures: comparisons of
// these split the ranges, of a comparison of an argument both branches are followed. So an outcome
// may need arguments that contradict each other, but none is missing. A program that ends without
// RET has an outcome kNoReturn.
std::vector<Outcome> Explore(std::span<const sock_filter> program);
inline constexpr uint32_t kNoReturn = 0xdeadbeef;

}  // namespace hotcell::policy::testing

#endif  // HOTCELL_POLICY_TESTING_BPF_EXPLORER_H_
