// Writing of the VMDK images that OVF packages hold: from front to back, all grains compressed.
#ifndef HOTCELL_GUEST_FORMATS_VMDK_VMDK_WRITER_STREAM_H_
#define HOTCELL_GUEST_FORMATS_VMDK_VMDK_WRITER_STREAM_H_

#include <memory>

#include "guest/formats/common/writer.h"
#include "guest/formats/vmdk/write_options.h"

namespace hotcell::guest::vmdk {

// streamOptimized: compressed grains in the order of the disk, each behind its marker, and each
// grain table behind those that it is of. Virtual Disk Format 5.0, "Stream-Optimized Compressed
// Sparse Extents".
Result<std::unique_ptr<ImageWriter>> CreateStream(const CreateOptions& create,
                                                  const WriteOptions& options);

}  // namespace hotcell::guest::vmdk

#endif  // HOTCELL_GUEST_FORMATS_VMDK_VMDK_WRITER_STREAM_H_
