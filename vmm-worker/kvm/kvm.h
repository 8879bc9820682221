// KVM as move-only objects. Every ioctl of the worker is in kvm.cc.
//
//   Result<kvm::System> system = kvm::System::Adopt(UniqueFd(abi::kFdKvm));
//   Result<kvm::Vm> vm = kvm::Vm::Create(*system, abi::kFdVm);
//   vm->SetMemory(0, 0, memory.bytes(), 0);
//   Result<kvm::Vcpu> vcpu = vm->CreateVcpu(*system, 0, abi::kFdVcpu);
//   vcpu->regs().rip = entry;
//   vcpu->Run();
#ifndef HOTCELL_VMM_WORKER_KVM_KVM_H_
#define HOTCELL_VMM_WORKER_KVM_KVM_H_

#include <linux/kvm.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/unique_fd.h"
#include "vmm-worker/kvm/cpuid.h"
#include "vmm-worker/kvm/guest_memory.h"
#include "vmm-worker/result.h"

namespace hotcell::worker::kvm {

// /dev/kvm.
class System {
 public:
  // Takes over an open /dev/kvm. Errors: not KVM, another API version, or a capability that the
  // worker cannot do without is missing (its name is in the detail).
  static Result<System> Adopt(UniqueFd fd);

  int fd() const { return fd_.get(); }
  int api_version() const { return api_version_; }
  size_t run_size() const { return run_size_; }  // bytes of a vCPU's kvm_run mapping

 private:
  System() = default;
  UniqueFd fd_;
  int api_version_ = 0;
  size_t run_size_ = 0;
};

// One vCPU and its shared kvm_run page. Registers are read and written there (KVM_CAP_SYNC_REGS),
// so that KVM_RUN is the only ioctl a locked-down worker needs.
class Vcpu {
 public:
  Vcpu(Vcpu&&) = default;
  Vcpu& operator=(Vcpu&&) = default;

  Status SetCpuid(std::span<const CpuidEntry> entries);
  // EINVAL: this KVM does not let a guest have that state.
  Status SetXcr0(uint64_t value);
  Result<kvm_sregs> GetSregs();
  Status SetSregs(const kvm_sregs& sregs);

  // Registers to enter the guest with, the next time Run() is called.
  void SetRegs(const kvm_regs& regs);
  // Registers of the guest when Run() returned last.
  const kvm_regs& regs() const { return run().s.regs.regs; }
  const kvm_sregs& sregs() const { return run().s.regs.sregs; }

  // Runs nothing, but lets KVM do what it does at a virtual machine's first run: since Linux 6.13
  // that starts a kernel thread on the caller's account, which fails once RLIMIT_NPROC is low.
  Status Prepare();
  // Enters the guest until the next exit. Returns 0 or an errno; EINTR after RequestExit().
  int Run();
  // Makes Run() return EINTR at once, the next time at the latest. Callable from any thread; a vCPU
  // that is in the guest already needs a signal as well.
  void RequestExit();

  // The exit, as KVM wrote it.
  kvm_run& run() const;
  // The data of a KVM_EXIT_IO: count items of size bytes. Empty when they are not in the page.
  std::span<std::byte> io_data() const;

 private:
  friend class Vm;
  Vcpu(UniqueFd fd, Mapping run) : fd_(std::move(fd)), run_(std::move(run)) {}
  UniqueFd fd_;
  Mapping run_;
};

class Vm {
 public:
  // `fd`: the number that the VM's descriptor shall have.
  static Result<Vm> Create(const System& system, int fd);

  // RDMSR and WRMSR of any register exit to user space (KVM_EXIT_X86_RDMSR) instead of being
  // carried out. To be called before memory is added: later it takes milliseconds.
  Status DenyMsrs();
  // Switches off what KVM would do for a guest beyond what the manuals say, as far as this KVM lets
  // it be switched off. To be called before there is a vCPU.
  Status DropSurplus(const System& system);
  // `flags`: KVM_MEM_*. `memory` must stay mapped as long as the VM.
  Status SetMemory(uint32_t slot, uint64_t gpa, std::span<std::byte> memory, uint32_t flags);
  // A 32-bit `out` of `value` to `port` signals the eventfd, without an exit to user space.
  Status AddIoEvent(uint16_t port, uint32_t value, int eventfd);
  // `fd`: the number that the vCPU's descriptor shall have.
  Result<Vcpu> CreateVcpu(const System& system, uint32_t index, int fd);
  // One bit per page of the slot, written since the last call. `bitmap`: (pages + 63) / 64 words.
  Status GetDirtyLog(uint32_t slot, std::span<uint64_t> bitmap);

 private:
  explicit Vm(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace hotcell::worker::kvm

#endif  // HOTCELL_VMM_WORKER_KVM_KVM_H_
