// What the bytes of a raw disk look like.
#ifndef HOTCELL_GUEST_FORMATS_RAW_CONTENTS_H_
#define HOTCELL_GUEST_FORMATS_RAW_CONTENTS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "guest/formats/signatures/signature_kind.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest {

// Where what FindDiskContents() knows shows, bytes.
inline constexpr uint64_t kDiskContentsArea = 68 << 10;
// So many bytes from the start of the file, or all that there are.
Result<std::vector<std::byte>> ReadDiskContentsArea(IoChannel& io, const FileHandle& file);
// The marks of every partition table, file system and volume that are where they belong; what else
// starts in the middle of something is not looked for.
std::vector<FileSignature> FindDiskContents(std::span<const std::byte> area);
// The same of a file, whose area is read.
Result<std::vector<FileSignature>> FindDiskContents(IoChannel& io, const FileHandle& file);
// The disk image formats that the file could be: one that is asked for as raw can be another
// format's all the same.
Result<std::vector<std::string>> FindOtherFormats(IoChannel& io, const FileHandle& file);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_RAW_CONTENTS_H_
