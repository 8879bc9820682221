// The loop of one vCPU: enter the guest, answer its exit, again. Every exit of KVM is in the table
// of Dispatch(); one that is not answered ends the job.
#ifndef HOTCELL_VMM_WORKER_PLATFORM_EXIT_LOOP_H_
#define HOTCELL_VMM_WORKER_PLATFORM_EXIT_LOOP_H_

#include <linux/kvm.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>

#include "protos/control.pb.h"
#include "vmm-worker/kvm/kvm.h"
#include "vmm-worker/platform/platform.h"

namespace hotcell::worker {

// Returns of KVM_RUN of one vCPU. Written by its thread, read by the one that reports.
struct ExitCounts {
  std::atomic<uint64_t> total = 0;
  std::atomic<uint64_t> waits = 0;
  std::atomic<uint64_t> port_io = 0;
  std::atomic<uint64_t> mmio = 0;
  std::atomic<uint64_t> interrupted = 0;

  void AddTo(v1::ExitCounters& sum) const;
};

// What to do about the exit in `run`. `io_data` is the data of a KVM_EXIT_IO. Kinds kUnexpected are
// turned into an end that says what was unexpected.
Action Dispatch(kvm_run& run, std::span<std::byte> io_data, uint32_t vcpu, Platform& platform,
                ExitCounts& counts);

// Runs until the job is over, or nothing when this vCPU is done and the job is not. When `stop`
// becomes true the guest is left at its next exit (kvm::Vcpu::RequestExit and a signal bring it
// about).
std::optional<GuestEnd> RunVcpu(kvm::Vcpu& vcpu, uint32_t index, Platform& platform,
                                const std::atomic<bool>& stop, ExitCounts& counts);

// Registers as of the last exit.
void CopyRegisters(const kvm_regs& regs, const kvm_sregs& sregs, v1::Registers& out);
// The report of an end: registers are those of the faulting instruction when there was a fault.
void Describe(const GuestEnd& end, uint32_t vcpu, const kvm_regs& regs, const kvm_sregs& sregs,
              v1::Finished& finished);

}  // namespace hotcell::worker

#endif  // HOTCELL_VMM_WORKER_PLATFORM_EXIT_LOOP_H_
