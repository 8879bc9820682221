// What the bytes of a raw disk look like.
#ifndef HOTCELL_GUEST_FORMATS_RAW_CONTENTS_H_
#define HOTCELL_GUEST_FORMATS_RAW_CONTENTS_H_

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "guest/runtime/io.h"
#include "guest/runtime/status.h"

namespace hotcell::guest {

// Whether `head`, the first bytes of a file, starts with an MBR that has a partition. The boot
// sector of a file system, which ends with the same two bytes, has none.
bool HasPartitionTable(std::span<const std::byte> head);

// Every partition table, file system, volume and file format whose signature is where it belongs,
// in words; what else starts in the middle of something is not looked for.
Result<std::vector<std::string>> FindContents(IoChannel& io, const FileHandle& file);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_RAW_CONTENTS_H_
