#include <algorithm>

#include "base/text.h"
#include "guest/formats/common/file_region.h"
#include "guest/formats/vhdx/log.h"

namespace hotcell::guest::vhdx {

LoggedFile::LoggedFile(const FileHandle& file, LogReplay log)
    : file_(file),
      log_(std::move(log)),
      size_(std::max(
          {file.size, log_.last_file_offset, log_.ranges.empty() ? 0 : log_.ranges.back().end})),
      cache_(kCachedPieces) {}

Extent LoggedFile::Locate(uint64_t offset, uint64_t length) const {
  Extent extent = {
      .kind = Extent::Kind::kData, .length = length, .slot = file_.slot, .offset = offset};
  const auto range =
      std::upper_bound(log_.ranges.begin(), log_.ranges.end(), offset,
                       [](uint64_t at, const LoggedRange& one) { return at < one.end; });
  if (range == log_.ranges.end() || offset < range->begin) {
    if (range != log_.ranges.end()) extent.length = std::min(length, range->begin - offset);
    if (offset < file_.size) {
      extent.length = std::min(extent.length, file_.size - offset);
    } else {
      extent.kind = Extent::Kind::kZero;  // where replaying makes the file longer
    }
    return extent;
  }
  extent.length = std::min(length, range->end - offset);
  if (range->zero) {
    extent.kind = Extent::Kind::kZero;
    return extent;
  }
  // Most bytes of a sector are where they belong in the data sector; the first and last, which hold
  // the sequence number there, are in the descriptor.
  constexpr uint64_t kDataEnd = kLogSector - kTrailingBytes;
  const uint64_t in_sector = offset - range->begin;
  if (in_sector < kLeadingBytes) {
    extent.offset = range->descriptor + offsetof(LogDescriptor, LeadingBytes) + in_sector;
    extent.length = std::min(extent.length, kLeadingBytes - in_sector);
  } else if (in_sector < kDataEnd) {
    extent.offset = range->sector + in_sector;
    extent.length = std::min(extent.length, kDataEnd - in_sector);
  } else {
    extent.offset =
        range->descriptor + offsetof(LogDescriptor, TrailingBytes) + (in_sector - kDataEnd);
  }
  return extent;
}

Status LoggedFile::Read(IoChannel& io, uint64_t offset, std::span<std::byte> out,
                        std::string_view what) {
  if (!has_log()) return cache_.Read(io, file_, offset, out, what);
  if (!InFile(offset, out.size(), size_)) {
    return CorruptImage(StrCat(what, " at ", Hex(offset), " (", out.size(),
                               " bytes) reaches past the end of the file (", size_,
                               " bytes); the file is truncated or damaged"));
  }
  while (!out.empty()) {
    const Extent extent = Locate(offset, out.size());
    const auto part = out.first(extent.length);
    if (extent.kind == Extent::Kind::kZero) {
      std::fill(part.begin(), part.end(), std::byte{0});
    } else {
      HOTCELL_RETURN_IF_ERROR(cache_.Read(io, file_, extent.offset, part, what));
    }
    offset += extent.length;
    out = out.subspan(extent.length);
  }
  return OkStatus();
}

}  // namespace hotcell::guest::vhdx
