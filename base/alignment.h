// Rounding of sizes and offsets that may come from an image or from the other side of a wall: no
// argument makes a result wrap around.
#ifndef HOTCELL_BASE_ALIGNMENT_H_
#define HOTCELL_BASE_ALIGNMENT_H_

#include <cstdint>

namespace hotcell {

// How many units hold `value`: value / unit, a part of a unit counted as a whole one. Precondition
// of all three functions: unit != 0.
constexpr uint64_t DivideUp(uint64_t value, uint64_t unit) {
  return value / unit + (value % unit != 0);
}

// The largest multiple of `unit` that is no larger than `value`.
constexpr uint64_t AlignDown(uint64_t value, uint64_t unit) { return value - value % unit; }

// The smallest multiple of `unit` that is no smaller than `value`. Where 64 bits do not hold it,
// the result is UINT64_MAX, which no check against a limit takes for a small number.
constexpr uint64_t AlignUp(uint64_t value, uint64_t unit) {
  const uint64_t rest = value % unit;
  if (rest == 0) return value;
  const uint64_t missing = unit - rest;
  return value <= UINT64_MAX - missing ? value + missing : UINT64_MAX;
}

}  // namespace hotcell

#endif  // HOTCELL_BASE_ALIGNMENT_H_
