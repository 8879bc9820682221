#include "guest/formats/vhdx/reader.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "guest/formats/common/extent_builder.h"

namespace hotcell::guest::vhdx {
namespace {

using Kind = Extent::Kind;

constexpr size_t kEntriesAtOnce = 256;
constexpr size_t kBitmapBytesAtOnce = 512;

}  // namespace

Result<Extent> Reader::MapData(const Piece& piece, uint64_t entry) {
  HOTCELL_RETURN_IF_ERROR(layout_.CheckPayload(piece.block, entry));
  const uint64_t begin = entry & kFileOffsetMask;
  if (const auto other = claims_.Claim(begin, piece.block)) {
    return CorruptImage(StrCat("vhdx: blocks ", *other, " and ", piece.block,
                               " of the disk claim the same data at ", Hex(begin),
                               "; the image is damaged or made to expand without end"));
  }
  return layout_.file->Locate(begin + piece.in_block, piece.length);
}

// 2.4: a bit for each sector of a chunk, which says whether it is here or in the parent.
Result<Extent> Reader::MapPartial(IoChannel& io, const Piece& piece, uint64_t entry) {
  if (!layout_.metadata.parent) {
    return CorruptImage(
        StrCat("vhdx: block ", piece.block, " is partly in the parent, but the disk has none"));
  }
  uint64_t bitmap = 0;
  HOTCELL_RETURN_IF_ERROR(layout_.ReadBat(io, layout_.BitmapEntry(piece.block), {&bitmap, 1}));
  if ((bitmap & kStateMask) != kBitmapPresent) {
    return CorruptImage(StrCat("vhdx: block ", piece.block,
                               " is partly in the parent, but its sector bitmap is not there"));
  }
  HOTCELL_RETURN_IF_ERROR(layout_.CheckBitmap(piece.block, bitmap));

  const uint64_t sector_size = layout_.metadata.logical_sector_size;
  const uint64_t block_sectors = layout_.metadata.block_size / sector_size;
  const uint64_t chunk_sector = piece.block % layout_.chunk_ratio * block_sectors;
  const uint64_t first = chunk_sector + piece.in_block / sector_size;
  const uint64_t end = chunk_sector + (piece.in_block + piece.length - 1) / sector_size + 1;
  bool here = false;
  uint64_t sector = first;
  while (sector < end) {
    std::array<uint8_t, kBitmapBytesAtOnce> bits;
    const uint64_t byte = sector / 8;
    const auto wanted =
        std::span(bits).first(std::min<uint64_t>(bits.size(), (end - 1) / 8 - byte + 1));
    HOTCELL_RETURN_IF_ERROR(layout_.file->Read(io, (bitmap & kFileOffsetMask) + byte,
                                               std::as_writable_bytes(wanted),
                                               "vhdx: a sector bitmap"));
    const auto bit = [&](uint64_t at) { return (bits[at / 8 - byte] >> at % 8 & 1) != 0; };
    if (sector == first) here = bit(first);
    const uint64_t bits_end = std::min(end, (byte + wanted.size()) * 8);
    while (sector < bits_end && bit(sector) == here) ++sector;
    if (sector < bits_end) break;
  }
  Piece run = piece;
  run.length = std::min(piece.length, (sector - chunk_sector) * sector_size - piece.in_block);
  if (!here) return Extent{.kind = Kind::kUnallocated, .length = run.length};
  return MapData(run, entry);
}

Result<Extent> Reader::MapPiece(IoChannel& io, const Piece& piece, uint64_t entry) {
  switch (entry & kStateMask) {
    case kBlockNotPresent:
      if (layout_.metadata.parent) {
        return Extent{.kind = Kind::kUnallocated, .length = piece.length};
      }
      [[fallthrough]];
    case kBlockUndefined:
    case kBlockZero:
    case kBlockUnmapped:
    case kBlockUnmappedOld:
      return Extent{.kind = Kind::kZero, .length = piece.length};
    case kBlockFullyPresent:
      return MapData(piece, entry);
    case kBlockPartiallyPresent:
      return MapPartial(io, piece, entry);
    default:
      return CorruptImage(StrCat("vhdx: block ", piece.block, " is in state ", entry & kStateMask,
                                 ", which means nothing"));
  }
}

Result<Extent> Reader::Map(IoChannel& io, uint64_t offset, uint64_t length) {
  const uint64_t block_size = layout_.metadata.block_size;
  const uint64_t end = offset + length;
  ExtentBuilder builder;
  std::array<uint64_t, kEntriesAtOnce> entries;
  uint64_t loaded = 0;  // the first of `entries`
  size_t count = 0;     // of `entries`
  for (uint64_t at = offset; at < end;) {
    const Piece piece = {.block = at / block_size,
                         .in_block = at % block_size,
                         .length = std::min(end - at, block_size - at % block_size)};
    const uint64_t index = layout_.PayloadEntry(piece.block);
    Status status;
    if (count == 0 || index >= loaded + count) {
      const uint64_t last = layout_.PayloadEntry((end - 1) / block_size);
      loaded = index;
      count = std::min<uint64_t>(entries.size(), last - index + 1);
      status = layout_.ReadBat(io, loaded, std::span(entries).first(count));
    }
    if (status.ok()) {
      const auto extent = MapPiece(io, piece, entries[index - loaded]);
      if (extent.ok()) {
        if (!builder.Add(*extent)) break;
        at += extent->length;
        continue;
      }
      status = extent.status();
    }
    // What comes before a damaged spot can be read; the next call meets the damage first.
    if (builder.empty()) return status;
    break;
  }
  return builder.extent();
}

ImageDescription Reader::Describe() const {
  const Metadata& metadata = layout_.metadata;
  ImageDescription description;
  description.format = "vhdx";
  description.virtual_size = metadata.virtual_size;
  description.cluster_size = metadata.block_size;
  description.sector_size = metadata.logical_sector_size;
  description.dirty = layout_.file->has_log();
  description.backing = metadata.parent;
  if (metadata.parent) description.references.push_back(*metadata.parent);
  description.variant = metadata.parent                   ? "differencing"
                        : metadata.leave_blocks_allocated ? "fixed"
                                                          : "dynamic";
  description.features = {"version 1"};
  if (metadata.logical_sector_size != 512) {
    description.features.push_back(
        StrCat("logical sectors of ", metadata.logical_sector_size, " bytes"));
  }
  description.warnings = layout_.warnings;
  if (layout_.file->has_log()) {
    description.warnings.emplace_back(
        "vhdx: the image was not closed cleanly; its log is replayed in memory, the file is left "
        "as it is");
  }
  return description;
}

}  // namespace hotcell::guest::vhdx
