// The qcow image format, version 1.
#ifndef HOTCELL_GUEST_FORMATS_QCOW_QCOW_H_
#define HOTCELL_GUEST_FORMATS_QCOW_QCOW_H_

#include <memory>

#include "guest/formats/common/format.h"

namespace hotcell::guest {

// The check does not know constinit. NOLINTNEXTLINE(bugprone-dynamic-static-initializers)
extern constinit const FormatDriver kQcowFormat;

// Reads and validates the header. Encrypted images can be described, but not read.
Result<std::unique_ptr<ImageReader>> OpenQcow(IoChannel& io, const FileHandle& file,
                                              const OpenOptions& options);

// A size that programs round differently, and what is loaded of the tables.
Status SurveyQcow(IoChannel& io, const FileHandle& file, Survey& survey);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_QCOW_QCOW_H_
