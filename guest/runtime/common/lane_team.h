// The vCPUs of a job as a team: lane 0 hands out a task, all work on it, lane 0 goes on when all
// are done. Who has nothing to do spins briefly and then sleeps in its wait port.
#ifndef HOTCELL_GUEST_RUNTIME_COMMON_LANE_TEAM_H_
#define HOTCELL_GUEST_RUNTIME_COMMON_LANE_TEAM_H_

#include <atomic>
#include <cstdint>

#include "guest/abi/abi.h"
#include "guest/runtime/common/lane_port.h"

namespace hotcell::guest {

class LaneTeam {
 public:
  class Task {
   public:
    virtual ~Task() = default;
    virtual void Run(uint32_t lane) = 0;
  };

  // `count` lanes, 1 to abi::kMaxLanes. `port` outlives the team.
  LaneTeam(uint32_t count, LanePort& port) : count_(count), port_(port) {}
  LaneTeam(const LaneTeam&) = delete;
  LaneTeam& operator=(const LaneTeam&) = delete;

  uint32_t count() const { return count_; }

  // Lane 0 only: runs the task on every lane, this one included, and returns when all have
  // returned. What lane 0 stored before is visible to all, what they stored is visible after.
  void RunOnAll(Task& task);

  // Lanes 1 to count - 1: serves tasks until Dismiss().
  void Serve(uint32_t lane);
  // Lane 0 only: ends Serve() on the others.
  void Dismiss();

 private:
  // What the team knows of one lane that serves, on a cache line of its own.
  struct alignas(64) LaneState {
    std::atomic<uint32_t> sleeping = 0;
  };

  void Publish(Task* task);
  template <typename Ready>
  void Await(uint32_t lane, Ready ready);

  const uint32_t count_;
  LanePort& port_;
  Task* task_ = nullptr;                  // written before round_ moves on; nullptr: dismissed
  std::atomic<uint32_t> round_ = 0;       // tasks published
  std::atomic<uint32_t> unfinished_ = 0;  // lanes other than 0 that are still at it
  LaneState lanes_[abi::kMaxLanes];
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_RUNTIME_COMMON_LANE_TEAM_H_
