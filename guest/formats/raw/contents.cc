#include "guest/formats/raw/contents.h"

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "guest/formats/common/format.h"
#include "guest/formats/raw/raw.h"
#include "guest/formats/signatures/disk_marks.h"
#include "guest/formats/signatures/signature_table.h"

namespace hotcell::guest {
namespace {

constexpr uint64_t kSectorSize = 512;

// The label is in one of the first four sectors.
void FindLvm(std::span<const std::byte> area, std::vector<FileSignature>& found) {
  const std::string_view label = SignatureBytes(SignatureKind::kLvm, SignaturePlace::kStart);
  for (uint64_t sector = 0; sector < 4; ++sector) {
    if (!HasBytes(area, sector * kSectorSize, label)) continue;
    if (!HasBytes(area, sector * kSectorSize + 24, "LVM2 001")) continue;
    found.push_back({sector * kSectorSize, SignatureKind::kLvm});
    return;
  }
}

}  // namespace

Result<std::vector<std::byte>> ReadDiskContentsArea(IoChannel& io, const FileHandle& file) {
  std::vector<std::byte> area(std::min(kDiskContentsArea, file.size));
  HOTCELL_RETURN_IF_ERROR(ReadExact(io, file, 0, area, "the start of the image"));
  return area;
}

std::vector<FileSignature> FindDiskContents(std::span<const std::byte> area) {
  std::vector<FileSignature> found;
  if (const auto mbr = ReadMbr(area); mbr && mbr->has_partition) {
    found.push_back(
        {kMbrMark, mbr->protective ? SignatureKind::kProtectiveMbr : SignatureKind::kMbr});
  }
  for (const SignatureRow& row : SignatureTable()) {
    if ((row.uses & kByRaw) == 0 || !HasBytes(area, row.offset, row.bytes)) continue;
    found.push_back({row.offset, row.kind});
  }
  if (const auto ext = ReadExtSuperblock(area)) found.push_back({kExtMark, ext->version});
  FindLvm(area, found);
  return found;
}

Result<std::vector<FileSignature>> FindDiskContents(IoChannel& io, const FileHandle& file) {
  const auto area = ReadDiskContentsArea(io, file);
  if (!area.ok()) return area.status();
  return FindDiskContents(*area);
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
