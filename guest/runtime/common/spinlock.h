// Locks for lanes, each of which is a vCPU without a kernel below it.
#ifndef HOTCELL_GUEST_RUNTIME_COMMON_SPINLOCK_H_
#define HOTCELL_GUEST_RUNTIME_COMMON_SPINLOCK_H_

#include <atomic>

namespace hotcell::guest {

inline void CpuRelax() { __builtin_ia32_pause(); }

// A lock for short sections: the guest has nothing to sleep on. Usable with std::lock_guard.
class Spinlock {
 public:
  void lock() {
    while (locked_.exchange(true, std::memory_order_acquire)) {
      while (locked_.load(std::memory_order_relaxed)) CpuRelax();
    }
  }
  void unlock() { locked_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> locked_ = false;
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_RUNTIME_COMMON_SPINLOCK_H_
