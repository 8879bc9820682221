// The structures of a Bochs "growing" image, a redolog without a base: Bochs'
// iodev/hdimage/hdimage.h and QEMU's block/bochs.c.
#ifndef HOTCELL_GUEST_FORMATS_BOCHS_ON_DISK_H_
#define HOTCELL_GUEST_FORMATS_BOCHS_ON_DISK_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "guest/formats/common/endian.h"

namespace hotcell::guest::bochs {

inline constexpr std::string_view kMagic = "Bochs Virtual HD Image";
inline constexpr std::string_view kTypeRedolog = "Redolog";
inline constexpr std::string_view kSubtypeGrowing = "Growing";
inline constexpr uint32_t kVersion1 = 0x00010000;
inline constexpr uint32_t kVersion2 = 0x00020000;

inline constexpr uint32_t kSectorSize = 512;

// Strings end with a zero byte.
struct Header {
  char magic[32];
  char type[16];
  char subtype[16];
  Le32 version;
  Le32 header;   // bytes; the catalog follows
  Le32 catalog;  // entries
  Le32 bitmap;   // of an extent, bytes
  Le32 extent;   // bytes
  Le32 timestamp;
  Le64 disk;  // bytes
  uint8_t padding[416];
};
static_assert(sizeof(Header) == 512);
// Version 1 has no time stamp: the disk's size is in its place.
inline constexpr size_t kDiskOffsetV1 = offsetof(Header, timestamp);

// Catalog entries are Le32: the number of the extent. Extents follow the catalog, each with its
// bitmap before it, both rounded up to sectors; a bit, from the lowest of a byte up, says that the
// sector is there.
inline constexpr uint32_t kNoExtent = 0xffffffff;

// QEMU's limits.
inline constexpr uint32_t kMaxCatalogEntries = 1 << 20;
inline constexpr uint32_t kMaxExtentSize = 8 << 20;
// A limit of ours: eight times what the largest extent needs.
inline constexpr uint32_t kMaxBitmapSize = 16 << 10;

}  // namespace hotcell::guest::bochs

#endif  // HOTCELL_GUEST_FORMATS_BOCHS_ON_DISK_H_
