// Writing of VirtualBox's VDI images: blocks in the order in which they were written, behind their
// table.
#ifndef HOTCELL_GUEST_FORMATS_VDI_VDI_WRITER_H_
#define HOTCELL_GUEST_FORMATS_VDI_VDI_WRITER_H_

#include <memory>

#include "guest/formats/common/writer.h"

namespace hotcell::guest {

// A VDI image, dynamic unless static=on. Options: static.
Result<std::unique_ptr<ImageWriter>> CreateVdi(IoChannel& io, const CreateOptions& options);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_VDI_VDI_WRITER_H_
