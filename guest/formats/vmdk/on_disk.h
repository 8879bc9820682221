// The structures of VMDK files. Hosted sparse extents and descriptors: VMware's "Virtual Disk
// Format 5.0" (2011), with its field names. seSparse is not documented by VMware; its layout is
// what QEMU's block/vmdk.c knows of it. All integers are little-endian; offsets and sizes count
// sectors unless they say otherwise.
#ifndef HOTCELL_GUEST_FORMATS_VMDK_ON_DISK_H_
#define HOTCELL_GUEST_FORMATS_VMDK_ON_DISK_H_

#include <cstddef>
#include <cstdint>

#include "guest/formats/common/endian.h"

namespace hotcell::guest::vmdk {

inline constexpr uint64_t kSectorSize = 512;

inline constexpr uint32_t kSparseMagic = 0x564d444b;  // "KDMV"
inline constexpr uint32_t kCowdMagic = 0x44574f43;    // "COWD"

// "Hosted Sparse Extents".
struct SparseExtentHeader {
  Le32 magicNumber;
  Le32 version;
  Le32 flags;
  Le64 capacity;
  Le64 grainSize;
  Le64 descriptorOffset;
  Le64 descriptorSize;
  Le32 numGTEsPerGT;
  Le64 rgdOffset;
  Le64 gdOffset;
  Le64 overHead;
  uint8_t uncleanShutdown;
  uint8_t singleEndLineChar;
  uint8_t nonEndLineChar;
  uint8_t doubleEndLineChar1;
  uint8_t doubleEndLineChar2;
  Le16 compressAlgorithm;
  uint8_t pad[433];
};
static_assert(sizeof(SparseExtentHeader) == kSectorSize);

inline constexpr uint32_t kFlagNewlineDetection = 1u << 0;
inline constexpr uint32_t kFlagRedundantTables = 1u << 1;
inline constexpr uint32_t kFlagZeroedGrains = 1u << 2;
inline constexpr uint32_t kFlagCompressed = 1u << 16;
inline constexpr uint32_t kFlagMarkers = 1u << 17;

inline constexpr uint16_t kCompressionNone = 0;
inline constexpr uint16_t kCompressionDeflate = 1;

// gdOffset of a stream: the grain directory's place is in the footer.
inline constexpr uint64_t kGdAtEnd = UINT64_MAX;

inline constexpr uint32_t kMaxVersion = 3;

// Entries of grain directories and grain tables are 4 bytes: the sector of the grain table or of
// the grain, 0 for none.
inline constexpr uint32_t kZeroedGrain = 1;  // with kFlagZeroedGrains

// "Stream-Optimized Compressed Sparse Extents": what stands before a grain's compressed data.
struct GrainMarker {
  Le64 lba;   // sector of the extent
  Le32 size;  // of the compressed data, bytes
};
static_assert(sizeof(GrainMarker) == 12);

// The marker before a grain table, a grain directory or the footer; size is 0, which no grain has.
struct MetadataMarker {
  Le64 numSectors;  // of the metadata that follows
  Le32 size;
  Le32 type;
  uint8_t pad[496];
};
static_assert(sizeof(MetadataMarker) == kSectorSize);
inline constexpr uint32_t kMarkerEndOfStream = 0;
inline constexpr uint32_t kMarkerGrainTable = 1;
inline constexpr uint32_t kMarkerGrainDirectory = 2;
inline constexpr uint32_t kMarkerFooter = 3;
// A marker that is not in the specification; VirtualBox knows it from vSphere's files. Nothing
// follows it.
inline constexpr uint32_t kMarkerUnspecified = 4;

// The end of a stream whose header says kGdAtEnd.
struct StreamEnd {
  MetadataMarker footer_marker;
  SparseExtentHeader footer;
  MetadataMarker end_of_stream;
};

// "ESX Server Sparse Extents".
struct CowdHeader {
  Le32 magicNumber;
  Le32 version;
  Le32 flags;
  Le32 numSectors;
  Le32 grainSize;
  Le32 gdOffset;
  Le32 numGDEntries;
  Le32 freeSector;
};
static_assert(sizeof(CowdHeader) == 32);
inline constexpr uint32_t kCowdGtEntries = 4096;
inline constexpr uint64_t kCowdHeaderSectors = 4;

// seSparse.
struct SeSparseConstHeader {
  Le64 magic;
  Le64 version;
  Le64 capacity;
  Le64 grain_size;
  Le64 grain_table_size;
  Le64 flags;
  Le64 reserved[4];
  Le64 volatile_header_offset;
  Le64 volatile_header_size;
  Le64 journal_header_offset;
  Le64 journal_header_size;
  Le64 journal_offset;
  Le64 journal_size;
  Le64 grain_dir_offset;
  Le64 grain_dir_size;
  Le64 grain_tables_offset;
  Le64 grain_tables_size;
  Le64 free_bitmap_offset;
  Le64 free_bitmap_size;
  Le64 backmap_offset;
  Le64 backmap_size;
  Le64 grains_offset;
  Le64 grains_size;
  uint8_t pad[304];
};
static_assert(sizeof(SeSparseConstHeader) == kSectorSize);

struct SeSparseVolatileHeader {
  Le64 magic;
  Le64 free_gt_number;
  Le64 next_txn_seq_number;
  Le64 replay_journal;
  uint8_t pad[480];
};
static_assert(sizeof(SeSparseVolatileHeader) == kSectorSize);

inline constexpr uint64_t kSeSparseConstMagic = 0xcafebabe;
inline constexpr uint64_t kSeSparseVolatileMagic = 0xcafecafe;
inline constexpr uint64_t kSeSparseVersion = 0x0000'0002'0000'0001;
inline constexpr uint64_t kSeSparseGrainSectors = 8;
inline constexpr uint64_t kSeSparseGtSectors = 64;

// Entries of 8 bytes. Grain directory: the table's index among the tables.
inline constexpr uint64_t kSeSparseGdeTypeMask = 0xffff'ffff'0000'0000;
inline constexpr uint64_t kSeSparseGdeAllocated = 0x1000'0000'0000'0000;
// Grain table: the kind, and the grain's index among the grains (its low 12 bits come first).
inline constexpr uint64_t kSeSparseGteTypeMask = 0xf000'0000'0000'0000;
inline constexpr uint64_t kSeSparseGteUnmapped = 0x1000'0000'0000'0000;
inline constexpr uint64_t kSeSparseGteZero = 0x2000'0000'0000'0000;
inline constexpr uint64_t kSeSparseGteAllocated = 0x3000'0000'0000'0000;

// "The Descriptor File". No parent: parentCID is this.
inline constexpr uint32_t kNoParentCid = 0xffff'ffff;

// Limits: QEMU's where the specification sets none.
inline constexpr uint32_t kMaxGtEntries = 512;           // of a hosted sparse extent
inline constexpr uint64_t kMaxGdEntries = 32ull << 20;   // of any extent
inline constexpr uint64_t kMaxGrainSectors = 0x20'0000;  // 1 GiB
inline constexpr uint64_t kMaxDescriptorBytes = 1 << 20;
inline constexpr uint64_t kMaxCapacity = INT64_MAX / kSectorSize;  // sectors
// Ours: of a compressed grain. Its stream, which can be longer, must fit in a buffer.
inline constexpr uint64_t kMaxCompressedGrainBytes = 512 << 10;

}  // namespace hotcell::guest::vmdk

#endif  // HOTCELL_GUEST_FORMATS_VMDK_ON_DISK_H_
