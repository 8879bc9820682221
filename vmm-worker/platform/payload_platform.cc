#include "vmm-worker/platform/payload_platform.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "guest/abi/abi.h"

namespace hotcell::worker {

uint32_t PortAccess::Value(uint32_t index) const {
  uint32_t value = 0;
  if (size <= sizeof(value) && (index + 1ull) * size <= data.size()) {
    std::memcpy(&value, data.data() + uint64_t{index} * size, size);
  }
  return value;
}

Action PayloadPlatform::OnPort(uint32_t vcpu, const kvm_regs& regs, const PortAccess& access) {
  if (!access.is_write || access.count != 1) return Action::Unexpected();
  if (access.port == abi::kPortCrash && access.size == 1) return Crash(vcpu, regs.rsp);
  if (access.size != sizeof(uint32_t)) return Action::Unexpected();
  const uint32_t value = access.Value(0);
  if (access.port == abi::kPortWait && value == vcpu && wake_fd_ >= 0) return Wait(vcpu);
  if (access.port == abi::kPortDoorbell && value == 0 && doorbell_fd_ >= 0) return Ring();
  if (access.port == abi::kPortExit) {
    if (vcpu != 0 && value == abi::kExitOk) return Action::Park();
    return Action::End({.reason = v1::END_REASON_EXITED, .exit_code = value});
  }
  return Action::Unexpected();
}

Action PayloadPlatform::Wait(uint32_t vcpu) const {
  uint64_t count = 0;
  const ssize_t n = read(wake_fd_ + static_cast<int>(vcpu), &count, sizeof(count));
  // After a signal the exit loop looks whether it shall stop; if not, the guest looks at its ring
  // and waits again.
  if (n == sizeof(count) || errno == EINTR) return Action::Resume();
  return Action::End(
      {.reason = v1::END_REASON_KVM_ERROR, .detail = "reading the wake eventfd of a lane failed"});
}

Action PayloadPlatform::Ring() const {
  const uint64_t once = 1;
  ssize_t n = 0;
  do {
    n = write(doorbell_fd_, &once, sizeof(once));
  } while (n < 0 && errno == EINTR);
  // A full eventfd is one that the broker will see as well.
  if (n == sizeof(once) || errno == EAGAIN) return Action::Resume();
  return Action::End({.reason = v1::END_REASON_KVM_ERROR,
                      .detail = "writing the doorbell eventfd of a lane failed"});
}

Action PayloadPlatform::Crash(uint32_t vcpu, uint64_t rsp) const {
  const auto frame = boot_.ReadFault(memory_, vcpu, rsp);
  if (!frame) return Action::Unexpected();
  return Action::End({.reason = v1::END_REASON_GUEST_FAULT, .fault = frame});
}

}  // namespace hotcell::worker
