#include "vmm-worker/boot/segments.h"

namespace hotcell::worker {

kvm_segment ToKvm(const SegmentDescriptor& descriptor) {
  kvm_segment segment{};
  segment.base = descriptor.base;
  segment.limit = descriptor.system ? descriptor.limit : descriptor.limit << 12 | 0xfff;
  segment.selector = descriptor.selector;
  segment.type = descriptor.type;
  segment.present = 1;
  segment.dpl = descriptor.dpl;
  segment.db = descriptor.big ? 1 : 0;
  segment.s = descriptor.system ? 0 : 1;
  segment.l = descriptor.code64 ? 1 : 0;
  segment.g = descriptor.system ? 0 : 1;
  return segment;
}

kvm_segment UnusableSegment() {
  kvm_segment segment{};
  segment.unusable = 1;
  return segment;
}

uint64_t GdtEntry(const SegmentDescriptor& descriptor) {
  const kvm_segment segment = ToKvm(descriptor);
  const uint64_t access = uint64_t{segment.type} | uint64_t{segment.s} << 4 |
                          uint64_t{segment.dpl} << 5 | uint64_t{segment.present} << 7;
  const uint64_t flags =
      uint64_t{segment.l} << 1 | uint64_t{segment.db} << 2 | uint64_t{segment.g} << 3;
  return (descriptor.limit & 0xffffull) | (descriptor.base & 0xff'ffffull) << 16 | access << 40 |
         (uint64_t{descriptor.limit} >> 16 & 0xf) << 48 | flags << 52 |
         (descriptor.base >> 24 & 0xffull) << 56;
}

}  // namespace hotcell::worker
