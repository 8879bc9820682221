// Disks that would be taken for images themselves, if somebody wrote them out as they are: a
// program that probes such a file opens it as another format, with whatever files that format
// names.
#ifndef HOTCELL_GUEST_OPS_PIPELINE_NESTED_IMAGE_H_
#define HOTCELL_GUEST_OPS_PIPELINE_NESTED_IMAGE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "guest/formats/common/format.h"
#include "guest/formats/common/writer.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest {

struct NestedImage {
  std::string_view format;  // a driver's name, "VISO" or "CUE"
  uint64_t offset = 0;      // of the bytes that show it, in the disk
};

// Maps a disk as ImageReader::Map() does.
using MapDisk = std::function<Result<Extent>(uint64_t offset, uint64_t length)>;

// The disk image formats for which the bytes of a disk of `size` bytes would be taken, surest
// first. Encrypted volumes, archives and file systems are not among them: disks hold such things,
// and none of them names a file. Reads the start and the end of the disk, which may need one free
// buffer more than `map` does.
Result<std::vector<NestedImage>> FindNestedImages(IoChannel& io, const MapDisk& map, uint64_t size);

// FindNestedImages() for a disk whose bytes pass by anyway. Lanes may add different chunks at once.
class DiskEnds {
 public:
  explicit DiskEnds(uint64_t size);  // bytes

  // Keeps what is looked at of the chunk's data. What is not added is zero.
  void Add(const Chunk& chunk);
  std::vector<NestedImage> FindNestedImages() const;

 private:
  const uint64_t size_;
  std::vector<std::byte> head_;
  std::vector<std::byte> tail_;
};

// "the disk begins as a qcow2 image does"; with an offset that is not 0, how it ends.
std::string Describe(const NestedImage& nested);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_OPS_PIPELINE_NESTED_IMAGE_H_
