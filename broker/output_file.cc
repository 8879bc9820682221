#include "hotcell/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "broker/posix_error.h"
#include "broker/unique_fd.h"
#include "hotcell/text.h"

namespace hotcell {
namespace {

using broker::PosixError;
using broker::UniqueFd;

constexpr int kNameAttempts = 100;

// Beside the target, so that a rename stays on its file system; hidden, and told from others'.
std::string TemporaryName(const std::string& name, int attempt) {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  // NAME_MAX is 255 bytes.
  return absl::StrFormat(".%s.hotcell-%d-%x", name.substr(0, 200), getpid(),
                         static_cast<uint64_t>(now.tv_nsec) + static_cast<uint64_t>(attempt));
}

// Where a chain of symbolic links leads, the target itself when it is none. The user named the
// link, and as with cp and qemu-img it is the file behind it that is written.
absl::StatusOr<std::string> FollowLinks(std::string path) {
  for (int i = 0; i < 40; ++i) {
    std::array<char, PATH_MAX> link;
    const ssize_t size = readlink(path.c_str(), link.data(), link.size());
    if (size < 0) return path;  // no link, or nothing there yet
    std::string next(link.data(), static_cast<size_t>(size));
    if (!next.empty() && next.front() != '/') {
      const size_t slash = path.rfind('/');
      if (slash != std::string::npos) next = absl::StrCat(path.substr(0, slash + 1), next);
    }
    path = std::move(next);
  }
  return PosixError(ELOOP, absl::StrCat("follow ", Quote(path)));
}

// Gives an unnamed file a name. /proc/self/fd works without CAP_DAC_READ_SEARCH.
int LinkUnnamed(int fd, int directory, const std::string& name) {
  if (linkat(fd, "", directory, name.c_str(), AT_EMPTY_PATH) == 0) return 0;
  if (errno == EEXIST) return EEXIST;
  const std::string path = absl::StrCat("/proc/self/fd/", fd);
  return linkat(AT_FDCWD, path.c_str(), directory, name.c_str(), AT_SYMLINK_FOLLOW) == 0 ? 0
                                                                                         : errno;
}

}  // namespace

absl::StatusOr<OutputFile> OutputFile::Create(const std::string& path) {
  absl::StatusOr<std::string> target = FollowLinks(path);
  if (!target.ok()) return target.status();
  OutputFile output;
  output.path_ = *std::move(target);
  const size_t slash = output.path_.rfind('/');
  output.name_ = slash == std::string::npos ? output.path_ : output.path_.substr(slash + 1);
  const std::string directory =
      slash == std::string::npos ? "." : output.path_.substr(0, slash + 1);
  const std::string shown = Quote(path);
  if (output.name_.empty() || output.name_ == "." || output.name_ == "..") {
    return absl::InvalidArgumentError(absl::StrCat(shown, " is no name for a file"));
  }
  output.directory_fd_ = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (output.directory_fd_ < 0) {
    return PosixError(errno, absl::StrCat("open the directory of ", shown));
  }

  struct stat old {};
  const bool replaces =
      fstatat(output.directory_fd_, output.name_.c_str(), &old, AT_SYMLINK_NOFOLLOW) == 0;
  if (replaces && !S_ISREG(old.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(
        shown,
        " exists and is not a regular file; only regular files are replaced (-n writes into "
        "what is there)"));
  }
  // A file that its owner has protected from writing is not replaced either.
  if (replaces && faccessat(output.directory_fd_, output.name_.c_str(), W_OK, AT_EACCESS) != 0) {
    return PosixError(errno, absl::StrCat("replace ", shown));
  }

  output.fd_ = openat(output.directory_fd_, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
  if (output.fd_ < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT)) {
    for (int i = 0; i < kNameAttempts && output.fd_ < 0; ++i) {
      output.temporary_name_ = TemporaryName(output.name_, i);
      output.fd_ = openat(output.directory_fd_, output.temporary_name_.c_str(),
                          O_CREAT | O_EXCL | O_NOFOLLOW | O_RDWR | O_CLOEXEC, 0666);
      if (output.fd_ < 0 && errno != EEXIST) break;
    }
    if (output.fd_ < 0) output.temporary_name_.clear();
  }
  if (output.fd_ < 0) return PosixError(errno, absl::StrCat("create ", shown));
  if (replaces) {
    // Ownership first: a change of it clears set-id bits. Without the right to give files away the
    // new file is the caller's, as with any other program that replaces files.
    [[maybe_unused]] const int ignored = fchown(output.fd_, old.st_uid, old.st_gid);
    if (fchmod(output.fd_, old.st_mode & 07777) != 0) {
      return PosixError(errno, absl::StrCat("set the permissions of ", shown));
    }
  }
  return output;
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      directory_fd_(std::exchange(other.directory_fd_, -1)),
      path_(std::move(other.path_)),
      name_(std::move(other.name_)),
      temporary_name_(std::exchange(other.temporary_name_, {})) {}

OutputFile& OutputFile::operator=(OutputFile&& other) noexcept {
  if (this == &other) return *this;
  Discard();
  fd_ = std::exchange(other.fd_, -1);
  directory_fd_ = std::exchange(other.directory_fd_, -1);
  path_ = std::move(other.path_);
  name_ = std::move(other.name_);
  temporary_name_ = std::exchange(other.temporary_name_, {});
  return *this;
}

OutputFile::~OutputFile() { Discard(); }

void OutputFile::Discard() {
  if (!temporary_name_.empty()) {
    unlinkat(directory_fd_, temporary_name_.c_str(), 0);
    temporary_name_.clear();
  }
  UniqueFd(std::exchange(fd_, -1)).reset();
  UniqueFd(std::exchange(directory_fd_, -1)).reset();
}

absl::Status OutputFile::Commit(bool sync) {
  if (fd_ < 0) return absl::FailedPreconditionError("the output file was committed before");
  const std::string shown = Quote(path_);
  if (sync && fsync(fd_) != 0) return PosixError(errno, absl::StrCat("sync ", shown));
  if (temporary_name_.empty()) {
    // Straight to its name where that is free: then there is no moment at which a second name of
    // the file could be left behind.
    int error = LinkUnnamed(fd_, directory_fd_, name_);
    for (int i = 0; i < kNameAttempts && error == EEXIST; ++i) {
      const std::string name = TemporaryName(name_, i);
      error = LinkUnnamed(fd_, directory_fd_, name);
      if (error == 0) temporary_name_ = name;
    }
    if (error != 0) return PosixError(error, absl::StrCat("name ", shown));
  }
  if (!temporary_name_.empty()) {
    if (renameat(directory_fd_, temporary_name_.c_str(), directory_fd_, name_.c_str()) != 0) {
      return PosixError(errno, absl::StrCat("replace ", shown));
    }
    temporary_name_.clear();
  }
  if (sync && fsync(directory_fd_) != 0) {
    return PosixError(errno, absl::StrCat("sync the directory of ", shown));
  }
  Discard();
  return absl::OkStatus();
}

}  // namespace hotcell
