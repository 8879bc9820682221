#include "guest/formats/common/two_level_reader.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.h"

namespace hotcell::guest {
namespace {

constexpr size_t kSliceSize = 64 << 10;
constexpr size_t kL1Slices = 4;
constexpr size_t kL2CacheSize = 1 << 20;
constexpr size_t kMaxL2Slices = 256;
constexpr size_t kEntriesAtOnce = 128;
// L2 tables that are compared with each other at once: 4 MiB of their offsets.
constexpr size_t kMaxComparedTables = 512 << 10;

size_t L2SliceSize(const TwoLevelLayout& layout) {
  return std::min<uint64_t>(layout.l2_bytes(), kSliceSize);
}

size_t L2SliceCount(const TwoLevelLayout& layout) {
  return std::min(kL2CacheSize / L2SliceSize(layout), kMaxL2Slices);
}

}  // namespace

TwoLevelReader::TwoLevelReader(const TwoLevelLayout& layout)
    : layout_(layout),
      l1_table_{.offset = layout.l1_offset,
                .size = std::max(layout.l1_size, layout.l1_entries() * sizeof(uint64_t)),
                .what = "the L1 table"},
      l1_cache_(layout.format, layout.byte_order, kSliceSize, kL1Slices),
      l2_cache_(layout.format, layout.byte_order, L2SliceSize(layout), L2SliceCount(layout)) {}

Status TwoLevelReader::ReadL1(IoChannel& io, uint64_t index, L1Run& run) {
  constexpr uint64_t kPerSlice = kSliceSize / sizeof(uint64_t);
  const uint64_t in_slice = index % kPerSlice;
  const uint64_t slice_entries = std::min(kPerSlice, layout_.l1_entries() - (index - in_slice));
  run.index = index;
  run.count = std::min<uint64_t>(L1Run::kMaxEntries, slice_entries - in_slice);
  const Slice slice = {.offset = layout_.l1_offset + (index - in_slice) * sizeof(uint64_t),
                       .size = static_cast<uint32_t>(slice_entries * sizeof(uint64_t))};
  return l1_cache_.Read(io, layout_.file, {&slice, 1}, in_slice, {run.entries, run.count},
                        "the L1 table");
}

bool TwoLevelReader::CanBeL2Table(uint64_t table) const {
  const uint64_t size = layout_.l2_bytes();
  return table % layout_.table_alignment == 0 && InFile(table, size, layout_.file.size) &&
         !layout_.header.Overlaps(table, size) && !l1_table_.Overlaps(table, size);
}

Status TwoLevelReader::CheckL2Table(uint64_t l1_index, uint64_t table) const {
  if (CanBeL2Table(table)) return OkStatus();
  const uint64_t size = layout_.l2_bytes();
  const std::string where =
      StrCat(layout_.format, ": the L2 table at ", Hex(table), " (L1 entry ", l1_index, ")");
  if (table % layout_.table_alignment != 0) {
    return CorruptImage(StrCat(where, " is not at a cluster boundary (clusters have ",
                               layout_.cluster_size, " bytes)"));
  }
  if (!InFile(table, size, layout_.file.size)) {
    return CorruptImage(StrCat(where, " reaches past the end of the file (", layout_.file.size,
                               " bytes); the file is truncated or damaged"));
  }
  const FileRegion& other = layout_.header.Overlaps(table, size) ? layout_.header : l1_table_;
  return CorruptImage(StrCat(where, " overlaps ", other.what, " at ", Hex(other.offset), " (",
                             other.size, " bytes)"));
}

Status TwoLevelReader::CheckApart(std::vector<uint64_t>& tables) const {
  std::sort(tables.begin(), tables.end());
  const auto together =
      std::adjacent_find(tables.begin(), tables.end(),
                         [this](uint64_t a, uint64_t b) { return b - a < layout_.l2_bytes(); });
  if (together == tables.end()) return OkStatus();
  return CorruptImage(StrCat(layout_.format, ": two entries of the L1 table at ",
                             Hex(layout_.l1_offset),
                             " claim the same bytes for their L2 tables, at ", Hex(together[0]),
                             " and ", Hex(together[1])));
}

Status TwoLevelReader::CheckTables(IoChannel& io) {
  if (!InFile(l1_table_.offset, l1_table_.size, layout_.file.size)) {
    return CorruptImage(StrCat(layout_.format, ": the L1 table at ", Hex(l1_table_.offset), " (",
                               l1_table_.size, " bytes) reaches past the end of the file (",
                               layout_.file.size, " bytes); the file is truncated or damaged"));
  }
  if (layout_.header.Overlaps(l1_table_.offset, l1_table_.size)) {
    return CorruptImage(StrCat(layout_.format, ": the L1 table at ", Hex(l1_table_.offset),
                               " overlaps ", layout_.header.what));
  }
  std::vector<uint64_t> tables;
  for (uint64_t index = 0; index < layout_.l1_entries();) {
    L1Run run;
    HOTCELL_RETURN_IF_ERROR(ReadL1(io, index, run));
    for (size_t i = 0; i < run.count; ++i) {
      if (run.entries[i] == 0) continue;
      HOTCELL_RETURN_IF_ERROR(CheckL2Table(index + i, run.entries[i]));
      tables.push_back(run.entries[i]);
    }
    index += run.count;
    if (tables.size() < kMaxComparedTables && index < layout_.l1_entries()) continue;
    HOTCELL_RETURN_IF_ERROR(CheckApart(tables));
    tables.clear();
  }
  return OkStatus();
}

Status TwoLevelReader::ReadL2(IoChannel& io, const L1Run& l1, uint64_t first,
                              std::span<uint64_t> entries) {
  const uint64_t slice_size = l2_cache_.slice_size();
  const uint64_t per_slice = slice_size / sizeof(uint64_t);
  std::array<Slice, TableCache::kMaxLoad> slices;
  slices[0] = {.offset = l1.entries[0] + first / per_slice * slice_size,
               .size = static_cast<uint32_t>(slice_size)};
  size_t count = 1;
  // Small tables are read one after the other: the next ones come along.
  const size_t most = std::min(slices.size(), kSliceSize / slice_size);
  for (size_t i = 1; i < l1.count && count < most; ++i) {
    if (l1.entries[i] == 0 || !CanBeL2Table(l1.entries[i])) continue;
    slices[count++] = {.offset = l1.entries[i], .size = static_cast<uint32_t>(slice_size)};
  }
  return l2_cache_.Read(io, layout_.file, std::span(slices).first(count), first % per_slice,
                        entries, "an L2 table");
}

// `extent` is of the whole cluster.
Status TwoLevelReader::CheckData(const Extent& extent, uint64_t cluster) const {
  const bool compressed = extent.kind == Extent::Kind::kCompressed;
  if (!compressed && extent.kind != Extent::Kind::kData) return OkStatus();
  const uint64_t size = compressed ? extent.compressed_size
                                   : std::min(layout_.cluster_size, layout_.virtual_size - cluster);
  if (InFile(extent.offset, size, layout_.file.size)) return OkStatus();
  return CorruptImage(StrCat(layout_.format, ": the cluster of disk offset ", Hex(cluster), " at ",
                             Hex(extent.offset), " (", size,
                             " bytes) reaches past the end of the file (", layout_.file.size,
                             " bytes); the file is truncated or damaged"));
}

Result<Extent> TwoLevelReader::DecodeAt(uint64_t entry, uint64_t offset) {
  const uint64_t in_cluster = offset % layout_.cluster_size;
  const uint64_t cluster = offset - in_cluster;
  if (entry == 0) return Extent{.length = layout_.cluster_size - in_cluster};
  Result<Extent> extent = Decode(entry, cluster);
  if (!extent.ok()) return extent;
  HOTCELL_RETURN_IF_ERROR(CheckData(*extent, cluster));
  const bool compressed = extent->kind == Extent::Kind::kCompressed;
  if (compressed || extent->kind == Extent::Kind::kData) {
    if (const std::optional<uint64_t> other = claims_.Claim(extent->offset, cluster)) {
      return CorruptImage(StrCat(layout_.format, ": the clusters of disk offsets ", Hex(*other),
                                 " and ", Hex(cluster), " claim the same data at ",
                                 Hex(extent->offset),
                                 "; the image is damaged or made to expand without end"));
    }
  }
  extent->length -= in_cluster;
  if (compressed) {
    extent->offset_in_cluster = static_cast<uint32_t>(in_cluster);
  } else {
    extent->offset += in_cluster;
  }
  return extent;
}

Status TwoLevelReader::WalkTable(IoChannel& io, const L1Run& l1, uint64_t offset, uint64_t end,
                                 ExtentBuilder& extent) {
  HOTCELL_RETURN_IF_ERROR(CheckL2Table(l1.index, l1.entries[0]));
  const uint64_t cluster_size = layout_.cluster_size;
  const uint64_t per_slice = l2_cache_.slice_size() / sizeof(uint64_t);
  while (offset < end) {
    const uint64_t first = offset / cluster_size % layout_.l2_entries;
    const uint64_t left = (end - 1) / cluster_size - offset / cluster_size + 1;
    const uint64_t count =
        std::min({left, per_slice - first % per_slice, uint64_t{kEntriesAtOnce}});
    std::array<uint64_t, kEntriesAtOnce> entries;
    HOTCELL_RETURN_IF_ERROR(ReadL2(io, l1, first, std::span(entries).first(count)));
    for (uint64_t i = 0; i < count; ++i) {
      Result<Extent> piece = DecodeAt(entries[i], offset);
      if (!piece.ok()) return piece.status();
      piece->length = std::min(piece->length, end - offset);
      if (!extent.Add(*piece)) return OkStatus();
      offset += piece->length;
    }
  }
  return OkStatus();
}

Status TwoLevelReader::Walk(IoChannel& io, uint64_t offset, uint64_t end, ExtentBuilder& extent) {
  const uint64_t coverage = layout_.l2_coverage();
  uint64_t walked = offset;
  while (walked < end) {
    L1Run l1;
    HOTCELL_RETURN_IF_ERROR(ReadL1(io, walked / coverage, l1));
    if (l1.entries[0] == 0) {
      size_t unmapped = 1;
      while (unmapped < l1.count && l1.entries[unmapped] == 0) ++unmapped;
      const uint64_t run_end = std::min(end, (l1.index + unmapped) * coverage);
      if (!extent.Add({.kind = Extent::Kind::kUnallocated, .length = run_end - walked})) break;
    } else {
      const uint64_t table_end = std::min(end, (l1.index + 1) * coverage);
      HOTCELL_RETURN_IF_ERROR(WalkTable(io, l1, walked, table_end, extent));
      if (offset + extent.extent().length < table_end) break;
    }
    walked = offset + extent.extent().length;
  }
  return OkStatus();
}

Status TwoLevelReader::CheckOverlap(const Extent& extent, uint64_t disk_offset) const {
  const bool compressed = extent.kind == Extent::Kind::kCompressed;
  if (!compressed && extent.kind != Extent::Kind::kData) return OkStatus();
  const uint64_t size = compressed ? extent.compressed_size : extent.length;
  for (const FileRegion* const other : {&layout_.header, &l1_table_}) {
    if (!other->Overlaps(extent.offset, size)) continue;
    return CorruptImage(StrCat(layout_.format, ": the data of disk offset ", Hex(disk_offset),
                               " lies at ", Hex(extent.offset), " (", size, " bytes) and overlaps ",
                               other->what, " at ", Hex(other->offset)));
  }
  return OkStatus();
}

Result<Extent> TwoLevelReader::Map(IoChannel& io, uint64_t offset, uint64_t length) {
  ExtentBuilder builder;
  const Status status = Walk(io, offset, offset + length, builder);
  // What comes before a damaged spot can be read; the next call meets the damage first.
  if (builder.empty()) return status;
  HOTCELL_RETURN_IF_ERROR(CheckOverlap(builder.extent(), offset));
  return builder.extent();
}

}  // namespace hotcell::guest
