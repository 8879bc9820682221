#include "broker/files/file_table.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <numeric>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "broker/host/posix_error.h"
#include "hotcell/failure.h"
#include "hotcell/remedy.h"
#include "hotcell/text.h"

namespace hotcell::broker {
namespace {

// What the kernel says of `fd`; errors name `name`, which is quoted.
absl::StatusOr<std::unique_ptr<JobFile>> Describe(int fd, std::string name) {
  struct stat info {};
  if (fstat(fd, &info) != 0) {
    if (errno == EBADF) {
      return absl::InvalidArgumentError(absl::StrCat("the descriptor of ", name, " is not open"));
    }
    return PosixError(errno, absl::StrCat("stat ", name));
  }
  auto file = std::make_unique<JobFile>();
  file->fd = fd;
  if (S_ISREG(info.st_mode)) {
    file->size = static_cast<uint64_t>(info.st_size);
    file->device = info.st_dev;
    file->inode = info.st_ino;
    file->state.emplace(fd);
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

void SetDirectAlignment(JobFile& file) {
  // Whole pages and whole blocks of the file system, even where O_DIRECT takes less: the cache
  // writes back nothing smaller, and must not put old bytes over what passed it by.
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  file.direct_alignment = page;
  file.direct_memory_alignment = page;
  struct statx info {};
  if (statx(file.direct.get(), "", AT_EMPTY_PATH, STATX_DIOALIGN, &info) != 0) return;
  // Larger ones are what the file system likes to transfer at once, such as NFS.
  constexpr uint64_t kLargestBlock = 64 << 10;
  if (info.stx_blksize != 0 && info.stx_blksize <= kLargestBlock) {
    file.direct_alignment = std::lcm(page, uint64_t{info.stx_blksize});
  }
  // Linux 6.1 and later, and not every file system.
  if ((info.stx_mask & STATX_DIOALIGN) == 0 || info.stx_dio_offset_align == 0) return;
  file.direct_alignment = std::lcm(file.direct_alignment, uint64_t{info.stx_dio_offset_align});
  file.direct_memory_alignment = std::max<uint64_t>(info.stx_dio_mem_align, 1);
}

// Opens nothing new: the descriptor in /proc leads to the file that `file.fd` is, wherever its
// name may lead by now.
absl::Status OpenDirect(JobFile& file) {
  const absl::string_view option = file.writable ? "-t" : "-T";
  const std::string path = absl::StrCat("/proc/self/fd/", file.fd);
  const int mode = file.writable ? O_RDWR : O_RDONLY;
  file.direct = UniqueFd(open(path.c_str(), mode | O_DIRECT | O_CLOEXEC | O_NOCTTY));
  if (file.direct.valid()) {
    SetDirectAlignment(file);
    return absl::OkStatus();
  }
  const std::string modes = absl::StrCat(option, " none and ", option, " directsync");
  const std::string remedy = absl::StrCat("use ", option, " writeback");
  if (errno != EINVAL) {
    return PosixError(errno, absl::StrCat("open ", file.name, " (by ", path, ") with O_DIRECT, as ",
                                          modes, " ask for; ", remedy));
  }
  return absl::FailedPreconditionError(absl::StrCat("the file system of ", file.name,
                                                    " does not support O_DIRECT, which ", modes,
                                                    " ask for; ", remedy));
}

// Wipes the start of a device, by which images, partition tables and file systems are known. False,
// with errno: it failed.
bool WipeStart(JobFile& file) {
  constexpr uint64_t kStart = 1 << 20;
  uint64_t range[2] = {0, std::min(file.size.load(), kStart)};
  if (range[1] != 0 && ioctl(file.fd, BLKZEROOUT, range) != 0) return false;
  const std::lock_guard lock(file.renewed->mutex);
  file.renewed->written.Add(0, range[1]);
  return true;
}

bool IsSameFile(const JobFile& a, const JobFile& b) {
  return a.block_device == b.block_device && a.device == b.device && a.inode == b.inode;
}

FileIdentity Identity(const JobFile& file) { return {.device = file.device, .inode = file.inode}; }

absl::Status RefersToReplaced(const JobFile& file) {
  return absl::PermissionDeniedError(
      absl::StrCat(file.name, " is read by the job, and its target is to take the file's place"));
}

bool Take(uint64_t bytes, uint64_t quota, std::atomic<uint64_t>& all_taken) {
  uint64_t taken = all_taken.load();
  do {
    if (bytes > quota || taken > quota - bytes) return false;
  } while (!all_taken.compare_exchange_weak(taken, taken + bytes));
  return true;
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

absl::StatusOr<uint32_t> FileTable::AddInput(int fd, absl::string_view name, Access access) {
  const std::lock_guard lock(mutex_);
  auto file = Describe(fd, ShownName(name));
  if (!file.ok()) return file.status();
  (*file)->image_name = std::string(name);
  const int flags = fcntl(fd, F_GETFL);
  if ((flags & O_ACCMODE) == O_WRONLY || (flags & O_PATH) != 0) {
    return absl::InvalidArgumentError(absl::StrCat((*file)->name, " is not open for reading"));
  }
  if (access == Access::kDirect) {
    if (absl::Status status = OpenDirect(**file); !status.ok()) return status;
  }
  return Add(*std::move(file));
}

absl::StatusOr<uint32_t> FileTable::AddOutput(int fd, absl::string_view name, Durability durability,
                                              bool fresh, Access access) {
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
  if (access == Access::kDirect) {
    if (absl::Status status = OpenDirect(file); !status.ok()) return status;
  }
  file.to_be_emptied = fresh && !file.block_device && file.size != 0;
  return Add(*std::move(described));
}

void FileTable::Renew(uint32_t slot) {
  JobFile& file = *Find(slot);
  file.renewed = std::make_unique<RenewedDevice>();
  file.to_be_emptied = true;
}

absl::Status FileTable::EmptyOnce(JobFile& file) {
  if (!file.to_be_emptied.load(std::memory_order_acquire)) return absl::OkStatus();
  const std::lock_guard lock(empty_mutex_);
  if (!file.to_be_emptied) return absl::OkStatus();
  const bool emptied = file.renewed != nullptr ? WipeStart(file) : ftruncate(file.fd, 0) == 0;
  if (!emptied) return PosixError(errno, absl::StrCat("empty ", file.name));
  if (file.renewed == nullptr) {
    file.size = 0;
    file.written_end = 0;
  }
  file.to_be_emptied.store(false, std::memory_order_release);
  return absl::OkStatus();
}

absl::Status FileTable::EmptyOutputs() {
  if (writes_held()) return absl::OkStatus();
  for (uint32_t slot = 0; JobFile* const file = Find(slot); ++slot) {
    if (absl::Status status = EmptyOnce(*file); !status.ok()) return status;
  }
  return absl::OkStatus();
}

void FileTable::HoldWrites(WriteJudge judge) {
  const std::lock_guard lock(judge_mutex_);
  write_judge_ = std::move(judge);
  writes_held_ = true;
}

std::optional<absl::Status> FileTable::JudgeWrites(v1::Report& report) {
  const std::lock_guard lock(judge_mutex_);
  if (write_judge_ == nullptr) return std::nullopt;
  refusal_ = std::exchange(write_judge_, nullptr)(report);
  if (refusal_.ok()) writes_held_ = false;
  return refusal_;
}

absl::Status FileTable::refusal() const {
  const std::lock_guard lock(judge_mutex_);
  return refusal_;
}

absl::Status FileTable::CountReference() {
  const std::lock_guard lock(mutex_);
  if (references_ == limits_.references) {
    return WithRemedy(absl::ResourceExhaustedError(
                          absl::StrCat("the image names more than ", limits_.references,
                                       " files, found or not; the limit is `references`")),
                      Remedy::kRaiseReferences);
  }
  ++references_;
  return absl::OkStatus();
}

absl::StatusOr<uint32_t> FileTable::AddReference(UniqueFd fd, absl::string_view name,
                                                 uint32_t referrer, abi::ReferenceKind kind,
                                                 std::string_view image_name) {
  const std::lock_guard lock(mutex_);
  auto described = Describe(fd.get(), ShownName(name));
  if (!described.ok()) return described.status();
  JobFile& file = **described;
  file.owned = std::move(fd);
  file.referrer = referrer;
  file.image_name = std::string(image_name);
  const bool is_image =
      kind == abi::ReferenceKind::kBackingFile || kind == abi::ReferenceKind::kParent;
  file.depth = files_[referrer]->depth + (is_image ? 1 : 0);
  if (file.depth > limits_.chain_depth) {
    return absl::ResourceExhaustedError(absl::StrCat("the chain of images is longer than ",
                                                     limits_.chain_depth, " at ", file.name,
                                                     "; the limit is `chain-depth`"));
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
  if (!file.block_device && absl::c_linear_search(replaced_, Identity(file))) {
    return RefersToReplaced(file);
  }
  if (files_[referrer]->direct.valid()) {
    if (absl::Status status = OpenDirect(file); !status.ok()) return status;
  }
  return Add(*std::move(described));
}

absl::Status FileTable::AddReplacedFile(const FileIdentity& file) {
  const std::lock_guard lock(mutex_);
  for (uint32_t slot = 0; slot < count_; ++slot) {
    const JobFile& other = *files_[slot];
    if (!other.referrer || other.block_device || Identity(other) != file) continue;
    return RefersToReplaced(other);
  }
  replaced_.push_back(file);
  return absl::OkStatus();
}

JobFile* FileTable::Find(uint32_t slot) const {
  return slot < count_.load(std::memory_order_acquire) ? files_[slot].get() : nullptr;
}

void FileTable::AllowExtentFiles(ExtentFileOpener open, Durability durability, Access access) {
  const std::lock_guard lock(extent_files_mutex_);
  open_extent_file_ = std::move(open);
  extent_file_durability_ = durability;
  extent_file_access_ = access;
}

absl::StatusOr<uint32_t> FileTable::AddExtentFile(uint64_t number) {
  const std::lock_guard lock(extent_files_mutex_);
  if (open_extent_file_ == nullptr) {
    return absl::PermissionDeniedError(
        "the target would consist of several files, and the job may write only one");
  }
  if (number >= abi::kMaxExtentFiles) {
    return absl::ResourceExhaustedError(
        absl::StrCat("an image is written to at most ", abi::kMaxExtentFiles, " files"));
  }
  if (number != next_extent_file_) {
    return WithFailureKind(
        absl::FailedPreconditionError(absl::StrCat("extent ", number, " of the target is to be ",
                                                   "made, but the next is ", next_extent_file_)),
        FailureKind::kGuestContract);
  }
  ++next_extent_file_;
  const absl::StatusOr<ExtentFile> file = open_extent_file_(static_cast<uint32_t>(number));
  if (!file.ok()) return file.status();
  if (file->replaces) {
    if (absl::Status status = AddReplacedFile(*file->replaces); !status.ok()) return status;
  }
  return AddOutput(file->fd, file->name, extent_file_durability_, /*fresh=*/true,
                   extent_file_access_);
}

bool FileTable::TakeOutputQuota(JobFile& file, uint64_t end) {
  if (end <= file.output_taken) return true;
  const std::lock_guard lock(output_quota_mutex_);
  const uint64_t taken = file.output_taken;
  if (end <= taken) return true;
  if (end - taken > limits_.output_bytes - output_taken_) return false;
  output_taken_ += end - taken;
  file.output_taken = end;
  return true;
}

bool FileTable::TakeReadQuota(uint64_t bytes) {
  return Take(bytes, limits_.bytes_read, quota_taken_);
}

bool FileTable::TakeWriteQuota(uint64_t bytes) {
  return Take(bytes, limits_.bytes_written, write_quota_taken_);
}

std::vector<ChangedFile> FileTable::ChangedInputs() const {
  std::vector<ChangedFile> changed;
  for (uint32_t slot = 0; const JobFile* const file = Find(slot); ++slot) {
    if (file->writable || !file->state) continue;
    const FileChange change = file->state->ChangeUntil(FileState(file->fd));
    if (change == FileChange::kNone) continue;
    changed.push_back({.name = file->name, .attributes_only = change == FileChange::kAttributes});
  }
  return changed;
}

void FileTable::RecordError(absl::Status error) {
  const std::lock_guard lock(mutex_);
  if (error_.ok()) error_ = std::move(error);
}

void FileTable::RecordOutputError(absl::Status error) {
  const std::lock_guard lock(mutex_);
  if (error_.ok()) error_ = error;
  if (output_error_.ok()) output_error_ = std::move(error);
}

void FileTable::RecordIoError(const JobFile& file, int error_number, absl::string_view action) {
  const bool no_space = error_number == ENOSPC || error_number == EDQUOT || error_number == EFBIG;
  const std::string message = std::string(PosixError(error_number, action).message());
  absl::Status error = WithFailureKind(
      no_space ? absl::ResourceExhaustedError(message) : absl::UnavailableError(message),
      FailureKind::kHost);
  file.writable ? RecordOutputError(std::move(error)) : RecordError(std::move(error));
}

absl::Status FileTable::error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

absl::Status FileTable::output_error() const {
  const std::lock_guard lock(mutex_);
  return output_error_;
}

}  // namespace hotcell::broker
