#include "guest/formats/signatures/signatures.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "guest/formats/common/endian.h"
#include "guest/formats/signatures/disc_script.h"
#include "guest/formats/vmdk/descriptor_survey.h"

namespace hotcell::guest {
namespace {

using namespace std::string_view_literals;

constexpr uint64_t kSectorSize = 512;
constexpr uint64_t kHeadSize = 72 << 10;
// How many extents of a disk are looked through for marks to drop. Where a disk has more, the marks
// in the rest of the file stay.
constexpr uint32_t kMaxExtents = 1 << 20;

struct Known {
  uint64_t offset;
  std::string_view bytes;
  SignatureKind kind;
  bool unprobed = false;  // see FileSignature
};

// At one place each.
constexpr Known kKnown[] = {
    {0, "LUKS\xba\xbe"sv, SignatureKind::kLuks},
    {0,
     "\x7f"
     "ELF"sv,
     SignatureKind::kElfProgram},
    {0, "MZ"sv, SignatureKind::kDosProgram},
    {0, "#!"sv, SignatureKind::kScript},
    {0, "\x1f\x8b\x08"sv, SignatureKind::kGzip},
    {0, "BZh"sv, SignatureKind::kBzip2},
    {0,
     "\xfd"
     "7zXZ\0"sv,
     SignatureKind::kXz},
    {0, "\x28\xb5\x2f\xfd"sv, SignatureKind::kZstd},
    {0, "\x04\x22\x4d\x18"sv, SignatureKind::kLz4},
    {0, "PK\x03\x04"sv, SignatureKind::kZip},
    {0, "7z\xbc\xaf\x27\x1c"sv, SignatureKind::kSevenZip},
    // 7-Zip opens the next cabinet that it names.
    {0, "MSCF"sv, SignatureKind::kCabinet},
    {0, "Rar!\x1a\x07"sv, SignatureKind::kRar},
    {0, "%PDF-"sv, SignatureKind::kPdf},
    // VirtualBox takes either for a disk image of macOS.
    {0, "koly"sv, SignatureKind::kDmgTrailer},
    {0, "xar!"sv, SignatureKind::kXar},
    {0, "EVF\x09\x0d\x0a\xff\x00"sv, SignatureKind::kEwfImage},
    {0, "hsqs"sv, SignatureKind::kSquashfs},
    {0, "XFSB"sv, SignatureKind::kXfs},
    {3, "NTFS    "sv, SignatureKind::kNtfs},
    {3, "EXFAT   "sv, SignatureKind::kExfat},
    {54, "FAT1"sv, SignatureKind::kFat},
    {82, "FAT32"sv, SignatureKind::kFat},
    {257, "ustar"sv, SignatureKind::kTar},
    {512, "EFI PART"sv, SignatureKind::kGpt},
    {512, "LABELONE"sv, SignatureKind::kLvm},
    {4096, "EFI PART"sv, SignatureKind::kGpt},
    {32769, "CD001"sv, SignatureKind::kIso9660},
    {32769, "BEA01"sv, SignatureKind::kUdf},
    {32769, "NSR02"sv, SignatureKind::kUdf},
    {32769, "NSR03"sv, SignatureKind::kUdf},
    {34817, "NSR02"sv, SignatureKind::kUdf},
    {34817, "NSR03"sv, SignatureKind::kUdf},
    {65600, "_BHRfS_M"sv, SignatureKind::kBtrfs, true},
};

// Disk images, looked for at the sectors after the first.
constexpr Known kNested[] = {
    {0, "QFI\xfb"sv, SignatureKind::kQcowImage},
    {0, "QED\0"sv, SignatureKind::kQedImage},
    {0, "KDMV"sv, SignatureKind::kVmdkImage},
    {0, "COWD"sv, SignatureKind::kVmdkImage},
    {0, "# Disk DescriptorFile"sv, SignatureKind::kVmdkDescriptor},
    {0, "vhdxfile"sv, SignatureKind::kVhdxImage},
    {0, "WithoutFreeSpace"sv, SignatureKind::kParallelsImage},
    {0, "WithouFreSpacExt"sv, SignatureKind::kParallelsImage},
    {64, "\x7f\x10\xda\xbe"sv, SignatureKind::kVdiImage},
    {0, "LUKS\xba\xbe"sv, SignatureKind::kLuks},
};

// In the last 512 bytes.
constexpr Known kTail[] = {
    {0, "EFI PART"sv, SignatureKind::kGptBackup},
};
constexpr std::string_view kVhdCookie = "conectix";
// 7-Zip takes a footer for one with bytes behind it too.
constexpr uint64_t kVhdFooterArea = 2048;
// QEMU looks for it anywhere in this area, whose end is that of the last sector.
constexpr std::string_view kDmgSignature = "koly";
constexpr uint64_t kDmgTrailerArea = 1023;

bool Matches(std::span<const std::byte> bytes, uint64_t offset, std::string_view wanted) {
  return offset + wanted.size() <= bytes.size() &&
         std::memcmp(&bytes[offset], wanted.data(), wanted.size()) == 0;
}

// The boot signature alone says little. Entries: 16 bytes each from 446 on, with the boot flag
// first and the type at 4.
bool HasMbr(std::span<const std::byte> head) {
  if (!Matches(head, 510, "\x55\xaa"sv)) return false;
  bool used = false;
  for (size_t entry = 446; entry < 510; entry += 16) {
    const auto flag = std::to_integer<uint8_t>(head[entry]);
    if (flag != 0 && flag != 0x80) return false;
    used |= head[entry + 4] != std::byte{0};
  }
  return used;
}

// Two bytes are found anywhere; with them go a block size of at most 64 KiB and a revision of 0
// or 1.
bool HasExt(std::span<const std::byte> head) {
  constexpr uint64_t kSuperblock = 1024;
  if (!Matches(head, kSuperblock + 0x38, "\x53\xef"sv) || head.size() < kSuperblock + 0x50) {
    return false;
  }
  constexpr uint32_t kMaxLogBlockSize = 6;
  return LoadStruct<Le32>(head, kSuperblock + 0x18) <= kMaxLogBlockSize &&
         LoadStruct<Le32>(head, kSuperblock + 0x4c) <= 1;
}

void FindInHead(std::span<const std::byte> head, std::vector<FileSignature>& found) {
  for (const Known& known : kKnown) {
    if (!Matches(head, known.offset, known.bytes)) continue;
    found.push_back({known.offset, known.kind, known.unprobed});
  }
  if (vmdk::LooksLikeDescriptor({reinterpret_cast<const char*>(head.data()), head.size()})) {
    found.push_back({0, SignatureKind::kVmdkDescriptor});
  }
  if (const std::string_view script = DiscScriptOf(head); !script.empty()) {
    found.push_back({0, script == "VISO" ? SignatureKind::kVisoScript : SignatureKind::kCueSheet});
  }
  if (HasExt(head)) found.push_back({1080, SignatureKind::kExt});
  if (HasMbr(head)) found.push_back({510, SignatureKind::kMbr});
  for (uint64_t sector = kSectorSize; sector < head.size(); sector += kSectorSize) {
    for (const Known& known : kNested) {
      if (Matches(head, sector + known.offset, known.bytes)) {
        found.push_back({.offset = sector, .kind = known.kind, .unprobed = true});
      }
    }
  }
}

// Readers look for trailers in the last 512 bytes, QEMU in the last sector, which it fills up with
// zeroes, and for that of a DMG in a sector before it too.
Status FindInTail(IoChannel& io, const FileHandle& file, std::vector<FileSignature>& found) {
  if (file.size < kSectorSize) return OkStatus();
  const uint64_t last = (file.size - 1) / kSectorSize * kSectorSize;  // sector
  const uint64_t area = last + kSectorSize - std::min(kDmgTrailerArea, last + kSectorSize);
  const uint64_t begin =
      std::min({area, file.size - kSectorSize, file.size - std::min(kVhdFooterArea, file.size)});
  std::vector<std::byte> bytes(file.size - begin);
  HOTCELL_RETURN_IF_ERROR(ReadExact(io, file, begin, bytes, "the end of the file"));
  const auto tail = std::span(bytes).last(kSectorSize);
  for (const Known& known : kTail) {
    if (!Matches(tail, known.offset, known.bytes)) continue;
    found.push_back({file.size - kSectorSize, known.kind});
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (size_t at = text.find(kVhdCookie); at != std::string_view::npos;
       at = text.find(kVhdCookie, at + 1)) {
    found.push_back({begin + at, SignatureKind::kVhdFooter});
  }
  const size_t trailer = text.find(kDmgSignature, area - begin);
  if (trailer != std::string_view::npos)
    found.push_back({begin + trailer, SignatureKind::kDmgTrailer});
  return OkStatus();
}

}  // namespace

Result<std::vector<FileSignature>> FindSignatures(IoChannel& io, const FileHandle& file) {
  std::vector<std::byte> head(std::min(kHeadSize, file.size));
  HOTCELL_RETURN_IF_ERROR(ReadExact(io, file, 0, head, "the start of the file"));
  std::vector<FileSignature> found;
  FindInHead(head, found);
  HOTCELL_RETURN_IF_ERROR(FindInTail(io, file, found));
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.offset < b.offset; });
  return found;
}

Status DropMarksOfDisk(IoChannel& io, const FileHandle& file, ImageReader& reader,
                       std::vector<FileSignature>& signatures) {
  const auto unprobed = [](const FileSignature& signature) { return signature.unprobed; };
  const uint64_t size = reader.virtual_size();
  uint64_t offset = 0;
  for (uint32_t i = 0; i < kMaxExtents && offset < size; ++i) {
    if (std::none_of(signatures.begin(), signatures.end(), unprobed)) return OkStatus();
    const Result<Extent> extent = reader.Map(io, offset, size - offset);
    if (!extent.ok()) return extent.status();
    offset += extent->length;
    const bool compressed = extent->kind == Extent::Kind::kCompressed;
    if (extent->slot != file.slot || (!compressed && extent->kind != Extent::Kind::kData)) continue;
    const uint64_t length = compressed ? extent->compressed_size : extent->length;
    std::erase_if(signatures, [&](const FileSignature& signature) {
      return signature.unprobed && signature.offset >= extent->offset &&
             signature.offset - extent->offset < length;
    });
  }
  return OkStatus();
}

}  // namespace hotcell::guest
