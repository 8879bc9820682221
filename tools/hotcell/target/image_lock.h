// QEMU's locks on image files, which tell its programs apart that use one at once.
#ifndef HOTCELL_TOOLS_HOTCELL_TARGET_IMAGE_LOCK_H_
#define HOTCELL_TOOLS_HOTCELL_TARGET_IMAGE_LOCK_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/hotcell/common/files.h"

namespace hotcell::cli {

// Takes the locks of a program that writes the image and sets its size, as long as `file` is open.
// Of formats other than "raw", nobody else may write to it then, as in QEMU. kFailedPrecondition:
// somebody uses it who does not share it so, or whom this would disturb. Where the file system has
// no locks there are none.
absl::Status LockForWriting(const File& file, const std::string& path, std::string_view format);

// Takes the locks of a program that writes to a raw image, which keeps its size. Errors are
// LockForWriting()'s.
absl::Status LockForOverwriting(const File& file, const std::string& path);

// LockForWriting() for a file that gets a new image of `format`, or whose place one takes. `making`
// is what qemu-img says it was doing when it finds that file in use ("error while converting
// qcow2"); empty: nothing.
absl::Status LockForMaking(const File& file, const std::string& path, std::string_view format,
                           std::string_view making);
// LockForMaking() for the file at `path`, whose locks are the result's. Nothing: no file is there
// that may be read, as locks need it.
absl::StatusOr<std::optional<File>> LockReplaced(const std::string& path, std::string_view format,
                                                 std::string_view making);

// Takes the locks of a program that reads the image for a copy: nobody else may write to it, or
// change its size. kFailedPrecondition: somebody does, or does not let it be read.
absl::Status LockForCopying(const File& file, const std::string& path);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_TARGET_IMAGE_LOCK_H_
