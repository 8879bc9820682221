// The job's lanes on vCPUs: lane i is vCPU i with its own rings.
#ifndef HOTCELL_GUEST_RUNTIME_COMMON_GUEST_LANES_H_
#define HOTCELL_GUEST_RUNTIME_COMMON_GUEST_LANES_H_

#include <memory>
#include <vector>

#include "guest/runtime/common/lane_team.h"
#include "guest/runtime/common/lanes.h"
#include "guest/runtime/common/ring_channel.h"

namespace hotcell::guest {

class GuestLanes final : public Lanes {
 public:
  // All outlive the lanes. The team may be larger than the arena has lanes: the rest stays asleep.
  GuestLanes(LaneTeam& team, const abi::ArenaHeader& arena, abi::GuestStatus& status,
             LanePort& port);

  uint32_t count() const override { return static_cast<uint32_t>(channels_.size()); }
  IoChannel& main_channel() override { return *channels_.front(); }
  void RunOnAll(Body& body) override;
  void SetTotal(uint64_t bytes) override;
  void AddDone(uint64_t bytes) override;

 private:
  LaneTeam& team_;
  abi::GuestStatus& status_;
  std::vector<std::unique_ptr<RingChannel>> channels_;
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_RUNTIME_COMMON_GUEST_LANES_H_
