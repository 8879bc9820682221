#include "guest/formats/signatures/signatures.h"

#include <algorithm>
#include <span>
#include <string_view>

#include "guest/formats/signatures/disc_script.h"
#include "guest/formats/signatures/disk_marks.h"
#include "guest/formats/signatures/signature_table.h"
#include "guest/formats/vmdk/descriptor_survey.h"

namespace hotcell::guest {
namespace {

constexpr uint64_t kSectorSize = 512;
constexpr uint64_t kHeadSize = 72 << 10;
// How many extents of a disk are looked through for marks to drop. Where a disk has more, the marks
// in the rest of the file stay.
constexpr uint32_t kMaxExtents = 1 << 20;

// 7-Zip takes a VHD footer for one with bytes behind it too.
constexpr uint64_t kVhdFooterArea = 2048;
// QEMU looks for a DMG's trailer anywhere in this area, whose end is that of the last sector.
constexpr uint64_t kDmgTrailerArea = 1023;

void FindInHead(std::span<const std::byte> head, std::vector<FileSignature>& found) {
  for (const SignatureRow& row : SignatureTable()) {
    if (row.place != SignaturePlace::kStart || (row.uses & kByInspect) == 0) continue;
    if (!HasBytes(head, row.offset, row.bytes)) continue;
    found.push_back({row.offset, row.kind, row.unprobed});
  }
  if (vmdk::LooksLikeDescriptor({reinterpret_cast<const char*>(head.data()), head.size()})) {
    found.push_back({0, SignatureKind::kVmdkDescriptor});
  }
  if (const auto script = DiscScriptOf(head)) found.push_back({0, *script});
  const auto ext = ReadExtSuperblock(head);
  if (ext && ext->plausible) found.push_back({kExtMark, SignatureKind::kExt});
  const auto mbr = ReadMbr(head);
  if (mbr && mbr->used) found.push_back({kMbrMark, SignatureKind::kMbr});
}

void FindInSectors(std::span<const std::byte> head, std::vector<FileSignature>& found) {
  for (uint64_t sector = kSectorSize; sector < head.size(); sector += kSectorSize) {
    for (const SignatureRow& row : SignatureTable()) {
      if (row.place != SignaturePlace::kSector) continue;
      if (!HasBytes(head, sector + row.offset, row.bytes)) continue;
      found.push_back({sector, row.kind, row.unprobed});
    }
  }
}

std::string_view EndMark(SignatureKind kind) { return SignatureBytes(kind, SignaturePlace::kEnd); }

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
  if (HasBytes(tail, 0, EndMark(SignatureKind::kGptBackup))) {
    found.push_back({file.size - kSectorSize, SignatureKind::kGptBackup});
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::string_view cookie = EndMark(SignatureKind::kVhdFooter);
  for (size_t at = text.find(cookie); at != std::string_view::npos;
       at = text.find(cookie, at + 1)) {
    found.push_back({begin + at, SignatureKind::kVhdFooter});
  }
  const size_t trailer = text.find(EndMark(SignatureKind::kDmgTrailer), area - begin);
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
  FindInSectors(head, found);
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
