// The state in which a bare-metal 64-bit guest starts: CPL 0, all of RAM and the arena identity
// mapped read-write-execute, no IDT: an exception is a triple fault and ends the run.
//
//   0x1000  GDT: 0x08 64-bit code, 0x10 data      0x10000  the program, unless placed elsewhere
//   0x2000  page tables                           0x2fff8  top of the stack, growing down
//
// RDI holds the arena's address, or 0 when there is none; RSI the vCPU's number, whose stack lies
// 8 KiB below that of the vCPU before.
#ifndef HOTCELL_VMM_WORKER_BOOT_BOOT_LONG_H_
#define HOTCELL_VMM_WORKER_BOOT_BOOT_LONG_H_

#include <linux/kvm.h>

#include <cstdint>

#include "vmm-worker/kvm/guest_memory.h"
#include "vmm-worker/result.h"

namespace hotcell::worker {

inline constexpr uint64_t kLongModeGdt = 0x1000;
inline constexpr uint64_t kLongModeTables = 0x2000;
// The tables end here, and programs may begin.
inline constexpr uint64_t kLongModeProgramLow = 0x10000;
inline constexpr uint64_t kLongModeStackTop = 0x2fff8;

kvm_sregs LongModeSregs(const kvm_sregs& initial);
// Writes the GDT and page tables. `arena_size` in bytes.
Status LoadLongMode(uint64_t arena_size, GuestMemory& memory);
kvm_regs LongModeRegs(uint64_t entry, uint32_t vcpu, uint64_t arena_size);

}  // namespace hotcell::worker

#endif  // HOTCELL_VMM_WORKER_BOOT_BOOT_LONG_H_
