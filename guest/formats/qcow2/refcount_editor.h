// Changing the refcounts of an image that exists, in an order in which none is ever too low.
#ifndef HOTCELL_GUEST_FORMATS_QCOW2_REFCOUNT_EDITOR_H_
#define HOTCELL_GUEST_FORMATS_QCOW2_REFCOUNT_EDITOR_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "guest/formats/qcow2/header.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest::qcow2 {

// Changes refcounts of an image whose check finds no corruption.
class RefcountEditor {
 public:
  // `device`: the file keeps its size.
  RefcountEditor(const ImageHeader& header, const FileHandle& file, bool device);

  // `count` clusters in a row, behind all that are in use. When it returns, the file reaches beyond
  // them and each of them counts 1 in the file: stopped any time before that or after, it has lost
  // space and nothing else. Returns the offset of the first. Call once.
  Result<uint64_t> Reserve(IoChannel& io, uint64_t count);

  // Counts one user less of `count` clusters at `offset`.
  Status Release(IoChannel& io, uint64_t offset, uint64_t count);

  // Releases the refcount table that Reserve() may have put another in the place of.
  Status ReleaseOldTable(IoChannel& io);

 private:
  // Clusters, by number.
  struct Range {
    uint64_t begin = 0;
    uint64_t end = 0;
  };

  Status LoadTable(IoChannel& io);
  // The first cluster after the last that counts or is in the file.
  Result<uint64_t> FindEnd(IoChannel& io);
  // Gives each block that `range` needs a place at its end, which thereby moves.
  void AddBlocks(Range& range);
  // Gives a longer table a place at the end of `range`, if there has to be one.
  Status AddTable(Range& range);
  Status WriteBlocks(IoChannel& io, const Range& range);
  Status PublishBlocks(IoChannel& io);
  Status PublishTable(IoChannel& io);
  Status ReadBlock(IoChannel& io, uint64_t block);
  bool IsNew(uint64_t block) const;
  Status TooLarge() const;

  FileHandle file_;  // with the size that it has now
  const bool device_;
  const uint64_t cluster_size_;
  const uint32_t refcount_order_;
  const uint64_t entries_per_block_;
  // The refcount table that the header names: its offset in bytes, its clusters and its entries.
  uint64_t table_offset_;
  uint64_t table_clusters_;
  uint64_t table_entries_;

  std::vector<uint64_t> table_;       // offsets of blocks; 0: there is none
  std::vector<uint64_t> new_blocks_;  // by number, ascending
  uint64_t new_table_offset_ = 0;     // 0: the table stays where it is
  uint64_t new_table_clusters_ = 0;
  uint64_t old_table_offset_ = 0;  // 0: none is to be released
  uint64_t old_table_clusters_ = 0;
  std::vector<std::byte> bytes_;  // of one block
};

}  // namespace hotcell::guest::qcow2

#endif  // HOTCELL_GUEST_FORMATS_QCOW2_REFCOUNT_EDITOR_H_
