// The job's lanes as op code sees them: vCPUs in the guest, threads natively.
#ifndef HOTCELL_GUEST_RUNTIME_COMMON_LANES_H_
#define HOTCELL_GUEST_RUNTIME_COMMON_LANES_H_

#include <cstdint>

#include "guest/runtime/common/io.h"

namespace hotcell::guest {

class Lanes {
 public:
  // Work of one lane. Called once per lane, with the lane's index and its own channel.
  class Body {
   public:
    virtual ~Body() = default;
    virtual void Run(uint32_t lane, IoChannel& io) = 0;
  };

  virtual ~Lanes() = default;

  virtual uint32_t count() const = 0;
  // The calling lane's channel (lane 0, on which ops start).
  virtual IoChannel& main_channel() = 0;
  // Runs body on every lane, the calling one included; returns when all have returned.
  virtual void RunOnAll(Body& body) = 0;
  // Progress of the job in bytes of virtual disk. Any lane, any time.
  virtual void SetTotal(uint64_t bytes) = 0;
  virtual void AddDone(uint64_t bytes) = 0;
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_RUNTIME_COMMON_LANES_H_
