// cloop, a disk in compressed blocks that is only read.
#ifndef HOTCELL_GUEST_FORMATS_CLOOP_CLOOP_H_
#define HOTCELL_GUEST_FORMATS_CLOOP_CLOOP_H_

#include <memory>

#include "guest/formats/common/format.h"

namespace hotcell::guest {

// Reads and validates the header and the table of offsets.
Result<std::unique_ptr<ImageReader>> OpenCloop(IoChannel& io, const FileHandle& file,
                                               const OpenOptions& options);

// The check does not know constinit. NOLINTNEXTLINE(bugprone-dynamic-static-initializers)
extern constinit const FormatDriver kCloopFormat;

// Whether the offsets ascend within the file, which programs may not look at, and what is loaded of
// them.
Status SurveyCloop(IoChannel& io, const FileHandle& file, Survey& survey);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_CLOOP_CLOOP_H_
