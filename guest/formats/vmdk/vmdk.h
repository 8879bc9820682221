// VMware's virtual disks: one or more extents, and a descriptor within the first or in a file of
// its own.
#ifndef HOTCELL_GUEST_FORMATS_VMDK_VMDK_H_
#define HOTCELL_GUEST_FORMATS_VMDK_VMDK_H_

#include <memory>

#include "guest/formats/common/check.h"
#include "guest/formats/common/format.h"

namespace hotcell::guest {

// Opens an image and, unless it is only described, the other files that hold its extents.
Result<std::unique_ptr<ImageReader>> OpenVmdk(IoChannel& io, const FileHandle& file,
                                              const OpenOptions& options);

// Looks at all tables of all extents, which must be allowed to be opened.
Result<CheckResult> CheckVmdk(IoChannel& io, const FileHandle& file, const OpenOptions& options);

// Looks for what other programs find in the header, the footer and the descriptor, or around them.
// Precondition: OpenVmdk() opens the file.
Status SurveyVmdk(IoChannel& io, const FileHandle& file, Survey& survey);

// The check does not know constinit. NOLINTNEXTLINE(bugprone-dynamic-static-initializers)
extern constinit const FormatDriver kVmdkFormat;

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_VMDK_VMDK_H_
