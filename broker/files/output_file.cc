#include "hotcell/output_file.h"

#include <fcntl.h>
#include <linux/stat.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/unique_fd.h"
#include "broker/files/file_attributes.h"
#include "broker/files/target_path.h"
#include "broker/host/posix_error.h"
#include "hotcell/text.h"

namespace hotcell {
namespace {

using broker::PosixError;
using broker::TargetPath;

constexpr int kNameAttempts = 100;
constexpr mode_t kNewFileMode = 0644;
constexpr mode_t kPrivateMode = 0600;

// A name beside the target, so that a rename stays on its file system; hidden, and told from
// others'.
std::string TemporaryName(const std::string& name, int attempt) {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  // NAME_MAX is 255 bytes.
  return absl::StrFormat(".%s.hotcell-%d-%x", name.substr(0, 200), getpid(),
                         static_cast<uint64_t>(now.tv_nsec) + static_cast<uint64_t>(attempt));
}

// umask(2) tells only by changing it, for all threads. Without /proc nobody else gets a right.
mode_t ReadUmask() {
  constexpr mode_t kAll = 077;
  std::FILE* const status = std::fopen("/proc/thread-self/status", "re");
  if (status == nullptr) return kAll;
  mode_t mask = kAll;
  char line[256];
  while (std::fgets(line, sizeof(line), status) != nullptr) {
    if (std::sscanf(line, "Umask: %o", &mask) == 1) break;
  }
  (void)std::fclose(status);
  return mask;
}

std::string PathOf(int fd) { return absl::StrCat("/proc/self/fd/", fd); }

// Gives an unnamed file a name. /proc/self/fd works without CAP_DAC_READ_SEARCH.
int LinkUnnamed(int fd, int directory, const std::string& name) {
  if (linkat(fd, "", directory, name.c_str(), AT_EMPTY_PATH) == 0) return 0;
  if (errno == EEXIST) return EEXIST;
  return linkat(AT_FDCWD, PathOf(fd).c_str(), directory, name.c_str(), AT_SYMLINK_FOLLOW) == 0
             ? 0
             : errno;
}

absl::string_view TypeName(const struct stat& info) {
  if (S_ISCHR(info.st_mode)) return "a character device";
  if (S_ISSOCK(info.st_mode)) return "a socket";
  return S_ISDIR(info.st_mode) ? "a directory" : "something else";
}

absl::Status CheckType(const TargetPath& target, const std::string& shown) {
  if (!target.old.valid() || S_ISREG(target.old_info.st_mode)) return absl::OkStatus();
  if (S_ISFIFO(target.old_info.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(shown, " is a pipe, and images are written in any order; name a file"));
  }
  if (S_ISBLK(target.old_info.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(shown,
                     " exists and is not a regular file: it is a block device, and no file "
                     "is put in the place of one"));
  }
  return absl::InvalidArgumentError(
      absl::StrCat(shown, " exists and is not a regular file: it is ", TypeName(target.old_info),
                   ", and images are written to files and block devices"));
}

// A file that is mounted over its name, as containers are given files.
bool IsMountPoint(int fd) {
  struct statx info {};
  return statx(fd, "", AT_EMPTY_PATH, 0, &info) == 0 &&
         (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

// Whether the caller may put another file under the name of the old one.
bool MayReplace(const TargetPath& target) {
  if (faccessat(target.directory.get(), ".", W_OK | X_OK, AT_EACCESS) != 0) return false;
  const bool sticky = (target.directory_info.st_mode & S_ISVTX) != 0;
  const uid_t self = geteuid();
  return !sticky || self == 0 || self == target.old_info.st_uid ||
         self == target.directory_info.st_uid;
}

// fsync() of a directory that the caller may enter and not read is not to be had.
int SyncDirectory(int directory, int file) {
  const UniqueFd readable(openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const int result = readable.valid() ? fsync(readable.get()) : syncfs(file);
  return result == 0 ? 0 : errno;
}

// The temporary names of all files, for RemoveTemporaries().
class Temporaries {
 public:
  static Temporaries& All() {
    static auto* const all = new Temporaries;  // outlives whatever is destroyed at exit
    return *all;
  }
  void Add(int directory, const std::string& name) {
    const std::lock_guard lock(mutex_);
    names_.emplace(directory, name);
  }
  void Drop(int directory, const std::string& name) {
    const std::lock_guard lock(mutex_);
    names_.erase({directory, name});
  }
  std::set<std::pair<int, std::string>> names() {
    const std::lock_guard lock(mutex_);
    return names_;
  }

 private:
  std::mutex mutex_;
  std::set<std::pair<int, std::string>> names_;
};

}  // namespace

void OutputFile::RemoveTemporaries() {
  for (const auto& [directory, name] : Temporaries::All().names()) {
    unlinkat(directory, name.c_str(), 0);
  }
}

absl::StatusOr<OutputFile> OutputFile::Create(const std::string& path, Links links) {
  absl::StatusOr<TargetPath> target = broker::ResolveTarget(
      path, links == Links::kFollow ? broker::FinalLinks::kFollow : broker::FinalLinks::kRefuse);
  if (!target.ok()) return target.status();
  OutputFile output;
  output.shown_ = Quote(path);
  *output.target_ = *std::move(target);
  if (absl::Status status = CheckType(*output.target_, output.shown_); !status.ok()) return status;
  const TargetPath& found = *output.target_;
  output.in_place_ = found.old.valid() &&
                     (found.name.empty() || IsMountPoint(found.old.get()) || !MayReplace(found));
  absl::Status status = output.in_place_ ? output.OpenOldFile() : output.OpenNewFile();
  if (!status.ok()) return status;
  return output;
}

OutputFile::OutputFile() : target_(std::make_unique<TargetPath>()) {}

absl::Status OutputFile::OpenOldFile() {
  fd_ = target_->name.empty()
            ? open(PathOf(target_->old.get()).c_str(), O_RDWR | O_CLOEXEC | O_NOCTTY)
            : openat(target_->directory.get(), target_->name.c_str(),
                     O_RDWR | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW);
  if (fd_ < 0) return PosixError(errno, absl::StrCat("write ", shown_));
  return absl::OkStatus();
}

absl::Status OutputFile::OpenNewFile() {
  const int directory = target_->directory.get();
  const bool replaces = target_->old.valid();
  // A file that its owner has protected from writing is not replaced either.
  if (replaces && faccessat(directory, target_->name.c_str(), W_OK, AT_EACCESS) != 0) {
    return PosixError(errno, absl::StrCat("replace ", shown_));
  }
  // Nobody can open a file that has no name, so that the kernel may apply the umask, or the
  // directory's default ACL, at once.
  fd_ = openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC,
               replaces ? kPrivateMode : kNewFileMode);
  if (fd_ < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT)) {
    for (int i = 0; i < kNameAttempts && fd_ < 0; ++i) {
      temporary_name_ = TemporaryName(target_->name, i);
      fd_ = openat(directory, temporary_name_.c_str(),
                   O_CREAT | O_EXCL | O_NOFOLLOW | O_RDWR | O_CLOEXEC, kPrivateMode);
      if (fd_ < 0 && errno != EEXIST) break;
    }
    if (fd_ < 0) {
      temporary_name_.clear();
    } else {
      Temporaries::All().Add(directory, temporary_name_);
    }
  }
  if (fd_ < 0) return PosixError(errno, absl::StrCat("create ", shown_));
  return absl::OkStatus();
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      in_place_(other.in_place_),
      shown_(std::move(other.shown_)),
      target_(std::move(other.target_)),
      temporary_name_(std::exchange(other.temporary_name_, {})) {}

OutputFile& OutputFile::operator=(OutputFile&& other) noexcept {
  if (this == &other) return *this;
  Discard();
  fd_ = std::exchange(other.fd_, -1);
  in_place_ = other.in_place_;
  shown_ = std::move(other.shown_);
  target_ = std::move(other.target_);
  temporary_name_ = std::exchange(other.temporary_name_, {});
  return *this;
}

OutputFile::~OutputFile() { Discard(); }

std::optional<FileIdentity> OutputFile::old_file() const {
  if (target_ == nullptr || !target_->old.valid()) return std::nullopt;
  return FileIdentity{.device = target_->old_info.st_dev, .inode = target_->old_info.st_ino};
}

void OutputFile::Discard() {
  if (!temporary_name_.empty()) {
    unlinkat(target_->directory.get(), temporary_name_.c_str(), 0);
    Temporaries::All().Drop(target_->directory.get(), temporary_name_);
    temporary_name_.clear();
  }
  UniqueFd(std::exchange(fd_, -1)).reset();
  target_.reset();
}

// The file has its content now, and others may be let in.
absl::Status OutputFile::SetAttributes() {
  int error = 0;
  if (target_->old.valid()) {
    error = broker::GiveAttributes(target_->old.get(), target_->old_info, fd_);
  } else if (!temporary_name_.empty() && fchmod(fd_, kNewFileMode & ~ReadUmask()) != 0) {
    error = errno;
  }
  if (error == 0) return absl::OkStatus();
  return PosixError(error, absl::StrCat("set the permissions of ", shown_));
}

absl::Status OutputFile::Publish() {
  const int directory = target_->directory.get();
  if (temporary_name_.empty()) {
    // Straight to its name where that is free: then there is no moment at which a second name of
    // the file could be left behind.
    int error = LinkUnnamed(fd_, directory, target_->name);
    for (int i = 0; i < kNameAttempts && error == EEXIST; ++i) {
      const std::string name = TemporaryName(target_->name, i);
      error = LinkUnnamed(fd_, directory, name);
      if (error == 0) temporary_name_ = name;
    }
    if (error != 0) return PosixError(error, absl::StrCat("name ", shown_));
  }
  if (temporary_name_.empty()) return absl::OkStatus();
  if (renameat(directory, temporary_name_.c_str(), directory, target_->name.c_str()) != 0) {
    return PosixError(errno, absl::StrCat("replace ", shown_));
  }
  Temporaries::All().Drop(directory, temporary_name_);
  temporary_name_.clear();
  return absl::OkStatus();
}

absl::Status OutputFile::Commit(bool sync) {
  if (fd_ < 0) return absl::FailedPreconditionError("the output file was committed before");
  if (!in_place_) {
    if (absl::Status status = SetAttributes(); !status.ok()) return status;
  }
  if (sync && fsync(fd_) != 0) return PosixError(errno, absl::StrCat("sync ", shown_));
  if (!in_place_) {
    if (absl::Status status = Publish(); !status.ok()) return status;
    const int error = sync ? SyncDirectory(target_->directory.get(), fd_) : 0;
    if (error != 0) return PosixError(error, absl::StrCat("sync the directory of ", shown_));
  }
  Discard();
  return absl::OkStatus();
}

}  // namespace hotcell
