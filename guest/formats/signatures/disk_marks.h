// What a disk begins with and fixed bytes do not tell for sure: partition tables and ext's
// superblock.
#ifndef HOTCELL_GUEST_FORMATS_SIGNATURES_DISK_MARKS_H_
#define HOTCELL_GUEST_FORMATS_SIGNATURES_DISK_MARKS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "guest/formats/signatures/signature_kind.h"

namespace hotcell::guest {

// Where its two bytes are.
inline constexpr uint64_t kMbrMark = 510;

struct Mbr {
  bool used = false;           // an entry has a type, which is enough to some programs
  bool has_partition = false;  // ... and sectors
  bool protective = false;     // of a GPT
};

// What `head`, the first bytes of a file, has for an MBR; nullopt: none. The boot sector of a file
// system, which ends with the same two bytes, has other ones where the entries would be.
std::optional<Mbr> ReadMbr(std::span<const std::byte> head);

// Whether it has an MBR with a partition.
bool HasPartitionTable(std::span<const std::byte> head);

// Whether there is the header of a GPT in the second sector, of 512 or of 4096 bytes.
bool HasGpt(std::span<const std::byte> head);

// Where the two bytes of ext's superblock are.
inline constexpr uint64_t kExtMark = 1024 + 0x38;

struct ExtSuperblock {
  SignatureKind version;  // ext2, ext3 or ext4, by the features
  // Its block size and revision are possible ones. Two bytes are found anywhere.
  bool plausible = false;
};

// The superblock in `head`, the first bytes of a file; nullopt: there is none.
std::optional<ExtSuperblock> ReadExtSuperblock(std::span<const std::byte> head);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_SIGNATURES_DISK_MARKS_H_
