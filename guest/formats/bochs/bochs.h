// Bochs "growing" images, versions 1 and 2.
#ifndef HOTCELL_GUEST_FORMATS_BOCHS_BOCHS_H_
#define HOTCELL_GUEST_FORMATS_BOCHS_BOCHS_H_

#include <memory>

#include "guest/formats/common/format.h"

namespace hotcell::guest {

// Reads and validates the header and the catalog. Redologs that are changes to another disk are
// refused.
Result<std::unique_ptr<ImageReader>> OpenBochs(IoChannel& io, const FileHandle& file,
                                               const OpenOptions& options);

// The check does not know constinit. NOLINTNEXTLINE(bugprone-dynamic-static-initializers)
extern constinit const FormatDriver kBochsFormat;

// What is loaded of the catalog, and which of it the disk does not need.
Status SurveyBochs(IoChannel& io, const FileHandle& file, Survey& survey);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_BOCHS_BOCHS_H_
