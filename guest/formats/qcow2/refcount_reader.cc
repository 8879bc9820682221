#include "guest/formats/qcow2/refcount_reader.h"

#include <bit>

#include "guest/formats/qcow2/on_disk.h"
#include "guest/formats/qcow2/table_scan.h"

namespace hotcell::guest::qcow2 {

RefcountReader::RefcountReader(const ImageHeader& header, const FileHandle& file)
    : file_(file),
      cluster_size_(header.cluster_size),
      table_offset_(header.refcount_table_offset),
      table_entries_(header.refcount_table_size / sizeof(uint64_t)),
      refcount_order_(static_cast<uint32_t>(std::countr_zero(header.refcount_bits))),
      entries_per_block_((8ull << header.cluster_bits) >> refcount_order_) {}

Status RefcountReader::ReadTableEntry(IoChannel& io, uint64_t block, uint64_t* entry) {
  *entry = 0;
  if (block >= table_entries_) return OkStatus();
  if (block / kTablePieceEntries != piece_index_) {
    const uint64_t first = block / kTablePieceEntries * kTablePieceEntries;
    piece_.assign(kTablePieceEntries, 0);
    HOTCELL_RETURN_IF_ERROR(ForEachWord(io, file_, table_offset_ + first * sizeof(uint64_t),
                                        std::min(kTablePieceEntries, table_entries_ - first),
                                        "read the refcount table",
                                        [&](uint64_t i, uint64_t word) { piece_[i] = word; }));
    piece_index_ = block / kTablePieceEntries;
  }
  *entry = piece_[block % kTablePieceEntries];
  return OkStatus();
}

Status RefcountReader::Select(IoChannel& io, uint64_t cluster) {
  const uint64_t block = cluster / entries_per_block_;
  if (block == block_) return OkStatus();
  uint64_t entry;
  HOTCELL_RETURN_IF_ERROR(ReadTableEntry(io, block, &entry));
  const uint64_t offset = entry & kRefcountBlockMask;
  block_ = block;
  state_ = State::kNone;
  if (offset == 0) return OkStatus();
  if (offset % cluster_size_ != 0) {
    state_ = State::kUnreadable;
    return OkStatus();
  }
  bytes_.resize(cluster_size_);
  state_ = State::kRead;
  return ReadPadded(io, file_, offset, bytes_, "a refcount block");
}

}  // namespace hotcell::guest::qcow2
