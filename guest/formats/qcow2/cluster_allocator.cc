#include "guest/formats/qcow2/cluster_allocator.h"

#include <algorithm>

#include "base/alignment.h"
#include "base/text.h"
#include "guest/formats/qcow2/on_disk.h"
#include "guest/formats/qcow2/refcount_block.h"

namespace hotcell::guest::qcow2 {
namespace {}  // namespace

ClusterAllocator::ClusterAllocator(uint32_t slot, uint32_t cluster_bits, uint32_t refcount_order)
    : slot_(slot),
      cluster_bits_(cluster_bits),
      refcount_order_(refcount_order),
      entries_per_block_((8ull << cluster_bits) >> refcount_order),
      block_bytes_(1ull << cluster_bits) {}

// Blocks to be placed before `count` clusters so that these, and the blocks, can be counted.
uint64_t ClusterAllocator::BlocksMissing(uint64_t count) const {
  const uint64_t wanted = next_ + count;
  if (wanted <= CoveredClusters()) return 0;
  return DivideUp(wanted - CoveredClusters(), entries_per_block_ - 1);
}

Result<uint64_t> ClusterAllocator::Allocate(IoChannel& io, uint64_t count) {
  for (uint64_t missing = BlocksMissing(count); missing > 0; --missing) {
    blocks_.push_back(end());
    ++next_;
  }
  const uint64_t offset = end();
  next_ += count;
  HOTCELL_RETURN_IF_ERROR(CountUpToNext(io));
  return offset;
}

Status ClusterAllocator::CountUpToNext(IoChannel& io) {
  while (counted_ < next_) {
    if (counted_ / entries_per_block_ != block_) HOTCELL_RETURN_IF_ERROR(WriteBlock(io));
    const uint64_t first = block_ * entries_per_block_;
    const uint64_t end = std::min(next_, first + entries_per_block_);
    for (; counted_ < end; ++counted_) {
      SetRefcount(block_bytes_, refcount_order_, counted_ - first, 1);
    }
  }
  return OkStatus();
}

// Writes the block and goes on to the next one.
Status ClusterAllocator::WriteBlock(IoChannel& io) {
  const uint64_t offset = blocks_[block_];
  HOTCELL_RETURN_IF_ERROR(WriteAll(io, slot_, offset, block_bytes_, "a refcount block"));
  std::fill(block_bytes_.begin(), block_bytes_.end(), std::byte{0});
  ++block_;
  return OkStatus();
}

bool ClusterAllocator::Share(uint64_t offset) {
  const uint64_t cluster = offset >> cluster_bits_;
  const uint64_t first = block_ * entries_per_block_;
  if (cluster < first) return false;
  const uint64_t count = GetRefcount(block_bytes_, refcount_order_, cluster - first);
  if (count == MaxRefcount(refcount_order_)) return false;
  SetRefcount(block_bytes_, refcount_order_, cluster - first, count + 1);
  return true;
}

Result<ClusterAllocator::RefcountTable> ClusterAllocator::Finish(IoChannel& io) {
  // The table counts itself, which can take blocks that make it longer.
  const uint64_t cluster_size = 1ull << cluster_bits_;
  uint64_t clusters = 0;
  uint64_t needed = 1;
  while (clusters < needed) {
    clusters = needed;
    needed = DivideUp((blocks_.size() + BlocksMissing(clusters)) * sizeof(Be64), cluster_size);
  }
  if (clusters * cluster_size > kMaxRefcountTableBytes) {
    return InvalidArgument(
        StrCat("qcow2: the image is too large for clusters of ", cluster_size, " bytes"));
  }
  const auto offset = Allocate(io, clusters);
  if (!offset.ok()) return offset.status();
  std::vector<Be64> table(blocks_.begin(), blocks_.end());
  HOTCELL_RETURN_IF_ERROR(
      WriteAll(io, slot_, *offset, std::as_bytes(std::span(table)), "the refcount table"));
  HOTCELL_RETURN_IF_ERROR(WriteBlock(io));
  return RefcountTable{.offset = *offset, .clusters = static_cast<uint32_t>(clusters)};
}

}  // namespace hotcell::guest::qcow2
