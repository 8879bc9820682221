// The data that codecs are measured with.
#ifndef HOTCELL_TOOLS_CODEC_BENCH_CLUSTERS_H_
#define HOTCELL_TOOLS_CODEC_BENCH_CLUSTERS_H_

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace hotcell::codec_bench {

inline constexpr size_t kClusterSize = 65536;  // bytes; the default of qcow2

using Clusters = std::vector<std::vector<std::byte>>;

// At most `limit` clusters of a raw image, spread evenly over those that are not all zero. Clusters
// are cut at multiples of kClusterSize; a shorter last one is left out. Empty, with errno, when the
// file cannot be read.
Clusters LoadClusters(const std::string& path, size_t limit);

size_t TotalSize(const Clusters& clusters);

}  // namespace hotcell::codec_bench

#endif  // HOTCELL_TOOLS_CODEC_BENCH_CLUSTERS_H_
