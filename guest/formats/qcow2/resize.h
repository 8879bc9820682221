// Another size for the disk of a qcow2 image, in place.
#ifndef HOTCELL_GUEST_FORMATS_QCOW2_RESIZE_H_
#define HOTCELL_GUEST_FORMATS_QCOW2_RESIZE_H_

#include "guest/formats/common/resize.h"

namespace hotcell::guest {

// The disk grows; it does not shrink. Where a backing image is longer than the disk was, or cannot
// be looked at, what the disk grows by is marked as zero. Images that are damaged, dirty,
// encrypted, have bitmaps or their data elsewhere are refused by name.
Status ResizeQcow2(IoChannel& io, const FileHandle& file, const ResizeOptions& options);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_QCOW2_RESIZE_H_
