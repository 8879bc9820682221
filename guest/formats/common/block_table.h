// A table of little-endian 32-bit entries in a file, one for each block of the disk, as VDI and
// Parallels have it. It is read in pieces through a bounded cache that all lanes share.
#ifndef HOTCELL_GUEST_FORMATS_COMMON_BLOCK_TABLE_H_
#define HOTCELL_GUEST_FORMATS_COMMON_BLOCK_TABLE_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "guest/formats/common/extent_builder.h"
#include "guest/formats/common/piece_cache.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest {

// Thread-safe. Memory: at most 1 MiB, taken as it is needed.
class BlockTable {
 public:
  // `entries` entries at `offset` of the file. Errors start with `format` and call the table
  // `what`, as in "the block map"; both outlive it.
  BlockTable(const FileHandle& file, uint64_t offset, uint64_t entries, std::string_view format,
             std::string_view what)
      : file_(file),
        offset_(offset),
        entries_(entries),
        format_(format),
        what_(what),
        cache_(kCachedPieces) {}

  const FileHandle& file() const { return file_; }

  // The entries from `first` on, in host byte order, as far as they fit in `out`; returns how many.
  // Precondition: `first` is one of the table.
  Result<size_t> Read(IoChannel& io, uint64_t first, std::span<uint32_t> out);

  // ImageReader::Map() for blocks of `block_size` bytes. `is_hole(entry)` says whether the block is
  // nowhere, `locate(block, entry)` returns where it is in the file as a Result<uint64_t>.
  template <typename IsHole, typename Locate>
  Result<Extent> Map(IoChannel& io, uint64_t block_size, uint64_t offset, uint64_t length,
                     const IsHole& is_hole, const Locate& locate);

 private:
  static constexpr size_t kEntriesAtOnce = 1024;
  static constexpr size_t kCachedPieces = 16;

  // Precondition: `extent` is data.
  Status CheckInFile(const Extent& extent, uint64_t disk_offset) const;

  const FileHandle file_;
  const uint64_t offset_;
  const uint64_t entries_;
  const std::string_view format_;
  const std::string_view what_;
  PieceCache cache_;
};

template <typename IsHole, typename Locate>
Result<Extent> BlockTable::Map(IoChannel& io, uint64_t block_size, uint64_t offset, uint64_t length,
                               const IsHole& is_hole, const Locate& locate) {
  ExtentBuilder extent;
  const uint64_t end = offset + length;
  const uint64_t last_block = (end - 1) / block_size;
  // What comes before a damaged spot can be read; the next call meets the damage first.
  const auto stop = [&](const Status& status) -> Result<Extent> {
    if (extent.empty()) return status;
    return extent.extent();
  };
  for (uint64_t at = offset; at < end;) {
    const uint64_t first = at / block_size;
    std::array<uint32_t, kEntriesAtOnce> entries;
    const size_t wanted = std::min<uint64_t>(last_block - first + 1, entries.size());
    const auto count = Read(io, first, std::span(entries).first(wanted));
    if (!count.ok()) return stop(count.status());
    for (size_t i = 0; i < *count;) {
      // Holes are many in big disks, so they are joined before they cost more than a look.
      size_t next = i;
      while (next < *count && is_hole(entries[next])) ++next;
      const bool hole = next > i;
      if (!hole) ++next;
      Extent piece = {.length = std::min(end, (first + next) * block_size) - at};
      if (!hole) {
        const Result<uint64_t> place = locate(first + i, entries[i]);
        if (!place.ok()) return stop(place.status());
        piece.kind = Extent::Kind::kData;
        piece.slot = file_.slot;
        piece.offset = *place + at % block_size;
        if (const Status status = CheckInFile(piece, at); !status.ok()) return stop(status);
      }
      if (!extent.Add(piece)) return extent.extent();
      at += piece.length;
      i = next;
    }
  }
  return extent.extent();
}

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_COMMON_BLOCK_TABLE_H_
