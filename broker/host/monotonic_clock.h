// The clock of all deadlines in the broker: it does not jump when somebody sets the time.
#ifndef HOTCELL_BROKER_HOST_MONOTONIC_CLOCK_H_
#define HOTCELL_BROKER_HOST_MONOTONIC_CLOCK_H_

#include <algorithm>
#include <ctime>

#include "absl/time/time.h"

namespace hotcell::broker {

// The time since some moment in the past, by a clock that nobody sets.
inline absl::Duration MonotonicNow() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return absl::DurationFromTimespec(now);
}

// The time until `moment`, a MonotonicNow(), as poll() wants it: rounded up, so that the moment has
// come when poll() returns, and bounded for its int.
inline int PollTimeout(absl::Duration moment) {
  const absl::Duration left =
      std::clamp(moment - MonotonicNow(), absl::ZeroDuration(), absl::Hours(1));
  return static_cast<int>(absl::ToInt64Milliseconds(absl::Ceil(left, absl::Milliseconds(1))));
}

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_HOST_MONOTONIC_CLOCK_H_
