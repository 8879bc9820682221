// Writing of qcow images, version 1: two levels of tables over clusters that may be compressed.
#ifndef HOTCELL_GUEST_FORMATS_QCOW_QCOW_WRITER_H_
#define HOTCELL_GUEST_FORMATS_QCOW_QCOW_WRITER_H_

#include <memory>

#include "guest/formats/common/writer.h"

namespace hotcell::guest {

// A qcow image with clusters of 4 KiB, or of 512 bytes with a backing file, as qemu-img makes them.
// It cannot say that a cluster is zero, so zeroes that hide a backing file take up space in the
// tables and are holes of the file.
Result<std::unique_ptr<ImageWriter>> CreateQcow(IoChannel& io, const CreateOptions& options);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_QCOW_QCOW_WRITER_H_
