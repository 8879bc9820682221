#include "broker/files/file_io.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <shared_mutex>

#include "base/alignment.h"

namespace hotcell::broker {
namespace {

void RaiseTo(std::atomic<uint64_t>& value, uint64_t minimum) {
  uint64_t current = value.load(std::memory_order_relaxed);
  while (current < minimum && !value.compare_exchange_weak(current, minimum)) {
  }
}

// Where O_DIRECT can begin and end in a transfer.
struct DirectRange {
  uint64_t head = 0;  // bytes before it
  uint64_t size = 0;  // 0: there is none
};

DirectRange FindDirectRange(const JobFile& file, uint64_t offset, std::span<const std::byte> data) {
  if (!file.direct.valid()) return {};
  const uint64_t unit = file.direct_alignment;
  const uint64_t head = (unit - offset % unit) % unit;
  const uint64_t address = reinterpret_cast<uintptr_t>(data.data()) + head;
  if (data.size() < head || address % file.direct_memory_alignment != 0) return {};
  return {.head = head, .size = (data.size() - head) / unit * unit};
}

// Lets go of what is on the disk, and starts to write what is not.
void DropCache(const JobFile& file) { (void)posix_fadvise(file.fd, 0, 0, POSIX_FADV_DONTNEED); }

void CountCached(JobFile& file, uint64_t bytes) {
  constexpr uint64_t kDropEvery = 32 << 20;
  const uint64_t before = file.cached_bytes.fetch_add(bytes);
  if (before / kDropEvery != (before + bytes) / kDropEvery) DropCache(file);
}

int WriteFully(JobFile& file, uint64_t offset, std::span<const std::byte> data) {
  const int flags = file.durability == Durability::kEveryWrite ? RWF_DSYNC : 0;
  while (!data.empty()) {
    const DirectRange direct = FindDirectRange(file, offset, data);
    const bool is_direct = direct.size > 0 && direct.head == 0;
    const int fd = is_direct ? file.direct.get() : file.fd;
    uint64_t size = data.size();
    if (direct.size > 0) size = is_direct ? direct.size : direct.head;
    iovec vector{.iov_base = const_cast<std::byte*>(data.data()), .iov_len = size};
    const ssize_t written = flags == 0
                                ? pwrite(fd, data.data(), size, static_cast<off_t>(offset))
                                : pwritev2(fd, &vector, 1, static_cast<off_t>(offset), flags);
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    if (written == 0) return EIO;
    if (file.direct.valid() && !is_direct) CountCached(file, static_cast<uint64_t>(written));
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

int WriteZeroBytes(JobFile& file, uint64_t offset, uint64_t length, const std::atomic<bool>& stop) {
  // Aligned for O_DIRECT.
  alignas(4096) static constexpr std::byte kZeroes[256 << 10] = {};
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
int ZeroPiece(JobFile& file, uint64_t offset, uint64_t length, const std::atomic<bool>& stop) {
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

// Zeroes [offset, offset + length), in pieces: no call of the kernel's for one of them takes so
// long that a job's deadline would have to wait for it.
int ZeroExisting(JobFile& file, uint64_t offset, uint64_t length, const std::atomic<bool>& stop) {
  constexpr uint64_t kAtOnce = 128 << 20;
  while (length > 0) {
    if (stop.load(std::memory_order_relaxed)) return ECANCELED;
    const uint64_t piece = std::min(length, kAtOnce - offset % kAtOnce);
    if (const int error = ZeroPiece(file, offset, piece, stop); error != 0) return error;
    offset += piece;
    length -= piece;
  }
  return 0;
}

// Memory of a thread that O_DIRECT can read into.
class AlignedMemory {
 public:
  // `size` bytes for transfers of `file`, valid until the next call; nullptr: there are none.
  std::byte* Get(const JobFile& file, uint64_t size) {
    const uint64_t alignment = std::max<uint64_t>(4096, file.direct_memory_alignment);
    if (size_ < size || alignment_ < alignment) {
      size_ = 0;
      data_.reset(aligned_alloc(alignment, AlignUp(size, alignment)));
      if (data_ == nullptr) return nullptr;
      size_ = size;
      alignment_ = alignment;
    }
    return static_cast<std::byte*>(data_.get());
  }

 private:
  std::unique_ptr<void, decltype(&std::free)> data_{nullptr, &std::free};
  uint64_t size_ = 0;
  uint64_t alignment_ = 0;
};

// Reads at most `data` with O_DIRECT by way of a buffer that is aligned. As pread(2).
ssize_t ReadBounced(const JobFile& file, uint64_t offset, std::span<std::byte> data) {
  constexpr uint64_t kAtOnce = 256 << 10;
  const uint64_t unit = file.direct_alignment;
  const uint64_t skipped = offset % unit;
  const uint64_t units = DivideUp(std::min<uint64_t>(skipped + data.size(), kAtOnce), unit);
  thread_local AlignedMemory memory;
  std::byte* const buffer = memory.Get(file, units * unit);
  if (buffer == nullptr) {
    errno = ENOMEM;
    return -1;
  }
  const ssize_t got =
      pread(file.direct.get(), buffer, units * unit, static_cast<off_t>(offset - skipped));
  if (got <= static_cast<ssize_t>(skipped)) return std::min<ssize_t>(got, 0);
  const uint64_t size = std::min<uint64_t>(data.size(), static_cast<uint64_t>(got) - skipped);
  std::memcpy(data.data(), buffer + skipped, size);
  return static_cast<ssize_t>(size);
}

// Reads from `file` as pread(2) does, through O_DIRECT where the job uses it. May read less than
// asked for anywhere.
ssize_t ReadSome(const JobFile& file, uint64_t offset, std::span<std::byte> data) {
  if (!file.direct.valid()) {
    return pread(file.fd, data.data(), data.size(), static_cast<off_t>(offset));
  }
  const DirectRange direct = FindDirectRange(file, offset, data);
  if (direct.size == 0) return ReadBounced(file, offset, data);
  if (direct.head > 0) return ReadBounced(file, offset, data.first(direct.head));
  return pread(file.direct.get(), data.data(), direct.size, static_cast<off_t>(offset));
}

// Stops where the kernel cannot, for whatever reason but an error of the files.
TransferResult CopyInKernel(const JobFile& from, uint64_t from_offset, const JobFile& to,
                            uint64_t offset, uint64_t length) {
  TransferResult result;
  while (result.bytes < length) {
    auto in = static_cast<off_t>(from_offset + result.bytes);
    auto out = static_cast<off_t>(offset + result.bytes);
    const ssize_t copied = copy_file_range(from.fd, &in, to.fd, &out, length - result.bytes, 0);
    if (copied < 0) {
      if (errno == EINTR) continue;
      if (errno != EXDEV && !IsUnsupported(errno)) result.error = errno;
      return result;
    }
    if (copied == 0) return result;
    result.bytes += static_cast<uint64_t>(copied);
  }
  return result;
}

TransferResult CopyThroughMemory(const JobFile& from, uint64_t from_offset, JobFile& to,
                                 uint64_t offset, uint64_t length) {
  constexpr uint64_t kAtOnce = 256 << 10;
  thread_local AlignedMemory memory;
  std::byte* const buffer = memory.Get(from, kAtOnce);
  if (buffer == nullptr) return {.error = ENOMEM};
  TransferResult result;
  while (result.bytes < length) {
    const uint64_t wanted = std::min(length - result.bytes, kAtOnce);
    const TransferResult read = ReadAt(from, from_offset + result.bytes, {buffer, wanted});
    result.error = read.error;
    if (result.error == 0) {
      result.error = WriteFully(to, offset + result.bytes, {buffer, read.bytes});
    }
    if (result.error != 0) return result;
    result.bytes += read.bytes;
    if (read.bytes < wanted) return result;
  }
  return result;
}

}  // namespace

TransferResult ReadAt(const JobFile& file, uint64_t offset, std::span<std::byte> data) {
  TransferResult result;
  while (!data.empty()) {
    const ssize_t got = ReadSome(file, offset, data);
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

TransferResult CopyAt(const JobFile& from, uint64_t from_offset, JobFile& to, uint64_t offset,
                      uint64_t length) {
  const std::shared_lock lock(to.size_mutex);
  RaiseTo(to.written_end, offset + length);
  TransferResult result;
  // The kernel's copy is neither direct nor synchronous.
  if (!from.direct.valid() && !to.direct.valid() && to.durability != Durability::kEveryWrite) {
    result = CopyInKernel(from, from_offset, to, offset, length);
  }
  if (result.error == 0 && result.bytes < length) {
    const TransferResult rest = CopyThroughMemory(from, from_offset + result.bytes, to,
                                                  offset + result.bytes, length - result.bytes);
    result.error = rest.error;
    result.bytes += rest.bytes;
  }
  if (result.bytes > 0) RaiseTo(to.size, offset + result.bytes);
  return result;
}

bool WritesDirectly(const JobFile& file, uint64_t offset, std::span<const std::byte> data) {
  const DirectRange direct = FindDirectRange(file, offset, data);
  return direct.head == 0 && direct.size == data.size();
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
  if (file.durability != Durability::kNone && fdatasync(file.fd) != 0) return errno;
  if (file.direct.valid()) DropCache(file);
  return 0;
}

namespace {

abi::BlockRun FirstRun(const JobFile& file, uint64_t offset, uint64_t length) {
  const uint64_t size = file.size;
  if (offset >= size) return {.length = length, .is_data = 0};
  length = std::min(length, size - offset);
  if (file.block_device) return {.length = length, .is_data = 1};
  const off_t data = lseek(file.fd, static_cast<off_t>(offset), SEEK_DATA);
  if (data < 0) {
    // ENXIO: no data from here to the end.
    return {.length = length, .is_data = errno == ENXIO ? 0u : 1u};
  }
  if (static_cast<uint64_t>(data) > offset) {
    return {.length = std::min(length, static_cast<uint64_t>(data) - offset), .is_data = 0};
  }
  const off_t hole = lseek(file.fd, static_cast<off_t>(offset), SEEK_HOLE);
  if (hole <= static_cast<off_t>(offset)) return {.length = length, .is_data = 1};
  return {.length = std::min(length, static_cast<uint64_t>(hole) - offset), .is_data = 1};
}

}  // namespace

size_t GetBlockStatus(const JobFile& file, uint64_t offset, uint64_t length,
                      std::span<abi::BlockRun> runs) {
  size_t count = 0;
  while (count < runs.size() && length > 0) {
    const abi::BlockRun run = FirstRun(file, offset, length);
    runs[count++] = run;
    offset += run.length;
    length -= run.length;
  }
  return count;
}

}  // namespace hotcell::broker
