// The disk of a qcow2 image, or of one of its internal snapshots, found in L1 and L2 tables whose
// entries are hostile.
#ifndef HOTCELL_GUEST_FORMATS_QCOW2_READER_H_
#define HOTCELL_GUEST_FORMATS_QCOW2_READER_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "guest/formats/common/claim_table.h"
#include "guest/formats/common/extent_builder.h"
#include "guest/formats/common/format.h"
#include "guest/formats/common/table_cache.h"
#include "guest/formats/qcow2/cluster.h"
#include "guest/formats/qcow2/header.h"
#include "guest/formats/qcow2/snapshots.h"

namespace hotcell::guest::qcow2 {

// What Open() found out about an image.
struct ImageParts {
  FileHandle file;
  FileHandle data_file;  // `file` when there is no external one
  ImageHeader header;
  SnapshotTable snapshots;
  std::vector<BitmapInfo> bitmaps;
  std::vector<Region> regions;  // of the file, claimed by metadata
  std::vector<std::string> warnings;
};

class Reader : public ImageReader {
 public:
  explicit Reader(ImageParts parts);

  uint64_t virtual_size() const override { return virtual_size_; }
  std::optional<Reference> backing() const override { return parts_.header.backing; }
  Result<Extent> Map(IoChannel& io, uint64_t offset, uint64_t length) override;
  std::vector<FileHandle> data_files() const override { return {parts_.data_file}; }
  ImageDescription Describe() const override;
  Status SelectSnapshot(IoChannel& io, const SnapshotSelector& wanted) override;

  // Finds L2 tables that lie where no table can, and those that two L1 entries claim: a file of
  // little size could otherwise have a disk that takes days to map.
  Status CheckL2Tables(IoChannel& io);

 private:
  DetailList Details() const;

  // L1 entries in a row: the one looked for and those after it.
  struct L1Run {
    static constexpr size_t kMaxEntries = TableCache::kMaxLoad;
    uint64_t index = 0;  // of the first
    size_t count = 0;
    uint64_t entries[kMaxEntries] = {};

    uint64_t table(size_t i) const { return entries[i] & kOffsetMask; }
  };

  Status ReadL1(IoChannel& io, uint64_t index, L1Run& run);
  // Entries of the table of l1.table(0), from 8-byte word `first` on; they do not cross a slice.
  Status ReadL2(IoChannel& io, const L1Run& l1, uint64_t first, std::span<uint64_t> words);
  Status CheckL2Table(uint64_t l1_index, uint64_t table) const;
  bool CanBeL2Table(uint64_t table) const;
  Status Walk(IoChannel& io, uint64_t offset, uint64_t end, ExtentBuilder& extent);
  Status WalkTable(IoChannel& io, const L1Run& l1, uint64_t offset, uint64_t end,
                   ExtentBuilder& extent);
  Status CheckDataRange(const Extent& extent, uint64_t disk_offset) const;
  // `extent` starts `in_cluster` bytes into the cluster at disk offset `cluster`.
  Status ClaimData(const Extent& extent, uint64_t cluster, uint64_t in_cluster);

  const ImageParts parts_;
  const ClusterDecoder decoder_;

  // The L1 table in use, and its disk.
  uint64_t virtual_size_;
  uint64_t l1_offset_;
  uint64_t l1_needed_;  // entries

  TableCache l1_cache_;
  TableCache l2_cache_;
  ClaimTable claims_;
};

}  // namespace hotcell::guest::qcow2

#endif  // HOTCELL_GUEST_FORMATS_QCOW2_READER_H_
