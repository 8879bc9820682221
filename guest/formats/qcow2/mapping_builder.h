// The L1 and L2 tables of a qcow2 file that is being written.
#ifndef HOTCELL_GUEST_FORMATS_QCOW2_MAPPING_BUILDER_H_
#define HOTCELL_GUEST_FORMATS_QCOW2_MAPPING_BUILDER_H_

#include <cstdint>
#include <vector>

#include "guest/formats/qcow2/cluster_allocator.h"
#include "guest/formats/qcow2/on_disk.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest::qcow2 {

// Clusters of the virtual disk are mapped by ascending number, so that a few L2 tables and a piece
// of the L1 table are all that is in memory. Tables without an entry are not written.
class MappingBuilder {
 public:
  // `allocator` outlives the builder.
  // `extended`: "Extended L2 Entries", which have a bitmap.
  MappingBuilder(uint32_t slot, uint32_t cluster_bits, bool extended, ClusterAllocator& allocator);

  // Sets the L1 table's place aside for `virtual_size` bytes. Once, first.
  Status Start(IoChannel& io, uint64_t virtual_size);

  // Makes the L2 table of the cluster the current one; tables before it are complete.
  Status Select(IoChannel& io, uint64_t cluster);
  // Entries of the current table.
  uint64_t Entry(uint64_t cluster) const { return tables_[Place(cluster)]; }
  void SetEntry(uint64_t cluster, uint64_t entry);
  // Sets bits of the subcluster allocation bitmap. Precondition: entries are extended.
  void AddToBitmap(uint64_t cluster, uint64_t bits);
  // The first cluster after the current table's.
  uint64_t TableEnd() const { return (table_ + 1) * entries_per_table_; }

  // Writes what remains.
  Status Finish(IoChannel& io);

  uint64_t l1_offset() const { return l1_offset_; }  // bytes
  uint32_t l1_entries() const { return l1_entries_; }

 private:
  // The index of the entry's first word in tables_.
  size_t Place(uint64_t cluster) const {
    return complete_.size() * words_per_table_ +
           cluster % entries_per_table_ * (words_per_table_ / entries_per_table_);
  }
  Status WriteTables(IoChannel& io);
  Status SetL1Entry(IoChannel& io, uint64_t index, uint64_t entry);
  Status WriteL1Piece(IoChannel& io);

  const uint32_t slot_;
  const uint32_t cluster_bits_;
  const uint64_t words_per_table_;
  const uint64_t entries_per_table_;
  const uint64_t tables_per_batch_;
  ClusterAllocator& allocator_;

  std::vector<Be64> tables_;        // complete ones, then the current one
  std::vector<uint64_t> complete_;  // L1 index of each complete table
  uint64_t table_ = 0;              // L1 index of the current one
  bool used_ = false;               // the current one has an entry

  uint64_t l1_offset_ = 0;
  uint32_t l1_entries_ = 0;
  std::vector<Be64> l1_piece_;  // [l1_piece_index_ * size, ...)
  uint64_t l1_piece_index_ = 0;
  bool l1_piece_used_ = false;
};

}  // namespace hotcell::guest::qcow2

#endif  // HOTCELL_GUEST_FORMATS_QCOW2_MAPPING_BUILDER_H_
