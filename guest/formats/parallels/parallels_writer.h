// Writing of Parallels images: blocks in the order in which they were written, behind their table.
#ifndef HOTCELL_GUEST_FORMATS_PARALLELS_PARALLELS_WRITER_H_
#define HOTCELL_GUEST_FORMATS_PARALLELS_PARALLELS_WRITER_H_

#include <memory>

#include "guest/formats/common/writer.h"

namespace hotcell::guest {

// A Parallels image of the "WithouFreSpacExt" kind. Options: cluster_size.
Result<std::unique_ptr<ImageWriter>> CreateParallels(IoChannel& io, const CreateOptions& options);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_PARALLELS_PARALLELS_WRITER_H_
