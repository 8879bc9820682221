// QEMU's locks on image files, which tell its programs apart that use one at once.
#ifndef HOTCELL_TOOLS_HOTCELL_TARGET_IMAGE_LOCK_H_
#define HOTCELL_TOOLS_HOTCELL_TARGET_IMAGE_LOCK_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "tools/hotcell/common/files.h"

namespace hotcell::cli {

// Takes the locks of a program that writes the image and sets its size, as long as `file` is open.
// Of formats other than "raw", nobody else may write to it then, as in QEMU. kFailedPrecondition:
// somebody uses it who does not share it so, or whom this would disturb. Where the file system has
// no locks there are none.
absl::Status LockForWriting(const File& file, const std::string& path, std::string_view format);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_TARGET_IMAGE_LOCK_H_
