// How often the structures of a qcow2 file claim each of its clusters.
#ifndef HOTCELL_GUEST_FORMATS_QCOW2_CLUSTER_COUNTS_H_
#define HOTCELL_GUEST_FORMATS_QCOW2_CLUSTER_COUNTS_H_

#include <cstdint>
#include <vector>

#include "guest/formats/qcow2/finding_log.h"

namespace hotcell::guest::qcow2 {

// Memory is bounded: only the clusters of one window of the file are counted at a time, and all
// claims are made again for each window that has any.
class ClusterCounts {
 public:
  static constexpr uint64_t kWindowClusters = 4 << 20;

  ClusterCounts(uint32_t cluster_bits, uint32_t refcount_order, uint64_t file_size,
                FindingLog& log);

  // Clusters of the file, also where it ends within the last one of them.
  uint64_t clusters() const { return clusters_; }

  // Forgets what was counted; the first pass is that of window 0.
  void StartPass(uint64_t window);
  bool first_pass() const { return window_ == 0; }
  uint64_t begin() const { return window_ * kWindowClusters; }
  uint64_t end() const;
  // The next window after the current one in which something was claimed, or, when there is none,
  // a window past the last one.
  uint64_t NextWindow() const;
  uint64_t window_of(uint64_t cluster) const { return cluster / kWindowClusters; }

  // `times` claims of the clusters that the range touches. In the first pass, ranges that end a
  // cluster or more past the end of the file are found, and not counted in any.
  void Add(uint64_t offset, uint64_t size, uint32_t times);
  // Precondition: begin() <= cluster < end().
  uint32_t count(uint64_t cluster) const { return counts_[cluster - begin()]; }

 private:
  void AddOne(uint64_t cluster, uint32_t times);

  const uint32_t cluster_bits_;
  const uint64_t max_count_;  // what a refcount of the image can hold, or a count here
  const uint64_t file_size_;
  FindingLog& log_;
  uint64_t clusters_;
  uint64_t window_ = 0;
  std::vector<bool> claimed_;  // by window
  std::vector<uint16_t> counts_;
};

}  // namespace hotcell::guest::qcow2

#endif  // HOTCELL_GUEST_FORMATS_QCOW2_CLUSTER_COUNTS_H_
