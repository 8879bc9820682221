// UDIF disk images of macOS (.dmg): partitions in chunks that are compressed one by one, described
// at the end of the file.
#ifndef HOTCELL_GUEST_FORMATS_DMG_DMG_H_
#define HOTCELL_GUEST_FORMATS_DMG_DMG_H_

#include <memory>

#include "guest/formats/common/format.h"
#include "guest/formats/common/survey.h"

namespace hotcell::guest {

// Chunks whose compression is not known can be described, not read.
Result<std::unique_ptr<ImageReader>> OpenDmg(IoChannel& io, const FileHandle& file,
                                             const OpenOptions& options);

// Whether the chunks, and what describes them, are all of the file but for a little.
bool DmgAccountsForFile(IoChannel& io, const FileHandle& file);

// Compares what describes the disk where there is more than one thing that does.
Status SurveyDmg(IoChannel& io, const FileHandle& file, Survey& survey);

// The check does not know constinit. NOLINTNEXTLINE(bugprone-dynamic-static-initializers)
extern constinit const FormatDriver kDmgFormat;

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_DMG_DMG_H_
