#include "tools/hotcell/target/image_lock.h"

#include <fcntl.h>

#include <cerrno>
#include <span>

#include "tools/hotcell/common/error.h"
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

// `which`: as QEMU calls the lock.
absl::Status InUse(const std::string& path, std::string_view which, std::string_view permission) {
  return WithRemedy(absl::FailedPreconditionError(Cat("cannot open '", path, "': Failed to get ",
                                                      which, "\"", permission, "\" lock")),
                    "another process uses the image; try again when it is gone");
}

}  // namespace

absl::Status LockForWriting(const File& file, const std::string& path, std::string_view format) {
  std::span<const Permission> forbidden = kForbidden;
  if (format == "raw") forbidden = {};
  for (const Permission& permission : kWriter) {
    if (!Hold(file, kDoes + permission.number)) return InUse(path, "", permission.name);
  }
  for (const Permission& permission : forbidden) {
    if (!Hold(file, kForbids + permission.number)) return InUse(path, "shared ", permission.name);
  }
  for (const Permission& permission : kWriter) {
    if (OthersHold(file, kForbids + permission.number)) return InUse(path, "", permission.name);
  }
  for (const Permission& permission : forbidden) {
    if (OthersHold(file, kDoes + permission.number)) return InUse(path, "shared ", permission.name);
  }
  return absl::OkStatus();
}

}  // namespace hotcell::cli
