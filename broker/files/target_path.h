// Where the file is that a user named as a target, found as the kernel would find it for the user.
#ifndef HOTCELL_BROKER_FILES_TARGET_PATH_H_
#define HOTCELL_BROKER_FILES_TARGET_PATH_H_

#include <sys/stat.h>

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace hotcell::broker {

struct TargetPath {
  UniqueFd directory;       // O_PATH; the one that holds the file
  std::string name;         // in `directory`; empty: the path led to an open descriptor
  UniqueFd old;             // O_PATH; what is there now, never a symbolic link; invalid: nothing
  struct stat old_info {};  // of `old`
  struct stat directory_info {};
};

enum class FinalLinks {
  kFollow,  // the user named the link: the file behind it is meant
  kRefuse,  // nobody typed the name
};

// Resolves `path`, which need not exist. Directories on the way are the kernel's business. Links in
// the last place are followed one by one, each read from the very link that was looked at, so that
// the rules of fs.protected_symlinks hold whether or not the host has switched them on: in a sticky
// directory that everybody may write to, a link is followed only if it is the caller's own or the
// directory's owner's. An old file there must be the caller's or the directory owner's as well
// (fs.protected_regular): what somebody else put there beforehand would receive the image, and
// would stay that somebody's.
//
// A link of /proc/PID/fd, to which /dev/fd and /dev/stdout lead, is no path but the open file
// itself: `old` is that file, `name` is empty.
absl::StatusOr<TargetPath> ResolveTarget(const std::string& path, FinalLinks links);

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_FILES_TARGET_PATH_H_
