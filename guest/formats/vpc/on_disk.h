// The structures of a VHD file, with the field names of Microsoft's "Virtual Hard Disk Image Format
// Specification" 1.0. Integers are big-endian.
#ifndef HOTCELL_GUEST_FORMATS_VPC_ON_DISK_H_
#define HOTCELL_GUEST_FORMATS_VPC_ON_DISK_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/alignment.h"
#include "guest/formats/common/endian.h"

namespace hotcell::guest::vpc {

inline constexpr uint64_t kSectorSize = 512;

// "Hard Disk Footer Format".
struct Footer {
  char cookie[8];
  Be32 features;
  Be32 file_format_version;
  Be64 data_offset;  // of the dynamic disk header
  Be32 time_stamp;   // seconds since 2000-01-01 00:00 UTC
  char creator_application[4];
  Be32 creator_version;
  char creator_host_os[4];
  Be64 original_size;  // bytes
  Be64 current_size;   // bytes
  Be16 cylinders;
  uint8_t heads;
  uint8_t sectors_per_cylinder;
  Be32 disk_type;
  Be32 checksum;
  uint8_t unique_id[16];
  uint8_t saved_state;
  uint8_t reserved[427];
};
static_assert(sizeof(Footer) == kSectorSize);
inline constexpr std::string_view kFooterCookie = "conectix";
inline constexpr uint32_t kFormatVersion = 0x0001'0000;
inline constexpr uint32_t kFeaturesReserved = 2;  // always set
inline constexpr uint64_t kNoOffset = UINT64_MAX;

inline constexpr uint32_t kTypeFixed = 2;
inline constexpr uint32_t kTypeDynamic = 3;
inline constexpr uint32_t kTypeDifferencing = 4;

// "Dynamic Disk Header Format", parent locator entries.
struct ParentLocator {
  Be32 platform_code;
  Be32 platform_data_space;
  Be32 platform_data_length;  // bytes
  Be32 reserved;
  Be64 platform_data_offset;
};
static_assert(sizeof(ParentLocator) == 24);
inline constexpr uint32_t kPlatformNone = 0;
inline constexpr uint32_t kPlatformWi2r = 0x57693272;  // deprecated
inline constexpr uint32_t kPlatformWi2k = 0x5769326b;  // deprecated
inline constexpr uint32_t kPlatformW2ru = 0x57327275;  // relative path, UTF-16LE
inline constexpr uint32_t kPlatformW2ku = 0x57326b75;  // absolute path, UTF-16LE
inline constexpr uint32_t kPlatformMac = 0x4d616320;   // an alias, in a form of Mac OS's own
inline constexpr uint32_t kPlatformMacX = 0x4d616358;  // a file URL, UTF-8

struct DynamicHeader {
  char cookie[8];
  Be64 data_offset;
  Be64 table_offset;
  Be32 header_version;
  Be32 max_table_entries;
  Be32 block_size;  // bytes, without the sector bitmap
  Be32 checksum;
  uint8_t parent_unique_id[16];
  Be32 parent_time_stamp;
  Be32 reserved1;
  uint8_t parent_unicode_name[512];  // UTF-16BE
  ParentLocator parent_locators[8];
  uint8_t reserved2[256];
};
static_assert(sizeof(DynamicHeader) == 1024);
inline constexpr std::string_view kHeaderCookie = "cxsparse";

// "Block Allocation Table": sector numbers of the blocks' bitmaps, 4 bytes each.
inline constexpr uint32_t kUnallocated = 0xffff'ffff;

// "Data Blocks": a block's bitmap fills whole sectors.
constexpr uint64_t BitmapSize(uint64_t block_size) {
  const uint64_t bytes = DivideUp(block_size / kSectorSize, 8);
  return AlignUp(bytes, kSectorSize);
}

// The geometry that says no more than "large".
inline constexpr uint64_t kMaxGeometrySectors = uint64_t{65535} * 16 * 255;
// Offsets in the table have 32 bits: QEMU's limit, 2040 GiB.
inline constexpr uint64_t kMaxSectors = 0xff00'0000;

// "Checksum": the ones' complement of the sum of all bytes, itself taken as zero.
uint32_t Checksum(std::span<const std::byte> bytes);

// The checksum of a Footer or DynamicHeader.
template <typename T>
uint32_t ChecksumOf(T structure) {
  structure.checksum = 0;
  return Checksum(std::as_bytes(std::span(&structure, 1)));
}

}  // namespace hotcell::guest::vpc

#endif  // HOTCELL_GUEST_FORMATS_VPC_ON_DISK_H_
