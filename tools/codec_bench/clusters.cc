#include "tools/codec_bench/clusters.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace hotcell::codec_bench {
namespace {

bool AllZero(std::span<const std::byte> bytes) {
  return std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; });
}

// Beginnings of the clusters that hold something. Holes of the file are not looked at.
std::vector<off_t> DataOffsets(int fd, std::span<const std::byte> file) {
  std::vector<off_t> offsets;
  const auto size = static_cast<off_t>(file.size());
  for (off_t at = 0; at + static_cast<off_t>(kClusterSize) <= size; at += kClusterSize) {
    const off_t data = lseek(fd, at, SEEK_DATA);
    if (data < 0) break;
    at = data - data % static_cast<off_t>(kClusterSize);
    if (at + static_cast<off_t>(kClusterSize) > size) break;
    if (!AllZero(file.subspan(static_cast<size_t>(at), kClusterSize))) offsets.push_back(at);
  }
  return offsets;
}

}  // namespace

Clusters LoadClusters(const std::string& path, size_t limit) {
  Clusters clusters;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return clusters;
  struct stat status = {};
  if (fstat(fd, &status) == 0 && status.st_size > 0) {
    const auto size = static_cast<size_t>(status.st_size);
    void* const mapped = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (mapped != MAP_FAILED) {
      const std::span file(static_cast<const std::byte*>(mapped), size);
      const std::vector<off_t> offsets = DataOffsets(fd, file);
      const size_t count = std::min(limit, offsets.size());
      for (size_t i = 0; i < count; ++i) {
        const auto at = static_cast<size_t>(offsets[i * offsets.size() / count]);
        const auto cluster = file.subspan(at, kClusterSize);
        clusters.emplace_back(cluster.begin(), cluster.end());
      }
      munmap(mapped, size);
    }
  }
  close(fd);
  return clusters;
}

size_t TotalSize(const Clusters& clusters) {
  size_t size = 0;
  for (const auto& cluster : clusters) size += cluster.size();
  return size;
}

}  // namespace hotcell::codec_bench
