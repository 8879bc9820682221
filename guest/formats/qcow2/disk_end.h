// The cluster that a disk ends in, when it is to grow.
#ifndef HOTCELL_GUEST_FORMATS_QCOW2_DISK_END_H_
#define HOTCELL_GUEST_FORMATS_QCOW2_DISK_END_H_

#include <cstdint>

#include "guest/formats/qcow2/header.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest::qcow2 {

// Makes what follows the end of a disk of `size` bytes in its last cluster read as zeroes; the disk
// as it is does not change. `backing_shows`: where the image holds nothing there, the backing
// image's bytes would be seen. kUnsupported: that can only be done to a copy of the cluster.
Status ClearLastCluster(IoChannel& io, const FileHandle& file, const ImageHeader& header,
                        uint64_t size, bool backing_shows);

}  // namespace hotcell::guest::qcow2

#endif  // HOTCELL_GUEST_FORMATS_QCOW2_DISK_END_H_
