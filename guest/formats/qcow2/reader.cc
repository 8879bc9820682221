#include "guest/formats/qcow2/reader.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "base/text.h"

namespace hotcell::guest::qcow2 {
namespace {

constexpr size_t kSliceSize = 64 << 10;
constexpr size_t kL1Slices = 4;
// 1 MiB of L2 tables maps 8 GiB with clusters of 64 KiB; every lane needs one slice.
constexpr size_t kL2CacheSize = 1 << 20;
constexpr size_t kMaxL2Slices = 256;
constexpr size_t kWordsAtOnce = 128;
// L2 tables that are compared with each other at once: 4 MiB of their offsets. Disks of 256 TiB in
// clusters of 64 KiB have no more.
constexpr size_t kMaxComparedTables = 512 << 10;

size_t L2SliceSize(const ImageHeader& header) {
  return std::min<uint64_t>(header.cluster_size, kSliceSize);
}

size_t L2SliceCount(const ImageHeader& header) {
  return std::min(kL2CacheSize / L2SliceSize(header), kMaxL2Slices);
}

// The name that qemu-img has for the encryption; empty: there is none.
std::string_view EncryptionName(uint32_t crypt_method) {
  if (crypt_method == kCryptNone) return {};
  return crypt_method == kCryptAes ? "aes" : "luks";
}

std::string Words(const SnapshotSelector& wanted) {
  if (wanted.id_or_name) return StrCat("'", *wanted.id_or_name, "'");
  std::string words;
  if (wanted.id) words = StrCat("with the id '", *wanted.id, "'");
  if (wanted.id && wanted.name) words += " and ";
  if (wanted.name) words = StrCat(words, wanted.id ? "" : "with ", "the name '", *wanted.name, "'");
  return words;
}

}  // namespace

Reader::Reader(ImageParts parts)
    : parts_(std::move(parts)),
      decoder_(parts_.header, parts_.data_file),
      virtual_size_(parts_.header.size),
      l1_offset_(parts_.header.l1_offset),
      l1_needed_(parts_.header.L1EntriesFor(parts_.header.size)),
      l1_cache_("qcow2", std::endian::big, kSliceSize, kL1Slices),
      l2_cache_("qcow2", std::endian::big, L2SliceSize(parts_.header),
                L2SliceCount(parts_.header)) {}

Status Reader::ReadL1(IoChannel& io, uint64_t index, L1Run& run) {
  constexpr uint64_t kPerSlice = kSliceSize / sizeof(uint64_t);
  const uint64_t in_slice = index % kPerSlice;
  const uint64_t slice_entries = std::min(kPerSlice, l1_needed_ - (index - in_slice));
  run.index = index;
  run.count = std::min<uint64_t>(L1Run::kMaxEntries, slice_entries - in_slice);
  const Slice slice = {.offset = l1_offset_ + (index - in_slice) * sizeof(uint64_t),
                       .size = static_cast<uint32_t>(slice_entries * sizeof(uint64_t))};
  return l1_cache_.Read(io, parts_.file, {&slice, 1}, in_slice, {run.entries, run.count},
                        "the L1 table");
}

bool Reader::CanBeL2Table(uint64_t table) const {
  const uint64_t size = parts_.header.cluster_size;
  return table % size == 0 && table <= parts_.file.size && size <= parts_.file.size - table &&
         std::none_of(parts_.regions.begin(), parts_.regions.end(),
                      [&](const Region& region) { return region.Overlaps(table, size); });
}

Status Reader::CheckL2Table(uint64_t l1_index, uint64_t table) const {
  if (CanBeL2Table(table)) return OkStatus();
  const uint64_t size = parts_.header.cluster_size;
  const std::string where =
      StrCat("qcow2: the L2 table at ", Hex(table), " (L1 entry ", l1_index, ")");
  if (table % size != 0) {
    return CorruptImage(
        StrCat(where, " is not at a cluster boundary (clusters have ", size, " bytes)"));
  }
  if (table > parts_.file.size || size > parts_.file.size - table) {
    return CorruptImage(StrCat(where, " reaches past the end of the file (", parts_.file.size,
                               " bytes); the file is truncated or damaged"));
  }
  for (const Region& region : parts_.regions) {
    if (region.Overlaps(table, size)) {
      return CorruptImage(StrCat(where, " overlaps ", region.what, " at ", Hex(region.offset), " (",
                                 region.size, " bytes)"));
    }
  }
  return OkStatus();
}

Status Reader::CheckL2Tables(IoChannel& io) {
  std::vector<uint64_t> tables;
  for (uint64_t index = 0; index < l1_needed_;) {
    L1Run run;
    HOTCELL_RETURN_IF_ERROR(ReadL1(io, index, run));
    for (size_t i = 0; i < run.count; ++i) {
      if (run.table(i) == 0) continue;
      HOTCELL_RETURN_IF_ERROR(CheckL2Table(index + i, run.table(i)));
      tables.push_back(run.table(i));
    }
    index += run.count;
    if (tables.size() < kMaxComparedTables && index < l1_needed_) continue;
    std::sort(tables.begin(), tables.end());
    const auto twice = std::adjacent_find(tables.begin(), tables.end());
    if (twice != tables.end()) {
      return CorruptImage(StrCat("qcow2: two entries of the L1 table at ", Hex(l1_offset_),
                                 " claim the same L2 table at ", Hex(*twice)));
    }
    tables.clear();
  }
  return OkStatus();
}

Status Reader::ReadL2(IoChannel& io, const L1Run& l1, uint64_t first, std::span<uint64_t> words) {
  const uint64_t slice_size = l2_cache_.slice_size();
  const uint64_t words_per_slice = slice_size / sizeof(uint64_t);
  const uint64_t slice_begin = first / words_per_slice * slice_size;

  std::array<Slice, TableCache::kMaxLoad> slices;
  slices[0] = {.offset = l1.table(0) + slice_begin, .size = static_cast<uint32_t>(slice_size)};
  size_t count = 1;
  // Small clusters mean small tables, read one after the other: the next ones come along.
  const size_t most = std::min(slices.size(), kSliceSize / slice_size);
  for (size_t i = 1; i < l1.count && count < most; ++i) {
    if (l1.table(i) == 0 || !CanBeL2Table(l1.table(i))) continue;
    slices[count++] = {.offset = l1.table(i), .size = static_cast<uint32_t>(slice_size)};
  }
  return l2_cache_.Read(io, parts_.file, std::span(slices).first(count), first % words_per_slice,
                        words, "an L2 table");
}

Status Reader::WalkTable(IoChannel& io, const L1Run& l1, uint64_t offset, uint64_t end,
                         ExtentBuilder& extent) {
  HOTCELL_RETURN_IF_ERROR(CheckL2Table(l1.index, l1.table(0)));
  const ImageHeader& header = parts_.header;
  const uint32_t entry_words = header.l2_entry_words();
  const uint64_t slice_clusters = l2_cache_.slice_size() / sizeof(uint64_t) / entry_words;
  while (offset < end) {
    const uint64_t first = offset / header.cluster_size % header.l2_entries();
    const uint64_t left = (end - 1) / header.cluster_size - offset / header.cluster_size + 1;
    const uint64_t clusters = std::min(
        {left, slice_clusters - first % slice_clusters, uint64_t{kWordsAtOnce / entry_words}});
    std::array<uint64_t, kWordsAtOnce> words;
    HOTCELL_RETURN_IF_ERROR(
        ReadL2(io, l1, first * entry_words, std::span(words).first(clusters * entry_words)));

    const uint64_t batch_begin = offset - offset % header.cluster_size;
    const uint64_t batch_end = std::min(end, batch_begin + clusters * header.cluster_size);
    while (offset < batch_end) {
      const uint64_t i = (offset - batch_begin) / header.cluster_size;
      const uint64_t in_cluster = offset % header.cluster_size;
      const ClusterEntry entry = {.descriptor = words[i * entry_words],
                                  .bitmap = entry_words == 2 ? words[i * entry_words + 1] : 0,
                                  .virtual_offset = offset - in_cluster};
      Result<Extent> piece = decoder_.Decode(entry, in_cluster);
      if (!piece.ok()) return piece.status();
      HOTCELL_RETURN_IF_ERROR(ClaimData(*piece, entry.virtual_offset, in_cluster));
      piece->length = std::min(piece->length, end - offset);
      if (!extent.Add(*piece)) return OkStatus();
      offset += piece->length;
    }
  }
  return OkStatus();
}

Status Reader::Walk(IoChannel& io, uint64_t offset, uint64_t end, ExtentBuilder& extent) {
  const uint64_t coverage = parts_.header.l2_coverage();
  uint64_t walked = offset;
  while (walked < end) {
    L1Run l1;
    HOTCELL_RETURN_IF_ERROR(ReadL1(io, walked / coverage, l1));
    if (l1.table(0) == 0) {
      size_t unmapped = 1;
      while (unmapped < l1.count && l1.table(unmapped) == 0) ++unmapped;
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

Status Reader::CheckDataRange(const Extent& extent, uint64_t disk_offset) const {
  const bool in_this_file = extent.kind == Extent::Kind::kCompressed ||
                            (extent.kind == Extent::Kind::kData && !parts_.header.has_data_file());
  if (!in_this_file) return OkStatus();
  // A compressed stream's size is an upper bound; only its start is sure to be claimed.
  const uint64_t size = extent.kind == Extent::Kind::kData ? extent.length : 1;
  for (const Region& region : parts_.regions) {
    if (region.Overlaps(extent.offset, size)) {
      return CorruptImage(StrCat("qcow2: the data of disk offset ", Hex(disk_offset), " lies at ",
                                 Hex(extent.offset), " (", size, " bytes) and overlaps ",
                                 region.what, " at ", Hex(region.offset)));
    }
  }
  return OkStatus();
}

Status Reader::ClaimData(const Extent& extent, uint64_t cluster, uint64_t in_cluster) {
  uint64_t place = extent.offset;
  if (extent.kind == Extent::Kind::kData) {
    place -= in_cluster;
  } else if (extent.kind != Extent::Kind::kCompressed) {
    return OkStatus();
  }
  const std::optional<uint64_t> other = claims_.Claim(place, cluster);
  if (!other.has_value()) return OkStatus();
  return CorruptImage(StrCat("qcow2: the clusters of disk offsets ", Hex(*other), " and ",
                             Hex(cluster), " claim the same data at ", Hex(place),
                             "; the image is damaged or made to expand without end"));
}

Result<Extent> Reader::Map(IoChannel& io, uint64_t offset, uint64_t length) {
  ExtentBuilder builder;
  const Status status = Walk(io, offset, offset + length, builder);
  // What comes before a damaged spot can be read; the next call meets the damage first.
  if (builder.empty()) return status;
  HOTCELL_RETURN_IF_ERROR(CheckDataRange(builder.extent(), offset));
  return builder.extent();
}

Status Reader::SelectSnapshot(IoChannel& io, const SnapshotSelector& wanted) {
  const Snapshot* const snapshot = parts_.snapshots.Find(wanted);
  if (snapshot == nullptr) {
    return Status(Code::kNotFound,
                  StrCat("qcow2: the image has no internal snapshot ", Words(wanted)));
  }
  const uint64_t l1_bytes = snapshot->l1_size * uint64_t{8};
  HOTCELL_RETURN_IF_ERROR(CheckL1Table(parts_.header, snapshot->l1_offset, snapshot->l1_size,
                                       snapshot->info.virtual_size, "the snapshot's L1 table"));
  std::vector<Region> regions = parts_.regions;
  if (l1_bytes > 0) {
    regions.push_back(
        {.offset = snapshot->l1_offset, .size = l1_bytes, .what = "the snapshot's L1 table"});
  }
  HOTCELL_RETURN_IF_ERROR(CheckRegions(regions, parts_.file));
  virtual_size_ = snapshot->info.virtual_size;
  l1_offset_ = snapshot->l1_offset;
  l1_needed_ = parts_.header.L1EntriesFor(virtual_size_);
  return CheckL2Tables(io);
}

// In QEMU's order.
DetailList Reader::Details() const {
  const ImageHeader& header = parts_.header;
  const bool version3 = header.version >= 3;
  DetailList details;
  details.Text("compat", version3 ? "1.1" : "0.10");
  details.Text("compression-type", header.compression == Compression::kZstd ? "zstd" : "zlib");
  if (version3) {
    details.Bool("lazy-refcounts", (header.compatible & kCompatibleLazyRefcounts) != 0);
  }
  if (!parts_.bitmaps.empty()) details.Bitmaps("bitmaps");
  details.Number("refcount-bits", header.refcount_bits);
  if (header.data_file) {
    details.Name("data-file", *header.data_file);
    details.Bool("data-file-raw", header.data_file_raw());
  }
  if (header.crypt_method != kCryptNone) {
    details.Dictionary("encrypt",
                       [&] { details.Text("format", EncryptionName(header.crypt_method)); });
  }
  if (version3) {
    details.Bool("corrupt", header.corrupt());
    details.Bool("extended-l2", header.extended_l2());
  }
  return details;
}

ImageDescription Reader::Describe() const {
  const ImageHeader& header = parts_.header;
  ImageDescription description;
  description.format = "qcow2";
  description.virtual_size = virtual_size_;
  description.cluster_size = header.cluster_size;
  description.dirty = header.dirty();
  description.encrypted = header.crypt_method != kCryptNone;
  description.encryption = EncryptionName(header.crypt_method);
  description.backing = header.backing;
  description.features = header.features;
  if (header.backing) description.references.push_back(*header.backing);
  if (header.data_file) {
    description.references.push_back({.kind = ReferenceKind::kDataFile, .name = *header.data_file});
  }
  for (const Snapshot& snapshot : parts_.snapshots.snapshots) {
    description.snapshots.push_back(snapshot.info);
  }
  if (header.version >= 3) description.bitmaps = parts_.bitmaps;
  description.corrupt = header.corrupt();
  description.details = Details();
  description.warnings = parts_.warnings;
  return description;
}

}  // namespace hotcell::guest::qcow2
