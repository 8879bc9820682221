// What bare-metal programs find where a PC has its devices, and how what they print gets to the
// broker.
#ifndef HOTCELL_VMM_WORKER_PLATFORM_CLASSIC_PLATFORM_H_
#define HOTCELL_VMM_WORKER_PLATFORM_CLASSIC_PLATFORM_H_

#include <array>
#include <atomic>
#include <mutex>
#include <string>

#include "guest/abi/abi.h"
#include "vmm-worker/frames.h"
#include "vmm-worker/platform/platform.h"

namespace hotcell::worker {

// The devices of real-mode and long-mode guests: a serial port, VGA text memory, an exit port and a
// port for a result. HLT ends the run.
class ClassicPlatform : public Platform {
 public:
  // Output goes to `channel` line by line, or every 256 bytes. Does not own it.
  explicit ClassicPlatform(FrameChannel& channel) : channel_(channel) {}

  // Sets what the guest will read from the serial port. Call it before the guest runs.
  void SetSerialInput(std::string input) { serial_input_ = std::move(input); }

  Action OnPort(uint32_t vcpu, const kvm_regs& regs, const PortAccess& access) override;
  Action OnMmio(const MmioAccess& access) override;
  Action OnHalt() override;
  void Finish(v1::Finished& finished) override;

 private:
  static constexpr size_t kOutputChunk = 256;  // bytes

  // Each item of the access in turn. Called with mutex_ held.
  void WriteSerial(const PortAccess& access);
  void ReadSerial(const PortAccess& access);
  void FlushOutput();
  std::string VgaText() const;

  FrameChannel& channel_;
  std::mutex mutex_;
  std::string serial_input_;
  size_t serial_read_ = 0;
  std::array<char, kOutputChunk> output_;
  size_t output_size_ = 0;
  bool has_result_ = false;
  uint32_t result_ = 0;
  std::array<std::byte, abi::kVgaTextSize> vga_{};
};

}  // namespace hotcell::worker

#endif  // HOTCELL_VMM_WORKER_PLATFORM_CLASSIC_PLATFORM_H_
