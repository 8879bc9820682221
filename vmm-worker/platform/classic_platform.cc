#include "vmm-worker/platform/classic_platform.h"

#include <algorithm>

namespace hotcell::worker {
namespace {

constexpr std::byte kTransmitterEmpty{0x60};  // holding and shift register
constexpr std::byte kDataReady{0x01};

}  // namespace

Action ClassicPlatform::OnPort(uint32_t /*vcpu*/, const kvm_regs& /*regs*/,
                               const PortAccess& access) {
  const std::lock_guard lock(mutex_);
  if (access.data.empty()) return Action::Unexpected();
  if (access.is_write && access.port == abi::kPortRunExit) {
    return Action::End({.reason = v1::END_REASON_EXITED, .exit_code = access.Value(0)});
  }
  if (access.is_write && access.port == abi::kPortResult) {
    has_result_ = true;
    result_ = access.Value(access.count - 1);
    return Action::Resume();
  }
  if (access.size != 1) return Action::Unexpected();
  if (access.port == abi::kPortSerialData) {
    access.is_write ? WriteSerial(access) : ReadSerial(access);
    return Action::Resume();
  }
  if (access.port == abi::kPortSerialLineStatus && !access.is_write) {
    const bool ready = serial_read_ < serial_input_.size();
    std::fill(access.data.begin(), access.data.end(),
              ready ? kTransmitterEmpty | kDataReady : kTransmitterEmpty);
    return Action::Resume();
  }
  return Action::Unexpected();
}

void ClassicPlatform::WriteSerial(const PortAccess& access) {
  for (const std::byte item : access.data) {
    const char c = std::to_integer<char>(item);
    output_[output_size_++] = c;
    if (c == '\n' || output_size_ == output_.size()) FlushOutput();
  }
}

void ClassicPlatform::ReadSerial(const PortAccess& access) {
  for (std::byte& item : access.data) {
    const bool ready = serial_read_ < serial_input_.size();
    item = ready ? std::byte(serial_input_[serial_read_++]) : std::byte{0};
  }
}

void ClassicPlatform::FlushOutput() {
  if (output_size_ == 0) return;
  v1::FromWorker message;
  message.mutable_output()->set_serial(output_.data(), output_size_);
  channel_.Write(message);
  output_size_ = 0;
}

Action ClassicPlatform::OnMmio(const MmioAccess& access) {
  const bool in_vga = access.address >= abi::kVgaTextGpa &&
                      access.address - abi::kVgaTextGpa <= vga_.size() - access.data.size();
  if (!in_vga) return Action::Unexpected();
  const std::lock_guard lock(mutex_);
  const auto cells = vga_.begin() + static_cast<ptrdiff_t>(access.address - abi::kVgaTextGpa);
  if (access.is_write) {
    std::copy(access.data.begin(), access.data.end(), cells);
  } else {
    std::copy_n(cells, access.data.size(), access.data.begin());
  }
  return Action::Resume();
}

Action ClassicPlatform::OnHalt() { return Action::End({.reason = v1::END_REASON_HALTED}); }

std::string ClassicPlatform::VgaText() const {
  std::string text;
  for (size_t i = 0; i < vga_.size(); i += 2) {  // character, attribute
    const char c = std::to_integer<char>(vga_[i]);
    text.push_back(c == '\0' ? ' ' : c);
  }
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

void ClassicPlatform::Finish(v1::Finished& finished) {
  const std::lock_guard lock(mutex_);
  FlushOutput();
  finished.set_vga_text(VgaText());
  finished.set_has_result(has_result_);
  finished.set_result_port_value(result_);
}

}  // namespace hotcell::worker
