#ifndef HOTCELL_BROKER_FILE_STATE_H_
#define HOTCELL_BROKER_FILE_STATE_H_

#include <sys/stat.h>

namespace hotcell::broker {

// What the kernel changes of a file when somebody writes to it: its size and its times. Two states
// that differ, or one of a file that cannot be asked, say that it changed; two that are alike do
// not prove that it did not, because times are coarse and writes to mapped memory show late.
class FileState {
 public:
  explicit FileState(int fd) : known_(fstat(fd, &status_) == 0) {}

  bool operator==(const FileState& other) const {
    return known_ && other.known_ && status_.st_size == other.status_.st_size &&
           Same(status_.st_mtim, other.status_.st_mtim) &&
           Same(status_.st_ctim, other.status_.st_ctim);
  }

 private:
  static bool Same(const timespec& a, const timespec& b) {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
  }

  struct stat status_ = {};
  bool known_;
};

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_FILE_STATE_H_
