// The structures of a VHDX file, with the field names of [MS-VHDX]. Integers are little-endian.
#ifndef HOTCELL_GUEST_FORMATS_VHDX_ON_DISK_H_
#define HOTCELL_GUEST_FORMATS_VHDX_ON_DISK_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "guest/formats/common/endian.h"

namespace hotcell::guest::vhdx {

inline constexpr uint64_t kKiB = 1 << 10;
inline constexpr uint64_t kMiB = 1 << 20;

// Binary form: the first three fields of the text are little-endian.
using Guid = std::array<uint8_t, 16>;
inline constexpr Guid kNoGuid = {};

// 2.2 "Header section": where its parts are.
inline constexpr uint64_t kHeaderOffsets[] = {64 * kKiB, 128 * kKiB};
inline constexpr uint64_t kRegionTableOffsets[] = {192 * kKiB, 256 * kKiB};
inline constexpr uint64_t kRegionTableSize = 64 * kKiB;
inline constexpr uint64_t kHeaderSectionSize = kMiB;

// 2.2.1 "File type identifier".
struct FileTypeIdentifier {
  char Signature[8];
  uint8_t Creator[512];  // UTF-16
};
static_assert(sizeof(FileTypeIdentifier) == 520);
inline constexpr std::string_view kFileSignature = "vhdxfile";

// 2.2.2 "Headers".
struct Header {
  char Signature[4];
  Le32 Checksum;
  Le64 SequenceNumber;
  Guid FileWriteGuid;
  Guid DataWriteGuid;
  Guid LogGuid;
  Le16 LogVersion;
  Le16 Version;
  Le32 LogLength;
  Le64 LogOffset;
  uint8_t Reserved[4016];
};
static_assert(sizeof(Header) == 4096);
inline constexpr std::string_view kHeaderSignature = "head";
inline constexpr uint16_t kVersion = 1;
inline constexpr uint16_t kLogVersion = 0;

// 2.2.3 "Region table".
struct RegionTableHeader {
  char Signature[4];
  Le32 Checksum;
  Le32 EntryCount;
  Le32 Reserved;
};
static_assert(sizeof(RegionTableHeader) == 16);
struct RegionTableEntry {
  Guid Id;
  Le64 FileOffset;
  Le32 Length;
  Le32 Required;  // bit 0
};
static_assert(sizeof(RegionTableEntry) == 32);
inline constexpr std::string_view kRegionSignature = "regi";
inline constexpr uint32_t kMaxRegions = 2047;
inline constexpr uint32_t kRequired = 1;
inline constexpr Guid kBatRegion = {0x66, 0x77, 0xc2, 0x2d, 0x23, 0xf6, 0x00, 0x42,
                                    0x9d, 0x64, 0x11, 0x5e, 0x9b, 0xfd, 0x4a, 0x08};
inline constexpr Guid kMetadataRegion = {0x06, 0xa2, 0x7c, 0x8b, 0x90, 0x47, 0x9a, 0x4b,
                                         0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e};

// 2.3.1 "Log entry": this header and descriptors, then a data sector for each data descriptor.
struct LogEntryHeader {
  char Signature[4];
  Le32 Checksum;
  Le32 EntryLength;
  Le32 Tail;
  Le64 SequenceNumber;
  Le32 DescriptorCount;
  Le32 Reserved;
  Guid LogGuid;
  Le64 FlushedFileOffset;
  Le64 LastFileOffset;
};
static_assert(sizeof(LogEntryHeader) == 64);
struct LogDescriptor {
  char Signature[4];
  Le32 TrailingBytes;  // of a data descriptor
  Le64 LeadingBytes;   // of a data descriptor; ZeroLength of a zero descriptor
  Le64 FileOffset;
  Le64 SequenceNumber;
};
static_assert(sizeof(LogDescriptor) == 32);
struct LogDataSector {
  char Signature[4];
  Le32 SequenceHigh;
  std::byte Data[4084];
  Le32 SequenceLow;
};
inline constexpr uint64_t kLogSector = 4096;
static_assert(sizeof(LogDataSector) == kLogSector);
inline constexpr std::string_view kLogEntrySignature = "loge";
inline constexpr std::string_view kZeroSignature = "zero";
inline constexpr std::string_view kDescriptorSignature = "desc";
inline constexpr std::string_view kDataSignature = "data";
// What of a sector is in the descriptor: its first bytes and its last.
inline constexpr uint64_t kLeadingBytes = 8;
inline constexpr uint64_t kTrailingBytes = 4;

// 2.5.1 "BAT entry".
inline constexpr uint64_t kStateMask = 7;
inline constexpr uint32_t kOffsetShift = 20;  // of FileOffsetMB
inline constexpr uint64_t kFileOffsetMask = ~(kMiB - 1);
enum BlockState : uint8_t {
  kBlockNotPresent = 0,
  kBlockUndefined = 1,
  kBlockZero = 2,
  kBlockUnmapped = 3,
  kBlockReserved = 4,
  kBlockUnmappedOld = 5,  // of version 0.95 of the specification
  kBlockFullyPresent = 6,
  kBlockPartiallyPresent = 7,
};
inline constexpr uint64_t kBitmapPresent = 6;
inline constexpr uint64_t kSectorBitmapSize = kMiB;
inline constexpr uint64_t kSectorsPerBitmap = kSectorBitmapSize * 8;

// 2.6.1 "Metadata table", at the start of the metadata region.
inline constexpr uint64_t kMetadataTableSize = 64 * kKiB;
struct MetadataTableHeader {
  char Signature[8];
  Le16 Reserved;
  Le16 EntryCount;
  uint8_t Reserved2[20];
};
static_assert(sizeof(MetadataTableHeader) == 32);
struct MetadataTableEntry {
  Guid ItemId;
  Le32 Offset;  // from the region's start, bytes
  Le32 Length;  // bytes
  Le32 Flags;
  Le32 Reserved;
};
static_assert(sizeof(MetadataTableEntry) == 32);
inline constexpr std::string_view kMetadataSignature = "metadata";
inline constexpr uint32_t kMaxMetadataItems = 2047;
inline constexpr uint32_t kItemIsUser = 1;
inline constexpr uint32_t kItemIsVirtualDisk = 2;
inline constexpr uint32_t kItemIsRequired = 4;

// 2.6.2 "Known metadata items".
inline constexpr Guid kFileParameters = {0x37, 0x67, 0xa1, 0xca, 0x36, 0xfa, 0x43, 0x4d,
                                         0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44, 0xe7, 0x6b};
inline constexpr Guid kVirtualDiskSize = {0x24, 0x42, 0xa5, 0x2f, 0x1b, 0xcd, 0x76, 0x48,
                                          0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b, 0xf4, 0xb8};
inline constexpr Guid kVirtualDiskId = {0xab, 0x12, 0xca, 0xbe, 0xe6, 0xb2, 0x23, 0x45,
                                        0x93, 0xef, 0xc3, 0x09, 0xe0, 0x00, 0xc7, 0x46};
inline constexpr Guid kLogicalSectorSize = {0x1d, 0xbf, 0x41, 0x81, 0x6f, 0xa9, 0x09, 0x47,
                                            0xba, 0x47, 0xf2, 0x33, 0xa8, 0xfa, 0xab, 0x5f};
inline constexpr Guid kPhysicalSectorSize = {0xc7, 0x48, 0xa3, 0xcd, 0x5d, 0x44, 0x71, 0x44,
                                             0x9c, 0xc9, 0xe9, 0x88, 0x52, 0x51, 0xc5, 0x56};
inline constexpr Guid kParentLocatorItem = {0x2d, 0x5f, 0xd3, 0xa8, 0x0b, 0xb3, 0x4d, 0x45,
                                            0xab, 0xf7, 0xd3, 0xd8, 0x48, 0x34, 0xab, 0x0c};
struct FileParameters {
  Le32 BlockSize;
  Le32 Flags;
};
inline constexpr uint32_t kLeaveBlockAllocated = 1;
inline constexpr uint32_t kHasParent = 2;
inline constexpr uint64_t kMinBlockSize = kMiB;
inline constexpr uint64_t kMaxBlockSize = 256 * kMiB;
inline constexpr uint64_t kMaxVirtualSize = 64ull << 40;

// 2.6.2.6 "Parent locator": this header and entries; offsets are from its start.
struct ParentLocatorHeader {
  Guid LocatorType;
  Le16 Reserved;
  Le16 KeyValueCount;
};
static_assert(sizeof(ParentLocatorHeader) == 20);
struct ParentLocatorEntry {
  Le32 KeyOffset;
  Le32 ValueOffset;
  Le16 KeyLength;    // bytes
  Le16 ValueLength;  // bytes
};
static_assert(sizeof(ParentLocatorEntry) == 12);
inline constexpr Guid kVhdxLocator = {0xb7, 0xef, 0x4a, 0xb0, 0x9e, 0xd1, 0x81, 0x4a,
                                      0xb7, 0x89, 0x25, 0xb8, 0xe9, 0x44, 0x59, 0x13};

// Payload blocks for each sector bitmap block; in the table its entry follows theirs.
constexpr uint64_t ChunkRatio(uint64_t logical_sector_size, uint64_t block_size) {
  return kSectorsPerBitmap * logical_sector_size / block_size;
}

template <size_t kSize>
bool HasSignature(const char (&field)[kSize], std::string_view signature) {
  return std::string_view(field, kSize) == signature;
}

}  // namespace hotcell::guest::vhdx

#endif  // HOTCELL_GUEST_FORMATS_VHDX_ON_DISK_H_
