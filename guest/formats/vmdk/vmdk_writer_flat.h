// Writing of VMDK images whose data lies in flat files, beside a file with their descriptor.
#ifndef HOTCELL_GUEST_FORMATS_VMDK_VMDK_WRITER_FLAT_H_
#define HOTCELL_GUEST_FORMATS_VMDK_VMDK_WRITER_FLAT_H_

#include <memory>

#include "guest/formats/common/writer.h"
#include "guest/formats/vmdk/write_options.h"

namespace hotcell::guest::vmdk {

// monolithicFlat and twoGbMaxExtentFlat: the disk's bytes, in one file or several.
Result<std::unique_ptr<ImageWriter>> CreateFlat(IoChannel& io, const CreateOptions& create,
                                                const WriteOptions& options);

}  // namespace hotcell::guest::vmdk

#endif  // HOTCELL_GUEST_FORMATS_VMDK_VMDK_WRITER_FLAT_H_
