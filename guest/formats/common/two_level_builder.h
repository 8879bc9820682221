// Writing of disks that two levels of tables map, where all that is written goes to the end of the
// file.
#ifndef HOTCELL_GUEST_FORMATS_COMMON_TWO_LEVEL_BUILDER_H_
#define HOTCELL_GUEST_FORMATS_COMMON_TWO_LEVEL_BUILDER_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "guest/formats/common/writer.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest {

// Space in the file and the tables. Clusters of the virtual disk are mapped by ascending number, so
// that a few L2 tables, or a piece of a big one, and a piece of the L1 table are all that is in
// memory. Tables without an entry are not written.
//
// An entry is 0, kZeroEntry, or says where in the file the cluster is.
class TwoLevelBuilder {
 public:
  struct Shape {
    uint32_t slot = 0;
    std::endian byte_order = std::endian::big;
    uint64_t cluster_size = 0;  // bytes, a power of two
    uint64_t l2_entries = 0;    // a power of two
    uint64_t l1_offset = 0;     // bytes
    uint64_t l1_bytes = 0;      // clusters come after it
  };
  static constexpr uint64_t kZeroEntry = 1;

  explicit TwoLevelBuilder(const Shape& shape);

  // The run's data in clusters, new ones unless a run before this one began them; the rest of a
  // new cluster reads as zeroes.
  Status PlaceData(IoChannel& io, const Run& run, std::vector<FileWrite>& writes);
  // A compressed stream wherever the file ends; `entry_bits` are or-ed to its place.
  Status PlaceStream(IoChannel& io, const Run& run, uint64_t entry_bits,
                     std::vector<FileWrite>& writes);
  // Marks the run's clusters with kZeroEntry unless they have an entry.
  Status PlaceZeroEntries(IoChannel& io, const Run& run);
  // Gives the run's clusters that have no entry a place where nothing is written.
  Status PlaceHoles(IoChannel& io, const Run& run);

  // Writes what remains of the tables.
  Status Finish(IoChannel& io);

  uint64_t end() const { return end_; }  // of the file so far, bytes

 private:
  uint64_t Allocate(uint64_t size);
  Status Select(IoChannel& io, uint64_t cluster);
  uint64_t& Entry(uint64_t cluster);
  void SetEntry(uint64_t cluster, uint64_t entry);
  // The first cluster whose entry is not in memory together with the selected one's.
  uint64_t UnitEnd() const { return (unit_ + 1) * entries_per_unit_; }
  Status WriteUnits(IoChannel& io);
  Status WritePiece(IoChannel& io);
  Status WriteEntries(IoChannel& io, uint64_t offset, uint64_t count, std::string_view what);
  Status SetL1Entry(IoChannel& io, uint64_t index, uint64_t entry);
  Status WriteL1Piece(IoChannel& io);

  const Shape shape_;
  // A unit is an L2 table, or a piece of one that is large.
  const uint64_t entries_per_unit_;
  const uint64_t units_per_table_;
  const uint64_t units_per_batch_;
  uint64_t end_;

  std::vector<uint64_t> entries_;   // of complete units, then of the current one; host byte order
  std::vector<uint64_t> complete_;  // their numbers
  uint64_t unit_ = 0;               // the current one
  bool used_ = false;               // it has an entry
  uint64_t piece_table_ = UINT64_MAX;  // the large table whose pieces are written, and its place
  uint64_t piece_table_offset_ = 0;

  std::vector<uint64_t> l1_piece_;  // [l1_piece_index_ * size, ...)
  uint64_t l1_piece_index_ = 0;
  bool l1_piece_used_ = false;
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_COMMON_TWO_LEVEL_BUILDER_H_
