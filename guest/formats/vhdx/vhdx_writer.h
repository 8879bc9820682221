// Writing of VHDX images, fixed or dynamic, without a parent and with an empty log.
#ifndef HOTCELL_GUEST_FORMATS_VHDX_VHDX_WRITER_H_
#define HOTCELL_GUEST_FORMATS_VHDX_VHDX_WRITER_H_

#include <memory>

#include "guest/formats/common/writer.h"

namespace hotcell::guest {

// A VHDX. Options: block_size, block_state_zero, log_size, subformat=dynamic|fixed.
Result<std::unique_ptr<ImageWriter>> CreateVhdx(IoChannel& io, const CreateOptions& options);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_VHDX_VHDX_WRITER_H_
