// Writing of QED images: data and tables go to the end of the file, in the order of the disk.
#ifndef HOTCELL_GUEST_FORMATS_QED_QED_WRITER_H_
#define HOTCELL_GUEST_FORMATS_QED_QED_WRITER_H_

#include <memory>

#include "guest/formats/common/writer.h"

namespace hotcell::guest {

// A QED image. Options: cluster_size, table_size.
Result<std::unique_ptr<ImageWriter>> CreateQed(IoChannel& io, const CreateOptions& options);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_QED_QED_WRITER_H_
