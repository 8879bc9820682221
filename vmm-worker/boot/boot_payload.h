// How a payload finds its vCPUs and memory: straight in 64-bit mode at CPL 3, identity mapped with
// page protection, with four I/O ports from the TSS's bitmap and an IDT whose entries only report
// (guest/kernel/fault_stubs.S). docs/guest-abi.md is the prose of it.
//
//   0x1000   GDT       supervisor, read-only     0x3000   fault stubs   supervisor, execute
//   0x2000   IDT       supervisor, read-only     0x4000   TSSs          supervisor, read-only
//   0x10000  per vCPU: double-fault stack, fault stack   supervisor, read-write
//   0x40000  page tables, which the guest does not see at all
//   0x200000 the program's segments, then the heap; from the top of RAM down, per vCPU: boot info
//            (read-only), thread page, guard page (unmapped), stack
#ifndef HOTCELL_VMM_WORKER_BOOT_BOOT_PAYLOAD_H_
#define HOTCELL_VMM_WORKER_BOOT_BOOT_PAYLOAD_H_

#include <linux/kvm.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "guest/abi/abi.h"
#include "vmm-worker/boot/elf_loader.h"
#include "vmm-worker/kvm/guest_memory.h"
#include "vmm-worker/result.h"

namespace hotcell::worker {

// Random bytes for one guest.
struct PayloadSeeds {
  uint64_t random_seed = 0;
  std::array<uint64_t, abi::kMaxLanes> canaries{};
};

// The processor's and the stub's frame of an exception.
struct FaultFrame {
  uint64_t rdx = 0;
  uint64_t vector = 0;
  uint64_t error_code = 0;
  uint64_t rip = 0;
  uint64_t cs = 0;
  uint64_t rflags = 0;
  uint64_t rsp = 0;
  uint64_t ss = 0;
};
static_assert(sizeof(FaultFrame) == 64);

class PayloadBoot {
 public:
  // `memory_size` in bytes: whole pages, abi::kMinGuestMemory or more. `vcpus`: 1 to
  // abi::kMaxLanes. `arena_size` in bytes; 0: none.
  PayloadBoot(uint64_t memory_size, uint32_t vcpus, uint64_t arena_size)
      : memory_size_(memory_size), vcpus_(vcpus), arena_size_(arena_size) {}

  // Before lock-down: backs with memory what Load() will write, for a program of about this many
  // bytes, and asks for huge pages for the heap.
  void Prepare(GuestMemory& memory, uint64_t program_size) const;
  // The vCPU's state but for general registers; `initial` is what KVM made it.
  kvm_sregs Sregs(const kvm_sregs& initial, uint32_t vcpu) const;

  // Where the program's segments may lie.
  ElfRules Rules() const;
  // Writes everything into `memory`, which is zero: tables, segments, boot info.
  Status Load(std::span<const std::byte> file, const ElfImage& image, const PayloadSeeds& seeds,
              GuestMemory& memory) const;
  kvm_regs Regs(uint64_t entry, uint32_t vcpu) const;

  // The frame that a fault stub of this vCPU left at `rsp`; nothing when it cannot be one.
  std::optional<FaultFrame> ReadFault(const GuestMemory& memory, uint32_t vcpu, uint64_t rsp) const;

  // Guest-physical addresses of a vCPU's own pages.
  uint64_t BootInfoPage(uint32_t vcpu) const;
  uint64_t ThreadPage(uint32_t vcpu) const;
  uint64_t StackLow(uint32_t vcpu) const;
  uint64_t StackTop(uint32_t vcpu) const;

 private:
  void WriteDescriptors(GuestMemory& memory) const;
  void WriteVcpuPages(uint64_t heap_begin, const PayloadSeeds& seeds, GuestMemory& memory) const;
  Status MapPages(const ElfImage& image, uint64_t heap_begin, GuestMemory& memory) const;

  uint64_t memory_size_;
  uint32_t vcpus_;
  uint64_t arena_size_;
};

}  // namespace hotcell::worker

#endif  // HOTCELL_VMM_WORKER_BOOT_BOOT_PAYLOAD_H_
