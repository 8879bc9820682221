#include "tools/hotcell/target/image_lock.h"

#include <fcntl.h>

#include <cerrno>
#include <span>
#include <utility>

#include "tools/hotcell/common/error.h"
#include "tools/hotcell/common/invocation.h"
#include "tools/hotcell/common/text.h"

namespace hotcell::cli {
namespace {

// A byte of the file for each thing that its holder does with the image, and one for each that it
// does not let others do (QEMU, block/file-posix.c). Holders lock them shared, and look whether
// others hold what is at odds with their own.
constexpr off_t kDoes = 100;
constexpr off_t kForbids = 200;

struct Permission {
  off_t number;
  std::string_view name;
};
constexpr Permission kConsistentRead = {0, "consistent read"};
constexpr Permission kWrite = {1, "write"};
constexpr Permission kResize = {3, "resize"};
constexpr Permission kWriter[] = {kConsistentRead, kWrite, kResize};
constexpr Permission kOverwriter[] = {kConsistentRead, kWrite};
constexpr Permission kReader[] = {kConsistentRead};
constexpr Permission kForbidden[] = {kWrite, kResize};

struct flock ByteLock(short type, off_t byte) {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = byte;
  lock.l_len = 1;
  return lock;
}

// False: somebody has locked the byte for good, which no program of QEMU's does.
bool Hold(const File& file, off_t byte) {
  struct flock lock = ByteLock(F_RDLCK, byte);
  return fcntl(file.fd(), F_OFD_SETLK, &lock) == 0 || (errno != EAGAIN && errno != EACCES);
}

bool OthersHold(const File& file, off_t byte) {
  struct flock lock = ByteLock(F_WRLCK, byte);
  return fcntl(file.fd(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

constexpr std::string_view kInUse = "another process uses the image; try again when it is gone";

// The first of the locks that cannot be had, as QEMU names it; empty: all could.
std::string Lock(const File& file, std::span<const Permission> does,
                 std::span<const Permission> forbids) {
  for (const Permission& permission : does) {
    if (!Hold(file, kDoes + permission.number)) return Cat("\"", permission.name, "\" lock");
  }
  for (const Permission& permission : forbids) {
    if (!Hold(file, kForbids + permission.number)) {
      return Cat("shared \"", permission.name, "\" lock");
    }
  }
  for (const Permission& permission : does) {
    if (OthersHold(file, kForbids + permission.number)) {
      return Cat("\"", permission.name, "\" lock");
    }
  }
  for (const Permission& permission : forbids) {
    if (OthersHold(file, kDoes + permission.number)) {
      return Cat("shared \"", permission.name, "\" lock");
    }
  }
  return "";
}

std::string LockAsWriter(const File& file, std::string_view format) {
  if (format == "raw") return Lock(file, kWriter, {});
  return Lock(file, kWriter, kForbidden);
}

absl::Status InUse(const absl::Status& error, std::string_view path, std::string_view remedy) {
  return WithRemedy(WithErrorId(error, ErrorId::kInUse, path), remedy);
}

// Cannot be opened unless `lock`, which cannot be had, is empty.
absl::Status OpenedWith(std::string_view lock, std::string_view path, std::string_view remedy) {
  if (lock.empty()) return absl::OkStatus();
  return InUse(CannotOpen(absl::StatusCode::kFailedPrecondition, path, Cat("Failed to get ", lock)),
               path, remedy);
}

}  // namespace

absl::Status LockForWriting(const File& file, const std::string& path, std::string_view format) {
  return OpenedWith(LockAsWriter(file, format), path, kInUse);
}

absl::Status LockForOverwriting(const File& file, const std::string& path) {
  return OpenedWith(Lock(file, kOverwriter, {}), path, kInUse);
}

absl::Status LockForMaking(const File& file, const std::string& path, std::string_view format,
                           std::string_view making) {
  const std::string lock = LockAsWriter(file, format);
  if (lock.empty()) return absl::OkStatus();
  std::string where = Cat("cannot replace '", path, "'");
  if (ActsAsQemuImg()) where = Cat(path, making.empty() ? "" : ": ", making);
  return InUse(absl::FailedPreconditionError(Cat(where, ": Failed to get ", lock)), path, kInUse);
}

absl::StatusOr<std::optional<File>> LockReplaced(const std::string& path, std::string_view format,
                                                 std::string_view making) {
  absl::StatusOr<File> file = OpenForReading(path);
  if (!file.ok()) return std::optional<File>();
  if (absl::Status status = LockForMaking(*file, path, format, making); !status.ok()) {
    return status;
  }
  return std::optional<File>(*std::move(file));
}

absl::Status LockForCopying(const File& file, const std::string& path) {
  return OpenedWith(Lock(file, kReader, kForbidden), path,
                    "another process writes to the image; -U copies it all the same");
}

}  // namespace hotcell::cli
