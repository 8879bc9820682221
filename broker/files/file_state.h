// Whether an input changed while a job read it, so far as the kernel tells without a look at its
// contents. The reply then says so: what came of the job may match neither the old file nor the
// new.
#ifndef HOTCELL_BROKER_FILES_FILE_STATE_H_
#define HOTCELL_BROKER_FILES_FILE_STATE_H_

#include <sys/stat.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace hotcell::broker {

// How two states of a file differ.
enum class FileChange {
  kNone,
  kAttributes,  // only the change time: of its attributes, its names, or contents whose time was
                // reset
  kContents,    // size or modification time; or the file cannot be asked
};

// What the kernel changes of a file when somebody writes to it: its size and its times. Two states
// that are alike do not prove that it did not change, because times are coarse and writes to mapped
// memory show late.
class FileState {
 public:
  explicit FileState(int fd) : known_(fstat(fd, &status_) == 0) {}

  FileChange ChangeUntil(const FileState& later) const {
    if (!known_ || !later.known_ || status_.st_size != later.status_.st_size ||
        !Same(status_.st_mtim, later.status_.st_mtim)) {
      return FileChange::kContents;
    }
    return Same(status_.st_ctim, later.status_.st_ctim) ? FileChange::kNone
                                                        : FileChange::kAttributes;
  }

 private:
  static bool Same(const timespec& a, const timespec& b) {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
  }

  struct stat status_ = {};
  bool known_;
};

// What is known of a change, to go on with "; ...". `file` is quoted, `meanwhile` is "read".
inline std::string ChangeText(absl::string_view file, bool attributes_only,
                              absl::string_view meanwhile) {
  if (!attributes_only) return absl::StrCat(file, " changed while it was ", meanwhile);
  return absl::StrCat("the attributes or names of ", file, " changed while it was ", meanwhile,
                      "; its size and modification time did not, but its contents may have");
}

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_FILES_FILE_STATE_H_
