#include "guest/formats/signatures/disk_marks.h"

#include <string_view>

#include "guest/formats/common/endian.h"
#include "guest/formats/signatures/signature_table.h"

namespace hotcell::guest {
namespace {

using std::string_view_literals::operator""sv;

struct MbrEntry {
  uint8_t status;
  uint8_t first_chs[3];
  uint8_t type;
  uint8_t last_chs[3];
  Le32 first_sector;
  Le32 sectors;
};
static_assert(sizeof(MbrEntry) == 16);

constexpr uint64_t kMbrEntries = 446;
constexpr uint64_t kMbrEntryCount = 4;
constexpr uint8_t kActive = 0x80;
constexpr uint8_t kTypeGptProtective = 0xee;

// The beginning of "struct ext2_super_block" of Linux.
constexpr uint64_t kExtSuperblock = 1024;
struct ExtFields {
  uint8_t unused[0x18];
  Le32 log_block_size;
  uint8_t unused2[0x30];
  Le32 revision;
  uint8_t unused3[0xc];
  Le32 compatible;
  Le32 incompatible;
};
static_assert(offsetof(ExtFields, revision) == 0x4c && offsetof(ExtFields, incompatible) == 0x60);

}  // namespace

std::optional<Mbr> ReadMbr(std::span<const std::byte> head) {
  if (!HasBytes(head, kMbrMark, "\x55\xaa"sv)) return std::nullopt;
  Mbr mbr;
  for (uint64_t i = 0; i < kMbrEntryCount; ++i) {
    const auto entry = LoadStruct<MbrEntry>(head, kMbrEntries + i * sizeof(MbrEntry));
    if (entry.status != 0 && entry.status != kActive) return std::nullopt;
    mbr.used |= entry.type != 0;
    mbr.has_partition |= entry.type != 0 && entry.sectors != 0;
    if (i == 0) mbr.protective = entry.type == kTypeGptProtective;
  }
  return mbr;
}

bool HasPartitionTable(std::span<const std::byte> head) {
  const std::optional<Mbr> mbr = ReadMbr(head);
  return mbr && mbr->has_partition;
}

bool HasGpt(std::span<const std::byte> head) {
  return HasSignature(head, SignatureKind::kGpt, kByRaw);
}

std::optional<ExtSuperblock> ReadExtSuperblock(std::span<const std::byte> head) {
  if (!HasBytes(head, kExtMark, "\x53\xef"sv)) return std::nullopt;
  if (head.size() < kExtSuperblock + sizeof(ExtFields)) return std::nullopt;
  const auto fields = LoadStruct<ExtFields>(head, kExtSuperblock);
  constexpr uint32_t kHasJournal = 0x4;
  // Extents, 64 bits, flexible block groups.
  constexpr uint32_t kOnlyInExt4 = 0x40 | 0x80 | 0x200;
  constexpr uint32_t kMaxLogBlockSize = 6;  // 64 KiB
  constexpr uint32_t kMaxRevision = 1;
  ExtSuperblock superblock = {.version = SignatureKind::kExt2};
  if ((fields.compatible & kHasJournal) != 0) superblock.version = SignatureKind::kExt3;
  if ((fields.incompatible & kOnlyInExt4) != 0) superblock.version = SignatureKind::kExt4;
  superblock.plausible =
      fields.log_block_size <= kMaxLogBlockSize && fields.revision <= kMaxRevision;
  return superblock;
}

}  // namespace hotcell::guest
