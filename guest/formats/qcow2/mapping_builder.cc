#include "guest/formats/qcow2/mapping_builder.h"

#include <algorithm>
#include <span>

#include "base/alignment.h"
#include "base/text.h"

namespace hotcell::guest::qcow2 {
namespace {

// Small L2 tables are written several at once, the L1 table in pieces.
constexpr uint64_t kBatchBytes = 64 << 10;
constexpr uint64_t kL1PieceEntries = kBatchBytes / sizeof(Be64);

}  // namespace

MappingBuilder::MappingBuilder(uint32_t slot, uint32_t cluster_bits, bool extended,
                               ClusterAllocator& allocator)
    : slot_(slot),
      cluster_bits_(cluster_bits),
      words_per_table_((1ull << cluster_bits) / sizeof(Be64)),
      entries_per_table_(extended ? words_per_table_ / 2 : words_per_table_),
      tables_per_batch_(std::max<uint64_t>(kBatchBytes >> cluster_bits, 1)),
      allocator_(allocator),
      tables_(tables_per_batch_ * words_per_table_),
      l1_piece_(kL1PieceEntries) {}

Status MappingBuilder::Start(IoChannel& io, uint64_t virtual_size) {
  const uint64_t entries = DivideUp(virtual_size, entries_per_table_ << cluster_bits_);
  if (entries * sizeof(Be64) > kMaxL1Bytes) {
    return InvalidArgument(StrCat("qcow2: a disk of ", virtual_size, " bytes is too large for ",
                                  "clusters of ", 1ull << cluster_bits_,
                                  " bytes; use a larger cluster_size"));
  }
  l1_entries_ = static_cast<uint32_t>(entries);
  const auto offset =
      allocator_.Allocate(io, DivideUp(entries * sizeof(Be64), 1ull << cluster_bits_));
  if (!offset.ok()) return offset.status();
  l1_offset_ = *offset;
  return OkStatus();
}

Status MappingBuilder::Select(IoChannel& io, uint64_t cluster) {
  const uint64_t table = cluster / entries_per_table_;
  if (table == table_) return OkStatus();
  if (used_) complete_.push_back(table_);
  used_ = false;
  table_ = table;
  return complete_.size() == tables_per_batch_ ? WriteTables(io) : OkStatus();
}

void MappingBuilder::SetEntry(uint64_t cluster, uint64_t entry) {
  tables_[Place(cluster)] = entry;
  used_ = true;
}

void MappingBuilder::AddToBitmap(uint64_t cluster, uint64_t bits) {
  Be64& bitmap = tables_[Place(cluster) + 1];
  bitmap = bitmap | bits;
  used_ = true;
}

Status MappingBuilder::WriteTables(IoChannel& io) {
  const auto offset = allocator_.Allocate(io, complete_.size());
  if (!offset.ok()) return offset.status();
  const std::span tables = std::span(tables_).first(complete_.size() * words_per_table_);
  HOTCELL_RETURN_IF_ERROR(WriteAll(io, slot_, *offset, std::as_bytes(tables), "L2 tables"));
  std::fill(tables.begin(), tables.end(), Be64());
  for (size_t i = 0; i < complete_.size(); ++i) {
    HOTCELL_RETURN_IF_ERROR(
        SetL1Entry(io, complete_[i], (*offset + (i << cluster_bits_)) | kEntryCopied));
  }
  complete_.clear();
  return OkStatus();
}

Status MappingBuilder::SetL1Entry(IoChannel& io, uint64_t index, uint64_t entry) {
  if (index / kL1PieceEntries != l1_piece_index_) {
    HOTCELL_RETURN_IF_ERROR(WriteL1Piece(io));
    l1_piece_index_ = index / kL1PieceEntries;
  }
  l1_piece_[index % kL1PieceEntries] = entry;
  l1_piece_used_ = true;
  return OkStatus();
}

Status MappingBuilder::WriteL1Piece(IoChannel& io) {
  if (!l1_piece_used_) return OkStatus();
  const uint64_t first = l1_piece_index_ * kL1PieceEntries;
  const std::span piece =
      std::span(l1_piece_).first(std::min<uint64_t>(kL1PieceEntries, l1_entries_ - first));
  HOTCELL_RETURN_IF_ERROR(
      WriteAll(io, slot_, l1_offset_ + first * sizeof(Be64), std::as_bytes(piece), "the L1 table"));
  std::fill(piece.begin(), piece.end(), Be64());
  l1_piece_used_ = false;
  return OkStatus();
}

Status MappingBuilder::Finish(IoChannel& io) {
  if (used_) complete_.push_back(table_);
  used_ = false;
  if (!complete_.empty()) HOTCELL_RETURN_IF_ERROR(WriteTables(io));
  return WriteL1Piece(io);
}

}  // namespace hotcell::guest::qcow2
