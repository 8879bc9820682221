#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest {
namespace {

IoResult FromErrno(int error) {
  if (error == ENOSPC) return {.status = IoStatus::kNoSpace, .value = ENOSPC};
  return {.status = IoStatus::kIoError, .value = static_cast<uint64_t>(error)};
}

bool BeyondOff64(uint64_t offset, uint64_t length) {
  return offset > INT64_MAX || length > INT64_MAX - offset;
}

}  // namespace

FdFile::~FdFile() { close(fd_); }

uint64_t FdFile::size() {
  // A block device has no st_size.
  const off_t end = lseek(fd_, 0, SEEK_END);
  return end < 0 ? 0 : static_cast<uint64_t>(end);
}

IoResult FdFile::Read(uint64_t offset, std::span<std::byte> data) {
  if (BeyondOff64(offset, data.size())) return FromErrno(EINVAL);
  size_t done = 0;
  while (done < data.size()) {
    const ssize_t n = pread(fd_, data.data() + done, data.size() - done, offset + done);
    if (n == 0) break;
    if (n < 0) {
      if (errno == EINTR) continue;
      return FromErrno(errno);
    }
    done += n;
  }
  return {.value = done};
}

IoResult FdFile::Write(uint64_t offset, std::span<const std::byte> data) {
  if (BeyondOff64(offset, data.size())) return FromErrno(EFBIG);
  size_t done = 0;
  while (done < data.size()) {
    const ssize_t n = pwrite(fd_, data.data() + done, data.size() - done, offset + done);
    if (n < 0) {
      if (errno == EINTR) continue;
      return FromErrno(errno);
    }
    done += n;
  }
  return {.value = done};
}

IoResult FdFile::WriteZeroes(uint64_t offset, uint64_t length) {
  if (BeyondOff64(offset, length)) return FromErrno(EFBIG);
  if (fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length) == 0) {
    const uint64_t end = offset + length;
    if (end > size() && ftruncate(fd_, static_cast<off_t>(end)) != 0) return FromErrno(errno);
    return {.value = length};
  }
  const std::vector<std::byte> zeroes(64 << 10);
  for (uint64_t done = 0; done < length;) {
    const size_t piece = std::min<uint64_t>(zeroes.size(), length - done);
    const IoResult written = Write(offset + done, std::span(zeroes).first(piece));
    if (!written.ok()) return written;
    done += piece;
  }
  return {.value = length};
}

IoResult FdFile::BlockStatus(uint64_t offset, uint64_t length) {
  if (BeyondOff64(offset, length)) return FromErrno(EINVAL);
  const off_t data = lseek(fd_, static_cast<off_t>(offset), SEEK_DATA);
  if (data < 0) {
    if (errno == ENXIO) return {.value = length, .value2 = 0};
    return {.value = length, .value2 = 1};
  }
  if (static_cast<uint64_t>(data) > offset) {
    return {.value = std::min<uint64_t>(length, data - offset), .value2 = 0};
  }
  const off_t hole = lseek(fd_, static_cast<off_t>(offset), SEEK_HOLE);
  if (hole < 0 || static_cast<uint64_t>(hole) <= offset) return {.value = length, .value2 = 1};
  return {.value = std::min<uint64_t>(length, hole - offset), .value2 = 1};
}

IoResult FdFile::Flush() { return fdatasync(fd_) == 0 ? IoResult{} : FromErrno(errno); }

IoResult FdFile::SetSize(uint64_t size) {
  if (size > INT64_MAX) return FromErrno(EFBIG);
  return ftruncate(fd_, static_cast<off_t>(size)) == 0 ? IoResult{} : FromErrno(errno);
}

uint64_t MemoryFile::size() {
  const std::lock_guard lock(mutex_);
  return bytes_.size();
}

IoResult MemoryFile::Read(uint64_t offset, std::span<std::byte> data) {
  const std::lock_guard lock(mutex_);
  if (offset >= bytes_.size()) return {.value = 0};
  const size_t count = std::min<uint64_t>(data.size(), bytes_.size() - offset);
  std::memcpy(data.data(), bytes_.data() + offset, count);
  return {.value = count};
}

IoResult MemoryFile::Write(uint64_t offset, std::span<const std::byte> data) {
  const std::lock_guard lock(mutex_);
  if (offset > bytes_.max_size() || data.size() > bytes_.max_size() - offset) {
    return FromErrno(EFBIG);
  }
  if (data.empty()) return {};
  if (offset + data.size() > bytes_.size()) bytes_.resize(offset + data.size());
  std::memcpy(bytes_.data() + offset, data.data(), data.size());
  return {.value = data.size()};
}

IoResult MemoryFile::WriteZeroes(uint64_t offset, uint64_t length) {
  const std::lock_guard lock(mutex_);
  if (offset > bytes_.max_size() || length > bytes_.max_size() - offset) return FromErrno(EFBIG);
  if (offset + length > bytes_.size()) bytes_.resize(offset + length);
  std::fill_n(bytes_.begin() + static_cast<ptrdiff_t>(offset), length, std::byte{0});
  return {.value = length};
}

IoResult MemoryFile::BlockStatus(uint64_t /*offset*/, uint64_t length) {
  return {.value = length, .value2 = 1};
}

IoResult MemoryFile::SetSize(uint64_t size) {
  const std::lock_guard lock(mutex_);
  if (size > bytes_.max_size()) return FromErrno(EFBIG);
  bytes_.resize(size);
  return {};
}

FileHandle NativeFiles::Add(std::unique_ptr<NativeFile> file) {
  const uint64_t size = file->size();
  const std::lock_guard lock(mutex_);
  files_.push_back(std::move(file));
  return {.slot = static_cast<uint32_t>(files_.size() - 1), .size = size};
}

FileHandle NativeFiles::AddPath(const std::string& path, int open_flags) {
  const int fd = open(path.c_str(), open_flags | O_CLOEXEC, 0666);
  if (fd < 0) return {.slot = kNoSlot};
  return Add(std::make_unique<FdFile>(fd));
}

NativeFile* NativeFiles::file(uint32_t slot) {
  const std::lock_guard lock(mutex_);
  return slot < files_.size() ? files_[slot].get() : nullptr;
}

}  // namespace hotcell::guest
