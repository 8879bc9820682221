#include "guest/formats/vmdk/vmdk_writer_extent.h"

#include <algorithm>
#include <span>

#include "base/alignment.h"
#include "guest/formats/common/file_writes.h"

namespace hotcell::guest::vmdk {
namespace {

constexpr uint64_t kEntriesPerSector = kSectorSize / sizeof(Le32);

}  // namespace

SparseExtent::SparseExtent(uint32_t slot, uint64_t sectors, bool has_descriptor)
    : slot_(slot),
      sectors_(sectors),
      has_descriptor_(has_descriptor),
      tables_(DivideUp(sectors, kGrainSectors * kTableEntries)) {
  const uint64_t directory_sectors = DivideUp(tables_, kEntriesPerSector);
  const uint64_t tables_sectors = tables_ * kTableSectors;
  redundant_directory_ = kDescriptorSector + (has_descriptor ? kDescriptorSectors : 0);
  redundant_tables_ = redundant_directory_ + directory_sectors;
  directory_ = redundant_tables_ + tables_sectors;
  first_table_ = directory_ + directory_sectors;
  overhead_ = DivideUp(first_table_ + tables_sectors, kGrainSectors) * kGrainSectors;
  next_sector_ = overhead_;
}

Status SparseExtent::SelectWindow(IoChannel& io, uint64_t grain) {
  if (!window_.empty() && grain < window_begin_ + window_.size()) return OkStatus();
  HOTCELL_RETURN_IF_ERROR(FinishTables(io));
  window_begin_ = grain / kWindowEntries * kWindowEntries;
  window_.resize(std::min(kWindowEntries, tables_ * kTableEntries - window_begin_));
  return OkStatus();
}

Status SparseExtent::FinishTables(IoChannel& io) {
  if (window_.empty()) return OkStatus();
  const std::span<const std::byte> entries = std::as_bytes(std::span(window_));
  const uint64_t at = window_begin_ * sizeof(Le32);
  for (const uint64_t tables : {redundant_tables_, first_table_}) {
    HOTCELL_RETURN_IF_ERROR(
        WriteAll(io, slot_, tables * kSectorSize + at, entries, "the vmdk grain tables"));
  }
  window_ = {};
  return OkStatus();
}

Status SparseExtent::PlaceData(IoChannel& io, const Run& run, uint64_t offset,
                               ContentId& content_id, std::vector<FileWrite>& writes) {
  const uint64_t end = offset + run.length;
  for (uint64_t at = offset; at < end;) {
    const uint64_t grain = at / kGrainSize;
    HOTCELL_RETURN_IF_ERROR(SelectWindow(io, grain));
    uint64_t count = 1;
    // Only the first grain of a run can be there already, from a run before it.
    if (window_[grain - window_begin_] == 0) {
      const uint64_t window_end = window_begin_ + window_.size();
      count = std::min(DivideUp(end, kGrainSize), window_end) - grain;
      for (uint64_t i = 0; i < count; ++i) {
        window_[grain - window_begin_ + i] = static_cast<uint32_t>(next_sector_);
        content_id.Add(grain + i);
        next_sector_ += kGrainSectors;
      }
      HOTCELL_RETURN_IF_ERROR(CheckFileSize(next_sector_));
    }
    const uint64_t place = uint64_t{window_[grain - window_begin_]} * kSectorSize + at % kGrainSize;
    const uint64_t piece_end = std::min(end, (grain + count) * kGrainSize);
    AddWrite(writes, {.slot = slot_,
                      .offset = place,
                      .length = piece_end - at,
                      .data = run.data + (at - offset)});
    at = piece_end;
  }
  return OkStatus();
}

Status SparseExtent::WriteDirectory(IoChannel& io, uint64_t sector, uint64_t first_table) const {
  constexpr uint64_t kPiece = 16 << 10;  // entries
  std::vector<Le32> entries;
  for (uint64_t begin = 0; begin < tables_; begin += kPiece) {
    const uint64_t end = std::min(tables_, begin + kPiece);
    entries.clear();
    for (uint64_t table = begin; table < end; ++table) {
      entries.push_back(static_cast<uint32_t>(first_table + table * kTableSectors));
    }
    HOTCELL_RETURN_IF_ERROR(WriteAll(io, slot_, sector * kSectorSize + begin * sizeof(Le32),
                                     std::as_bytes(std::span(entries)),
                                     "the vmdk grain directory"));
  }
  return OkStatus();
}

Status SparseExtent::Finish(IoChannel& io, bool zeroed_grain, std::string_view descriptor) {
  HOTCELL_RETURN_IF_ERROR(CheckFileSize(next_sector_));
  HOTCELL_RETURN_IF_ERROR(WriteDirectory(io, redundant_directory_, redundant_tables_));
  HOTCELL_RETURN_IF_ERROR(WriteDirectory(io, directory_, first_table_));
  // Whole grains: what was left out at their ends reads as zeroes.
  if (const IoResult sized = io.SetSize(slot_, next_sector_ * kSectorSize); !sized.ok()) {
    return IoError(sized, "set the size of the vmdk file");
  }
  // A file without a header is no image, so that one which is not complete cannot be taken for one.
  if (const IoResult flushed = io.Flush(slot_); !flushed.ok()) {
    return IoError(flushed, "flush the vmdk file");
  }
  SparseExtentHeader header = MakeHeader(sectors_, has_descriptor_);
  header.flags = header.flags | kFlagRedundantTables | (zeroed_grain ? kFlagZeroedGrains : 0);
  header.version = zeroed_grain ? 2 : 1;
  header.rgdOffset = redundant_directory_;
  header.gdOffset = directory_;
  header.overHead = overhead_;
  return WriteHeaderAndDescriptor(io, slot_, header, descriptor);
}

}  // namespace hotcell::guest::vmdk
