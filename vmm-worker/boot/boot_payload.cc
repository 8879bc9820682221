#include "vmm-worker/boot/boot_payload.h"

#include <algorithm>
#include <initializer_list>

#include "base/alignment.h"
#include "vmm-worker/boot/page_tables.h"
#include "vmm-worker/boot/segments.h"

// guest/kernel/fault_stubs.S
extern "C" const std::byte hotcell_fault_stubs_begin[];
extern "C" const std::byte hotcell_fault_stubs_end[];

namespace hotcell::worker {
namespace {

using abi::kPageSize;

constexpr uint64_t kGdt = 0x1000;
constexpr uint64_t kIdt = 0x2000;
constexpr uint64_t kStubs = 0x3000;
constexpr uint64_t kTss = 0x4000;
constexpr uint64_t kTssStride = 512;
constexpr uint64_t kTssEnd = kTss + abi::kMaxLanes * kTssStride;
constexpr uint64_t kFaultStacks = 0x10000;
constexpr uint64_t kFaultStackStride = 2 * kPageSize;
constexpr uint64_t kTables = 0x40000;
static_assert(kTssEnd <= kFaultStacks);
static_assert(kFaultStacks + abi::kMaxLanes * kFaultStackStride <= kTables);

constexpr uint64_t kHugePage = 2 << 20;
constexpr uint64_t kVcpuAreaSize = 3 * kPageSize + abi::kStackSize;

// The selectors of 64-bit Linux; KVM-PVM runs user code at full speed with these.
constexpr SegmentDescriptor kKernelCode{
    .selector = 0x10, .type = SegmentDescriptor::kCode, .code64 = true};
constexpr SegmentDescriptor kKernelData{
    .selector = 0x18, .type = SegmentDescriptor::kData, .big = true};
constexpr SegmentDescriptor kUserData{
    .selector = 0x2b, .type = SegmentDescriptor::kData, .dpl = 3, .big = true};
constexpr SegmentDescriptor kUserCode{
    .selector = 0x33, .type = SegmentDescriptor::kCode, .dpl = 3, .code64 = true};
constexpr uint16_t kFirstTss = 0x40;
constexpr uint64_t kGdtSize = kFirstTss + abi::kMaxLanes * 16;

constexpr int kVectors = 32;
constexpr uint64_t kStubSize = 16;
constexpr int kVectorBreakpoint = 3;
constexpr int kVectorDoubleFault = 8;

// Intel SDM volume 3, 8.7, and the I/O permission bitmap after it (volume 1, 19.5.2): a 0 grants
// its port, one byte of ones ends it, and what lies beyond the limit is denied.
constexpr uint16_t kGrantedPorts[] = {abi::kPortDoorbell, abi::kPortWait, abi::kPortExit,
                                      abi::kPortWakeLane};
constexpr uint16_t kPortWidth = 4;
constexpr size_t kBitmapSize = (abi::kPortWakeLane + kPortWidth - 1) / 8 + 1;
struct [[gnu::packed]] Tss {
  uint32_t reserved0 = 0;
  uint64_t rsp[3] = {};
  uint64_t reserved1 = 0;
  uint64_t ist[7] = {};
  uint64_t reserved2 = 0;
  uint16_t reserved3 = 0;
  uint16_t bitmap_offset = 104;
  std::array<uint8_t, kBitmapSize + 1> bitmap;
};
static_assert(offsetof(Tss, bitmap) == 104);
static_assert(sizeof(Tss) <= kTssStride);

struct IdtGate {
  uint64_t low;
  uint64_t high;
};

IdtGate MakeGate(int vector) {
  constexpr uint64_t kInterruptGate = 0xe;
  const uint64_t handler = kStubs + vector * kStubSize;
  const uint64_t ist = vector == kVectorDoubleFault ? 1 : 0;
  // INT3 may be executed by the program itself; other INTs are general protection faults.
  const uint64_t dpl = vector == kVectorBreakpoint ? 3 : 0;
  return {(handler & 0xffff) | uint64_t{kKernelCode.selector} << 16 | ist << 32 |
              kInterruptGate << 40 | dpl << 45 | 1ull << 47 | (handler >> 16 & 0xffff) << 48,
          handler >> 32};
}

SegmentDescriptor TssDescriptor(uint32_t vcpu) {
  return {.selector = static_cast<uint16_t>(kFirstTss + 16 * vcpu),
          .type = SegmentDescriptor::kTssBusy,
          .system = true,
          .base = kTss + vcpu * kTssStride,
          .limit = sizeof(Tss) - 1};
}

// Stacks grow down: the double-fault stack is the lower page, the fault stack the upper one.
uint64_t DoubleFaultStackTop(uint32_t vcpu) {
  return kFaultStacks + vcpu * kFaultStackStride + kPageSize;
}
uint64_t FaultStackTop(uint32_t vcpu) { return DoubleFaultStackTop(vcpu) + kPageSize; }

uint64_t PageCeiling(uint64_t address) { return AlignUp(address, kPageSize); }

}  // namespace

uint64_t PayloadBoot::BootInfoPage(uint32_t vcpu) const {
  return memory_size_ - (vcpus_ - vcpu) * kVcpuAreaSize;
}
uint64_t PayloadBoot::ThreadPage(uint32_t vcpu) const { return BootInfoPage(vcpu) + kPageSize; }
uint64_t PayloadBoot::StackLow(uint32_t vcpu) const { return BootInfoPage(vcpu) + 3 * kPageSize; }
uint64_t PayloadBoot::StackTop(uint32_t vcpu) const { return BootInfoPage(vcpu) + kVcpuAreaSize; }

ElfRules PayloadBoot::Rules() const {
  return {.low = abi::kPayloadBase, .high = BootInfoPage(0), .protected_pages = true};
}

void PayloadBoot::Prepare(GuestMemory& memory, uint64_t program_size) const {
  constexpr uint64_t kStartOfHeap = 256 << 10;  // touched by the smallest job
  constexpr uint64_t kTablesUsed = 16 * kPageSize;
  constexpr uint64_t kStackUsed = 32 << 10;
  memory.Populate(kGdt, kTssEnd);
  memory.Populate(kFaultStacks, kFaultStacks + vcpus_ * kFaultStackStride);
  memory.Populate(kTables, kTables + kTablesUsed);
  const uint64_t heap_limit = BootInfoPage(0);
  const uint64_t warm = std::min(heap_limit, abi::kPayloadBase + program_size + kStartOfHeap);
  memory.Populate(abi::kPayloadBase, warm);
  const uint64_t huge = AlignUp(warm, kHugePage);
  if (huge < heap_limit) memory.AdviseHuge(huge, heap_limit);
  for (uint32_t vcpu = 0; vcpu < vcpus_; ++vcpu) {
    memory.Populate(BootInfoPage(vcpu), ThreadPage(vcpu) + kPageSize);
    memory.Populate(StackTop(vcpu) - kStackUsed, StackTop(vcpu));
  }
}

kvm_sregs PayloadBoot::Sregs(const kvm_sregs& initial, uint32_t vcpu) const {
  kvm_sregs sregs = initial;
  sregs.cs = ToKvm(kUserCode);
  sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = ToKvm(kUserData);
  sregs.fs.base = ThreadPage(vcpu);
  sregs.tr = ToKvm(TssDescriptor(vcpu));
  sregs.ldt = UnusableSegment();
  sregs.gdt.base = kGdt;
  sregs.gdt.limit = kGdtSize - 1;
  sregs.idt.base = kIdt;
  sregs.idt.limit = kVectors * sizeof(IdtGate) - 1;
  sregs.cr0 = kCr0LongMode;
  sregs.cr3 = kTables;
  sregs.cr4 = kCr4Pae | kCr4Osfxsr | kCr4Osxmmexcpt | kCr4Osxsave;
  sregs.efer = kEferLongModeEnable | kEferLongModeActive | kEferNoExecute;
  return sregs;
}

void PayloadBoot::WriteDescriptors(GuestMemory& memory) const {
  for (const SegmentDescriptor& segment : {kKernelCode, kKernelData, kUserData, kUserCode}) {
    memory.WriteObject(kGdt + (segment.selector & ~7), GdtEntry(segment));
  }
  for (int vector = 0; vector < kVectors; ++vector) {
    memory.WriteObject(kIdt + vector * sizeof(IdtGate), MakeGate(vector));
  }
  memory.Write(kStubs, std::span(hotcell_fault_stubs_begin, hotcell_fault_stubs_end));
  for (uint32_t vcpu = 0; vcpu < vcpus_; ++vcpu) {
    const SegmentDescriptor descriptor = TssDescriptor(vcpu);
    memory.WriteObject(kGdt + descriptor.selector, GdtEntry(descriptor));  // base is below 4 GiB
    Tss tss;
    tss.rsp[0] = FaultStackTop(vcpu);
    tss.ist[0] = DoubleFaultStackTop(vcpu);
    tss.bitmap.fill(0xff);
    for (const uint16_t first : kGrantedPorts) {
      for (uint16_t port = first; port < first + kPortWidth; ++port) {
        tss.bitmap[port / 8] &= ~(1u << (port % 8));
      }
    }
    memory.WriteObject(descriptor.base, tss);
  }
}

void PayloadBoot::WriteVcpuPages(uint64_t heap_begin, const PayloadSeeds& seeds,
                                 GuestMemory& memory) const {
  for (uint32_t vcpu = 0; vcpu < vcpus_; ++vcpu) {
    const abi::BootInfo info{.version = abi::kVersion,
                             .vcpu_index = vcpu,
                             .vcpu_count = vcpus_,
                             .reserved = 0,
                             .memory_size = memory_size_,
                             .heap_begin = heap_begin,
                             .heap_end = BootInfoPage(0),
                             .arena_base = abi::kArenaGpa,
                             .arena_size = arena_size_,
                             .random_seed = seeds.random_seed};
    memory.WriteObject(BootInfoPage(vcpu), info);
    // The System V ABI has the thread pointer at FS:0.
    memory.WriteObject(ThreadPage(vcpu), ThreadPage(vcpu));
    memory.WriteObject(ThreadPage(vcpu) + abi::kStackCanaryOffset, seeds.canaries[vcpu]);
  }
}

Status PayloadBoot::MapPages(const ElfImage& image, uint64_t heap_begin,
                             GuestMemory& memory) const {
  constexpr PageAccess kUserRead{.user = true};
  constexpr PageAccess kUserWrite{.user = true, .writable = true};
  PageTables tables(memory, kTables, abi::kPayloadBase);
  tables.Map(kGdt, kStubs, {});
  tables.Map(kStubs, kStubs + kPageSize, {.executable = true});
  tables.Map(kTss, kTssEnd, {});
  tables.Map(kFaultStacks, kFaultStacks + vcpus_ * kFaultStackStride, {.writable = true});
  for (const ElfSegment& segment : image.segments) {
    tables.Map(segment.address, PageCeiling(segment.end()),
               {.user = true, .writable = segment.writable, .executable = segment.executable});
  }
  tables.Map(heap_begin, BootInfoPage(0), kUserWrite);
  for (uint32_t vcpu = 0; vcpu < vcpus_; ++vcpu) {
    tables.Map(BootInfoPage(vcpu), BootInfoPage(vcpu) + kPageSize, kUserRead);
    tables.Map(ThreadPage(vcpu), ThreadPage(vcpu) + kPageSize, kUserWrite);
    tables.Map(StackLow(vcpu), StackTop(vcpu), kUserWrite);
  }
  tables.Map(abi::kArenaGpa, abi::kArenaGpa + arena_size_, kUserWrite);
  return tables.status();
}

Status PayloadBoot::Load(std::span<const std::byte> file, const ElfImage& image,
                         const PayloadSeeds& seeds, GuestMemory& memory) const {
  if (Status status = LoadElf(file, image, memory); !status.ok()) return status;
  const uint64_t heap_begin = PageCeiling(image.segments.back().end());
  WriteDescriptors(memory);
  WriteVcpuPages(heap_begin, seeds, memory);
  return MapPages(image, heap_begin, memory);
}

kvm_regs PayloadBoot::Regs(uint64_t entry, uint32_t vcpu) const {
  constexpr uint64_t kReservedFlag = 2;
  kvm_regs regs{};
  regs.rip = entry;
  regs.rdi = BootInfoPage(vcpu);
  // The stack is as after a call: the return address, which is 0, lies at RSP, and RSP + 8 is a
  // multiple of 16.
  regs.rsp = StackTop(vcpu) - sizeof(uint64_t);
  regs.rflags = kReservedFlag;
  return regs;
}

std::optional<FaultFrame> PayloadBoot::ReadFault(const GuestMemory& memory, uint32_t vcpu,
                                                 uint64_t rsp) const {
  const bool on_fault_stack = rsp <= FaultStackTop(vcpu) - sizeof(FaultFrame) &&
                              rsp >= FaultStackTop(vcpu) - kFaultStackStride;
  FaultFrame frame;
  if (!on_fault_stack || !memory.Read(rsp, std::as_writable_bytes(std::span(&frame, 1)))) {
    return std::nullopt;
  }
  return frame;
}

}  // namespace hotcell::worker
