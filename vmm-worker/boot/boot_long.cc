#include "vmm-worker/boot/boot_long.h"

#include "base/alignment.h"
#include "guest/abi/abi.h"
#include "vmm-worker/boot/page_tables.h"
#include "vmm-worker/boot/segments.h"

namespace hotcell::worker {
namespace {

constexpr SegmentDescriptor kCode{
    .selector = 0x08, .type = SegmentDescriptor::kCode, .code64 = true};
constexpr SegmentDescriptor kData{.selector = 0x10, .type = SegmentDescriptor::kData, .big = true};
constexpr uint64_t kGdtSize = 0x18;
constexpr uint64_t kStackStride = 0x2000;
constexpr uint64_t kHugePage = 2 << 20;

uint64_t HugePageCeiling(uint64_t address) { return AlignUp(address, kHugePage); }

}  // namespace

kvm_sregs LongModeSregs(const kvm_sregs& initial) {
  kvm_sregs sregs = initial;
  sregs.cs = ToKvm(kCode);
  sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = ToKvm(kData);
  sregs.ldt = UnusableSegment();
  sregs.gdt.base = kLongModeGdt;
  sregs.gdt.limit = kGdtSize - 1;
  sregs.idt.base = 0;
  sregs.idt.limit = 0;
  sregs.cr0 = kCr0LongMode;
  sregs.cr3 = kLongModeTables;
  sregs.cr4 = kCr4Pae | kCr4Osfxsr | kCr4Osxmmexcpt | kCr4Osxsave;
  sregs.efer = kEferLongModeEnable | kEferLongModeActive | kEferNoExecute;
  return sregs;
}

Status LoadLongMode(uint64_t arena_size, GuestMemory& memory) {
  memory.WriteObject(kLongModeGdt + kCode.selector, GdtEntry(kCode));
  memory.WriteObject(kLongModeGdt + kData.selector, GdtEntry(kData));
  constexpr PageAccess kAll{.user = false, .writable = true, .executable = true};
  PageTables tables(memory, kLongModeTables, kLongModeProgramLow);
  // Whole 2 MiB pages, for few tables: what they map beyond RAM or arena is nobody's memory.
  tables.Map(0, HugePageCeiling(memory.size()), kAll);
  tables.Map(abi::kArenaGpa, abi::kArenaGpa + HugePageCeiling(arena_size), kAll);
  return tables.status();
}

kvm_regs LongModeRegs(uint64_t entry, uint32_t vcpu, uint64_t arena_size) {
  kvm_regs regs{};
  regs.rip = entry;
  regs.rsp = kLongModeStackTop - vcpu * kStackStride;
  regs.rdi = arena_size == 0 ? 0 : abi::kArenaGpa;
  regs.rsi = vcpu;
  regs.rflags = 2;
  return regs;
}

}  // namespace hotcell::worker
