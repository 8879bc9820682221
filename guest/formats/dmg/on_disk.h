// The structures of a UDIF disk image (.dmg). Apple publishes no specification; the names are those
// that the structures have in descriptions of the format. All integers are big-endian.
#ifndef HOTCELL_GUEST_FORMATS_DMG_ON_DISK_H_
#define HOTCELL_GUEST_FORMATS_DMG_ON_DISK_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "guest/formats/common/endian.h"

namespace hotcell::guest::dmg {

struct Checksum {
  Be32 type;
  Be32 size;  // bits
  Be32 data[32];
};
static_assert(sizeof(Checksum) == 136);

// The trailer: the last 512 bytes of the file.
struct Trailer {
  Be32 signature;
  Be32 version;
  Be32 header_size;
  Be32 flags;
  Be64 running_data_fork_offset;
  Be64 data_fork_offset;
  Be64 data_fork_length;
  Be64 rsrc_fork_offset;
  Be64 rsrc_fork_length;
  Be32 segment_number;
  Be32 segment_count;
  uint8_t segment_id[16];
  Checksum data_checksum;
  Be64 xml_offset;  // a property list
  Be64 xml_length;
  uint8_t reserved1[64];
  Be64 code_signature_offset;
  Be64 code_signature_length;
  uint8_t reserved3[40];
  Checksum checksum;
  Be32 image_variant;
  Be64 sector_count;  // of the disk
  Be32 reserved2[3];
};
static_assert(sizeof(Trailer) == 512);
static_assert(offsetof(Trailer, xml_offset) == 0xd8);
static_assert(offsetof(Trailer, code_signature_offset) == 0x128);
static_assert(offsetof(Trailer, sector_count) == 0x1ec);
inline constexpr uint32_t kTrailerSignature = 0x6b6f6c79;  // "koly"
inline constexpr uint32_t kTrailerVersion = 4;

// What an encrypted image begins with; its trailer is encrypted too.
inline constexpr std::string_view kEncryptedMagic = "encrcdsa";

// A resource fork begins with this; its data are resources, each a Be32 with its size and then as
// many bytes.
struct ResourceForkHeader {
  Be32 data_offset;  // in the fork
  Be32 map_offset;
  Be32 data_length;
  Be32 map_length;
};

// A block table ("blkx" resource): this, and chunk_count times Chunk.
struct BlockTableHeader {
  Be32 signature;
  Be32 version;
  Be64 sector_number;  // to which those of the chunks are relative
  Be64 sector_count;
  Be64 data_offset;  // the same for offsets in the data fork
  Be32 buffers_needed;
  Be32 block_descriptors;
  Be32 reserved[6];
  Checksum checksum;
  Be32 chunk_count;
};
static_assert(sizeof(BlockTableHeader) == 204);
inline constexpr uint32_t kBlockTableSignature = 0x6d697368;  // "mish"

struct ChunkEntry {
  Be32 type;
  Be32 comment;
  Be64 sector_number;
  Be64 sector_count;
  Be64 offset;  // in the data fork
  Be64 length;  // bytes there
};
static_assert(sizeof(ChunkEntry) == 40);

enum ChunkType : uint32_t {
  kZero = 0,
  kRaw = 1,
  kIgnore = 2,  // nobody needs what was there; reads as zeroes
  kComment = 0x7ffffffe,
  kAdc = 0x80000004,
  kZlib = 0x80000005,
  kBzip2 = 0x80000006,
  kLzfse = 0x80000007,
  kLzma = 0x80000008,
  kEnd = 0xffffffff,
};

// Limits.
inline constexpr uint64_t kSectorSize = 512;
// The most bytes of a property list, which is QEMU's limit, or of a resource fork.
inline constexpr uint64_t kMaxDescriptionLength = 16 << 20;
// 8 MiB in memory; 128 GiB of disk in chunks of the usual size.
inline constexpr size_t kMaxChunks = 256 << 10;
// The most bytes of a compressed chunk, packed and unpacked: it must fit a buffer. Usual chunks
// have half a MiB or one.
inline constexpr uint64_t kMaxCompressedChunk = 2 << 20;

}  // namespace hotcell::guest::dmg

#endif  // HOTCELL_GUEST_FORMATS_DMG_ON_DISK_H_
