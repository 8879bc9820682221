// The state in which a 16-bit guest starts: real mode, all segments at 0, so that addresses of the
// program are guest-physical ones; IP at the entry, SP at the end of the first 64 KiB.
#ifndef HOTCELL_VMM_WORKER_BOOT_BOOT_REAL_H_
#define HOTCELL_VMM_WORKER_BOOT_BOOT_REAL_H_

#include <linux/kvm.h>

#include <cstdint>

namespace hotcell::worker {

inline constexpr uint64_t kRealModeStackTop = 0xfff0;
// Code must be where CS = 0 reaches.
inline constexpr uint64_t kRealModeCodeEnd = 0x10000;

kvm_sregs RealModeSregs(const kvm_sregs& initial);
kvm_regs RealModeRegs(uint64_t entry);

}  // namespace hotcell::worker

#endif  // HOTCELL_VMM_WORKER_BOOT_BOOT_REAL_H_
