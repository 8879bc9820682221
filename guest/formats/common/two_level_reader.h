// Reading of disks that two levels of tables map: the L1 table says where L2 tables lie, and an
// entry of an L2 table where a cluster lies. Entries have 64 bits, 0 stands for nothing.
#ifndef HOTCELL_GUEST_FORMATS_COMMON_TWO_LEVEL_READER_H_
#define HOTCELL_GUEST_FORMATS_COMMON_TWO_LEVEL_READER_H_

#include <bit>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "guest/formats/common/claim_table.h"
#include "guest/formats/common/extent_builder.h"
#include "guest/formats/common/file_region.h"
#include "guest/formats/common/format.h"
#include "guest/formats/common/table_cache.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest {

struct TwoLevelLayout {
  std::string_view format;  // starts error messages
  std::endian byte_order = std::endian::big;
  FileHandle file;
  uint64_t virtual_size = 0;     // bytes, less than 2^63
  uint64_t cluster_size = 0;     // bytes, a power of two
  uint64_t l2_entries = 0;       // a power of two; with cluster_size at most 2^53 bytes of disk
  uint64_t table_alignment = 1;  // of L2 tables, bytes
  uint64_t l1_offset = 0;        // bytes
  uint64_t l1_size = 0;          // bytes that the table has, if more than the disk needs
  FileRegion header;

  uint64_t l2_bytes() const { return l2_entries * sizeof(uint64_t); }
  // Bytes of disk that an L2 table maps.
  uint64_t l2_coverage() const { return l2_entries * cluster_size; }
  // L1 entries that the disk needs.
  uint64_t l1_entries() const {
    return virtual_size / l2_coverage() + (virtual_size % l2_coverage() != 0 ? 1 : 0);
  }
};

class TwoLevelReader : public ImageReader {
 public:
  explicit TwoLevelReader(const TwoLevelLayout& layout);

  uint64_t virtual_size() const override { return layout_.virtual_size; }
  Result<Extent> Map(IoChannel& io, uint64_t offset, uint64_t length) override;
  std::vector<FileHandle> data_files() const override { return {layout_.file}; }

  // Once, before Map(): the L1 table lies in the file, and each L2 table where a table can and
  // where no other does; a file of little size could otherwise have a disk that takes days to map.
  Status CheckTables(IoChannel& io);

 protected:
  // What an L2 entry that is not 0 says of the cluster at disk offset `cluster`: an extent of the
  // whole cluster. Whether the data lies within the file is not its business.
  virtual Result<Extent> Decode(uint64_t entry, uint64_t cluster) const = 0;

  const TwoLevelLayout& layout() const { return layout_; }

 private:
  // L1 entries in a row: the one looked for and those after it.
  struct L1Run {
    static constexpr size_t kMaxEntries = TableCache::kMaxLoad;
    uint64_t index = 0;  // of the first
    size_t count = 0;
    uint64_t entries[kMaxEntries] = {};
  };

  Status ReadL1(IoChannel& io, uint64_t index, L1Run& run);
  // Entries of the table of l1.entries[0], from `first` on; they do not cross a slice.
  Status ReadL2(IoChannel& io, const L1Run& l1, uint64_t first, std::span<uint64_t> entries);
  bool CanBeL2Table(uint64_t table) const;
  Status CheckL2Table(uint64_t l1_index, uint64_t table) const;
  Status CheckApart(std::vector<uint64_t>& tables) const;
  // The extent that the entry makes of the disk at `offset`, which lies in the entry's cluster.
  Result<Extent> DecodeAt(uint64_t entry, uint64_t offset);
  Status CheckData(const Extent& extent, uint64_t cluster) const;
  Status CheckOverlap(const Extent& extent, uint64_t disk_offset) const;
  Status Walk(IoChannel& io, uint64_t offset, uint64_t end, ExtentBuilder& extent);
  Status WalkTable(IoChannel& io, const L1Run& l1, uint64_t offset, uint64_t end,
                   ExtentBuilder& extent);

  const TwoLevelLayout layout_;
  const FileRegion l1_table_;
  TableCache l1_cache_;
  TableCache l2_cache_;
  ClaimTable claims_;
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_COMMON_TWO_LEVEL_READER_H_
