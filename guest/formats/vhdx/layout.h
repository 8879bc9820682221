// Where the parts of a VHDX file lie.
#ifndef HOTCELL_GUEST_FORMATS_VHDX_LAYOUT_H_
#define HOTCELL_GUEST_FORMATS_VHDX_LAYOUT_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "guest/formats/common/file_region.h"
#include "guest/formats/vhdx/log.h"
#include "guest/formats/vhdx/metadata.h"

namespace hotcell::guest::vhdx {

// What Open() found out about an image.
struct Layout {
  std::unique_ptr<LoggedFile> file;
  Metadata metadata;
  std::string data_write_guid;
  uint64_t bat_offset = 0;
  uint64_t bat_entries = 0;     // those that the disk needs
  uint64_t payload_blocks = 0;  // of the disk
  uint64_t chunk_ratio = 0;
  std::vector<FileRegion> regions;  // of the file, claimed by metadata
  std::vector<std::string> warnings;

  // Places in the table.
  uint64_t PayloadEntry(uint64_t block) const { return block + block / chunk_ratio; }
  uint64_t BitmapEntry(uint64_t block) const {
    return block / chunk_ratio * (chunk_ratio + 1) + chunk_ratio;
  }
  // Bytes of the block that belong to the disk.
  uint64_t UsedSize(uint64_t block) const {
    return std::min(metadata.block_size, metadata.virtual_size - block * metadata.block_size);
  }

  // Entries from `first` on, in host byte order.
  Status ReadBat(IoChannel& io, uint64_t first, std::span<uint64_t> out) const;
  // Whether what `entry` says is present, a payload block or the sector bitmap of one, may lie
  // there.
  Status CheckPayload(uint64_t block, uint64_t entry) const;
  Status CheckBitmap(uint64_t block, uint64_t entry) const;

 private:
  Status CheckPlace(std::string_view what, uint64_t block, uint64_t offset, uint64_t size) const;
};

Result<Layout> ReadLayout(IoChannel& io, const FileHandle& file);

}  // namespace hotcell::guest::vhdx

#endif  // HOTCELL_GUEST_FORMATS_VHDX_LAYOUT_H_
