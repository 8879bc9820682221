#include "guest/formats/raw/contents.h"

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "base/text.h"
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
  std::string_view what;
};

// All lie in kDiskContentsArea, the last of them just after the first 64 KiB. Signatures of two
// bytes are checked further, below.
constexpr Signature kSignatures[] = {
    {512, "EFI PART"sv, "GPT partition table"},
    {4096, "EFI PART"sv, "GPT partition table for sectors of 4096 bytes"},
    {0x8001, "CD001"sv, "ISO 9660 file system"},
    {0x8801, "NSR02"sv, "UDF file system"},
    {0x8801, "NSR03"sv, "UDF file system"},
    {0x9001, "NSR02"sv, "UDF file system"},
    {0x9001, "NSR03"sv, "UDF file system"},
    {0, "hsqs"sv, "squashfs file system"},
    {0, "XFSB"sv, "XFS file system"},
    {0x10040, "_BHRfS_M"sv, "Btrfs file system"},
    {3, "NTFS    "sv, "NTFS file system"},
    {3, "EXFAT   "sv, "exFAT file system"},
    {54, "FAT12   "sv, "FAT12 file system"},
    {54, "FAT16   "sv, "FAT16 file system"},
    {82, "FAT32   "sv, "FAT32 file system"},
    {3, "-FVE-FS-"sv, "BitLocker encryption"},
    {0, "LUKS\xba\xbe"sv, "LUKS encryption"},
    {1024, "\x10\x20\xf5\xf2"sv, "F2FS file system"},
    {1024, "\xe2\xe1\xf5\xe0"sv, "EROFS file system"},
    {1024, "H+\0\4"sv, "HFS+ file system"},
    {1024, "HX\0\5"sv, "HFSX file system"},
    {32, "NXSB"sv, "APFS container"},
    {0x8000, "JFS1"sv, "JFS file system"},
    {0x10034, "ReIsEr2Fs"sv, "ReiserFS file system"},
    {0x10034, "ReIsEr3Fs"sv, "ReiserFS file system"},
    {0, "\x45\x3d\xcd\x28"sv, "cramfs file system"},
    {4086, "SWAPSPACE2"sv, "Linux swap space"},
    {4086, "SWAP-SPACE"sv, "Linux swap space"},
    {0, "\xfc\x4e\x2b\xa9"sv, "Linux RAID member"},
    {4096, "\xfc\x4e\x2b\xa9"sv, "Linux RAID member"},
    {0,
     "\x7f"
     "ELF"sv,
     "ELF program"},
    {0, "MZ"sv, "DOS or Windows program"},
    {512, "QFI\xfb"sv, "QCOW signature at offset 512"},
    {512, "KDMV"sv, "VMDK signature at offset 512"},
    {512, "conectix"sv, "VHD signature at offset 512"},
    {512, "vhdxfile"sv, "VHDX signature at offset 512"},
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
constexpr uint64_t kMbrEntries = 446;
constexpr uint64_t kMbrEntrySize = 16;
constexpr uint64_t kMbrEntryCount = 4;
constexpr uint8_t kMbrTypeGptProtective = 0xee;

bool IsProtective(std::span<const std::byte> head) {
  return ByteAt(head, kMbrEntries + 4) == kMbrTypeGptProtective;
}

void FindPartitionTable(std::span<const std::byte> area, std::vector<std::string>& found) {
  if (!HasPartitionTable(area)) return;
  found.emplace_back(IsProtective(area) ? "protective MBR" : "MBR partition table");
}

// "struct ext2_super_block": the version shows in the features.
void FindExt(std::span<const std::byte> area, std::vector<std::string>& found) {
  constexpr uint64_t kSuperblock = 1024;
  if (!Has(area, kSuperblock + 0x38, "\x53\xef"sv)) return;
  const auto compatible = LoadStruct<Le32>(area, kSuperblock + 0x5c);
  const auto incompatible = LoadStruct<Le32>(area, kSuperblock + 0x60);
  constexpr uint32_t kHasJournal = 0x4;
  constexpr uint32_t kExtents = 0x40;
  constexpr uint32_t k64Bit = 0x80;
  constexpr uint32_t kFlexBg = 0x200;
  const bool is_ext4 = (incompatible & (kExtents | k64Bit | kFlexBg)) != 0;
  const bool is_ext3 = (compatible & kHasJournal) != 0;
  found.emplace_back(StrCat(is_ext4 ? "ext4" : is_ext3 ? "ext3" : "ext2", " file system"));
}

// The label is in one of the first four sectors.
void FindLvm(std::span<const std::byte> area, std::vector<std::string>& found) {
  for (uint64_t sector = 0; sector < 4; ++sector) {
    if (!Has(area, sector * kSectorSize, "LABELONE"sv)) continue;
    if (!Has(area, sector * kSectorSize + 24, "LVM2 001"sv)) continue;
    found.emplace_back("LVM2 physical volume");
    return;
  }
}

// A file that is asked for as raw can be another format's all the same.
Status FindFormats(IoChannel& io, const FileHandle& file, std::vector<std::string>& found) {
  const auto formats = ProbeAllFormats(io, file);
  if (!formats.ok()) return formats.status();
  for (const FormatDriver* const format : *formats) {
    if (format != &kRawFormat && !format->refused) found.push_back(StrCat(format->name, " image"));
  }
  return OkStatus();
}

}  // namespace

bool HasPartitionTable(std::span<const std::byte> head) {
  if (!Has(head, kSectorSize - 2, "\x55\xaa"sv)) return false;
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

Result<std::vector<std::string>> FindDiskContents(IoChannel& io, const FileHandle& file) {
  std::vector<std::byte> area(std::min(kDiskContentsArea, file.size));
  HOTCELL_RETURN_IF_ERROR(ReadExact(io, file, 0, area, "the start of the image"));
  std::vector<std::string> found;
  FindPartitionTable(area, found);
  for (const Signature& signature : kSignatures) {
    if (!Has(area, signature.offset, signature.bytes)) continue;
    if (found.empty() || found.back() != signature.what) found.emplace_back(signature.what);
  }
  FindExt(area, found);
  FindLvm(area, found);
  return found;
}

Result<std::vector<std::string>> FindContents(IoChannel& io, const FileHandle& file) {
  auto found = FindDiskContents(io, file);
  if (!found.ok()) return found;
  HOTCELL_RETURN_IF_ERROR(FindFormats(io, file, *found));
  return found;
}

}  // namespace hotcell::guest
