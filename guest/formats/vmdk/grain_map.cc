#include "guest/formats/vmdk/grain_map.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace hotcell::guest::vmdk {
namespace {

// Compressed grains come one by one; this many entries tell where the stream ends.
constexpr size_t kCompressedBatch = 16;
// Grain tables that are compared with each other at once: 4 MiB of their offsets. Disks of 16 TiB
// in grains of 64 KiB have no more.
constexpr size_t kMaxComparedTables = 512 << 10;

std::string_view DirectoryName(bool redundant) {
  return redundant ? "vmdk: the redundant grain directory" : "vmdk: the grain directory";
}

}  // namespace

// ---- Entries ------------------------------------------------------------------------------------

Status GrainMap::ReadEntries(IoChannel& io, uint64_t place, std::span<uint64_t> entries,
                             std::string_view what) {
  std::array<std::byte, kBatch * sizeof(Le64)> bytes;
  const std::span<std::byte> raw = std::span(bytes).first(entries.size() * layout_.entry_size);
  HOTCELL_RETURN_IF_ERROR(cache_.Read(io, layout_.file, place, raw, what));
  for (size_t i = 0; i < entries.size(); ++i) {
    entries[i] = layout_.entry_size == sizeof(Le64)
                     ? uint64_t{LoadStruct<Le64>(raw, i * sizeof(Le64))}
                     : uint64_t{LoadStruct<Le32>(raw, i * sizeof(Le32))};
  }
  return OkStatus();
}

Status GrainMap::ReadDirectory(IoChannel& io, uint64_t directory, uint64_t first,
                               std::span<uint64_t> entries) {
  return ReadEntries(io, directory + first * layout_.entry_size, entries,
                     DirectoryName(directory != layout_.gd_offset));
}

Status GrainMap::ReadTable(IoChannel& io, uint64_t table, uint64_t first,
                           std::span<uint64_t> entries) {
  return ReadEntries(io, table + first * layout_.entry_size, entries, "vmdk: a grain table");
}

Result<uint64_t> GrainMap::TableAt(uint64_t index, uint64_t entry) const {
  if (entry == 0) return uint64_t{0};
  uint64_t table = entry * kSectorSize;
  const uint64_t needed = std::min<uint64_t>(layout_.gt_entries,
                                             (layout_.capacity - index * layout_.table_coverage() +
                                              layout_.grain_size - 1) /
                                                 layout_.grain_size) *
                          layout_.entry_size;  // bytes of the table
  if (layout_.kind == SparseKind::kSeSparse) {
    const uint64_t number = entry & ~kSeSparseGdeTypeMask;
    if ((entry & kSeSparseGdeTypeMask) != kSeSparseGdeAllocated ||
        number >= layout_.tables.size / layout_.table_size()) {
      return CorruptImage(
          StrCat("vmdk: entry ", index, " of the grain directory (", Hex(entry), ") is damaged"));
    }
    table = layout_.tables.offset + number * layout_.table_size();
  }
  const std::string where =
      StrCat("vmdk: the grain table at ", Hex(table), " (grain directory entry ", index, ")");
  if (table > layout_.file.size || needed > layout_.file.size - table) {
    return CorruptImage(StrCat(where, " reaches past the end of the file (", layout_.file.size,
                               " bytes); the file is truncated or damaged"));
  }
  if (layout_.kind == SparseKind::kSeSparse) return table;
  for (const Region& region : layout_.metadata) {
    if (region.Overlaps(table, needed)) {
      return CorruptImage(StrCat(where, " overlaps ", region.what, " at ", Hex(region.offset), " (",
                                 region.size, " bytes)"));
    }
  }
  return table;
}

Result<Grain> GrainMap::GrainAt(uint64_t offset, uint64_t length, uint64_t entry) const {
  if (entry == 0) return Grain{};
  Grain grain = {.kind = Grain::Kind::kData, .offset = entry * kSectorSize};
  const auto where = [&] { return StrCat("vmdk: the grain of extent offset ", Hex(offset)); };
  if (layout_.kind == SparseKind::kSeSparse) {
    switch (entry & kSeSparseGteTypeMask) {
      case kSeSparseGteUnmapped:
      case kSeSparseGteZero:
        return Grain{.kind = Grain::Kind::kZero};
      case kSeSparseGteAllocated:
        break;
      default:
        return CorruptImage(StrCat(where(), " has an entry that is damaged (", Hex(entry), ")"));
    }
    const uint64_t number = (entry & 0x0fff'0000'0000'0000) >> 48 | (entry & 0x0000'ffff'ffff'ffff)
                                                                        << 12;
    if (number > (UINT64_MAX - layout_.grains_offset) / layout_.grain_size) {
      return CorruptImage(StrCat(where(), " has an entry that is damaged (", Hex(entry), ")"));
    }
    grain.offset = layout_.grains_offset + number * layout_.grain_size;
  } else if (layout_.zeroed_grains && entry == kZeroedGrain) {
    return Grain{.kind = Grain::Kind::kZero};
  }
  // A compressed stream's size is not known here; only its start is sure to be claimed.
  const uint64_t size = layout_.compressed ? 1 : length;
  if (grain.offset > layout_.file.size || size > layout_.file.size - grain.offset) {
    return CorruptImage(StrCat(where(), " lies at ", Hex(grain.offset), " (", size,
                               " bytes) and reaches past the end of the file (", layout_.file.size,
                               " bytes); the file is truncated or damaged"));
  }
  for (const Region& region : layout_.metadata) {
    if (region.Overlaps(grain.offset, size)) {
      return CorruptImage(StrCat(where(), " lies at ", Hex(grain.offset), " (", size,
                                 " bytes) and overlaps ", region.what, " at ", Hex(region.offset)));
    }
  }
  return grain;
}

// ---- Mapping ------------------------------------------------------------------------------------

// Most that the stream at `begin` can have: up to the grain that follows it, where grains were
// written in order, else what QEMU reads. The entries after its own tell.
uint64_t GrainMap::StreamBound(uint64_t begin, std::span<const uint64_t> following) const {
  uint64_t bound = std::min(2 * layout_.grain_size, layout_.file.size - begin);
  for (const uint64_t entry : following) {
    if (entry == 0 || (layout_.zeroed_grains && entry == kZeroedGrain)) continue;
    const uint64_t next = entry * kSectorSize;
    if (next > begin) bound = std::min(bound, next - begin);
    break;
  }
  return bound;
}

Result<Extent> GrainMap::MakeExtent(uint64_t offset, uint64_t end,
                                    std::span<const uint64_t> entries) const {
  const uint64_t in_grain = offset % layout_.grain_size;
  const uint64_t begin = offset - in_grain;
  const uint64_t on_disk = std::min(layout_.grain_size, layout_.capacity - begin);
  auto grain = GrainAt(begin, on_disk, entries[0]);
  if (!grain.ok()) return grain.status();
  Extent extent = {.length = std::min(end - offset, on_disk - in_grain), .slot = layout_.file.slot};
  switch (grain->kind) {
    case Grain::Kind::kUnallocated:
      extent.kind = Extent::Kind::kUnallocated;
      return extent;
    case Grain::Kind::kZero:
      extent.kind = Extent::Kind::kZero;
      return extent;
    case Grain::Kind::kData:
      break;
  }
  if (!layout_.compressed) {
    extent.kind = Extent::Kind::kData;
    extent.offset = grain->offset + in_grain;
    return extent;
  }
  extent.kind = Extent::Kind::kCompressed;
  extent.offset = grain->offset;
  extent.compressed_size = static_cast<uint32_t>(StreamBound(grain->offset, entries.subspan(1)));
  extent.cluster_size = static_cast<uint32_t>(layout_.grain_size);
  extent.offset_in_cluster = static_cast<uint32_t>(in_grain);
  extent.compression = Compression::kZlib;
  if (layout_.markers) extent.marker_lba = begin / kSectorSize;
  return extent;
}

Status GrainMap::Claim(const Extent& piece, uint64_t offset, uint64_t disk_offset) {
  uint64_t place = piece.offset;
  const uint64_t in_grain = offset % layout_.grain_size;
  if (piece.kind == Extent::Kind::kData) {
    place -= in_grain;
  } else if (piece.kind != Extent::Kind::kCompressed) {
    return OkStatus();
  }
  const uint64_t grain = disk_offset + offset - in_grain;
  // No file is so large that the files' places meet.
  const std::optional<uint64_t> other =
      claims_.Claim(place ^ uint64_t{layout_.file.slot} << 52, grain);
  if (!other.has_value()) return OkStatus();
  return CorruptImage(StrCat("vmdk: the grains of disk offsets ", Hex(*other), " and ", Hex(grain),
                             " claim the same data at ", Hex(place),
                             "; the image is damaged or made to expand without end"));
}

Status GrainMap::WalkTable(IoChannel& io, uint64_t table, uint64_t offset, uint64_t end,
                           uint64_t disk_offset, ExtentBuilder& extent) {
  std::array<uint64_t, kBatch> batch;
  while (offset < end) {
    const uint64_t number = offset / layout_.grain_size;
    const uint64_t first = number % layout_.gt_entries;
    const uint64_t needed = (end - 1) / layout_.grain_size - number + 1;
    const uint64_t wanted = layout_.compressed ? kCompressedBatch : needed;
    // Entries behind the disk's end need not be there.
    const uint64_t last = (layout_.capacity - 1) / layout_.grain_size;
    const std::span entries = std::span(batch).first(
        std::min<uint64_t>({wanted, kBatch, layout_.gt_entries - first, last - number + 1}));
    HOTCELL_RETURN_IF_ERROR(ReadTable(io, table, first, entries));
    for (size_t i = 0; i < entries.size() && offset < end; ++i) {
      auto piece = MakeExtent(offset, end, entries.subspan(i));
      if (!piece.ok()) return piece.status();
      HOTCELL_RETURN_IF_ERROR(Claim(*piece, offset, disk_offset));
      if (!extent.Add(*piece)) return OkStatus();
      offset += piece->length;
    }
  }
  return OkStatus();
}

Status GrainMap::Walk(IoChannel& io, uint64_t offset, uint64_t end, uint64_t disk_offset,
                      ExtentBuilder& extent) {
  const uint64_t coverage = layout_.table_coverage();
  std::array<uint64_t, kBatch> batch;
  uint64_t walked = offset;
  while (walked < end) {
    const uint64_t index = walked / coverage;
    const uint64_t needed = (end - 1) / coverage - index + 1;
    const std::span entries = std::span(batch).first(std::min<uint64_t>(needed, kBatch));
    HOTCELL_RETURN_IF_ERROR(ReadDirectory(io, layout_.gd_offset, index, entries));
    for (size_t i = 0; i < entries.size(); ++i) {
      const uint64_t table_end = std::min(end, (index + i + 1) * coverage);
      auto table = TableAt(index + i, entries[i]);
      if (!table.ok()) return table.status();
      if (*table == 0) {
        const Extent hole = {.kind = Extent::Kind::kUnallocated, .length = table_end - walked};
        if (!extent.Add(hole)) return OkStatus();
      } else {
        HOTCELL_RETURN_IF_ERROR(WalkTable(io, *table, walked, table_end, disk_offset, extent));
        if (offset + extent.extent().length < table_end) return OkStatus();
      }
      walked = table_end;
    }
  }
  return OkStatus();
}

Result<Extent> GrainMap::Map(IoChannel& io, uint64_t offset, uint64_t length,
                             uint64_t disk_offset) {
  ExtentBuilder builder;
  const Status status = Walk(io, offset, offset + length, disk_offset, builder);
  // What comes before a damaged spot can be read; the next call meets the damage first.
  if (builder.empty()) return status;
  return builder.extent();
}

Status GrainMap::CheckTables(IoChannel& io) {
  std::vector<uint64_t> tables;
  std::array<uint64_t, kBatch> batch;
  for (uint64_t index = 0; index < layout_.gd_entries;) {
    const std::span entries =
        std::span(batch).first(std::min<uint64_t>(kBatch, layout_.gd_entries - index));
    HOTCELL_RETURN_IF_ERROR(ReadDirectory(io, layout_.gd_offset, index, entries));
    for (size_t i = 0; i < entries.size(); ++i) {
      auto table = TableAt(index + i, entries[i]);
      if (!table.ok()) return table.status();
      if (*table != 0) tables.push_back(*table);
    }
    index += entries.size();
    if (tables.size() < kMaxComparedTables && index < layout_.gd_entries) continue;
    std::sort(tables.begin(), tables.end());
    const uint64_t size = layout_.table_size();
    const auto overlap = std::adjacent_find(
        tables.begin(), tables.end(), [size](uint64_t a, uint64_t b) { return b - a < size; });
    if (overlap != tables.end()) {
      return CorruptImage(StrCat("vmdk: entries of the grain directory at ", Hex(layout_.gd_offset),
                                 " claim grain tables at ", Hex(*overlap), " and ",
                                 Hex(*(overlap + 1)), ", which are the same or overlap"));
    }
    tables.clear();
  }
  return OkStatus();
}

}  // namespace hotcell::guest::vmdk
