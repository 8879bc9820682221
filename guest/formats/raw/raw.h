// raw: the file is the disk. Holes of the file are reported as zeroes.
#ifndef HOTCELL_GUEST_FORMATS_RAW_RAW_H_
#define HOTCELL_GUEST_FORMATS_RAW_RAW_H_

#include <memory>

#include "guest/formats/common/format.h"

namespace hotcell::guest {

// The disk has whole sectors of 512 bytes, as in qemu-img: a file that ends within a sector reads
// as zeroes up to the sector's end.
Result<std::unique_ptr<ImageReader>> OpenRaw(IoChannel& io, const FileHandle& file,
                                             const OpenOptions& options);

// The check does not know constinit. NOLINTNEXTLINE(bugprone-dynamic-static-initializers)
extern constinit const FormatDriver kRawFormat;

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_RAW_RAW_H_
