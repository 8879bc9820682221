// VHDX: [MS-VHDX], "Virtual Hard Disk v2 (VHDX) File Format".
#ifndef HOTCELL_GUEST_FORMATS_VHDX_VHDX_H_
#define HOTCELL_GUEST_FORMATS_VHDX_VHDX_H_

#include <memory>

#include "guest/formats/common/check.h"
#include "guest/formats/common/format.h"

namespace hotcell::guest {

// Opens a fixed, dynamic or differencing disk; the parent of the last is the reader's backing(). A
// log that has not been replayed is, in memory.
Result<std::unique_ptr<ImageReader>> OpenVhdx(IoChannel& io, const FileHandle& file,
                                              const OpenOptions& options);

Result<CheckResult> CheckVhdx(IoChannel& io, const FileHandle& file, const OpenOptions& options);

// Copies of headers and region tables that differ, a log, and what is loaded of the tables.
Status SurveyVhdx(IoChannel& io, const FileHandle& file, Survey& survey);

// The check does not know constinit. NOLINTNEXTLINE(bugprone-dynamic-static-initializers)
extern constinit const FormatDriver kVhdxFormat;

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_VHDX_VHDX_H_
