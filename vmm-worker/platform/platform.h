// What a guest finds outside its RAM. There are two platforms: a payload's ports
// (payload_platform.h), and the devices of bare-metal programs (classic_platform.h).
#ifndef HOTCELL_VMM_WORKER_PLATFORM_PLATFORM_H_
#define HOTCELL_VMM_WORKER_PLATFORM_PLATFORM_H_

#include <linux/kvm.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "protos/control.pb.h"
#include "vmm-worker/boot/boot_payload.h"

namespace hotcell::worker {

// An `in` or `out`, or `count` of them from a string instruction.
struct PortAccess {
  uint16_t port = 0;
  bool is_write = false;
  uint8_t size = 0;           // bytes of one item: 1, 2 or 4
  uint32_t count = 0;         // items
  std::span<std::byte> data;  // size * count bytes; to be filled by reads

  // Item `index` of a write.
  uint32_t Value(uint32_t index) const;
};

struct MmioAccess {
  uint64_t address = 0;
  bool is_write = false;
  std::span<std::byte> data;  // 1 to 8 bytes; to be filled by reads
};

// Why a guest's run is over; becomes a hotcell.v1.Finished.
struct GuestEnd {
  v1::EndReason reason = v1::END_REASON_UNSPECIFIED;
  uint32_t exit_code = 0;
  std::optional<FaultFrame> fault;
  uint32_t kvm_exit_reason = 0;
  uint64_t address = 0;
  uint32_t access_size = 0;
  bool is_write = false;
  std::string detail;
};

struct Action {
  enum class Kind {
    kResume,      // enter the guest again
    kPark,        // this vCPU is done; the others are not
    kEnd,         // the job is done
    kUnexpected,  // nothing answers there
  };

  static Action Resume() { return {Kind::kResume, {}}; }
  static Action Park() { return {Kind::kPark, {}}; }
  static Action Unexpected() { return {Kind::kUnexpected, {}}; }
  static Action End(GuestEnd end) { return {Kind::kEnd, std::move(end)}; }

  Kind kind = Kind::kUnexpected;
  GuestEnd end;
};

// Called by all vCPU threads.
class Platform {
 public:
  virtual ~Platform() = default;
  // `regs`: the vCPU's, as of the exit.
  virtual Action OnPort(uint32_t vcpu, const kvm_regs& regs, const PortAccess& access) = 0;
  virtual Action OnMmio(const MmioAccess& access) = 0;
  virtual Action OnHalt() = 0;
  // The last words, once: output not yet sent, fields of its own.
  virtual void Finish(v1::Finished& finished) = 0;
};

}  // namespace hotcell::worker

#endif  // HOTCELL_VMM_WORKER_PLATFORM_PLATFORM_H_
