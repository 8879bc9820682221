#include "guest/formats/qcow2/cluster_counts.h"

#include <algorithm>

#include "base/text.h"
#include "guest/formats/qcow2/refcount_block.h"

namespace hotcell::guest::qcow2 {

ClusterCounts::ClusterCounts(uint32_t cluster_bits, uint32_t refcount_order, uint64_t file_size,
                             FindingLog& log)
    : cluster_bits_(cluster_bits),
      max_count_(std::min<uint64_t>(MaxRefcount(refcount_order), UINT16_MAX)),
      file_size_(file_size),
      log_(log),
      clusters_((file_size >> cluster_bits) +
                ((file_size & ((1ull << cluster_bits) - 1)) != 0 ? 1 : 0)),
      // A claim can reach into one cluster more.
      claimed_(clusters_ / kWindowClusters + 1) {}

void ClusterCounts::StartPass(uint64_t window) {
  window_ = window;
  counts_.assign(std::min(kWindowClusters, clusters_ - begin() + 1), 0);
}

uint64_t ClusterCounts::end() const { return std::min(clusters_, begin() + kWindowClusters); }

uint64_t ClusterCounts::NextWindow() const {
  uint64_t window = window_ + 1;
  while (window < claimed_.size() && !claimed_[window]) ++window;
  return window;
}

void ClusterCounts::Add(uint64_t offset, uint64_t size, uint32_t times) {
  if (size == 0) return;
  const uint64_t cluster_size = 1ull << cluster_bits_;
  const bool fits = size < UINT64_MAX - cluster_size && offset <= UINT64_MAX - size &&
                    (offset + size <= file_size_ || offset + size - file_size_ < cluster_size);
  if (!fits) {
    if (!first_pass()) return;
    log_.Corruption(times, [&] {
      return StrCat(
          "ERROR: counting reference for region exceeding the end of the file by one "
          "cluster or more: offset ",
          Hex(offset), " size ", Hex(size));
    });
    return;
  }
  const uint64_t first = offset >> cluster_bits_;
  const uint64_t last = (offset + size - 1) >> cluster_bits_;
  if (first_pass()) {
    clusters_ = std::max(clusters_, last + 1);
    for (uint64_t window = window_of(first); window <= window_of(last); ++window) {
      claimed_[window] = true;
    }
  }
  const uint64_t end = std::min(last + 1, this->end());
  for (uint64_t cluster = std::max(first, begin()); cluster < end; ++cluster) {
    AddOne(cluster, times);
  }
}

void ClusterCounts::AddOne(uint64_t cluster, uint32_t times) {
  uint16_t& count = counts_[cluster - begin()];
  const uint64_t wanted = uint64_t{count} + times;
  count = static_cast<uint16_t>(std::min(wanted, max_count_));
  if (wanted <= max_count_) return;
  log_.Corruption(wanted - max_count_, [&] {
    return StrCat("ERROR: overflow cluster offset=", Hex(cluster << cluster_bits_));
  });
}

}  // namespace hotcell::guest::qcow2
