// Parallels expandable images: a header, a block allocation table (BAT) and clusters.
#ifndef HOTCELL_GUEST_FORMATS_PARALLELS_PARALLELS_H_
#define HOTCELL_GUEST_FORMATS_PARALLELS_PARALLELS_H_

#include <memory>

#include "guest/formats/common/check.h"
#include "guest/formats/common/format.h"

namespace hotcell::guest {

Result<std::unique_ptr<ImageReader>> OpenParallels(IoChannel& io, const FileHandle& file,
                                                   const OpenOptions& options);
Result<CheckResult> CheckParallels(IoChannel& io, const FileHandle& file,
                                   const OpenOptions& options);

// The check does not know constinit. NOLINTNEXTLINE(bugprone-dynamic-static-initializers)
extern constinit const FormatDriver kParallelsFormat;

// A data area that programs place differently, and the bitmaps that QEMU loads.
Status SurveyParallels(IoChannel& io, const FileHandle& file, Survey& survey);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_PARALLELS_PARALLELS_H_
