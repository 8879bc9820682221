// Marks by which other programs know a file: partition tables, file systems, archives, images at
// places where no format of ours looks.
#ifndef HOTCELL_GUEST_FORMATS_SIGNATURES_SIGNATURES_H_
#define HOTCELL_GUEST_FORMATS_SIGNATURES_SIGNATURES_H_

#include <vector>

#include "guest/formats/common/format.h"
#include "guest/formats/signatures/signature_kind.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest {

// By offset. Reads the first 72 KiB and the last 2 KiB of the file.
Result<std::vector<FileSignature>> FindSignatures(IoChannel& io, const FileHandle& file);

// Takes out what nobody probes for where it is and what is no more than bytes of the disk that
// `reader` has open: a partition's LUKS header, an image that is copied to a partition. Its cost
// does not grow with the disk unless there are such marks.
Status DropMarksOfDisk(IoChannel& io, const FileHandle& file, ImageReader& reader,
                       std::vector<FileSignature>& signatures);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_SIGNATURES_SIGNATURES_H_
