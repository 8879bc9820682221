// What threads of the worker wait for. In place of a condition variable, whose futex operations are
// more than the run stage needs to allow (policy/rules.h).
#ifndef HOTCELL_VMM_WORKER_CONFINEMENT_GATE_H_
#define HOTCELL_VMM_WORKER_CONFINEMENT_GATE_H_

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstdint>

namespace hotcell::worker {

// A count that only grows. What a thread wrote before Add() is seen by one after its WaitFor().
class Gate {
 public:
  void Add() {
    count_.fetch_add(1, std::memory_order_release);
    syscall(SYS_futex, &count_, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
  }

  // Blocks until the count is `count` at least.
  void WaitFor(uint32_t count) {
    while (true) {
      const uint32_t now = count_.load(std::memory_order_acquire);
      if (now >= count) return;
      // Returns at once when the count is not `now` any more; for a signal, too.
      syscall(SYS_futex, &count_, FUTEX_WAIT_PRIVATE, now, nullptr, nullptr, 0);
    }
  }

 private:
  std::atomic<uint32_t> count_ = 0;
  static_assert(sizeof(count_) == sizeof(uint32_t) && std::atomic<uint32_t>::is_always_lock_free);
};

}  // namespace hotcell::worker

#endif  // HOTCELL_VMM_WORKER_CONFINEMENT_GATE_H_
