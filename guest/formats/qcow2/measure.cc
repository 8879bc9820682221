#include "guest/formats/qcow2/measure.h"

#include <algorithm>

#include "base/alignment.h"
#include "guest/formats/qcow2/on_disk.h"
#include "guest/formats/qcow2/write_options.h"

namespace hotcell::guest {
namespace {

using qcow2::WriteOptions;

// QEMU makes no larger L1 table.
constexpr uint64_t kMaxL1Bytes = 32 << 20;
constexpr uint64_t kMaxSize = uint64_t{1} << 62;
constexpr uint64_t kTableEntry = 8;          // bytes, of L1, refcount and bitmap tables
constexpr uint64_t kBitmapEntryHeader = 24;  // bytes of a bitmap directory entry before the name

uint64_t L2EntrySize(const WriteOptions& options) { return options.extended_l2 ? 16 : 8; }

// Bytes of the refcount table and of its blocks, which count themselves, for `clusters` others.
uint64_t RefcountBytes(uint64_t clusters, const WriteOptions& options) {
  const uint64_t cluster_size = 1ull << options.cluster_bits;
  const uint64_t counts_per_block = cluster_size * 8 >> options.refcount_order;
  uint64_t blocks = 0;
  uint64_t table = 0;
  for (uint64_t last = UINT64_MAX; last != blocks + table;) {
    last = blocks + table;
    blocks = DivideUp(clusters + last, counts_per_block);
    table = DivideUp(blocks, cluster_size / kTableEntry);
  }
  return (blocks + table) * cluster_size;
}

// Header, L1 and L2 tables and refcounts of a full image.
uint64_t MetadataBytes(uint64_t size, const WriteOptions& options) {
  const uint64_t cluster_size = 1ull << options.cluster_bits;
  const uint64_t l2 = AlignUp(size / cluster_size * L2EntrySize(options), cluster_size);
  const uint64_t l1 = AlignUp(l2 / cluster_size * kTableEntry, cluster_size);
  const uint64_t bytes = cluster_size + l1 + l2;
  return bytes + RefcountBytes((bytes + size) / cluster_size, options);
}

Status CheckSize(uint64_t size, const WriteOptions& options) {
  const uint64_t l2_coverage = ((1ull << options.cluster_bits) / L2EntrySize(options))
                               << options.cluster_bits;
  if (size <= kMaxSize && DivideUp(size, l2_coverage) * kTableEntry <= kMaxL1Bytes) {
    return OkStatus();
  }
  return InvalidArgument("The image size is too large (try using a larger cluster size)");
}

// Every bitmap with all its bits, their tables and the directory.
uint64_t BitmapBytes(const std::vector<BitmapInfo>& bitmaps, uint64_t virtual_size,
                     uint64_t cluster_size) {
  uint64_t bytes = 0;
  uint64_t directory = 0;
  for (const BitmapInfo& bitmap : bitmaps) {
    const uint64_t bits = DivideUp(virtual_size, bitmap.granularity);
    const uint64_t clusters = DivideUp(DivideUp(bits, 8), cluster_size);
    bytes += clusters * cluster_size + AlignUp(clusters * kTableEntry, cluster_size);
    directory += AlignUp(kBitmapEntryHeader + bitmap.name.size(), 8);
  }
  return bytes + AlignUp(directory, cluster_size);
}

}  // namespace

Result<Measurement> MeasureQcow2(MeasuredDisk& disk, const MeasureOptions& options) {
  const auto chosen = qcow2::ParseWriteOptions({.options = options.options});
  if (!chosen.ok()) return chosen.status();
  const uint64_t cluster_size = 1ull << chosen->cluster_bits;
  HOTCELL_RETURN_IF_ERROR(CheckSize(disk.size(), *chosen));
  const uint64_t size = AlignUp(disk.size(), cluster_size);
  const ImageDescription* const source = disk.source();

  uint64_t data = 0;
  if (chosen->preallocate_data || (source != nullptr && options.has_backing)) {
    // How much the backing image has of it nobody knows.
    data = size;
  } else if (source != nullptr) {
    const auto counted = disk.DataBytes(cluster_size);
    if (!counted.ok()) return counted.status();
    data = *counted;
  }
  const uint64_t metadata = MetadataBytes(size, *chosen);
  Measurement measurement = {.required = metadata + data, .fully_allocated = metadata + size};
  if (chosen->version >= 3 && source != nullptr && source->bitmaps) {
    measurement.bitmaps = BitmapBytes(*source->bitmaps, source->virtual_size, cluster_size);
  }
  return measurement;
}

}  // namespace hotcell::guest
