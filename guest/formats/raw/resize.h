// Another size for a raw image, in place.
#ifndef HOTCELL_GUEST_FORMATS_RAW_RESIZE_H_
#define HOTCELL_GUEST_FORMATS_RAW_RESIZE_H_

#include "guest/formats/common/resize.h"

namespace hotcell::guest {

// The file becomes that long. Devices keep the size they have.
Status ResizeRaw(IoChannel& io, const FileHandle& file, const ResizeOptions& options);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_RAW_RESIZE_H_
