// VHD, which QEMU calls vpc: Microsoft's "Virtual Hard Disk Image Format Specification" 1.0.
#ifndef HOTCELL_GUEST_FORMATS_VPC_VPC_H_
#define HOTCELL_GUEST_FORMATS_VPC_VPC_H_

#include <memory>

#include "guest/formats/common/check.h"
#include "guest/formats/common/format.h"
#include "guest/formats/common/survey.h"

namespace hotcell::guest {

// Opens a fixed, dynamic or differencing disk; the parent of the last is the reader's backing().
Result<std::unique_ptr<ImageReader>> OpenVpc(IoChannel& io, const FileHandle& file,
                                             const OpenOptions& options);

// Compares the footers, the two sizes and, if it is thorough, the blocks' bitmaps with their data.
Status SurveyVpc(IoChannel& io, const FileHandle& file, Survey& survey);

Result<CheckResult> CheckVpc(IoChannel& io, const FileHandle& file, const OpenOptions& options);

// The check does not know constinit. NOLINTNEXTLINE(bugprone-dynamic-static-initializers)
extern constinit const FormatDriver kVpcFormat;

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_VPC_VPC_H_
