// The `-o` options of qcow2 output.
#ifndef HOTCELL_GUEST_FORMATS_QCOW2_WRITE_OPTIONS_H_
#define HOTCELL_GUEST_FORMATS_QCOW2_WRITE_OPTIONS_H_

#include <cstdint>

#include "guest/formats/common/writer.h"

namespace hotcell::guest::qcow2 {

struct WriteOptions {
  uint32_t version = 3;
  uint32_t cluster_bits = 16;
  uint32_t refcount_order = 4;
  bool lazy_refcounts = false;
  bool extended_l2 = false;
  bool preallocate_metadata = false;  // every cluster has its place in the file
  bool preallocate_data = false;      // and takes up space
  bool zstd = false;
};

// The options, or the first that is unknown, malformed, not done, or at odds with another.
Result<WriteOptions> ParseWriteOptions(const CreateOptions& options);

}  // namespace hotcell::guest::qcow2

#endif  // HOTCELL_GUEST_FORMATS_QCOW2_WRITE_OPTIONS_H_
