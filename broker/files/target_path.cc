#include "broker/files/target_path.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/host/posix_error.h"
#include "hotcell/text.h"

namespace hotcell::broker {
namespace {

// Links that are followed for one path at most; the kernel's MAXSYMLINKS.
constexpr int kMaxLinks = 40;

bool IsSticky(const struct stat& directory) {
  constexpr mode_t kEverybodys = S_ISVTX | S_IWOTH;
  return (directory.st_mode & kEverybodys) == kEverybodys;
}

// Whether somebody else may have put `file` into a directory where everybody puts files.
bool IsStrangers(const struct stat& file, const struct stat& directory) {
  return IsSticky(directory) && file.st_uid != geteuid() && file.st_uid != directory.st_uid;
}

// The links there are magic: they lead to what is open, whatever their text says.
bool IsInProc(int directory) {
  struct statfs info {};
  return fstatfs(directory, &info) == 0 && info.f_type == PROC_SUPER_MAGIC;
}

absl::StatusOr<std::string> ReadLink(int link, const std::string& shown) {
  std::array<char, PATH_MAX> text;
  const ssize_t size = readlinkat(link, "", text.data(), text.size());
  if (size < 0) return PosixError(errno, absl::StrCat("follow ", shown));
  if (static_cast<size_t>(size) == text.size()) {
    return PosixError(ENAMETOOLONG, absl::StrCat("follow ", shown));
  }
  return std::string(text.data(), static_cast<size_t>(size));
}

absl::Status Stat(int fd, struct stat& info, const std::string& shown) {
  if (fstat(fd, &info) == 0) return absl::OkStatus();
  return PosixError(errno, absl::StrCat("look at ", shown));
}

class Resolver {
 public:
  Resolver(const std::string& path, FinalLinks links) : shown_(Quote(path)), links_(links) {}

  absl::StatusOr<TargetPath> Run(std::string path) {
    for (int followed = 0; followed <= kMaxLinks; ++followed) {
      if (absl::Status status = EnterDirectoryOf(path); !status.ok()) return status;
      found_.old = UniqueFd(
          openat(found_.directory.get(), found_.name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
      if (!found_.old.valid() && errno == ENOENT) return std::move(found_);
      if (!found_.old.valid()) return PosixError(errno, absl::StrCat("look at ", shown_));
      absl::Status status = Stat(found_.old.get(), found_.old_info, shown_);
      if (!status.ok()) return status;
      if (!S_ISLNK(found_.old_info.st_mode)) return Finish();
      if (IsInProc(found_.directory.get())) return FollowMagic();
      if (status = CheckLink(); !status.ok()) return status;
      absl::StatusOr<std::string> next = ReadLink(found_.old.get(), shown_);
      if (!next.ok()) return next.status();
      path = *std::move(next);
    }
    return PosixError(ELOOP, absl::StrCat("follow ", shown_));
  }

 private:
  // A relative path starts where the link before it lies.
  absl::Status EnterDirectoryOf(const std::string& path) {
    const size_t slash = path.rfind('/');
    found_.name = slash == std::string::npos ? path : path.substr(slash + 1);
    if (found_.name.empty() || found_.name == "." || found_.name == "..") {
      return absl::InvalidArgumentError(absl::StrCat(shown_, " is no name for a file"));
    }
    const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    const int from = found_.directory.valid() ? found_.directory.get() : AT_FDCWD;
    found_.directory = UniqueFd(openat(from, directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!found_.directory.valid()) {
      return PosixError(errno, absl::StrCat("open the directory of ", shown_));
    }
    return Stat(found_.directory.get(), found_.directory_info, shown_);
  }

  absl::Status CheckLink() const {
    if (links_ == FinalLinks::kRefuse) {
      return absl::InvalidArgumentError(
          absl::StrCat(shown_, " is a symbolic link, and it was not named by the user; remove it"));
    }
    if (!IsStrangers(found_.old_info, found_.directory_info)) return absl::OkStatus();
    return WithFailureKind(
        absl::PermissionDeniedError(absl::StrCat(
            "cannot follow ", shown_,
            ": it is another user's symbolic link in a directory that everybody may write to")),
        FailureKind::kHost);
  }

  absl::StatusOr<TargetPath> Finish() {
    // Devices and FIFOs are opened as they are, and whoever opens them decides.
    if (S_ISREG(found_.old_info.st_mode) && IsStrangers(found_.old_info, found_.directory_info)) {
      return WithFailureKind(
          absl::PermissionDeniedError(absl::StrCat(
              "cannot write ", shown_,
              ": it is another user's file in a directory that everybody may write to")),
          FailureKind::kHost);
    }
    return std::move(found_);
  }

  absl::StatusOr<TargetPath> FollowMagic() {
    if (links_ == FinalLinks::kRefuse) return CheckLink();
    UniqueFd open_file(openat(found_.directory.get(), found_.name.c_str(), O_PATH | O_CLOEXEC));
    if (!open_file.valid()) return PosixError(errno, absl::StrCat("follow ", shown_));
    found_.old = std::move(open_file);
    found_.name.clear();
    if (absl::Status status = Stat(found_.old.get(), found_.old_info, shown_); !status.ok()) {
      return status;
    }
    return std::move(found_);
  }

  const std::string shown_;
  const FinalLinks links_;
  TargetPath found_;
};

}  // namespace

absl::StatusOr<TargetPath> ResolveTarget(const std::string& path, FinalLinks links) {
  return Resolver(path, links).Run(path);
}

}  // namespace hotcell::broker
