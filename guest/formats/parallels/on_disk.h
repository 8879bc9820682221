// The structures of a Parallels expandable image, with the field names of QEMU's
// docs/interop/parallels. All integers are little-endian.
#ifndef HOTCELL_GUEST_FORMATS_PARALLELS_ON_DISK_H_
#define HOTCELL_GUEST_FORMATS_PARALLELS_ON_DISK_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "guest/formats/common/endian.h"

namespace hotcell::guest::parallels {

// "Header". The BAT follows: nb_bat_entries times Le32.
struct Header {
  char magic[16];
  Le32 version;
  Le32 heads;
  Le32 cylinders;
  Le32 tracks;  // sectors of a cluster
  Le32 nb_bat_entries;
  Le64 nb_sectors;  // of the disk; kMagic: the lower half counts
  Le32 in_use;
  Le32 data_off;  // sectors
  Le32 flags;
  Le64 ext_off;  // sectors; 0: no extension
};
static_assert(sizeof(Header) == 64);

// BAT entries are in sectors after the first, in clusters after the second.
inline constexpr std::string_view kMagic = "WithoutFreeSpace";
inline constexpr std::string_view kMagicExtended = "WithouFreSpacExt";
inline constexpr uint32_t kVersion = 2;
inline constexpr uint32_t kInUse = 0x746f6e59;
inline constexpr uint32_t kFlagEmpty = 1u << 0;

// "Format Extension": one cluster that starts with this and goes on with features.
struct ExtensionHeader {
  Le64 magic;
  uint8_t m_CheckSum[16];
};
static_assert(sizeof(ExtensionHeader) == 24);
inline constexpr uint64_t kExtensionMagic = 0xab234cef23dcea87;

// Each is followed by data_size bytes and padded to 8.
struct FeatureHeader {
  Le64 magic;
  Le64 flags;
  Le32 data_size;
  Le32 unused32;
};
static_assert(sizeof(FeatureHeader) == 24);
inline constexpr uint64_t kFeatureEnd = 0;
inline constexpr uint64_t kFeatureDirtyBitmap = 0x20385fae252cb34a;
// What a dirty bitmap's data starts with; its L1 table follows.
struct DirtyBitmapFeature {
  Le64 size;  // of the disk, sectors
  uint8_t id[16];
  Le32 granularity;  // sectors
  Le32 l1_size;      // entries
};
static_assert(sizeof(DirtyBitmapFeature) == 32);
inline constexpr uint64_t kFeatureNecessary = 1u << 0;

// Limits: QEMU's, where the specification sets none.
inline constexpr uint64_t kSectorSize = 512;
inline constexpr uint32_t kMaxTracks = 0x7fffffff / 513;
inline constexpr uint32_t kMaxBatEntries = 0x7fffffff / 4;
inline constexpr uint32_t kMaxFeatures = 1024;

}  // namespace hotcell::guest::parallels

#endif  // HOTCELL_GUEST_FORMATS_PARALLELS_ON_DISK_H_
