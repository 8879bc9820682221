#include "broker/workers/native_end.h"

#include <optional>

namespace hotcell::broker {
namespace {

// These go over as they are.
static_assert(static_cast<int>(GuestMode::kPayload) == v1::GUEST_MODE_PAYLOAD &&
              static_cast<int>(GuestMode::kLong) == v1::GUEST_MODE_LONG &&
              static_cast<int>(GuestMode::kReal) == v1::GUEST_MODE_REAL &&
              v1::GuestMode_MAX == v1::GUEST_MODE_REAL);
static_assert(static_cast<int>(LayerState::kAchieved) == v1::LAYER_STATE_ACHIEVED &&
              static_cast<int>(LayerState::kUnavailable) == v1::LAYER_STATE_UNAVAILABLE &&
              static_cast<int>(LayerState::kFailed) == v1::LAYER_STATE_FAILED &&
              static_cast<int>(LayerState::kPending) == v1::LAYER_STATE_PENDING &&
              v1::LayerState_MAX == v1::LAYER_STATE_PENDING);

EndReason ToNative(v1::EndReason reason) {
  switch (reason) {
    case v1::END_REASON_EXITED:
      return EndReason::kExited;
    case v1::END_REASON_HALTED:
      return EndReason::kHalted;
    case v1::END_REASON_GUEST_FAULT:
      return EndReason::kGuestFault;
    case v1::END_REASON_UNEXPECTED_EXIT:
      return EndReason::kUnexpectedExit;
    case v1::END_REASON_STOPPED:
      return EndReason::kStopped;
    case v1::END_REASON_KVM_ERROR:
      return EndReason::kKvmError;
    case v1::END_REASON_LOAD_ERROR:
      return EndReason::kLoadError;
    default:
      return EndReason::kUnknown;
  }
}

ExitCounters ToNative(const v1::ExitCounters& exits) {
  return {.total = exits.total(),
          .waits = exits.waits(),
          .port_io = exits.port_io(),
          .mmio = exits.mmio(),
          .interrupted = exits.interrupted()};
}

std::vector<PageRange> DirtyPages(const v1::Finished& finished) {
  std::vector<PageRange> pages;
  pages.reserve(static_cast<size_t>(finished.dirty_pages_size()));
  for (const v1::PageRange& range : finished.dirty_pages()) {
    pages.push_back({.first = range.first(), .count = range.count()});
  }
  return pages;
}

}  // namespace

Registers ToNative(const v1::Registers& r) {
  return {.rax = r.rax(),
          .rbx = r.rbx(),
          .rcx = r.rcx(),
          .rdx = r.rdx(),
          .rsi = r.rsi(),
          .rdi = r.rdi(),
          .rsp = r.rsp(),
          .rbp = r.rbp(),
          .r8 = r.r8(),
          .r9 = r.r9(),
          .r10 = r.r10(),
          .r11 = r.r11(),
          .r12 = r.r12(),
          .r13 = r.r13(),
          .r14 = r.r14(),
          .r15 = r.r15(),
          .rip = r.rip(),
          .rflags = r.rflags(),
          .cs = r.cs(),
          .ds = r.ds(),
          .es = r.es(),
          .ss = r.ss(),
          .cr0 = r.cr0(),
          .cr2 = r.cr2(),
          .cr3 = r.cr3(),
          .cr4 = r.cr4(),
          .efer = r.efer()};
}

GuestEnd ToNative(const v1::Finished& finished) {
  GuestEnd end;
  end.reason = ToNative(finished.reason());
  end.exit_code = finished.exit_code();
  end.vcpu = finished.vcpu();
  if (finished.has_fault()) {
    end.fault = {.vector = finished.fault().vector(), .error_code = finished.fault().error_code()};
  }
  end.registers = ToNative(finished.registers());
  end.initial_registers = ToNative(finished.initial_registers());
  end.kvm_exit_reason = finished.kvm_exit_reason();
  end.address = finished.address();
  end.access_size = finished.access_size();
  end.is_write = finished.is_write();
  end.detail = finished.detail();
  end.exits = ToNative(finished.exits());
  end.dirty_pages = DirtyPages(finished);
  end.vga_text = finished.vga_text();
  if (finished.has_result()) end.result = finished.result_port_value();
  return end;
}

std::vector<LayerResult> ToNative(const v1::Confined& confined) {
  std::vector<LayerResult> layers;
  layers.reserve(static_cast<size_t>(confined.layers_size()));
  for (const v1::LayerResult& result : confined.layers()) {
    layers.push_back({.layer = static_cast<Layer>(result.layer()),
                      .state = static_cast<LayerState>(result.state()),
                      .error = result.error()});
  }
  return layers;
}

v1::GuestMode ToWire(GuestMode mode) { return static_cast<v1::GuestMode>(mode); }

}  // namespace hotcell::broker
