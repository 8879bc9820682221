#include "guest/runtime/common/lane_team.h"

#include "guest/runtime/common/spinlock.h"

namespace hotcell::guest {

namespace {

// Sections of a job follow each other within microseconds or not at all; a sleep costs an exit to
// user space.
constexpr int kSpins = 2000;

}  // namespace

// Sleeping is announced before the last look at the condition, and whoever makes the condition true
// looks at the announcement afterwards: one of the two sees the other.
template <typename Ready>
void LaneTeam::Await(uint32_t lane, Ready ready) {
  for (int i = 0; i < kSpins; ++i) {
    if (ready()) return;
    CpuRelax();
  }
  std::atomic<uint32_t>& sleeping = lanes_[lane].sleeping;
  while (true) {
    sleeping.store(1, std::memory_order_seq_cst);
    if (ready()) break;
    port_.Wait(lane);
    if (ready()) break;
  }
  sleeping.store(0, std::memory_order_relaxed);
}

void LaneTeam::Publish(Task* task) {
  task_ = task;
  unfinished_.store(count_ - 1, std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_seq_cst);
  for (uint32_t lane = 1; lane < count_; ++lane) {
    if (lanes_[lane].sleeping.load(std::memory_order_seq_cst) != 0) port_.Wake(lane);
  }
}

void LaneTeam::RunOnAll(Task& task) {
  if (count_ > 1) Publish(&task);
  task.Run(0);
  if (count_ > 1) Await(0, [this] { return unfinished_.load(std::memory_order_seq_cst) == 0; });
}

void LaneTeam::Serve(uint32_t lane) {
  for (uint32_t served = 0;; ++served) {
    Await(lane, [this, served] { return round_.load(std::memory_order_seq_cst) != served; });
    if (task_ == nullptr) return;
    task_->Run(lane);
    if (unfinished_.fetch_sub(1, std::memory_order_seq_cst) == 1 &&
        lanes_[0].sleeping.load(std::memory_order_seq_cst) != 0) {
      port_.Wake(0);
    }
  }
}

void LaneTeam::Dismiss() { Publish(nullptr); }

}  // namespace hotcell::guest
