#include <unistd.h>

#include <cerrno>
#include <mutex>

#include "tools/io_bench/copier.h"

namespace hotcell::io_bench {
namespace {

// All of `buffer` by `call`, pread(2) or pwrite(2).
template <typename Call, typename Byte>
absl::Status TransferFully(Call call, int fd, std::span<Byte> buffer, size_t offset) {
  while (!buffer.empty()) {
    const ssize_t moved = call(fd, buffer.data(), buffer.size(), static_cast<off_t>(offset));
    if (moved < 0) {
      if (errno == EINTR) continue;
      return absl::ErrnoToStatus(errno, "cannot copy");
    }
    if (moved == 0) return absl::DataLossError("the source has become shorter");
    buffer = buffer.subspan(static_cast<size_t>(moved));
    offset += static_cast<size_t>(moved);
  }
  return absl::OkStatus();
}

absl::Status Read(const CopyJob& job, std::span<std::byte> buffer, size_t offset) {
  return TransferFully(pread, job.source, buffer, offset);
}

absl::Status Write(const CopyJob& job, std::span<const std::byte> buffer, size_t offset) {
  return TransferFully(pwrite, job.target, buffer, offset);
}

class SyscallCopier : public Copier {
 public:
  explicit SyscallCopier(std::span<std::byte> buffer) : buffer_(buffer) {}

  absl::Status Run(CopyJob& job) override {
    for (size_t offset; (offset = job.next.fetch_add(job.chunk)) < job.size;) {
      const std::span<std::byte> data = buffer_.first(job.LengthAt(offset));
      if (absl::Status status = Read(job, data, offset); !status.ok()) return status;
      if (absl::Status status = Write(job, data, offset); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  const std::span<std::byte> buffer_;
};

class TurnCopier : public Copier {
 public:
  explicit TurnCopier(std::span<std::byte> buffer) : buffer_(buffer) {}

  absl::Status Run(CopyJob& job) override {
    for (size_t begin; (begin = job.next.fetch_add(buffer_.size())) < job.size;) {
      if (absl::Status status = ForEachChunk(job, begin, Read); !status.ok()) return status;
      const std::lock_guard turn(job.turn);
      if (absl::Status status = ForEachChunk(job, begin, Write); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  template <typename Transfer>
  absl::Status ForEachChunk(const CopyJob& job, size_t begin, Transfer transfer) {
    const size_t end = std::min(begin + buffer_.size(), job.size);
    for (size_t offset = begin; offset < end; offset += job.chunk) {
      const auto data = buffer_.subspan(offset - begin, job.LengthAt(offset));
      if (absl::Status status = transfer(job, data, offset); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  const std::span<std::byte> buffer_;
};

}  // namespace

std::unique_ptr<Copier> MakeSyscallCopier(std::span<std::byte> buffer) {
  return std::make_unique<SyscallCopier>(buffer);
}

std::unique_ptr<Copier> MakeTurnCopier(std::span<std::byte> buffer) {
  return std::make_unique<TurnCopier>(buffer);
}

}  // namespace hotcell::io_bench
