// "Snapshots" and "Bitmaps" of a qcow2 file: what they list.
#ifndef HOTCELL_GUEST_FORMATS_QCOW2_SNAPSHOTS_H_
#define HOTCELL_GUEST_FORMATS_QCOW2_SNAPSHOTS_H_

#include <cstdint>
#include <vector>

#include "guest/formats/common/format.h"
#include "guest/formats/qcow2/header.h"

namespace hotcell::guest::qcow2 {

struct Snapshot {
  SnapshotInfo info;
  uint64_t l1_offset = 0;
  uint32_t l1_size = 0;          // entries
  uint32_t extra_data_size = 0;  // bytes
};

struct SnapshotTable {
  std::vector<Snapshot> snapshots;
  uint64_t size = 0;  // of the table in the file, bytes

  // nullptr when there is none.
  const Snapshot* Find(const SnapshotSelector& wanted) const;
};

struct Bitmap {
  BitmapInfo info;
  uint64_t table_offset = 0;
  uint32_t table_size = 0;  // entries
  bool in_use = false;
};

// kLimit when the table's strings need more memory than the guest grants them.
Result<SnapshotTable> ReadSnapshotTable(IoChannel& io, const FileHandle& file,
                                        const ImageHeader& header);

// Precondition: header.bitmaps is set.
Result<std::vector<Bitmap>> ReadBitmapDirectory(IoChannel& io, const FileHandle& file,
                                                const ImageHeader& header);

}  // namespace hotcell::guest::qcow2

#endif  // HOTCELL_GUEST_FORMATS_QCOW2_SNAPSHOTS_H_
