// How a lane sleeps and how it is woken, as an interface, so that the code above it runs natively
// in tests with threads for vCPUs.
#ifndef HOTCELL_GUEST_RUNTIME_COMMON_LANE_PORT_H_
#define HOTCELL_GUEST_RUNTIME_COMMON_LANE_PORT_H_

#include <cstdint>

namespace hotcell::guest {

class LanePort {
 public:
  virtual ~LanePort() = default;

  // Tells the broker that the lane's submission ring has entries.
  virtual void Doorbell(uint32_t lane) = 0;
  // Blocks the calling lane until somebody wakes it. May return for no reason; a wake that came
  // while nobody waited is not lost.
  virtual void Wait(uint32_t lane) = 0;
  // Ends the lane's Wait(), now or the next.
  virtual void Wake(uint32_t lane) = 0;
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_RUNTIME_COMMON_LANE_PORT_H_
