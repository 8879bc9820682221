// The port I/O of a payload: a lane's wait for its wake-up, a forwarded doorbell, the exit, and the
// report of a crash.
#ifndef HOTCELL_VMM_WORKER_PLATFORM_PAYLOAD_PLATFORM_H_
#define HOTCELL_VMM_WORKER_PLATFORM_PAYLOAD_PLATFORM_H_

#include "vmm-worker/boot/boot_payload.h"
#include "vmm-worker/kvm/guest_memory.h"
#include "vmm-worker/platform/platform.h"

namespace hotcell::worker {

// The ports of a payload. The doorbell and the wake port are ioeventfds and never come here unless
// their value names no lane; or the doorbell is forwarded, for a payload of one lane.
class PayloadPlatform : public Platform {
 public:
  // `wake_fd` is the eventfd of lane 0, the others follow; -1: there are no lanes. `doorbell_fd` is
  // the eventfd of lane 0 that doorbells are forwarded to; -1: KVM does that.
  PayloadPlatform(const PayloadBoot& boot, const GuestMemory& memory, int wake_fd, int doorbell_fd)
      : boot_(boot), memory_(memory), wake_fd_(wake_fd), doorbell_fd_(doorbell_fd) {}

  Action OnPort(uint32_t vcpu, const kvm_regs& regs, const PortAccess& access) override;
  Action OnMmio(const MmioAccess& /*access*/) override { return Action::Unexpected(); }
  Action OnHalt() override { return Action::Unexpected(); }
  void Finish(v1::Finished& /*finished*/) override {}

 private:
  Action Wait(uint32_t vcpu) const;
  Action Ring() const;
  Action Crash(uint32_t vcpu, uint64_t rsp) const;

  const PayloadBoot& boot_;
  const GuestMemory& memory_;
  int wake_fd_;
  int doorbell_fd_;
};

}  // namespace hotcell::worker

#endif  // HOTCELL_VMM_WORKER_PLATFORM_PAYLOAD_PLATFORM_H_
