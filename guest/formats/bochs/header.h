// A Bochs header, read and validated.
#ifndef HOTCELL_GUEST_FORMATS_BOCHS_HEADER_H_
#define HOTCELL_GUEST_FORMATS_BOCHS_HEADER_H_

#include <cstdint>

#include "base/alignment.h"
#include "guest/formats/bochs/on_disk.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest::bochs {

struct ImageHeader {
  uint32_t version = 0;         // 1 or 2
  uint64_t virtual_size = 0;    // bytes
  uint64_t catalog_offset = 0;  // bytes
  uint32_t catalog_entries = 0;
  uint32_t bitmap_size = 0;  // bytes in the file, whole sectors
  uint32_t extent_size = 0;  // bytes, a power of two

  // Catalog entries that the disk needs.
  uint32_t extents() const { return static_cast<uint32_t>(DivideUp(virtual_size, extent_size)); }
  uint64_t catalog_end() const { return catalog_offset + uint64_t{catalog_entries} * sizeof(Le32); }
  // Where the bitmap of an extent is; its data follows. Bytes.
  uint64_t BitmapOffset(uint32_t extent) const {
    return catalog_end() + uint64_t{extent} * (bitmap_size + extent_size);
  }
};

// Whether the header is that of an image that can be read, of either version.
bool IsGrowingImage(const Header& header);

Result<ImageHeader> ReadHeader(IoChannel& io, const FileHandle& file);

}  // namespace hotcell::guest::bochs

#endif  // HOTCELL_GUEST_FORMATS_BOCHS_HEADER_H_
