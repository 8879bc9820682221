// The limit `Limits::output_rate`, which slows a job's writes and fails none.
#ifndef HOTCELL_BROKER_LANES_OUTPUT_PACE_H_
#define HOTCELL_BROKER_LANES_OUTPUT_PACE_H_

#include <atomic>
#include <cstdint>
#include <mutex>

#include "absl/time/time.h"

namespace hotcell::broker {

// Spreads what all lanes write over time, so that it is no more than so many bytes a second.
// Thread-safe.
class OutputPace {
 public:
  // 0: as fast as it goes.
  explicit OutputPace(uint64_t bytes_per_second) : bytes_per_second_(bytes_per_second) {}

  bool limited() const { return bytes_per_second_ != 0; }

  // Sleeps until `bytes` may be written after those before. Ends early once `stop` is set.
  void Wait(uint64_t bytes, const std::atomic<bool>& stop);

 private:
  // When these bytes may go, and sets the time of the next.
  absl::Duration Schedule(uint64_t bytes, absl::Duration now);

  const uint64_t bytes_per_second_;
  std::mutex mutex_;
  absl::Duration next_;  // of MonotonicNow(); guarded by mutex_
};

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_LANES_OUTPUT_PACE_H_
