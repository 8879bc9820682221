// LanePort between threads, for native tests: a bell and a wake counter per lane, as the eventfds
// behind the ports of a real job.
#ifndef HOTCELL_GUEST_RUNTIME_NATIVE_THREAD_PORT_H_
#define HOTCELL_GUEST_RUNTIME_NATIVE_THREAD_PORT_H_

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "guest/abi/abi.h"
#include "guest/runtime/common/lane_port.h"

namespace hotcell::guest {

class ThreadPort final : public LanePort {
 public:
  void Doorbell(uint32_t lane) override { bells_[lane].Signal(); }
  void Wait(uint32_t lane) override {
    ++waits_;
    wakes_[lane].Await();
  }
  void Wake(uint32_t lane) override { wakes_[lane].Signal(); }

  // The broker's side: blocks until the lane's bell was rung.
  void AwaitDoorbell(uint32_t lane) { bells_[lane].Await(); }

  uint64_t doorbells(uint32_t lane) const { return bells_[lane].signals(); }
  uint64_t waits() const { return waits_; }  // all lanes

 private:
  class Event {
   public:
    void Signal() {
      ++signals_;
      const std::lock_guard<std::mutex> lock(mutex_);
      set_ = true;
      changed_.notify_one();
    }
    void Await() {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait(lock, [this] { return set_; });
      set_ = false;
    }
    uint64_t signals() const { return signals_; }

   private:
    std::atomic<uint64_t> signals_ = 0;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool set_ = false;
  };

  Event bells_[abi::kMaxLanes];
  Event wakes_[abi::kMaxLanes];
  std::atomic<uint64_t> waits_ = 0;
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_RUNTIME_NATIVE_THREAD_PORT_H_
