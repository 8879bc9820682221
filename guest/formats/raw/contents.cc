#include "guest/formats/raw/contents.h"

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "guest/formats/common/endian.h"
#include "guest/formats/common/format.h"
#include "guest/formats/raw/raw.h"

namespace hotcell::guest {
namespace {

using std::string_view_literals::operator""sv;

constexpr uint64_t kSectorSize = 512;

struct Signature {
  uint64_t offset;
  std::string_view bytes;
  SignatureKind kind;
};

// All lie in kDiskContentsArea, the last of them just after the first 64 KiB. Signatures of two
// bytes are checked further, below.
constexpr Signature kSignatures[] = {
    {512, "EFI PART"sv, SignatureKind::kGpt},
    {4096, "EFI PART"sv, SignatureKind::kGpt},
    {0x8001, "CD001"sv, SignatureKind::kIso9660},
    {0x8801, "NSR02"sv, SignatureKind::kUdf},
    {0x8801, "NSR03"sv, SignatureKind::kUdf},
    {0x9001, "NSR02"sv, SignatureKind::kUdf},
    {0x9001, "NSR03"sv, SignatureKind::kUdf},
    {0, "hsqs"sv, SignatureKind::kSquashfs},
    {0, "XFSB"sv, SignatureKind::kXfs},
    {0x10040, "_BHRfS_M"sv, SignatureKind::kBtrfs},
    {3, "NTFS    "sv, SignatureKind::kNtfs},
    {3, "EXFAT   "sv, SignatureKind::kExfat},
    {54, "FAT12   "sv, SignatureKind::kFat12},
    {54, "FAT16   "sv, SignatureKind::kFat16},
    {82, "FAT32   "sv, SignatureKind::kFat32},
    {3, "-FVE-FS-"sv, SignatureKind::kBitlocker},
    {0, "LUKS\xba\xbe"sv, SignatureKind::kLuks},
    {1024, "\x10\x20\xf5\xf2"sv, SignatureKind::kF2fs},
    {1024, "\xe2\xe1\xf5\xe0"sv, SignatureKind::kErofs},
    {1024, "H+\0\4"sv, SignatureKind::kHfsPlus},
    {1024, "HX\0\5"sv, SignatureKind::kHfsx},
    {32, "NXSB"sv, SignatureKind::kApfs},
    {0x8000, "JFS1"sv, SignatureKind::kJfs},
    {0x10034, "ReIsEr2Fs"sv, SignatureKind::kReiserfs},
    {0x10034, "ReIsEr3Fs"sv, SignatureKind::kReiserfs},
    {0, "\x45\x3d\xcd\x28"sv, SignatureKind::kCramfs},
    {4086, "SWAPSPACE2"sv, SignatureKind::kSwap},
    {4086, "SWAP-SPACE"sv, SignatureKind::kSwap},
    {0, "\xfc\x4e\x2b\xa9"sv, SignatureKind::kRaidMember},
    {4096, "\xfc\x4e\x2b\xa9"sv, SignatureKind::kRaidMember},
    {0,
     "\x7f"
     "ELF"sv,
     SignatureKind::kElfProgram},
    {0, "MZ"sv, SignatureKind::kDosProgram},
    {512, "QFI\xfb"sv, SignatureKind::kQcowImage},
    {512, "KDMV"sv, SignatureKind::kVmdkImage},
    {512, "conectix"sv, SignatureKind::kVhdFooter},
    {512, "vhdxfile"sv, SignatureKind::kVhdxImage},
};

bool Has(std::span<const std::byte> area, uint64_t offset, std::string_view bytes) {
  return area.size() >= offset + bytes.size() &&
         std::equal(bytes.begin(), bytes.end(), area.begin() + static_cast<ptrdiff_t>(offset),
                    [](char a, std::byte b) { return static_cast<std::byte>(a) == b; });
}

uint8_t ByteAt(std::span<const std::byte> area, uint64_t offset) {
  return static_cast<uint8_t>(area[offset]);
}

// An MBR's partition entries; each has a status byte, and a type 4 bytes after it.
constexpr uint64_t kMbrSignature = kSectorSize - 2;
constexpr uint64_t kMbrEntries = 446;
constexpr uint64_t kMbrEntrySize = 16;
constexpr uint64_t kMbrEntryCount = 4;
constexpr uint8_t kMbrTypeGptProtective = 0xee;

bool IsProtective(std::span<const std::byte> head) {
  return ByteAt(head, kMbrEntries + 4) == kMbrTypeGptProtective;
}

void FindPartitionTable(std::span<const std::byte> area, std::vector<FileSignature>& found) {
  if (!HasPartitionTable(area)) return;
  found.push_back(
      {kMbrSignature, IsProtective(area) ? SignatureKind::kProtectiveMbr : SignatureKind::kMbr});
}

// "struct ext2_super_block": the version shows in the features.
void FindExt(std::span<const std::byte> area, std::vector<FileSignature>& found) {
  constexpr uint64_t kSuperblock = 1024;
  constexpr uint64_t kMagic = kSuperblock + 0x38;
  if (!Has(area, kMagic, "\x53\xef"sv)) return;
  const auto compatible = LoadStruct<Le32>(area, kSuperblock + 0x5c);
  const auto incompatible = LoadStruct<Le32>(area, kSuperblock + 0x60);
  constexpr uint32_t kHasJournal = 0x4;
  constexpr uint32_t kExtents = 0x40;
  constexpr uint32_t k64Bit = 0x80;
  constexpr uint32_t kFlexBg = 0x200;
  const bool is_ext4 = (incompatible & (kExtents | k64Bit | kFlexBg)) != 0;
  const bool is_ext3 = (compatible & kHasJournal) != 0;
  found.push_back({kMagic, is_ext4   ? SignatureKind::kExt4
                           : is_ext3 ? SignatureKind::kExt3
                                     : SignatureKind::kExt2});
}

// The label is in one of the first four sectors.
void FindLvm(std::span<const std::byte> area, std::vector<FileSignature>& found) {
  for (uint64_t sector = 0; sector < 4; ++sector) {
    if (!Has(area, sector * kSectorSize, "LABELONE"sv)) continue;
    if (!Has(area, sector * kSectorSize + 24, "LVM2 001"sv)) continue;
    found.push_back({sector * kSectorSize, SignatureKind::kLvm});
    return;
  }
}

}  // namespace

bool HasPartitionTable(std::span<const std::byte> head) {
  if (!Has(head, kMbrSignature, "\x55\xaa"sv)) return false;
  bool has_partition = false;
  for (uint64_t i = 0; i < kMbrEntryCount; ++i) {
    const uint64_t entry = kMbrEntries + i * kMbrEntrySize;
    const uint8_t status = ByteAt(head, entry);
    if (status != 0 && status != 0x80) return false;
    const uint8_t type = ByteAt(head, entry + 4);
    const auto sectors = LoadStruct<Le32>(head, entry + 12);
    if (type != 0 && sectors != 0) has_partition = true;
  }
  return has_partition;
}

bool HasGpt(std::span<const std::byte> head) {
  return Has(head, 512, "EFI PART"sv) || Has(head, 4096, "EFI PART"sv);
}

Result<std::vector<FileSignature>> FindDiskContents(IoChannel& io, const FileHandle& file) {
  std::vector<std::byte> area(std::min(kDiskContentsArea, file.size));
  HOTCELL_RETURN_IF_ERROR(ReadExact(io, file, 0, area, "the start of the image"));
  std::vector<FileSignature> found;
  FindPartitionTable(area, found);
  for (const Signature& signature : kSignatures) {
    if (!Has(area, signature.offset, signature.bytes)) continue;
    found.push_back({signature.offset, signature.kind});
  }
  FindExt(area, found);
  FindLvm(area, found);
  return found;
}

Result<std::vector<std::string>> FindOtherFormats(IoChannel& io, const FileHandle& file) {
  const auto formats = ProbeAllFormats(io, file);
  if (!formats.ok()) return formats.status();
  std::vector<std::string> names;
  for (const FormatDriver* const format : *formats) {
    if (format != &kRawFormat && !format->refused) names.emplace_back(format->name);
  }
  return names;
}

}  // namespace hotcell::guest
