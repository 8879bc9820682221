// VDI, the disk image of VirtualBox: a header, a map of blocks of 1 MiB, and the blocks.
#ifndef HOTCELL_GUEST_FORMATS_VDI_VDI_H_
#define HOTCELL_GUEST_FORMATS_VDI_VDI_H_

#include <memory>

#include "guest/formats/common/check.h"
#include "guest/formats/common/format.h"

namespace hotcell::guest {

// Images of type dynamic or static; differences to another image are refused.
Result<std::unique_ptr<ImageReader>> OpenVdi(IoChannel& io, const FileHandle& file,
                                             const OpenOptions& options);
Result<CheckResult> CheckVdi(IoChannel& io, const FileHandle& file, const OpenOptions& options);

// Sizes and header lengths that programs take differently, and what is loaded of the block map.
Status SurveyVdi(IoChannel& io, const FileHandle& file, Survey& survey);

// The check does not know constinit. NOLINTNEXTLINE(bugprone-dynamic-static-initializers)
extern constinit const FormatDriver kVdiFormat;

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_VDI_VDI_H_
