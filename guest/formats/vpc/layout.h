// Where the parts of a VHD file with a block allocation table lie.
#ifndef HOTCELL_GUEST_FORMATS_VPC_LAYOUT_H_
#define HOTCELL_GUEST_FORMATS_VPC_LAYOUT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "guest/formats/common/file_region.h"
#include "guest/formats/common/format.h"
#include "guest/formats/vpc/footer.h"
#include "guest/formats/vpc/on_disk.h"

namespace hotcell::guest::vpc {

// What Open() found out about an image.
struct Layout {
  FileHandle file;
  uint32_t disk_type = 0;
  uint64_t virtual_size = 0;  // bytes
  std::string unique_id;
  std::vector<std::string> warnings;

  // The blocks and their table; a fixed disk has none.
  uint64_t block_size = 0;   // bytes
  uint64_t bitmap_size = 0;  // bytes before each block
  uint64_t table_offset = 0;
  uint64_t table_entries = 0;       // those that the disk needs
  uint64_t max_table_entries = 0;   // those that the header says there are
  uint64_t blocks_end = 0;          // of the part of the file that blocks may lie in
  std::vector<FileRegion> regions;  // of the file, claimed by metadata
  std::optional<Reference> parent;

  // Whether a block may lie at `sector`: its bitmap and then its data.
  Status CheckBlock(uint64_t block, uint32_t sector) const;
};

// Reads footers, header and parent locators. `footers`: what ReadFooters() returned.
Result<Layout> ReadLayout(IoChannel& io, const FileHandle& file, const Footers& footers);

}  // namespace hotcell::guest::vpc

#endif  // HOTCELL_GUEST_FORMATS_VPC_LAYOUT_H_
