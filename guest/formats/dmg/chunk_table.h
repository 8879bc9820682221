// The chunks of a disk image, collected from its block tables.
#ifndef HOTCELL_GUEST_FORMATS_DMG_CHUNK_TABLE_H_
#define HOTCELL_GUEST_FORMATS_DMG_CHUNK_TABLE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "guest/formats/dmg/on_disk.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest::dmg {

struct Chunk {
  uint64_t sector = 0;  // of the disk
  uint64_t sectors = 0;
  uint64_t offset = 0;  // in the file
  uint64_t length = 0;  // bytes there
  uint32_t type = 0;

  uint64_t end() const { return sector + sectors; }
  bool operator==(const Chunk&) const = default;
};

// Takes block tables byte by byte as they are decoded.
//
//   for (each resource) {
//     table.BeginResource();
//     HOTCELL_RETURN_IF_ERROR(table.Feed(bytes));  // any number of times
//     HOTCELL_RETURN_IF_ERROR(table.EndResource());
//   }
//   HOTCELL_RETURN_IF_ERROR(table.Finish());
class ChunkTable {
 public:
  // `disk_sectors` 0: the disk ends with the last chunk. `data_fork` is where the data fork begins,
  // `data_end` where chunks must end, in the file.
  ChunkTable(uint64_t disk_sectors, uint64_t data_fork, uint64_t data_end)
      : disk_sectors_(disk_sectors), data_fork_(data_fork), data_end_(data_end) {}

  void BeginResource();
  // What is no block table is passed over.
  Status Feed(std::span<const std::byte> bytes);
  Status EndResource();

  // All of the disk as it is, at the start of the data fork. In place of resources.
  void SetRaw(uint64_t sectors) {
    chunks_ = {
        {.sectors = sectors, .offset = data_fork_, .length = sectors * kSectorSize, .type = kRaw}};
  }

  // Orders the chunks, no two of which may hold the same sector or claim the same data.
  Status Finish();

  // The size of the disk. Call it after Finish().
  uint64_t disk_sectors() const {
    if (disk_sectors_ != 0 || chunks_.empty()) return disk_sectors_;
    return chunks_.back().end();
  }
  // The chunks, ascending. Call it after Finish().
  const std::vector<Chunk>& chunks() const { return chunks_; }

 private:
  Status TakeHeader();
  Status TakeEntry();
  Status CheckDataOnce() const;

  const uint64_t disk_sectors_;
  const uint64_t data_fork_;
  const uint64_t data_end_;

  // The resource under way: what of its header or of a chunk's entry is there, and the header.
  std::array<std::byte, sizeof(BlockTableHeader)> pending_;
  size_t pending_size_ = 0;
  bool in_header_ = true;
  bool skips_ = false;  // it is no block table, or was read to its end
  BlockTableHeader header_;
  uint32_t entries_left_ = 0;

  std::vector<Chunk> chunks_;
};

}  // namespace hotcell::guest::dmg

#endif  // HOTCELL_GUEST_FORMATS_DMG_CHUNK_TABLE_H_
