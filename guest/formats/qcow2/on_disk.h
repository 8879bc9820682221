// The structures of a qcow2 file, with the field names of QEMU's docs/interop/qcow2.
#ifndef HOTCELL_GUEST_FORMATS_QCOW2_ON_DISK_H_
#define HOTCELL_GUEST_FORMATS_QCOW2_ON_DISK_H_

#include <cstddef>
#include <cstdint>

#include "guest/formats/common/endian.h"

namespace hotcell::guest::qcow2 {

inline constexpr uint32_t kMagic = 0x514649fb;  // "QFI\xfb"

// "Header". Version 2 ends after snapshots_offset.
struct Header {
  Be32 magic;
  Be32 version;
  Be64 backing_file_offset;
  Be32 backing_file_size;
  Be32 cluster_bits;
  Be64 size;
  Be32 crypt_method;
  Be32 l1_size;  // entries
  Be64 l1_table_offset;
  Be64 refcount_table_offset;
  Be32 refcount_table_clusters;
  Be32 nb_snapshots;
  Be64 snapshots_offset;
  // Version 3.
  Be64 incompatible_features;
  Be64 compatible_features;
  Be64 autoclear_features;
  Be32 refcount_order;
  Be32 header_length;
  // "Additional fields": there when header_length reaches past them.
  uint8_t compression_type;
  uint8_t padding[7];
};
static_assert(sizeof(Header) == 112);
inline constexpr uint32_t kHeaderLengthV2 = 72;
inline constexpr uint32_t kHeaderLengthV3 = 104;
inline constexpr uint32_t kCompressionTypeOffset = 104;

inline constexpr uint64_t kIncompatibleDirty = 1u << 0;
inline constexpr uint64_t kIncompatibleCorrupt = 1u << 1;
inline constexpr uint64_t kIncompatibleDataFile = 1u << 2;
inline constexpr uint64_t kIncompatibleCompression = 1u << 3;
inline constexpr uint64_t kIncompatibleExtendedL2 = 1u << 4;
inline constexpr uint64_t kCompatibleLazyRefcounts = 1u << 0;
inline constexpr uint64_t kAutoclearBitmaps = 1u << 0;
inline constexpr uint64_t kAutoclearRawDataFile = 1u << 1;

inline constexpr uint32_t kCryptNone = 0;
inline constexpr uint32_t kCryptAes = 1;
inline constexpr uint32_t kCryptLuks = 2;

inline constexpr uint8_t kCompressionZlib = 0;
inline constexpr uint8_t kCompressionZstd = 1;

// "Header extensions": each starts with this, is followed by its data and padded to 8 bytes.
struct ExtensionHeader {
  Be32 type;
  Be32 length;
};
inline constexpr uint32_t kExtensionEnd = 0;
inline constexpr uint32_t kExtensionBackingFormat = 0xe2792aca;
inline constexpr uint32_t kExtensionFeatureNames = 0x6803f857;
inline constexpr uint32_t kExtensionBitmaps = 0x23852875;
inline constexpr uint32_t kExtensionEncryption = 0x0537be77;
inline constexpr uint32_t kExtensionDataFile = 0x44415441;

// "Feature name table".
struct FeatureName {
  uint8_t type;  // 0 incompatible, 1 compatible, 2 autoclear
  uint8_t bit;
  char name[46];  // padded with zeroes
};
static_assert(sizeof(FeatureName) == 48);

// "Bitmaps extension".
struct BitmapsExtension {
  Be32 nb_bitmaps;
  Be32 reserved;
  Be64 bitmap_directory_size;
  Be64 bitmap_directory_offset;
};
static_assert(sizeof(BitmapsExtension) == 24);

// "Full disk encryption header pointer".
struct EncryptionExtension {
  Be64 offset;
  Be64 length;
};

// "Bitmap directory"; extra data, name and padding to 8 bytes follow.
struct BitmapDirectoryEntry {
  Be64 bitmap_table_offset;
  Be32 bitmap_table_size;
  Be32 flags;
  uint8_t type;
  uint8_t granularity_bits;
  Be16 name_size;
  Be32 extra_data_size;
};
static_assert(sizeof(BitmapDirectoryEntry) == 24);
inline constexpr uint32_t kBitmapInUse = 1u << 0;
inline constexpr uint32_t kBitmapAuto = 1u << 1;

// "Bitmap table": offset of a cluster of the bitmap (kOffsetMask), or, where that is 0, whether its
// bits are all 1.
inline constexpr uint64_t kBitmapAllOnes = 1ull << 0;
inline constexpr uint64_t kBitmapEntryReserved = 0xff00'0000'0000'01fe;

// "Snapshots"; extra data, ID, name and padding to 8 bytes follow.
struct SnapshotEntry {
  Be64 l1_table_offset;
  Be32 l1_size;
  Be16 id_str_size;
  Be16 name_size;
  Be32 date_sec;
  Be32 date_nsec;
  Be64 vm_clock_nsec;
  Be32 vm_state_size;
  Be32 extra_data_size;
};
static_assert(sizeof(SnapshotEntry) == 40);
// The extra data's fields; each is there when extra_data_size reaches past it.
struct SnapshotExtra {
  Be64 vm_state_size_large;
  Be64 disk_size;
  Be64 icount;  // QEMU; all ones: none
};

// "Cluster mapping": bits of L1 and L2 entries.
inline constexpr uint64_t kOffsetMask = 0x00ff'ffff'ffff'fe00;
inline constexpr uint64_t kEntryCopied = 1ull << 63;
inline constexpr uint64_t kEntryCompressed = 1ull << 62;
inline constexpr uint64_t kEntryZero = 1ull << 0;
inline constexpr uint64_t kL1EntryReserved = 0x7f00'0000'0000'01ff;
inline constexpr uint64_t kL2EntryReserved = 0x3f00'0000'0000'01fe;  // of clusters not compressed
inline constexpr uint32_t kSubclusters = 32;
inline constexpr uint64_t kAllSubclustersZero = 0xffff'ffffull << 32;

// "Host cluster management": bits of refcount table entries.
inline constexpr uint64_t kRefcountBlockMask = ~uint64_t{0x1ff};

// Limits: those of the specification, or QEMU's where it sets none.
inline constexpr uint32_t kMinClusterBits = 9;
inline constexpr uint32_t kMaxClusterBits = 21;
inline constexpr uint32_t kMinExtendedL2ClusterBits = 14;
inline constexpr uint32_t kMaxRefcountOrder = 6;
inline constexpr uint32_t kMaxBackingFileName = 1023;
// The longest name that hotcell.v1.ImageInfo has place for, bytes; format names have a few letters.
inline constexpr uint32_t kMaxBackingFormat = 63;
inline constexpr uint64_t kMaxL1Bytes = 32 << 20;
inline constexpr uint64_t kMaxRefcountTableBytes = 8 << 20;
inline constexpr uint32_t kMaxSnapshots = 65536;
inline constexpr uint64_t kMaxSnapshotTableBytes = 64 << 20;
inline constexpr uint32_t kMaxSnapshotExtraBytes = 1024;
inline constexpr uint32_t kMaxBitmaps = 65535;
inline constexpr uint64_t kMaxBitmapDirectoryBytes = 1024ull * kMaxBitmaps;
inline constexpr uint32_t kMaxBitmapNameSize = 1023;

}  // namespace hotcell::guest::qcow2

#endif  // HOTCELL_GUEST_FORMATS_QCOW2_ON_DISK_H_
