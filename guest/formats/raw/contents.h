// What the bytes of a raw disk look like.
#ifndef HOTCELL_GUEST_FORMATS_RAW_CONTENTS_H_
#define HOTCELL_GUEST_FORMATS_RAW_CONTENTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "guest/formats/signatures/signature_kind.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest {

// Where what FindDiskContents() knows shows, bytes.
inline constexpr uint64_t kDiskContentsArea = 68 << 10;
// The marks of every partition table, file system and volume that are where they belong; what else
// starts in the middle of something is not looked for.
Result<std::vector<FileSignature>> FindDiskContents(IoChannel& io, const FileHandle& file);
// The disk image formats that the file could be: one that is asked for as raw can be another
// format's all the same.
Result<std::vector<std::string>> FindOtherFormats(IoChannel& io, const FileHandle& file);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_RAW_CONTENTS_H_
