// Marks by which other programs know a file: partition tables, file systems, archives, images at
// places where no format of ours looks.
#ifndef HOTCELL_GUEST_OPS_SIGNATURES_H_
#define HOTCELL_GUEST_OPS_SIGNATURES_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "guest/runtime/io.h"
#include "guest/runtime/status.h"

namespace hotcell::guest {

struct FileSignature {
  uint64_t offset = 0;    // in the file, bytes
  std::string_view name;  // static
};

// By offset. Reads the first 72 KiB and the last 512 bytes of the file.
Result<std::vector<FileSignature>> FindSignatures(IoChannel& io, const FileHandle& file);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_OPS_SIGNATURES_H_
