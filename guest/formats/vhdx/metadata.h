// The metadata region of a VHDX file, 2.6 of [MS-VHDX].
#ifndef HOTCELL_GUEST_FORMATS_VHDX_METADATA_H_
#define HOTCELL_GUEST_FORMATS_VHDX_METADATA_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "guest/formats/common/format.h"
#include "guest/formats/vhdx/header.h"
#include "guest/formats/vhdx/log.h"
#include "guest/formats/vhdx/on_disk.h"

namespace hotcell::guest::vhdx {

struct Metadata {
  uint64_t block_size = 0;  // bytes
  bool leave_blocks_allocated = false;
  uint64_t virtual_size = 0;  // bytes
  uint64_t logical_sector_size = 0;
  uint64_t physical_sector_size = 0;
  std::optional<Reference> parent;
  uint32_t flags = 0;  // of the file parameters
  // The parent locator is there, whether the disk is a differencing one or not.
  bool has_parent_locator = false;
  uint32_t unknown_items = 0;
  bool item_flags_as_specified = true;  // of the known items
};

// All values are within the specification's limits.
Result<Metadata> ReadMetadata(IoChannel& io, LoggedFile& file, const Region& region);

// 2.6.2.6. The names in the order in which the specification wants them tried, the relative path
// with slashes.
Result<Reference> ParseParentLocator(std::span<const std::byte> item);

}  // namespace hotcell::guest::vhdx

#endif  // HOTCELL_GUEST_FORMATS_VHDX_METADATA_H_
