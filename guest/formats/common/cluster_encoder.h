// Compression of clusters that stay as they are when they do not shrink.
#ifndef HOTCELL_GUEST_FORMATS_COMMON_CLUSTER_ENCODER_H_
#define HOTCELL_GUEST_FORMATS_COMMON_CLUSTER_ENCODER_H_

#include <cstdint>
#include <memory>

#include "guest/formats/common/format.h"
#include "guest/formats/common/writer.h"

namespace hotcell::guest {

// Makes an encoder for clusters of `cluster_size` bytes, which is WriterTraits::cluster_size.
Result<std::unique_ptr<LaneEncoder>> MakeClusterEncoder(Compression compression,
                                                        uint64_t cluster_size);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_COMMON_CLUSTER_ENCODER_H_
