#include "guest/formats/qcow2/l2_table_list.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace hotcell::guest::qcow2 {

Status L2TableList::Add(uint64_t offset, bool active) {
  if (tables_.size() == kMaxListed) {
    SortByOffset();
    if (tables_.size() > kMaxTables) {
      return LimitExceeded(StrCat("qcow2: the image has more than ", kMaxTables,
                                  " L2 tables, too many to be checked"));
    }
  }
  tables_.push_back({.offset = offset, .order = order_, .uses = 1, .active = active});
  if (order_ != UINT32_MAX) ++order_;
  return OkStatus();
}

// Tables at the same offset are one afterwards, with the uses of all.
void L2TableList::SortByOffset() {
  std::sort(tables_.begin(), tables_.end(), [](const ListedTable& a, const ListedTable& b) {
    return a.offset != b.offset ? a.offset < b.offset : a.order < b.order;
  });
  size_t kept = 0;
  for (size_t i = 0; i < tables_.size(); ++i) {
    if (kept > 0 && tables_[kept - 1].offset == tables_[i].offset) {
      tables_[kept - 1].uses += tables_[i].uses;
      tables_[kept - 1].active += tables_[i].active;
    } else {
      tables_[kept++] = tables_[i];
    }
  }
  tables_.resize(kept);
}

// A table of zeroes has no entries. A sparse file can have room for terabytes of them.
Status L2TableList::MarkHoles(IoChannel& io, const FileHandle& file) {
  std::array<abi::BlockRun, abi::kMaxBlockRuns> runs;
  size_t count = 0;
  size_t next = 0;
  uint64_t run_end = 0;
  bool is_data = true;
  for (ListedTable& table : tables_) {
    const uint64_t end = std::min(table.offset + cluster_size_, file.size);
    while (table.offset < file.size && run_end <= table.offset) {
      if (next == count) {
        run_end = std::max(run_end, table.offset);
        const IoResult status = io.BlockStatus(file.slot, run_end, file.size - run_end, runs);
        if (!status.ok()) return IoError(status, "find the holes of the image");
        count = status.value;
        next = 0;
        if (count == 0 || runs[0].length == 0) {
          return Status(Code::kIo, "cannot find the holes of the image: it has become shorter");
        }
      }
      run_end += runs[next].length;
      is_data = runs[next].is_data != 0;
      ++next;
    }
    table.hole = table.offset >= file.size || (!is_data && run_end >= end);
  }
  return OkStatus();
}

Status L2TableList::Finish(IoChannel& io, const FileHandle& file) {
  SortByOffset();
  HOTCELL_RETURN_IF_ERROR(MarkHoles(io, file));
  std::sort(tables_.begin(), tables_.end(),
            [](const ListedTable& a, const ListedTable& b) { return a.order < b.order; });
  return OkStatus();
}

}  // namespace hotcell::guest::qcow2
