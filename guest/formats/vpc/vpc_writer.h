// Writing of Microsoft's VHD images, dynamic or fixed, as qemu-img's `vpc` writes them.
#ifndef HOTCELL_GUEST_FORMATS_VPC_VPC_WRITER_H_
#define HOTCELL_GUEST_FORMATS_VPC_VPC_WRITER_H_

#include <memory>

#include "guest/formats/common/writer.h"

namespace hotcell::guest {

// A VHD. Options: subformat=dynamic|fixed, force_size. Without force_size the disk grows to the
// next size that a geometry can say, as qemu-img makes it.
Result<std::unique_ptr<ImageWriter>> CreateVpc(IoChannel& io, const CreateOptions& options);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_VPC_VPC_WRITER_H_
