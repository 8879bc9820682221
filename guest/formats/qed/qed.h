// QED: QEMU's docs/interop/qed_spec.
#ifndef HOTCELL_GUEST_FORMATS_QED_QED_H_
#define HOTCELL_GUEST_FORMATS_QED_QED_H_

#include <memory>

#include "guest/formats/common/check.h"
#include "guest/formats/common/format.h"

namespace hotcell::guest {

Result<std::unique_ptr<ImageReader>> OpenQed(IoChannel& io, const FileHandle& file,
                                             const OpenOptions& options);

// Finds clusters that are claimed twice, that lie outside of the file, and that nothing claims.
Result<CheckResult> CheckQed(IoChannel& io, const FileHandle& file, const OpenOptions& options);

// Feature bits and places that programs may not mind, and what is loaded of the tables.
Status SurveyQed(IoChannel& io, const FileHandle& file, Survey& survey);

// The check does not know constinit. NOLINTNEXTLINE(bugprone-dynamic-static-initializers)
extern constinit const FormatDriver kQedFormat;

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_QED_QED_H_
