// Space in a qcow2 file that is being written, and its refcounts.
#ifndef HOTCELL_GUEST_FORMATS_QCOW2_CLUSTER_ALLOCATOR_H_
#define HOTCELL_GUEST_FORMATS_QCOW2_CLUSTER_ALLOCATOR_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest::qcow2 {

// Gives out clusters by ascending offset, never one twice. So refcounts are filled in ascending
// order too, and only one refcount block is in memory; a block lies just before the first clusters
// that it counts and that did not fit in the one before. The header's cluster, 0, is taken
// from the start.
class ClusterAllocator {
 public:
  struct RefcountTable {
    uint64_t offset = 0;  // bytes
    uint32_t clusters = 0;
  };

  // cluster_bits 9 to 21, refcount_order 0 to 6.
  ClusterAllocator(uint32_t slot, uint32_t cluster_bits, uint32_t refcount_order);

  // `count` adjacent clusters; the file offset of the first. May write refcount blocks.
  Result<uint64_t> Allocate(IoChannel& io, uint64_t count);
  // Whether the next cluster that is allocated starts at end().
  bool NextIsAdjacent() const { return next_ + 1 <= CoveredClusters(); }
  // Counts one more use of the cluster at `offset`. False when that cannot be done: the count would
  // not fit in its bits, or has been written already.
  bool Share(uint64_t offset);
  // The end of the file so far, bytes.
  uint64_t end() const { return next_ << cluster_bits_; }

  // Writes the refcount table and what remains of the blocks. Nothing is allocated afterwards.
  Result<RefcountTable> Finish(IoChannel& io);

 private:
  uint64_t CoveredClusters() const { return blocks_.size() * entries_per_block_; }
  uint64_t BlocksMissing(uint64_t count) const;
  Status CountUpToNext(IoChannel& io);
  Status WriteBlock(IoChannel& io);

  const uint32_t slot_;
  const uint32_t cluster_bits_;
  const uint32_t refcount_order_;
  const uint64_t entries_per_block_;

  uint64_t next_ = 1;             // the first cluster that is free
  uint64_t counted_ = 0;          // clusters below this have their refcount
  std::vector<uint64_t> blocks_;  // file offset of each refcount block, bytes

  // The block of clusters [block_ * entries_per_block_, ...).
  uint64_t block_ = 0;
  std::vector<std::byte> block_bytes_;
};

}  // namespace hotcell::guest::qcow2

#endif  // HOTCELL_GUEST_FORMATS_QCOW2_CLUSTER_ALLOCATOR_H_
