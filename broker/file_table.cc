#include "broker/file_table.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/posix_error.h"
#include "hotcell/text.h"

namespace hotcell::broker {
namespace {

// What the kernel says of `fd`; errors name `name`, which is quoted.
absl::StatusOr<std::unique_ptr<JobFile>> Describe(int fd, std::string name) {
  struct stat info {};
  if (fstat(fd, &info) != 0) return PosixError(errno, absl::StrCat("stat ", name));
  auto file = std::make_unique<JobFile>();
  file->fd = fd;
  if (S_ISREG(info.st_mode)) {
    file->size = static_cast<uint64_t>(info.st_size);
    file->device = info.st_dev;
    file->inode = info.st_ino;
  } else if (S_ISBLK(info.st_mode)) {
    uint64_t size = 0;
    if (ioctl(fd, BLKGETSIZE64, &size) != 0) {
      return PosixError(errno, absl::StrCat("get the size of the block device ", name));
    }
    file->block_device = true;
    file->size = size;
    file->device = info.st_rdev;
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " is neither a regular file nor a block device"));
  }
  file->written_end = file->size.load();
  file->name = std::move(name);
  return file;
}

bool IsSameFile(const JobFile& a, const JobFile& b) {
  return a.block_device == b.block_device && a.device == b.device && a.inode == b.inode;
}

std::string ShownName(absl::string_view name) { return Quote({name.data(), name.size()}); }

}  // namespace

absl::StatusOr<uint32_t> FileTable::Add(std::unique_ptr<JobFile> file) {
  const uint32_t slot = count_.load(std::memory_order_relaxed);
  if (slot == kMaxSlots) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a job has at most ", kMaxSlots, " files open"));
  }
  files_[slot] = std::move(file);
  count_.store(slot + 1, std::memory_order_release);
  return slot;
}

absl::StatusOr<uint32_t> FileTable::AddInput(int fd, absl::string_view name) {
  const std::lock_guard lock(mutex_);
  auto file = Describe(fd, ShownName(name));
  if (!file.ok()) return file.status();
  const int flags = fcntl(fd, F_GETFL);
  if ((flags & O_ACCMODE) == O_WRONLY || (flags & O_PATH) != 0) {
    return absl::InvalidArgumentError(absl::StrCat((*file)->name, " is not open for reading"));
  }
  return Add(*std::move(file));
}

absl::StatusOr<uint32_t> FileTable::AddOutput(int fd, absl::string_view name, Durability durability,
                                              bool fresh) {
  const std::lock_guard lock(mutex_);
  auto described = Describe(fd, ShownName(name));
  if (!described.ok()) return described.status();
  JobFile& file = **described;
  const int flags = fcntl(fd, F_GETFL);
  if ((flags & O_ACCMODE) != O_RDWR || (flags & O_APPEND) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(file.name, " is not open for reading and writing (or it is for appending)"));
  }
  for (uint32_t slot = 0; slot < count_; ++slot) {
    if (!IsSameFile(*files_[slot], file)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(file.name, " is the source and the target; name another target"));
  }
  file.writable = true;
  file.durability = durability;
  if (fresh && !file.block_device) {
    if (ftruncate(fd, 0) != 0) return PosixError(errno, absl::StrCat("empty ", file.name));
    file.size = 0;
    file.written_end = 0;
  }
  return Add(*std::move(described));
}

absl::StatusOr<uint32_t> FileTable::AddReference(UniqueFd fd, absl::string_view name,
                                                 uint32_t referrer, abi::ReferenceKind kind) {
  const std::lock_guard lock(mutex_);
  if (references_ == limits_.references) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the image refers to more than ", limits_.references, " files; the limit is `references`"));
  }
  auto described = Describe(fd.get(), ShownName(name));
  if (!described.ok()) return described.status();
  JobFile& file = **described;
  file.owned = std::move(fd);
  file.referrer = referrer;
  const bool is_image =
      kind == abi::ReferenceKind::kBackingFile || kind == abi::ReferenceKind::kParent;
  file.depth = files_[referrer]->depth + (is_image ? 1 : 0);
  if (file.depth > limits_.chain_depth) {
    return absl::ResourceExhaustedError(absl::StrCat("the chain of images is longer than ",
                                                     limits_.chain_depth, " at ", file.name,
                                                     "; the limit is `chain_depth`"));
  }
  for (std::optional<uint32_t> slot = referrer; slot.has_value(); slot = files_[*slot]->referrer) {
    if (!IsSameFile(*files_[*slot], file)) continue;
    return absl::DataLossError(absl::StrCat(
        "the chain of images is a cycle: ", files_[referrer]->name, " refers back to ", file.name));
  }
  for (uint32_t slot = 0; slot < count_; ++slot) {
    if (!files_[slot]->writable || !IsSameFile(*files_[slot], file)) continue;
    return absl::PermissionDeniedError(
        absl::StrCat(files_[referrer]->name, " refers to the job's own target ", file.name));
  }
  ++references_;
  return Add(*std::move(described));
}

JobFile* FileTable::Find(uint32_t slot) const {
  return slot < count_.load(std::memory_order_acquire) ? files_[slot].get() : nullptr;
}

bool FileTable::TakeReadQuota(uint64_t bytes) {
  uint64_t taken = quota_taken_.load();
  do {
    if (bytes > limits_.bytes_read || taken > limits_.bytes_read - bytes) return false;
  } while (!quota_taken_.compare_exchange_weak(taken, taken + bytes));
  return true;
}

void FileTable::RecordError(absl::Status error) {
  const std::lock_guard lock(mutex_);
  if (error_.ok()) error_ = std::move(error);
}

void FileTable::RecordIoError(int error_number, absl::string_view action) {
  const bool no_space = error_number == ENOSPC || error_number == EDQUOT || error_number == EFBIG;
  const std::string message = std::string(PosixError(error_number, action).message());
  RecordError(no_space ? absl::ResourceExhaustedError(message) : absl::UnavailableError(message));
}

absl::Status FileTable::error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

}  // namespace hotcell::broker
