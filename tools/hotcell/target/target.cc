#include "tools/hotcell/target/target.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "hotcell/failure.h"
#include "hotcell/unnamed_file.h"
#include "tools/hotcell/commands/command.h"
#include "tools/hotcell/common/error.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/target/image_lock.h"

namespace hotcell::cli {

namespace {

// Waits a little for whoever reads it, who may have been started just now.
absl::StatusOr<File> OpenPipe(const std::string& path) {
  constexpr int kAttempts = 20;
  constexpr absl::Duration kPause = absl::Milliseconds(100);
  int fd = -1;
  for (int i = 0; i < kAttempts && fd < 0; ++i) {
    if (i > 0) absl::SleepFor(kPause);
    fd = open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 && errno != ENXIO) break;
  }
  if (fd < 0 && errno == ENXIO) {
    return CannotOpen(absl::StatusCode::kFailedPrecondition, path,
                      "it is a pipe that nobody reads from");
  }
  if (fd < 0) return FileError("open", path, errno);
  struct stat opened = {};
  const int failed = fstat(fd, &opened);
  File pipe(fd, opened);
  const int flags = fcntl(fd, F_GETFL);
  if (failed != 0 || flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0) {
    return FileError("set up", path, errno);
  }
  if (!S_ISFIFO(opened.st_mode)) {
    return absl::AbortedError(Cat("'", path, "' was a pipe and is none any more"));
  }
  return pipe;
}

constexpr std::string_view kOtherDirectory = "TMPDIR can name another directory";

absl::StatusOr<File> MakeUnnamed() {
  const std::string directory = TemporaryDirectory();
  const int fd = OpenUnnamedFile(directory);
  if (fd < 0) {
    return WithRemedy(FileError("make a temporary file in", directory, errno), kOtherDirectory);
  }
  struct stat info = {};
  const int failed = fstat(fd, &info);
  File file(fd, info);
  if (failed != 0) return FileError("examine", directory, errno);
  return file;
}

absl::Status SendInto(const File& pipe, const File& image, const std::string& path) {
  constexpr size_t kAtOnce = 1 << 20;
  std::string buffer(kAtOnce, '\0');
  for (off_t offset = 0;;) {
    const ssize_t got = pread(image.fd(), buffer.data(), buffer.size(), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError("read the image for", path, errno);
    if (got == 0) return absl::OkStatus();
    for (ssize_t sent = 0; sent < got;) {
      const ssize_t wrote = write(pipe.fd(), buffer.data() + sent, static_cast<size_t>(got - sent));
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0) return FileError("write to", path, errno);
      sent += wrote;
    }
    offset += got;
  }
}

}  // namespace

absl::StatusOr<Target> Target::Open(const std::string& path, const TargetUse& use) {
  absl::StatusOr<Target> target = OpenFiles(path, use);
  if (target.ok() && target->IsStandardOutput()) LeaveStandardOutputToImage();
  return target;
}

bool Target::IsStandardOutput() const {
  struct stat image = {};
  struct stat output = {};
  if (fstat(is_pipe() ? pipe_->fd() : fd(), &image) != 0 || S_ISCHR(image.st_mode)) return false;
  return fstat(STDOUT_FILENO, &output) == 0 && IsSameFile(image, output);
}

absl::StatusOr<Target> Target::OpenFiles(const std::string& path, const TargetUse& use) {
  struct stat info = {};
  // Whether there is something under the path that cannot be seen is for Create() to find out.
  const bool exists = stat(path.c_str(), &info) == 0;
  if (exists && S_ISDIR(info.st_mode)) {
    return absl::InvalidArgumentError(Cat("cannot write to '", path, "': it is a directory"));
  }
  Target target;
  target.path_ = path;
  target.existing_ = use.existing;
  if (!use.existing && exists && S_ISFIFO(info.st_mode)) {
    absl::StatusOr<File> pipe = OpenPipe(path);
    if (!pipe.ok()) return pipe.status();
    target.pipe_ = *std::move(pipe);
    absl::StatusOr<File> spool = MakeUnnamed();
    if (!spool.ok()) return spool.status();
    target.in_place_ = *std::move(spool);
    return target;
  }
  if (use.existing || (exists && S_ISBLK(info.st_mode))) {
    absl::StatusOr<File> file = OpenInPlace(path);
    if (!file.ok()) return file.status();
    absl::Status status = use.existing ? LockForOverwriting(*file, path)
                                       : LockForMaking(*file, path, use.format, use.making);
    if (!status.ok()) return status;
    target.in_place_ = *std::move(file);
    return target;
  }
  absl::StatusOr<std::optional<File>> replaced = LockReplaced(path, use.format, use.making);
  if (!replaced.ok()) return replaced.status();
  target.replaced_ = *std::move(replaced);
  absl::StatusOr<OutputFile> file = OutputFile::Create(path);
  if (!file.ok()) return file.status();
  target.fresh_ = *std::move(file);
  return target;
}

absl::Status Target::Explain(absl::Status status) const {
  const bool no_room =
      is_pipe() && absl::IsResourceExhausted(status) && FailureKindOf(status) == FailureKind::kHost;
  if (!no_room) return status;
  return WithRemedy(std::move(status),
                    Cat("until it is complete, the image is in a temporary file in '",
                        TemporaryDirectory(), "', and ", kOtherDirectory));
}

std::optional<FileIdentity> Target::replaces() const {
  return in_place_.has_value() ? std::nullopt : fresh_->old_file();
}

ExtentFileOpener Target::OpenExtents(const std::string& format,
                                     const TargetExtents::Options& options,
                                     TargetExtents::Check check) {
  extents_ = TargetExtents::Of(format, options, path_, std::move(check));
  if (!extents_) return nullptr;
  if (in_place_.has_value()) {
    return [path = path_](uint32_t) {
      return absl::InvalidArgumentError(
          Cat("an image of several files cannot be written to the device or pipe '", path, "'"));
    };
  }
  return [this](uint32_t number) { return extents_->Open(number); };
}

absl::Status Target::Commit(bool sync) {
  if (extents_) {
    if (absl::Status status = extents_->Commit(sync); !status.ok()) return status;
  }
  if (is_pipe()) return SendInto(*pipe_, *in_place_, path_);
  return in_place_.has_value() ? absl::OkStatus() : fresh_->Commit(sync);
}

absl::Status CheckTargetIsNoSource(const std::string& target_path, const std::string& source_path,
                                   const File& source) {
  struct stat target = {};
  if (stat(target_path.c_str(), &target) != 0 || !IsSameFile(source.info(), target)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      Cat("'", source_path, "' and '", target_path, "' are the same file"));
}

absl::Status CheckTargetIsNoReference(const std::string& target_path,
                                      const ReferencePolicy& references) {
  struct stat target = {};
  if (stat(target_path.c_str(), &target) != 0) return absl::OkStatus();
  for (const auto& [name, path] : references.mappings()) {
    struct stat backing = {};
    if (stat(path.c_str(), &backing) == 0 && IsSameFile(backing, target)) {
      return absl::InvalidArgumentError(
          Cat("'", target_path, "' is the file given for '", name, "' by --backing"));
    }
  }
  return absl::OkStatus();
}

}  // namespace hotcell::cli
