// The structures of a qcow file, version 1, which has no written specification: the field names are
// those of QEMU's block/qcow.c, and so are the limits.
#ifndef HOTCELL_GUEST_FORMATS_QCOW_ON_DISK_H_
#define HOTCELL_GUEST_FORMATS_QCOW_ON_DISK_H_

#include <cstdint>

#include "guest/formats/common/endian.h"

namespace hotcell::guest::qcow {

inline constexpr uint32_t kMagic = 0x514649fb;  // "QFI\xfb", as in qcow2
inline constexpr uint32_t kVersion = 1;

struct Header {
  Be32 magic;
  Be32 version;
  Be64 backing_file_offset;
  Be32 backing_file_size;
  Be32 mtime;  // of the backing file; seconds
  Be64 size;   // bytes
  uint8_t cluster_bits;
  uint8_t l2_bits;
  Be16 padding;
  Be32 crypt_method;
  Be64 l1_table_offset;
};
static_assert(sizeof(Header) == 48);

inline constexpr uint32_t kCryptNone = 0;
inline constexpr uint32_t kCryptAes = 1;

// An L2 entry of a compressed cluster: this bit, then cluster_bits bits with the stream's size in
// bytes, then its offset. The stream is one of RFC 1951.
inline constexpr uint64_t kEntryCompressed = 1ull << 63;

// Clusters that are not compressed lie at multiples of this in the file.
inline constexpr uint64_t kSectorSize = 512;

inline constexpr uint32_t kMinClusterBits = 9;
inline constexpr uint32_t kMaxClusterBits = 16;
inline constexpr uint32_t kMinL2Bits = 9 - 3;
inline constexpr uint32_t kMaxL2Bits = 16 - 3;
inline constexpr uint32_t kMaxBackingFileName = 1023;
// A limit of ours: 16 TiB with the tables that qemu-img makes. QEMU's is 2 GiB.
inline constexpr uint64_t kMaxL1Bytes = 64 << 20;

// What qemu-img writes: with a backing file the copied clusters are smaller.
inline constexpr uint32_t kClusterBits = 12;
inline constexpr uint32_t kL2Bits = 9;
inline constexpr uint32_t kClusterBitsWithBacking = 9;
inline constexpr uint32_t kL2BitsWithBacking = 12;

}  // namespace hotcell::guest::qcow

#endif  // HOTCELL_GUEST_FORMATS_QCOW_ON_DISK_H_
