// The list of what a writer wants written: neighbouring writes become one, and so one request.
#ifndef HOTCELL_GUEST_FORMATS_COMMON_FILE_WRITES_H_
#define HOTCELL_GUEST_FORMATS_COMMON_FILE_WRITES_H_

#include <vector>

#include "guest/formats/common/writer.h"

namespace hotcell::guest {

// Adds a write, to the last one where it continues that in file and memory.
inline void AddWrite(std::vector<FileWrite>& writes, const FileWrite& write) {
  if (!writes.empty()) {
    FileWrite& last = writes.back();
    if (last.slot == write.slot && last.offset + last.length == write.offset &&
        last.data + last.length == write.data) {
      last.length += write.length;
      return;
    }
  }
  writes.push_back(write);
}

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_COMMON_FILE_WRITES_H_
