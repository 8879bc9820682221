// Opening the files that the user named.
#ifndef HOTCELL_TOOLS_HOTCELL_COMMON_FILES_H_
#define HOTCELL_TOOLS_HOTCELL_COMMON_FILES_H_

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace hotcell::cli {

// A file descriptor that closes itself, and what fstat said of it.
class File {
 public:
  File(int fd, const struct stat& info) : fd_(fd), info_(info) {}
  ~File();
  File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)), info_(other.info_) {}
  File& operator=(File&& other) noexcept;

  int fd() const { return fd_; }
  const struct stat& info() const { return info_; }
  bool is_block_device() const { return S_ISBLK(info_.st_mode); }

 private:
  int fd_;
  struct stat info_;
};

// Opens a regular file or block device, without ever waiting for one and without touching anything
// else: a FIFO, a socket, a directory or a character device is refused by name before it is opened.
absl::StatusOr<File> OpenForReading(const std::string& path);
absl::StatusOr<File> OpenInPlace(const std::string& path);  // read and write

// Whether both are the same file, whatever their paths; block devices by device number.
bool IsSameFile(const struct stat& a, const struct stat& b);

// The file's bytes. `path` may be a pipe or "-" for standard input, if `allow_pipes`. More than
// `limit` bytes are an error that names `what`.
absl::StatusOr<std::string> ReadWholeFile(const std::string& path, bool allow_pipes, size_t limit,
                                          std::string_view what);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_COMMON_FILES_H_
