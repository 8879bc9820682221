// What a dirty bitmap costs the programs that load it with the image.
#ifndef HOTCELL_GUEST_FORMATS_COMMON_DIRTY_BITMAP_H_
#define HOTCELL_GUEST_FORMATS_COMMON_DIRTY_BITMAP_H_

#include <cstdint>

namespace hotcell::guest {

// Bytes of memory that QEMU sets aside for a bitmap of a disk of `disk_size` bytes, a bit for each
// `granularity` of them: the bits, the levels above them, each a 64th of the one below, and what it
// keeps of a bitmap of any size. Precondition: granularity is not 0.
constexpr uint64_t DirtyBitmapMemory(uint64_t disk_size, uint64_t granularity) {
  constexpr uint64_t kOfAnySize = 1 << 10;
  const uint64_t bits = disk_size / granularity + (disk_size % granularity != 0 ? 1 : 0);
  const uint64_t bytes = bits / 8;
  return kOfAnySize + bytes + bytes / 63;
}

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_COMMON_DIRTY_BITMAP_H_
