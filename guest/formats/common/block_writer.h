// Writing of formats that keep the disk in blocks of one size, in the order in which they were
// first written, and a table of little-endian 32-bit entries that says where each block is.
#ifndef HOTCELL_GUEST_FORMATS_COMMON_BLOCK_WRITER_H_
#define HOTCELL_GUEST_FORMATS_COMMON_BLOCK_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "guest/formats/common/writer.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest {

// A table that is written from its first entry to its last, in big pieces. Memory: 256 KiB.
class TableWriter {
 public:
  // `what` names the table in errors and outlives the writer.
  TableWriter(uint32_t slot, uint64_t offset, std::string_view what)
      : slot_(slot), offset_(offset), what_(what) {}

  uint64_t count() const { return written_ + pending_.size(); }  // entries so far

  Status Append(IoChannel& io, uint32_t entry);
  // Appends `entry` until there are `count` entries.
  Status FillTo(IoChannel& io, uint64_t count, uint32_t entry);
  Status Finish(IoChannel& io);

 private:
  static constexpr size_t kPieceEntries = 64 << 10;

  const uint32_t slot_;
  const uint64_t offset_;
  const std::string_view what_;
  uint64_t written_ = 0;
  std::vector<uint32_t> pending_;
};

struct BlockLayout {
  uint64_t block_size = 0;  // bytes
  uint64_t blocks = 0;      // of the disk
  uint64_t table_offset = 0;
  std::string_view table_name;  // in errors
  uint32_t unallocated = 0;     // the entry of a block that is not there
  uint32_t first_entry = 0;     // of the first block in the file; the next one's is one more
  uint64_t data_offset = 0;     // where that block is
};

// ImageWriter's Place() and Finish() for such a format. Chunks can be cut anywhere.
class BlockWriter {
 public:
  BlockWriter(uint32_t slot, const BlockLayout& layout)
      : layout_(layout), table_(slot, layout.table_offset, layout.table_name) {}

  uint64_t allocated() const { return allocated_; }  // blocks in the file
  uint64_t end() const { return layout_.data_offset + allocated_ * layout_.block_size; }

  Status Place(IoChannel& io, Chunk& chunk);
  // Completes the table.
  Status Finish(IoChannel& io);

 private:
  Status PlaceRun(IoChannel& io, const Run& run, std::vector<FileWrite>& writes);

  const BlockLayout layout_;
  TableWriter table_;
  uint64_t allocated_ = 0;
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_COMMON_BLOCK_WRITER_H_
