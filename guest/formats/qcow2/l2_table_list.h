// The L2 tables of a qcow2 file, each once.
#ifndef HOTCELL_GUEST_FORMATS_QCOW2_L2_TABLE_LIST_H_
#define HOTCELL_GUEST_FORMATS_QCOW2_L2_TABLE_LIST_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest::qcow2 {

struct ListedTable {
  uint64_t offset = 0;       // in the file, bytes
  uint32_t order = 0;        // of its first use
  uint32_t uses = 0;         // by L1 entries of the active layer and of snapshots
  uint32_t active : 31 = 0;  // by those of the active layer
  uint32_t hole : 1 = 0;     // it lies in a hole of the file and so has no entries
  // Windows of ClusterCounts that its entries point into; first > last: none.
  uint16_t first_window = 1;
  uint16_t last_window = 0;
};
static_assert(sizeof(ListedTable) == 24);

// Snapshots share tables with each other, and a damaged or malicious image can name the same table
// millions of times: listed once, they take the time that the file's size allows them.
class L2TableList {
 public:
  explicit L2TableList(uint64_t cluster_size) : cluster_size_(cluster_size) {}

  // An L1 entry uses the table. kLimit when the tables are too many.
  Status Add(uint64_t offset, bool active);
  // Call it after the last Add(). Puts the tables in order of their first use, and marks those that
  // lie in holes of the file.
  Status Finish(IoChannel& io, const FileHandle& file);

  std::vector<ListedTable>& tables() { return tables_; }

 private:
  // 12 MiB of them. Tables of 64 KiB map 224 TiB with as many.
  static constexpr size_t kMaxListed = 512 << 10;
  static constexpr size_t kMaxTables = kMaxListed / 8 * 7;

  void SortByOffset();
  Status MarkHoles(IoChannel& io, const FileHandle& file);

  const uint64_t cluster_size_;
  std::vector<ListedTable> tables_;
  uint32_t order_ = 0;
};

}  // namespace hotcell::guest::qcow2

#endif  // HOTCELL_GUEST_FORMATS_QCOW2_L2_TABLE_LIST_H_
