#ifndef HOTCELL_BROKER_MONOTONIC_CLOCK_H_
#define HOTCELL_BROKER_MONOTONIC_CLOCK_H_

#include <ctime>

#include "absl/time/time.h"

namespace hotcell::broker {

// Since some moment in the past, of a clock that nobody sets.
inline absl::Duration MonotonicNow() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return absl::DurationFromTimespec(now);
}

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_MONOTONIC_CLOCK_H_
