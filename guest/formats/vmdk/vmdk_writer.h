// Writing of VMDK images: the option subformat chooses one of the three writers.
#ifndef HOTCELL_GUEST_FORMATS_VMDK_VMDK_WRITER_H_
#define HOTCELL_GUEST_FORMATS_VMDK_VMDK_WRITER_H_

#include <memory>

#include "guest/formats/common/writer.h"

namespace hotcell::guest {

// A VMDK in any of the hosted subformats; options.toml has the options.
Result<std::unique_ptr<ImageWriter>> CreateVmdk(IoChannel& io, const CreateOptions& options);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_VMDK_VMDK_WRITER_H_
