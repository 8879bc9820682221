// What the bytes of a raw disk look like.
#ifndef HOTCELL_GUEST_FORMATS_RAW_CONTENTS_H_
#define HOTCELL_GUEST_FORMATS_RAW_CONTENTS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest {

// Whether `head`, the first bytes of a file, starts with an MBR that has a partition. The boot
// sector of a file system, which ends with the same two bytes, has none.
bool HasPartitionTable(std::span<const std::byte> head);

// Whether there is the header of a GPT in the second sector, of 512 or of 4096 bytes.
bool HasGpt(std::span<const std::byte> head);

// Where what FindDiskContents() knows shows, bytes.
inline constexpr uint64_t kDiskContentsArea = 68 << 10;
// Every partition table, file system and volume whose signature is where it belongs, in words; what
// else starts in the middle of something is not looked for.
Result<std::vector<std::string>> FindDiskContents(IoChannel& io, const FileHandle& file);
// The same and the disk image formats that the file could be.
Result<std::vector<std::string>> FindContents(IoChannel& io, const FileHandle& file);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_RAW_CONTENTS_H_
