// qcow2, versions 2 and 3: QEMU's docs/interop/qcow2.
#ifndef HOTCELL_GUEST_FORMATS_QCOW2_QCOW2_H_
#define HOTCELL_GUEST_FORMATS_QCOW2_QCOW2_H_

#include <memory>

#include "guest/formats/common/format.h"

namespace hotcell::guest {

// Opens an image, and its external data file if it has one. Encrypted images can be described, not
// read.
Result<std::unique_ptr<ImageReader>> OpenQcow2(IoChannel& io, const FileHandle& file,
                                               const OpenOptions& options);

// What of the header other programs take otherwise, and what they load of the tables that it names.
Status SurveyQcow2(IoChannel& io, const FileHandle& file, Survey& survey);

// The check does not know constinit. NOLINTNEXTLINE(bugprone-dynamic-static-initializers)
extern constinit const FormatDriver kQcow2Format;

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_QCOW2_QCOW2_H_
