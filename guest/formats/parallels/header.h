// The validated header and extension of a Parallels image.
#ifndef HOTCELL_GUEST_FORMATS_PARALLELS_HEADER_H_
#define HOTCELL_GUEST_FORMATS_PARALLELS_HEADER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "guest/formats/parallels/on_disk.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest::parallels {

struct ImageHeader {
  bool extended = false;      // kMagicExtended
  bool in_use = false;        // not closed cleanly
  bool empty = false;         // flagged so
  uint64_t virtual_size = 0;  // bytes
  uint64_t cluster_size = 0;  // bytes, any number of sectors
  uint32_t bat_entries = 0;
  uint64_t entry_unit = 0;         // bytes: what BAT entries count
  uint64_t data_offset = 0;        // where clusters can start
  uint64_t first_data_offset = 0;  // where they could at the earliest
  bool data_offset_right = true;   // false: data_offset is not what the header says
  uint64_t extension_offset = 0;   // 0: none
  // Where the last cluster ends that the extension takes up, its bitmaps' included, bytes; nullopt:
  // it has features that are not known, which may have clusters anywhere.
  std::optional<uint64_t> extension_end;
  // The names of the extension's features, "dirty bitmap" and such.
  std::vector<std::string> extension_features;
  // How many sectors a bit stands for, for each dirty bitmap.
  std::vector<uint32_t> bitmap_granularities;

  uint64_t bat_end() const { return sizeof(Header) + bat_entries * sizeof(uint32_t); }
};

// Whatever the header says, its BAT lies within the file and has an entry for each cluster of the
// disk. An extension that must be understood and is not is an error.
Result<ImageHeader> ReadHeader(IoChannel& io, const FileHandle& file);

}  // namespace hotcell::guest::parallels

#endif  // HOTCELL_GUEST_FORMATS_PARALLELS_HEADER_H_
