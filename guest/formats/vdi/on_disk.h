// The header of a VDI file, with the field names of QEMU's block/vdi.c; Oracle publishes no
// specification. All integers are little-endian.
#ifndef HOTCELL_GUEST_FORMATS_VDI_ON_DISK_H_
#define HOTCELL_GUEST_FORMATS_VDI_ON_DISK_H_

#include <cstddef>
#include <cstdint>

#include "guest/formats/common/endian.h"

namespace hotcell::guest::vdi {

struct Uuid {
  std::byte bytes[16];
};

struct Header {
  char text[64];
  Le32 signature;
  Le32 version;      // major << 16 | minor
  Le32 header_size;  // bytes, from this field on
  Le32 image_type;
  Le32 image_flags;
  char description[256];
  Le32 offset_bmap;
  Le32 offset_data;
  Le32 cylinders;
  Le32 heads;
  Le32 sectors;
  Le32 sector_size;
  Le32 unused1;
  Le64 disk_size;         // bytes
  Le32 block_size;        // bytes
  Le32 block_extra;       // bytes before the data of each block
  Le32 blocks_in_image;   // entries of the block map
  Le32 blocks_allocated;  // of them
  Uuid uuid_image;
  Uuid uuid_last_snap;
  Uuid uuid_link;    // the image that this one is a difference to
  Uuid uuid_parent;  // the same, in snapshots
  Le64 unused2[7];
};
static_assert(sizeof(Header) == 512);
static_assert(offsetof(Header, offset_bmap) == 0x154);
static_assert(offsetof(Header, disk_size) == 0x170);

inline constexpr uint32_t kSignature = 0xbeda107f;
inline constexpr size_t kSignatureOffset = offsetof(Header, signature);
inline constexpr uint32_t kVersion11 = 0x00010001;
// What QEMU and VirtualBox write at least: as far as uuid_parent.
inline constexpr uint32_t kHeaderSize = 0x180;

inline constexpr uint32_t kTypeDynamic = 1;
inline constexpr uint32_t kTypeStatic = 2;
inline constexpr uint32_t kTypeUndo = 3;
inline constexpr uint32_t kTypeDiff = 4;

// Entries of the block map that are not the number of a block. Both read as zeroes: nobody wrote
// the block, or what was in it was discarded.
inline constexpr uint32_t kUnallocated = 0xffffffff;
inline constexpr uint32_t kDiscarded = 0xfffffffe;

inline bool IsAllocated(uint32_t entry) { return entry < kDiscarded; }

// Limits, as QEMU has them.
inline constexpr uint64_t kSectorSize = 512;
inline constexpr uint64_t kBlockSize = 1 << 20;
inline constexpr uint64_t kMaxBlocks = 0x1fffff80;

}  // namespace hotcell::guest::vdi

#endif  // HOTCELL_GUEST_FORMATS_VDI_ON_DISK_H_
