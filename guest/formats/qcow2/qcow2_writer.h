// Writing of qcow2 images: clusters, compressed clusters, tables and refcounts. Where everything
// lies does not depend on how many lanes write.
#ifndef HOTCELL_GUEST_FORMATS_QCOW2_QCOW2_WRITER_H_
#define HOTCELL_GUEST_FORMATS_QCOW2_QCOW2_WRITER_H_

#include <memory>

#include "guest/formats/common/writer.h"

namespace hotcell::guest {

// A qcow2 image, version 3 unless compat=0.10. Options: those of options.toml.
Result<std::unique_ptr<ImageWriter>> CreateQcow2(IoChannel& io, const CreateOptions& options);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_QCOW2_QCOW2_WRITER_H_
