#include "tools/hotcell/common/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "absl/status/status.h"
#include "tools/hotcell/common/error.h"
#include "tools/hotcell/common/text.h"

namespace hotcell::cli {
namespace {

// Empty: images are kept in such files.
std::string_view WhyNoImage(mode_t mode) {
  if (S_ISREG(mode) || S_ISBLK(mode)) return "";
  if (S_ISDIR(mode)) return "it is a directory";
  if (S_ISFIFO(mode)) return "it is a FIFO, and images are read in any order";
  if (S_ISSOCK(mode)) return "it is a socket";
  if (S_ISCHR(mode)) return "it is a character device";
  return "it is neither a regular file nor a block device";
}

absl::Status CheckType(const std::string& path, const struct stat& info) {
  const std::string_view why = WhyNoImage(info.st_mode);
  if (why.empty()) return absl::OkStatus();
  return CannotOpen(absl::StatusCode::kInvalidArgument, path, why);
}

absl::StatusOr<File> Open(const std::string& path, int flags) {
  // Opening a device may already do something, so its type is looked at first; and again after,
  // because the path may have changed hands in between.
  struct stat info = {};
  if (stat(path.c_str(), &info) != 0) return FileError("open", path, errno);
  if (absl::Status status = CheckType(path, info); !status.ok()) return status;
  const int fd = open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd < 0) return FileError("open", path, errno);
  struct stat opened = {};
  const int failed = fstat(fd, &opened);
  File file(fd, opened);
  if (failed != 0) return FileError("examine", path, errno);
  if (absl::Status status = CheckType(path, opened); !status.ok()) return status;
  const int status_flags = fcntl(fd, F_GETFL);
  if (status_flags < 0 || fcntl(fd, F_SETFL, status_flags & ~O_NONBLOCK) != 0) {
    return FileError("set up", path, errno);
  }
  return file;
}

}  // namespace

File::~File() {
  if (fd_ >= 0) (void)close(fd_);
}

File& File::operator=(File&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(info_, other.info_);
  return *this;
}

absl::StatusOr<File> OpenForReading(const std::string& path) { return Open(path, O_RDONLY); }

absl::StatusOr<File> OpenInPlace(const std::string& path) { return Open(path, O_RDWR); }

bool IsSameFile(const struct stat& a, const struct stat& b) {
  if (S_ISBLK(a.st_mode) && S_ISBLK(b.st_mode)) return a.st_rdev == b.st_rdev;
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

absl::StatusOr<std::string> ReadWholeFile(const std::string& path, bool allow_pipes, size_t limit,
                                          std::string_view what) {
  int fd = -1;
  if (path == "-" && allow_pipes) {
    fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
  } else if (allow_pipes) {
    fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
  } else {
    absl::StatusOr<File> regular = OpenForReading(path);
    if (!regular.ok()) return regular.status();
    fd = fcntl(regular->fd(), F_DUPFD_CLOEXEC, 3);
  }
  if (fd < 0) return FileError("open", path, errno);
  const File file(fd, {});
  std::string bytes;
  char buffer[64 << 10];
  while (true) {
    const ssize_t got = read(file.fd(), buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError("read", path, errno);
    if (got == 0) return bytes;
    bytes.append(buffer, static_cast<size_t>(got));
    if (bytes.size() > limit) {
      return absl::ResourceExhaustedError(
          Cat(what, " '", path, "' is larger than ", limit, " bytes"));
    }
  }
}

}  // namespace hotcell::cli
