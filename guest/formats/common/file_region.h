// Ranges of an image file that its structures claim.
#ifndef HOTCELL_GUEST_FORMATS_COMMON_FILE_REGION_H_
#define HOTCELL_GUEST_FORMATS_COMMON_FILE_REGION_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "guest/runtime/common/status.h"

namespace hotcell::guest {

struct FileRegion {
  uint64_t offset = 0;  // bytes
  uint64_t size = 0;    // bytes
  std::string what;     // as in "the block allocation table"

  // Precondition: neither range goes beyond 2^64.
  bool Overlaps(uint64_t other_offset, uint64_t other_size) const {
    return offset < other_offset + other_size && other_offset < offset + size;
  }
};

// [offset, offset + size) lies within a file of `file_size` bytes.
inline bool InFile(uint64_t offset, uint64_t size, uint64_t file_size) {
  return offset <= file_size && size <= file_size - offset;
}

// The first region that shares a byte with the range, which lies within the file; nullptr: none.
const FileRegion* FindOverlap(std::span<const FileRegion> regions, uint64_t offset, uint64_t size);

// Every region lies within the file, and no two claim the same bytes. Errors start with `format`.
Status CheckRegions(std::string_view format, std::span<const FileRegion> regions,
                    uint64_t file_size);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_COMMON_FILE_REGION_H_
