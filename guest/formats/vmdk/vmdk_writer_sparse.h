// Writing of VMDK images whose grains are found through grain tables, in one file or in one for
// every 2 GiB of the disk.
#ifndef HOTCELL_GUEST_FORMATS_VMDK_VMDK_WRITER_SPARSE_H_
#define HOTCELL_GUEST_FORMATS_VMDK_VMDK_WRITER_SPARSE_H_

#include <memory>

#include "guest/formats/common/writer.h"
#include "guest/formats/vmdk/write_options.h"

namespace hotcell::guest::vmdk {

// monolithicSparse and twoGbMaxExtentSparse.
Result<std::unique_ptr<ImageWriter>> CreateSparse(IoChannel& io, const CreateOptions& create,
                                                  const WriteOptions& options);

}  // namespace hotcell::guest::vmdk

#endif  // HOTCELL_GUEST_FORMATS_VMDK_VMDK_WRITER_SPARSE_H_
