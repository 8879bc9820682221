#include "guest/runtime/common/guest_lanes.h"

#include <algorithm>
#include <atomic>

namespace hotcell::guest {

namespace {

class BodyTask final : public LaneTeam::Task {
 public:
  BodyTask(Lanes::Body& body, std::span<const std::unique_ptr<RingChannel>> channels)
      : body_(body), channels_(channels) {}

  void Run(uint32_t lane) override {
    if (lane < channels_.size()) body_.Run(lane, *channels_[lane]);
  }

 private:
  Lanes::Body& body_;
  const std::span<const std::unique_ptr<RingChannel>> channels_;
};

}  // namespace

GuestLanes::GuestLanes(LaneTeam& team, const abi::ArenaHeader& arena, abi::GuestStatus& status,
                       LanePort& port)
    : team_(team), status_(status) {
  const uint32_t count = std::min(team.count(), arena.lane_count);
  for (uint32_t lane = 0; lane < count; ++lane) {
    channels_.push_back(std::make_unique<RingChannel>(arena, lane, port));
  }
}

void GuestLanes::RunOnAll(Body& body) {
  BodyTask task(body, channels_);
  team_.RunOnAll(task);
}

void GuestLanes::SetTotal(uint64_t bytes) {
  std::atomic_ref<uint64_t>(status_.progress_total).store(bytes, std::memory_order_relaxed);
}

void GuestLanes::AddDone(uint64_t bytes) {
  std::atomic_ref<uint64_t>(status_.progress_done).fetch_add(bytes, std::memory_order_relaxed);
}

}  // namespace hotcell::guest
