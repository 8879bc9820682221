// Segment descriptors, as they lie in a guest's GDT and as KVM takes them. Intel SDM volume 3,
// 3.4.5 and 5.2.1; AMD APM volume 2, 4.7 and 4.8.
#ifndef HOTCELL_VMM_WORKER_BOOT_SEGMENTS_H_
#define HOTCELL_VMM_WORKER_BOOT_SEGMENTS_H_

#include <linux/kvm.h>

#include <array>
#include <cstdint>

namespace hotcell::worker {

struct SegmentDescriptor {
  uint16_t selector = 0;
  uint8_t type = 0;  // the four type bits, accessed bit included
  uint8_t dpl = 0;
  bool code64 = false;
  bool big = false;  // D/B: 32-bit operands or stack
  bool system = false;
  uint64_t base = 0;
  uint32_t limit = 0xfffff;  // in pages for code and data, in bytes for system segments

  // Type bits with the accessed bit set, so that the processor has nothing to write to the GDT.
  static constexpr uint8_t kData = 0x3;
  static constexpr uint8_t kCode = 0xb;
  static constexpr uint8_t kTssBusy = 0xb;
};

kvm_segment ToKvm(const SegmentDescriptor& descriptor);
// No segment: loads of it fault.
kvm_segment UnusableSegment();

// The first eight bytes in the GDT; system segments have eight more, the high half of the base.
uint64_t GdtEntry(const SegmentDescriptor& descriptor);

// Control register and EFER bits. Intel SDM volume 3, 2.2.1 and 2.5.
inline constexpr uint64_t kCr0ProtectedMode = 1ull << 0;
inline constexpr uint64_t kCr0MonitorCoprocessor = 1ull << 1;
inline constexpr uint64_t kCr0ExtensionType = 1ull << 4;
inline constexpr uint64_t kCr0NumericError = 1ull << 5;
inline constexpr uint64_t kCr0WriteProtect = 1ull << 16;
inline constexpr uint64_t kCr0AlignmentMask = 1ull << 18;
inline constexpr uint64_t kCr0Paging = 1ull << 31;
inline constexpr uint64_t kCr0LongMode = kCr0ProtectedMode | kCr0MonitorCoprocessor |
                                         kCr0ExtensionType | kCr0NumericError | kCr0WriteProtect |
                                         kCr0AlignmentMask | kCr0Paging;
inline constexpr uint64_t kCr4Pae = 1ull << 5;
inline constexpr uint64_t kCr4Osfxsr = 1ull << 9;
inline constexpr uint64_t kCr4Osxmmexcpt = 1ull << 10;
inline constexpr uint64_t kCr4Umip = 1ull << 11;
inline constexpr uint64_t kCr4Osxsave = 1ull << 18;
inline constexpr uint64_t kCr4Smep = 1ull << 20;
inline constexpr uint64_t kCr4Smap = 1ull << 21;
inline constexpr uint64_t kEferLongModeEnable = 1ull << 8;
inline constexpr uint64_t kEferLongModeActive = 1ull << 10;
inline constexpr uint64_t kEferNoExecute = 1ull << 11;

}  // namespace hotcell::worker

#endif  // HOTCELL_VMM_WORKER_BOOT_SEGMENTS_H_
