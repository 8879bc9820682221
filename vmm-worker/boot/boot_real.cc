#include "vmm-worker/boot/boot_real.h"

#include <initializer_list>

namespace hotcell::worker {

kvm_sregs RealModeSregs(const kvm_sregs& initial) {
  kvm_sregs sregs = initial;
  for (kvm_segment* segment : {&sregs.cs, &sregs.ds, &sregs.es, &sregs.fs, &sregs.gs, &sregs.ss}) {
    segment->selector = 0;
    segment->base = 0;
  }
  return sregs;
}

kvm_regs RealModeRegs(uint64_t entry) {
  kvm_regs regs{};
  regs.rip = entry;
  regs.rsp = kRealModeStackTop;
  regs.rflags = 2;
  return regs;
}

}  // namespace hotcell::worker
