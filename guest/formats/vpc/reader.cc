#include "guest/formats/vpc/reader.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"

namespace hotcell::guest::vpc {
namespace {

// A piece of the table maps 32 GiB of disk in blocks of 2 MiB; every lane needs one.
constexpr size_t kTablePieces = 16;
constexpr size_t kBitmapPieces = 16;
constexpr size_t kEntriesAtOnce = 256;
constexpr size_t kBitmapBytesAtOnce = 512;
constexpr uint64_t kBitsAtOnce = kBitmapBytesAtOnce * 8;

}  // namespace

ImageDescription DescribeLayout(const Layout& layout) {
  ImageDescription description;
  description.format = "vpc";
  description.virtual_size = layout.virtual_size;
  description.cluster_size = layout.block_size;
  description.backing = layout.parent;
  if (layout.parent) description.references.push_back(*layout.parent);
  description.variant = layout.disk_type == kTypeFixed     ? "fixed"
                        : layout.disk_type == kTypeDynamic ? "dynamic"
                                                           : "differencing";
  description.features = {"version 1"};
  description.warnings = layout.warnings;
  return description;
}

Reader::Reader(Layout layout)
    : layout_(std::move(layout)), table_(kTablePieces), bitmaps_(kBitmapPieces) {}

Status Reader::ReadTable(IoChannel& io, uint64_t block, std::span<uint32_t> out) {
  HOTCELL_RETURN_IF_ERROR(table_.Read(io, layout_.file, layout_.table_offset + block * sizeof(Be32),
                                      std::as_writable_bytes(out),
                                      "vpc: the block allocation table"));
  for (uint32_t& entry : out) entry = SwapBytes(entry);
  return OkStatus();
}

Result<Reader::BitmapRun> Reader::ReadBitmap(IoChannel& io, uint64_t bitmap, uint64_t in_block,
                                             uint64_t length) {
  const uint64_t first = in_block / kSectorSize;
  const uint64_t end = (in_block + length - 1) / kSectorSize + 1;
  std::array<uint8_t, kBitmapBytesAtOnce> bits;
  const auto bit = [&](uint64_t sector) {
    return (bits[sector % kBitsAtOnce / 8] >> (7 - sector % 8) & 1) != 0;
  };
  BitmapRun run;
  uint64_t sector = first;
  while (sector < end) {
    const uint64_t piece = sector / kBitsAtOnce;
    HOTCELL_RETURN_IF_ERROR(bitmaps_.Read(io, layout_.file, bitmap + piece * kBitmapBytesAtOnce,
                                          std::as_writable_bytes(std::span(bits)),
                                          "vpc: the bitmap of a block"));
    if (sector == first) run.here = bit(sector);
    const uint64_t piece_end = std::min(end, (piece + 1) * kBitsAtOnce);
    while (sector < piece_end && bit(sector) == run.here) ++sector;
    if (sector < piece_end) break;
  }
  run.length = std::min(length, sector * kSectorSize - in_block);
  return run;
}

// Precondition: the extent lies within one block.
Result<Extent> Reader::MapBlock(IoChannel& io, uint32_t sector, uint64_t offset, uint64_t length) {
  const uint64_t block = offset / layout_.block_size;
  const uint64_t in_block = offset % layout_.block_size;
  HOTCELL_RETURN_IF_ERROR(layout_.CheckBlock(block, sector));
  if (const auto other = claims_.Claim(sector, block)) {
    return CorruptImage(StrCat("vpc: blocks ", *other, " and ", block,
                               " of the disk claim the same data at ", Hex(sector * kSectorSize),
                               "; the image is damaged or made to expand without end"));
  }
  const uint64_t begin = sector * kSectorSize;
  Extent extent = {.kind = Extent::Kind::kData,
                   .length = length,
                   .slot = layout_.file.slot,
                   .offset = begin + layout_.bitmap_size + in_block};
  if (layout_.disk_type != kTypeDifferencing) return extent;
  const auto run = ReadBitmap(io, begin, in_block, length);
  if (!run.ok()) return run.status();
  if (!run->here) return Extent{.kind = Extent::Kind::kUnallocated, .length = run->length};
  extent.length = run->length;
  return extent;
}

Result<Extent> Reader::Map(IoChannel& io, uint64_t offset, uint64_t length) {
  const uint64_t block_size = layout_.block_size;
  const uint64_t first = offset / block_size;
  const uint64_t end = (offset + length - 1) / block_size + 1;
  std::array<uint32_t, kEntriesAtOnce> entries;
  uint64_t block = first;
  // Blocks that are not there come as one extent.
  while (block < end) {
    const auto table = std::span(entries).first(std::min(kEntriesAtOnce, end - block));
    HOTCELL_RETURN_IF_ERROR(ReadTable(io, block, table));
    if (block == first && table[0] != kUnallocated) {
      return MapBlock(io, table[0], offset, std::min(length, block_size - offset % block_size));
    }
    const auto allocated = std::find_if(table.begin(), table.end(),
                                        [](uint32_t entry) { return entry != kUnallocated; });
    block += static_cast<uint64_t>(allocated - table.begin());
    if (allocated != table.end()) break;
  }
  return Extent{.kind = Extent::Kind::kUnallocated,
                .length = std::min(length, block * block_size - offset)};
}

}  // namespace hotcell::guest::vpc
