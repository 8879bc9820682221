// Writing of raw images: a file without any structure of its own.
#ifndef HOTCELL_GUEST_FORMATS_RAW_RAW_WRITER_H_
#define HOTCELL_GUEST_FORMATS_RAW_RAW_WRITER_H_

#include <memory>

#include "guest/formats/common/writer.h"

namespace hotcell::guest {

// The virtual disk byte for byte; zeroes are left out of a new file unless
// preallocation is other than off. Options: those of options.toml.
Result<std::unique_ptr<ImageWriter>> CreateRaw(IoChannel& io, const CreateOptions& options);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_RAW_RAW_WRITER_H_
