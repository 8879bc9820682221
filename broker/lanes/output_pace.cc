#include "broker/lanes/output_pace.h"

#include <algorithm>

#include "absl/time/clock.h"
#include "broker/host/monotonic_clock.h"

namespace hotcell::broker {
namespace {

// How long a job that is stopped may have to wait for a lane that sleeps.
constexpr absl::Duration kLongestSleep = absl::Milliseconds(20);

}  // namespace

absl::Duration OutputPace::Schedule(uint64_t bytes, absl::Duration now) {
  const std::lock_guard lock(mutex_);
  // Time in which nothing was written is not made up for.
  const absl::Duration begin = std::max(next_, now);
  next_ =
      begin + absl::Seconds(static_cast<double>(bytes) / static_cast<double>(bytes_per_second_));
  return begin;
}

void OutputPace::Wait(uint64_t bytes, const std::atomic<bool>& stop) {
  if (!limited()) return;
  const absl::Duration begin = Schedule(bytes, MonotonicNow());
  while (!stop) {
    const absl::Duration left = begin - MonotonicNow();
    if (left <= absl::ZeroDuration()) return;
    absl::SleepFor(std::min(left, kLongestSleep));
  }
}

}  // namespace hotcell::broker
