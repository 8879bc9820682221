// The validated header of a VDI file.
#ifndef HOTCELL_GUEST_FORMATS_VDI_HEADER_H_
#define HOTCELL_GUEST_FORMATS_VDI_HEADER_H_

#include <cstdint>

#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest::vdi {

struct ImageHeader {
  bool is_static = false;
  uint64_t virtual_size = 0;  // bytes, whole sectors
  uint64_t map_offset = 0;
  uint64_t data_offset = 0;
  uint32_t blocks = 0;            // entries of the block map
  uint32_t blocks_allocated = 0;  // as the header counts them
};

// Whatever the header says, its block map lies within the file, after the header and before the
// data, and has an entry for each block of the disk.
Result<ImageHeader> ReadHeader(IoChannel& io, const FileHandle& file);

}  // namespace hotcell::guest::vdi

#endif  // HOTCELL_GUEST_FORMATS_VDI_HEADER_H_
