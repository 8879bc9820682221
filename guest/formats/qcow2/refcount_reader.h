// The refcounts that a qcow2 file says its clusters have.
#ifndef HOTCELL_GUEST_FORMATS_QCOW2_REFCOUNT_READER_H_
#define HOTCELL_GUEST_FORMATS_QCOW2_REFCOUNT_READER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "guest/formats/qcow2/header.h"
#include "guest/formats/qcow2/refcount_block.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest::qcow2 {

// Holds one refcount block. Made for ascending clusters.
class RefcountReader {
 public:
  enum class State : uint8_t {
    kNone,  // no block: the refcounts are 0
    kRead,
    kUnreadable,  // the table has no valid entry for the block
  };

  RefcountReader(const ImageHeader& header, const FileHandle& file);

  // Makes the block of `cluster` the current one.
  Status Select(IoChannel& io, uint64_t cluster);
  bool IsSelected(uint64_t cluster) const { return cluster / entries_per_block_ == block_; }
  State state() const { return state_; }
  // The first cluster after the current block's.
  uint64_t block_end() const { return (block_ + 1) * entries_per_block_; }
  // The refcount of a cluster of the current block. Precondition: state() != kUnreadable.
  uint64_t Get(uint64_t cluster) const {
    if (state_ == State::kNone) return 0;
    return GetRefcount(bytes_, refcount_order_, cluster % entries_per_block_);
  }

 private:
  static constexpr uint64_t kTablePieceEntries = 8192;
  static constexpr uint64_t kNoPiece = UINT64_MAX;

  // The entry of the refcount table; 0 past its end.
  Status ReadTableEntry(IoChannel& io, uint64_t block, uint64_t* entry);

  const FileHandle file_;
  const uint64_t cluster_size_;
  const uint64_t table_offset_;
  const uint64_t table_entries_;
  const uint32_t refcount_order_;
  const uint64_t entries_per_block_;

  std::vector<uint64_t> piece_;  // of the table
  uint64_t piece_index_ = kNoPiece;
  uint64_t block_ = UINT64_MAX;
  State state_ = State::kNone;
  std::vector<std::byte> bytes_;  // of the block
};

}  // namespace hotcell::guest::qcow2

#endif  // HOTCELL_GUEST_FORMATS_QCOW2_REFCOUNT_READER_H_
