#include "broker/file_io.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <shared_mutex>

namespace hotcell::broker {
namespace {

void RaiseTo(std::atomic<uint64_t>& value, uint64_t minimum) {
  uint64_t current = value.load(std::memory_order_relaxed);
  while (current < minimum && !value.compare_exchange_weak(current, minimum)) {
  }
}

int WriteFully(const JobFile& file, uint64_t offset, std::span<const std::byte> data) {
  const int flags = file.durability == Durability::kEveryWrite ? RWF_DSYNC : 0;
  while (!data.empty()) {
    iovec vector{.iov_base = const_cast<std::byte*>(data.data()), .iov_len = data.size()};
    const ssize_t written =
        flags == 0 ? pwrite(file.fd, data.data(), data.size(), static_cast<off_t>(offset))
                   : pwritev2(file.fd, &vector, 1, static_cast<off_t>(offset), flags);
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    if (written == 0) return EIO;
    data = data.subspan(static_cast<size_t>(written));
    offset += static_cast<uint64_t>(written);
  }
  return 0;
}

// Whether the call failed because it cannot do this at all, so that another way may be tried.
bool IsUnsupported(int error) {
  return error == EOPNOTSUPP || error == ENOSYS || error == EINVAL || error == ENODEV ||
         error == ENOTTY || error == EPERM;
}

int WriteZeroBytes(const JobFile& file, uint64_t offset, uint64_t length,
                   const std::atomic<bool>& stop) {
  static constexpr std::byte kZeroes[256 << 10] = {};
  while (length > 0) {
    if (stop.load(std::memory_order_relaxed)) return ECANCELED;
    const uint64_t piece = std::min<uint64_t>(length, sizeof(kZeroes));
    if (const int error = WriteFully(file, offset, std::span(kZeroes, piece)); error != 0) {
      return error;
    }
    offset += piece;
    length -= piece;
  }
  return 0;
}

int Fallocate(const JobFile& file, int mode, uint64_t offset, uint64_t length) {
  int result = 0;
  do {
    result = fallocate(file.fd, mode, static_cast<off_t>(offset), static_cast<off_t>(length));
  } while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

// The range lies within the file.
int ZeroExisting(const JobFile& file, uint64_t offset, uint64_t length,
                 const std::atomic<bool>& stop) {
  for (const int mode :
       {FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE}) {
    const int error = Fallocate(file, mode, offset, length);
    if (!IsUnsupported(error)) return error;
  }
  if (file.block_device) {
    uint64_t range[2] = {offset, length};
    if (ioctl(file.fd, BLKZEROOUT, range) == 0) return 0;
    if (!IsUnsupported(errno)) return errno;
  }
  return WriteZeroBytes(file, offset, length, stop);
}

}  // namespace

TransferResult ReadAt(const JobFile& file, uint64_t offset, std::span<std::byte> data) {
  TransferResult result;
  while (!data.empty()) {
    const ssize_t got = pread(file.fd, data.data(), data.size(), static_cast<off_t>(offset));
    if (got < 0) {
      if (errno == EINTR) continue;
      result.error = errno;
      return result;
    }
    if (got == 0) return result;
    result.bytes += static_cast<uint64_t>(got);
    offset += static_cast<uint64_t>(got);
    data = data.subspan(static_cast<size_t>(got));
  }
  return result;
}

int WriteAt(JobFile& file, uint64_t offset, std::span<const std::byte> data) {
  const std::shared_lock lock(file.size_mutex);
  // Before the write: while it is under way a WRITE_ZEROES of another lane must not take the range
  // for a hole.
  RaiseTo(file.written_end, offset + data.size());
  if (const int error = WriteFully(file, offset, data); error != 0) return error;
  RaiseTo(file.size, offset + data.size());
  return 0;
}

int WriteZeroesAt(JobFile& file, uint64_t offset, uint64_t length, const std::atomic<bool>& stop) {
  const uint64_t end = offset + length;
  if (file.block_device) return ZeroExisting(file, offset, length, stop);
  if (end > file.size) {
    const std::lock_guard lock(file.size_mutex);
    if (end > file.size) {
      if (ftruncate(file.fd, static_cast<off_t>(end)) != 0) return errno;
      file.size = end;
    }
  }
  const uint64_t written_end = file.written_end;
  if (offset >= written_end) return 0;
  return ZeroExisting(file, offset, std::min(end, written_end) - offset, stop);
}

int SetFileSize(JobFile& file, uint64_t size) {
  const std::lock_guard lock(file.size_mutex);
  if (size == file.size) return 0;
  if (ftruncate(file.fd, static_cast<off_t>(size)) != 0) return errno;
  file.size = size;
  file.written_end = std::min(size, file.written_end.load());
  return 0;
}

int FlushFile(const JobFile& file) {
  if (file.durability == Durability::kNone) return 0;
  return fdatasync(file.fd) == 0 ? 0 : errno;
}

BlockStatusResult GetBlockStatus(const JobFile& file, uint64_t offset, uint64_t length) {
  const uint64_t size = file.size;
  if (offset >= size) return {.length = length, .data = false};
  length = std::min(length, size - offset);
  if (file.block_device) return {.length = length, .data = true};
  const off_t data = lseek(file.fd, static_cast<off_t>(offset), SEEK_DATA);
  if (data < 0) {
    // ENXIO: no data from here to the end.
    return {.length = length, .data = errno != ENXIO};
  }
  if (static_cast<uint64_t>(data) > offset) {
    return {.length = std::min(length, static_cast<uint64_t>(data) - offset), .data = false};
  }
  const off_t hole = lseek(file.fd, static_cast<off_t>(offset), SEEK_HOLE);
  if (hole <= static_cast<off_t>(offset)) return {.length = length, .data = true};
  return {.length = std::min(length, static_cast<uint64_t>(hole) - offset), .data = true};
}

}  // namespace hotcell::broker
