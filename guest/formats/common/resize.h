// Giving the disk of an image that exists another size, in place.
#ifndef HOTCELL_GUEST_FORMATS_COMMON_RESIZE_H_
#define HOTCELL_GUEST_FORMATS_COMMON_RESIZE_H_

#include <cstdint>
#include <string_view>

#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest {

// What is set aside of what a disk grows by. Values are those of hotcell.v1.Preallocation.
enum class Preallocation : uint8_t {
  kOff = 0,
  kMetadata = 1,  // tables
  kFalloc = 2,    // tables, and space in the file system
  kFull = 3,      // likewise
};

// The name that options and errors have for it.
std::string_view PreallocationName(Preallocation preallocation);

struct ResizeOptions {
  uint64_t old_size = 0;  // bytes of virtual disk, as the format's reader tells it
  uint64_t new_size = 0;  // bytes, other than 0
  Preallocation preallocation = Preallocation::kOff;  // kOff where the disk does not grow
  // The file keeps its size, and what the image does not use of it may hold anything.
  bool device = false;
};

// Writes zeroes that take up space in the file system, which WRITE_ZEROES does not. `what` is as
// for WriteAll().
Status WriteZeroData(IoChannel& io, uint32_t slot, uint64_t offset, uint64_t length,
                     std::string_view what);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_COMMON_RESIZE_H_
