#include "vmm-worker/platform/exit_loop.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/text.h"
#include "guest/abi/abi.h"

namespace hotcell::worker {
namespace {

void Count(std::atomic<uint64_t>& counter) { counter.fetch_add(1, std::memory_order_relaxed); }

GuestEnd Unexpected(const kvm_run& run, std::string detail) {
  return {.reason = v1::END_REASON_UNEXPECTED_EXIT,
          .kvm_exit_reason = run.exit_reason,
          .detail = std::move(detail)};
}

Action OnIo(kvm_run& run, std::span<std::byte> io_data, uint32_t vcpu, Platform& platform,
            ExitCounts& counts) {
  const PortAccess access{.port = run.io.port,
                          .is_write = run.io.direction == KVM_EXIT_IO_OUT,
                          .size = run.io.size,
                          .count = run.io.count,
                          .data = io_data};
  Count(access.port == abi::kPortWait ? counts.waits : counts.port_io);
  Action action = platform.OnPort(vcpu, run.s.regs.regs, access);
  if (action.kind != Action::Kind::kUnexpected) return action;
  GuestEnd end =
      Unexpected(run, StrCat(access.size, "-byte ", access.is_write ? "out to" : "in from",
                             " port ", Hex(access.port), ", where there is no device"));
  if (access.is_write) end.detail += StrCat(" (value ", Hex(access.Value(0)), ")");
  end.address = access.port;
  end.access_size = access.size;
  end.is_write = access.is_write;
  return Action::End(std::move(end));
}

Action OnMmio(kvm_run& run, Platform& platform, ExitCounts& counts) {
  Count(counts.mmio);
  if (run.mmio.len > sizeof(run.mmio.data)) {
    return Action::End(Unexpected(run, "a memory access of impossible size"));
  }
  const MmioAccess access{.address = run.mmio.phys_addr,
                          .is_write = run.mmio.is_write != 0,
                          .data = std::as_writable_bytes(std::span(run.mmio.data, run.mmio.len))};
  Action action = platform.OnMmio(access);
  if (action.kind != Action::Kind::kUnexpected) return action;
  GuestEnd end =
      Unexpected(run, StrCat(run.mmio.len, "-byte ", access.is_write ? "write to" : "read of",
                             " guest-physical address ", Hex(access.address),
                             ", where there is neither memory nor a device"));
  end.address = access.address;
  end.access_size = run.mmio.len;
  end.is_write = access.is_write;
  return Action::End(std::move(end));
}

Action OnMsr(const kvm_run& run, bool is_write) {
  GuestEnd end = Unexpected(run, StrCat(is_write ? "WRMSR to" : "RDMSR of", " register ",
                                        Hex(run.msr.index), ", which guests may not use"));
  end.address = run.msr.index;
  end.access_size = sizeof(run.msr.data);
  end.is_write = is_write;
  return Action::End(std::move(end));
}

Action KvmError(const kvm_run& run, std::string detail) {
  return Action::End({.reason = v1::END_REASON_KVM_ERROR,
                      .kvm_exit_reason = run.exit_reason,
                      .detail = std::move(detail)});
}

std::string DescribeInternalError(const kvm_run& run) {
  if (run.internal.suberror == KVM_INTERNAL_ERROR_EMULATION) {
    return "KVM could not emulate the instruction at RIP";
  }
  return StrCat("KVM reported internal error ", run.internal.suberror);
}

}  // namespace

void ExitCounts::AddTo(v1::ExitCounters& sum) const {
  sum.set_total(sum.total() + total.load(std::memory_order_relaxed));
  sum.set_waits(sum.waits() + waits.load(std::memory_order_relaxed));
  sum.set_port_io(sum.port_io() + port_io.load(std::memory_order_relaxed));
  sum.set_mmio(sum.mmio() + mmio.load(std::memory_order_relaxed));
  sum.set_interrupted(sum.interrupted() + interrupted.load(std::memory_order_relaxed));
}

Action Dispatch(kvm_run& run, std::span<std::byte> io_data, uint32_t vcpu, Platform& platform,
                ExitCounts& counts) {
  switch (run.exit_reason) {
    case KVM_EXIT_IO:
      return OnIo(run, io_data, vcpu, platform, counts);
    case KVM_EXIT_MMIO:
      return OnMmio(run, platform, counts);
    case KVM_EXIT_HLT: {
      Action action = platform.OnHalt();
      if (action.kind != Action::Kind::kUnexpected) return action;
      return Action::End(Unexpected(run, "HLT"));
    }
    case KVM_EXIT_SHUTDOWN:
      return Action::End(Unexpected(
          run, "triple fault: an exception occurred that the guest had no working handler for"));
    case KVM_EXIT_X86_RDMSR:
      return OnMsr(run, false);
    case KVM_EXIT_X86_WRMSR:
      return OnMsr(run, true);
    // Written to CR8 by a guest at CPL 0; without an interrupt controller it means nothing.
    case KVM_EXIT_SET_TPR:
      return Action::Resume();
    case KVM_EXIT_INTR:
      Count(counts.interrupted);
      return Action::Resume();
    case KVM_EXIT_FAIL_ENTRY:
      return KvmError(run, StrCat("the processor refused to enter the guest, reason ",
                                  Hex(run.fail_entry.hardware_entry_failure_reason)));
    case KVM_EXIT_INTERNAL_ERROR:
      return KvmError(run, DescribeInternalError(run));
    default:
      return Action::End(Unexpected(run, StrCat("KVM exit ", run.exit_reason)));
  }
}

std::optional<GuestEnd> RunVcpu(kvm::Vcpu& vcpu, uint32_t index, Platform& platform,
                                const std::atomic<bool>& stop, ExitCounts& counts) {
  while (true) {
    if (stop.load(std::memory_order_acquire)) {
      return GuestEnd{.reason = v1::END_REASON_STOPPED};
    }
    const int error = vcpu.Run();
    Count(counts.total);
    if (error == EINTR) {
      Count(counts.interrupted);
      continue;
    }
    if (error != 0) {
      return GuestEnd{.reason = v1::END_REASON_KVM_ERROR,
                      .detail = StrCat("KVM_RUN failed, error ", error)};
    }
    Action action = Dispatch(vcpu.run(), vcpu.io_data(), index, platform, counts);
    if (action.kind == Action::Kind::kPark) return std::nullopt;
    if (action.kind == Action::Kind::kEnd) return std::move(action.end);
  }
}

void CopyRegisters(const kvm_regs& regs, const kvm_sregs& sregs, v1::Registers& out) {
  out.set_rax(regs.rax);
  out.set_rbx(regs.rbx);
  out.set_rcx(regs.rcx);
  out.set_rdx(regs.rdx);
  out.set_rsi(regs.rsi);
  out.set_rdi(regs.rdi);
  out.set_rsp(regs.rsp);
  out.set_rbp(regs.rbp);
  out.set_r8(regs.r8);
  out.set_r9(regs.r9);
  out.set_r10(regs.r10);
  out.set_r11(regs.r11);
  out.set_r12(regs.r12);
  out.set_r13(regs.r13);
  out.set_r14(regs.r14);
  out.set_r15(regs.r15);
  out.set_rip(regs.rip);
  out.set_rflags(regs.rflags);
  out.set_cs(sregs.cs.selector);
  out.set_ds(sregs.ds.selector);
  out.set_es(sregs.es.selector);
  out.set_ss(sregs.ss.selector);
  out.set_cr0(sregs.cr0);
  out.set_cr2(sregs.cr2);
  out.set_cr3(sregs.cr3);
  out.set_cr4(sregs.cr4);
  out.set_efer(sregs.efer);
}

void Describe(const GuestEnd& end, uint32_t vcpu, const kvm_regs& regs, const kvm_sregs& sregs,
              v1::Finished& finished) {
  finished.set_reason(end.reason);
  finished.set_exit_code(end.exit_code);
  finished.set_vcpu(vcpu);
  finished.set_kvm_exit_reason(end.kvm_exit_reason);
  finished.set_address(end.address);
  finished.set_access_size(end.access_size);
  finished.set_is_write(end.is_write);
  finished.set_detail(end.detail);
  v1::Registers& registers = *finished.mutable_registers();
  CopyRegisters(regs, sregs, registers);
  if (!end.fault) return;
  finished.mutable_fault()->set_vector(static_cast<uint32_t>(end.fault->vector));
  finished.mutable_fault()->set_error_code(end.fault->error_code);
  registers.set_rdx(end.fault->rdx);
  registers.set_rip(end.fault->rip);
  registers.set_cs(static_cast<uint32_t>(end.fault->cs));
  registers.set_rflags(end.fault->rflags);
  registers.set_rsp(end.fault->rsp);
  registers.set_ss(static_cast<uint32_t>(end.fault->ss));
}

}  // namespace hotcell::worker
