#include "guest/formats/common/two_level_builder.h"

#include <algorithm>
#include <span>

#include "base/alignment.h"
#include "guest/formats/common/endian.h"
#include "guest/formats/common/file_writes.h"

namespace hotcell::guest {
namespace {

// What is written of tables at once: several small ones, pieces of large ones.
constexpr uint64_t kBatchEntries = (64 << 10) / sizeof(uint64_t);
constexpr uint64_t kMaxUnitEntries = (256 << 10) / sizeof(uint64_t);

}  // namespace

TwoLevelBuilder::TwoLevelBuilder(const Shape& shape)
    : shape_(shape),
      entries_per_unit_(std::min(shape.l2_entries, kMaxUnitEntries)),
      units_per_table_(shape.l2_entries / entries_per_unit_),
      units_per_batch_(std::max<uint64_t>(kBatchEntries / entries_per_unit_, 1)),
      end_(shape.l1_offset + shape.l1_bytes),
      entries_(units_per_batch_ * entries_per_unit_),
      l1_piece_(kBatchEntries) {}

uint64_t TwoLevelBuilder::Allocate(uint64_t size) {
  const uint64_t offset = AlignUp(end_, shape_.cluster_size);
  end_ = offset + size;
  return offset;
}

// Makes the unit of the cluster's entry the current one; those before it are complete.
Status TwoLevelBuilder::Select(IoChannel& io, uint64_t cluster) {
  const uint64_t unit = cluster / entries_per_unit_;
  if (unit == unit_) return OkStatus();
  if (used_) complete_.push_back(unit_);
  used_ = false;
  unit_ = unit;
  return complete_.size() == units_per_batch_ ? WriteUnits(io) : OkStatus();
}

uint64_t& TwoLevelBuilder::Entry(uint64_t cluster) {
  return entries_[complete_.size() * entries_per_unit_ + cluster % entries_per_unit_];
}

void TwoLevelBuilder::SetEntry(uint64_t cluster, uint64_t entry) {
  Entry(cluster) = entry;
  used_ = true;
}

Status TwoLevelBuilder::PlaceData(IoChannel& io, const Run& run, std::vector<FileWrite>& writes) {
  const uint64_t size = shape_.cluster_size;
  const uint64_t end = run.offset + run.length;
  for (uint64_t at = run.offset; at < end;) {
    const uint64_t cluster = at / size;
    HOTCELL_RETURN_IF_ERROR(Select(io, cluster));
    uint64_t count = 1;
    // Only the first cluster of a run can have a place already, from a run before it.
    if (Entry(cluster) <= kZeroEntry) {
      count = std::min((end - 1) / size + 1, UnitEnd()) - cluster;
      const uint64_t place = Allocate(count * size);
      for (uint64_t i = 0; i < count; ++i) SetEntry(cluster + i, place + i * size);
    }
    const uint64_t piece_end = std::min(end, (cluster + count) * size);
    AddWrite(writes, {.offset = Entry(cluster) + at % size,
                      .length = piece_end - at,
                      .data = run.data + (at - run.offset)});
    at = piece_end;
  }
  return OkStatus();
}

Status TwoLevelBuilder::PlaceStream(IoChannel& io, const Run& run, uint64_t entry_bits,
                                    std::vector<FileWrite>& writes) {
  const uint64_t cluster = run.offset / shape_.cluster_size;
  HOTCELL_RETURN_IF_ERROR(Select(io, cluster));
  SetEntry(cluster, end_ | entry_bits);
  AddWrite(writes, {.offset = end_, .length = run.size, .data = run.data});
  end_ += run.size;
  return OkStatus();
}

Status TwoLevelBuilder::PlaceZeroEntries(IoChannel& io, const Run& run) {
  const uint64_t end = run.offset + run.length;
  for (uint64_t cluster = run.offset / shape_.cluster_size; cluster * shape_.cluster_size < end;
       ++cluster) {
    HOTCELL_RETURN_IF_ERROR(Select(io, cluster));
    if (Entry(cluster) == 0) SetEntry(cluster, kZeroEntry);
  }
  return OkStatus();
}

Status TwoLevelBuilder::PlaceHoles(IoChannel& io, const Run& run) {
  const uint64_t end = run.offset + run.length;
  for (uint64_t cluster = run.offset / shape_.cluster_size; cluster * shape_.cluster_size < end;
       ++cluster) {
    HOTCELL_RETURN_IF_ERROR(Select(io, cluster));
    if (Entry(cluster) == 0) SetEntry(cluster, Allocate(shape_.cluster_size));
  }
  return OkStatus();
}

// The first `count` entries, which become 0.
Status TwoLevelBuilder::WriteEntries(IoChannel& io, uint64_t offset, uint64_t count,
                                     std::string_view what) {
  const std::span entries = std::span(entries_).first(count);
  if (shape_.byte_order != std::endian::native) {
    for (uint64_t& entry : entries) entry = SwapBytes(entry);
  }
  HOTCELL_RETURN_IF_ERROR(WriteAll(io, shape_.slot, offset, std::as_bytes(entries), what));
  std::fill(entries.begin(), entries.end(), 0);
  return OkStatus();
}

Status TwoLevelBuilder::WriteUnits(IoChannel& io) {
  if (units_per_table_ > 1) return WritePiece(io);
  const uint64_t table_bytes = shape_.l2_entries * sizeof(uint64_t);
  const uint64_t offset = Allocate(complete_.size() * table_bytes);
  HOTCELL_RETURN_IF_ERROR(
      WriteEntries(io, offset, complete_.size() * shape_.l2_entries, "L2 tables"));
  for (size_t i = 0; i < complete_.size(); ++i) {
    HOTCELL_RETURN_IF_ERROR(SetL1Entry(io, complete_[i], offset + i * table_bytes));
  }
  complete_.clear();
  return OkStatus();
}

// A large table gets its place with the first piece of it that has an entry.
Status TwoLevelBuilder::WritePiece(IoChannel& io) {
  const uint64_t table = complete_[0] / units_per_table_;
  const uint64_t piece = complete_[0] % units_per_table_;
  complete_.clear();
  if (table != piece_table_) {
    piece_table_ = table;
    piece_table_offset_ = Allocate(shape_.l2_entries * sizeof(uint64_t));
    HOTCELL_RETURN_IF_ERROR(SetL1Entry(io, table, piece_table_offset_));
  }
  const uint64_t offset = piece_table_offset_ + piece * entries_per_unit_ * sizeof(uint64_t);
  return WriteEntries(io, offset, entries_per_unit_, "a piece of an L2 table");
}

Status TwoLevelBuilder::SetL1Entry(IoChannel& io, uint64_t index, uint64_t entry) {
  if (index / l1_piece_.size() != l1_piece_index_) {
    HOTCELL_RETURN_IF_ERROR(WriteL1Piece(io));
    l1_piece_index_ = index / l1_piece_.size();
  }
  const uint64_t stored = shape_.byte_order == std::endian::native ? entry : SwapBytes(entry);
  l1_piece_[index % l1_piece_.size()] = stored;
  l1_piece_used_ = true;
  return OkStatus();
}

Status TwoLevelBuilder::WriteL1Piece(IoChannel& io) {
  if (!l1_piece_used_) return OkStatus();
  const uint64_t begin = l1_piece_index_ * l1_piece_.size() * sizeof(uint64_t);
  const std::span bytes = std::as_bytes(std::span(l1_piece_));
  const uint64_t size = std::min(bytes.size(), shape_.l1_bytes - begin);
  HOTCELL_RETURN_IF_ERROR(
      WriteAll(io, shape_.slot, shape_.l1_offset + begin, bytes.first(size), "the L1 table"));
  std::fill(l1_piece_.begin(), l1_piece_.end(), 0);
  l1_piece_used_ = false;
  return OkStatus();
}

Status TwoLevelBuilder::Finish(IoChannel& io) {
  if (used_) complete_.push_back(unit_);
  used_ = false;
  if (!complete_.empty()) HOTCELL_RETURN_IF_ERROR(WriteUnits(io));
  return WriteL1Piece(io);
}

}  // namespace hotcell::guest
