// What a disk grows by: the tables that map it, made ready before the disk is longer.
#ifndef HOTCELL_GUEST_FORMATS_QCOW2_NEW_AREA_H_
#define HOTCELL_GUEST_FORMATS_QCOW2_NEW_AREA_H_

#include <cstdint>
#include <vector>

#include "guest/formats/common/endian.h"
#include "guest/formats/common/resize.h"
#include "guest/formats/qcow2/header.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest::qcow2 {

// How clusters of the new area that are in no table yet come into one.
enum class Fill : uint8_t {
  kNothing,  // not at all: without a backing image they read as zeroes
  kZero,     // marked as zero
  kData,     // space is set aside for them
};

// The clusters from the end of the disk as it was to its end as it shall be. Where a cluster holds
// the old end, it is the one after it.
class NewArea {
 public:
  NewArea(const ImageHeader& header, const FileHandle& file, const ResizeOptions& options,
          Fill fill);

  // Looks at the tables that there are. An error means that something is in use beyond the end of
  // the disk which cannot be made to read as zeroes.
  Status Plan(IoChannel& io);
  // The clusters that Plan() found to be needed, for tables and for data.
  uint64_t new_tables() const { return new_tables_; }
  uint64_t new_data() const { return new_data_; }

  // Writes the tables into new_tables() clusters at `tables`, which map new_data() clusters at
  // `data`. Nothing that the disk has now is changed.
  Status WriteTables(IoChannel& io, uint64_t tables, uint64_t data);
  // Those L1 entries that WriteTables() changed go into the L1 table at `l1_offset`.
  Status WriteL1Entries(IoChannel& io, uint64_t l1_offset);
  // L2 tables that others took the place of, a cluster each.
  const std::vector<uint64_t>& replaced_tables() const { return replaced_tables_; }

 private:
  // Disk clusters that one table maps, and which of them are of the area: begin <= i < end.
  struct Part {
    uint64_t l1_index = 0;
    uint64_t begin = 0;
    uint64_t end = 0;
  };
  // What becomes of a table.
  struct Changes {
    uint64_t entries = 0;  // that change
    uint64_t data = 0;     // of them, those that get a data cluster
  };

  bool empty() const { return first_ == end_; }
  Part PartOf(uint64_t l1_index) const;
  bool HasTable(uint64_t l1_index) const { return (l1_[l1_index - l1_begin_] & kOffsetMask) != 0; }
  bool MustMove(uint64_t l1_index) const {
    return HasTable(l1_index) && (l1_[l1_index - l1_begin_] & kEntryCopied) == 0;
  }
  Status ReadL1(IoChannel& io);
  // The table's words in `words_`; zeroes where there is none.
  Status ReadTable(IoChannel& io, uint64_t l1_index);
  Result<Changes> Judge(const Part& part);
  // Fills the free entries of `words_`; data clusters begin at `data`, which moves on.
  void FillTable(const Part& part, uint64_t& data);
  // Overwrites what data clusters beyond the disk's end hold.
  Status ClearStaleData(IoChannel& io, const Part& part);

  const ImageHeader& header_;
  const FileHandle file_;
  const Fill fill_;
  const uint64_t first_;  // clusters of the disk
  const uint64_t end_;

  uint64_t l1_begin_ = 0;
  std::vector<uint64_t> l1_;  // entries from l1_begin_ on that the area needs
  std::vector<Be64> words_;   // of an L2 table
  bool l1_changed_ = false;
  uint64_t new_tables_ = 0;
  uint64_t new_data_ = 0;
  std::vector<uint64_t> replaced_tables_;
};

}  // namespace hotcell::guest::qcow2

#endif  // HOTCELL_GUEST_FORMATS_QCOW2_NEW_AREA_H_
