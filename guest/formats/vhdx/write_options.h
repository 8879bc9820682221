// The `-o` options of VHDX output, with qemu-img's defaults.
#ifndef HOTCELL_GUEST_FORMATS_VHDX_WRITE_OPTIONS_H_
#define HOTCELL_GUEST_FORMATS_VHDX_WRITE_OPTIONS_H_

#include <cstdint>

#include "guest/formats/common/writer.h"

namespace hotcell::guest::vhdx {

struct WriteOptions {
  bool fixed = false;
  uint64_t block_size = 0;  // bytes
  uint64_t log_size = 0;    // bytes
  // Blocks that are not in the file read as zeroes by the specification, not only by custom.
  bool block_state_zero = true;
};

Result<WriteOptions> ParseWriteOptions(const CreateOptions& options);

}  // namespace hotcell::guest::vhdx

#endif  // HOTCELL_GUEST_FORMATS_VHDX_WRITE_OPTIONS_H_
