// One sparse extent that is written: header, perhaps a descriptor, grain directory and grain tables
// twice, all at places that its capacity determines, and grains in the order in which they come.
// Virtual Disk Format 5.0, "Hosted Sparse Extents".
#ifndef HOTCELL_GUEST_FORMATS_VMDK_VMDK_WRITER_EXTENT_H_
#define HOTCELL_GUEST_FORMATS_VMDK_VMDK_WRITER_EXTENT_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "guest/formats/common/writer.h"
#include "guest/formats/vmdk/vmdk_writer_common.h"
#include "guest/formats/vmdk/vmdk_writer_descriptor.h"

namespace hotcell::guest::vmdk {

class SparseExtent {
 public:
  // `sectors`: of the extent, as a disk.
  SparseExtent(uint32_t slot, uint64_t sectors, bool has_descriptor);

  uint64_t sectors() const { return sectors_; }

  // Finds room for a data run: `offset` is in the extent, and no grain before that of the call
  // before may come. Appends what there is to write, and enters grains in `content_id`.
  Status PlaceData(IoChannel& io, const Run& run, uint64_t offset, ContentId& content_id,
                   std::vector<FileWrite>& writes);
  // Writes what is left of the tables, and gives their memory back. No data may come afterwards.
  Status FinishTables(IoChannel& io);
  // Writes the directories, then header and descriptor. Call it after FinishTables().
  Status Finish(IoChannel& io, bool zeroed_grain, std::string_view descriptor);

 private:
  // Entries that are held in memory: those of 4 GiB.
  static constexpr uint64_t kWindowEntries = 64 << 10;
  static_assert(kWindowEntries % kTableEntries == 0);

  Status SelectWindow(IoChannel& io, uint64_t grain);
  Status WriteDirectory(IoChannel& io, uint64_t sector, uint64_t first_table) const;

  const uint32_t slot_;
  const uint64_t sectors_;
  const bool has_descriptor_;
  const uint64_t tables_;  // how many
  // Sectors of the file.
  uint64_t redundant_directory_;
  uint64_t redundant_tables_;
  uint64_t directory_;
  uint64_t first_table_;
  uint64_t overhead_;
  uint64_t next_sector_;

  // Entries of the grains from window_begin_ on; empty: none is set.
  std::vector<Le32> window_;
  uint64_t window_begin_ = 0;
};

}  // namespace hotcell::guest::vmdk

#endif  // HOTCELL_GUEST_FORMATS_VMDK_VMDK_WRITER_EXTENT_H_
