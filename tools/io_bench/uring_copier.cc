#include <liburing.h>
#include <sys/uio.h>

#include <cerrno>
#include <vector>

#include "tools/io_bench/copier.h"

namespace hotcell::io_bench {
namespace {

// Indices of the registered files.
constexpr int kSource = 0;
constexpr int kTarget = 1;

absl::Status UringError(int result, const char* step) { return absl::ErrnoToStatus(-result, step); }

class UringCopier : public Copier {
 public:
  explicit UringCopier(std::span<std::byte> buffer) : buffer_(buffer) {}

  ~UringCopier() override {
    if (ready_) io_uring_queue_exit(&ring_);
  }

  absl::Status Prepare(const CopyJob& job) override {
    slots_.resize(buffer_.size() / job.chunk);
    // One thread submits and reaps, and completions need not interrupt it: the cheapest mode.
    const int result = io_uring_queue_init(static_cast<unsigned>(slots_.size()), &ring_,
                                           IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
    if (result < 0) return UringError(result, "io_uring_setup");
    ready_ = true;
    const int files[] = {job.source, job.target};
    if (const int error = io_uring_register_files(&ring_, files, 2); error < 0) {
      return UringError(error, "cannot register files");
    }
    const iovec vector{.iov_base = buffer_.data(), .iov_len = buffer_.size()};
    if (const int error = io_uring_register_buffers(&ring_, &vector, 1); error < 0) {
      return UringError(error, "cannot register buffers");
    }
    return absl::OkStatus();
  }

  absl::Status Run(CopyJob& job) override {
    for (size_t i = 0; i < slots_.size(); ++i) {
      slots_[i].data = buffer_.data() + i * job.chunk;
      TakeChunk(job, slots_[i]);
    }
    while (in_flight_ > 0) {
      const int result = io_uring_submit_and_wait(&ring_, 1);
      if (result == -EINTR) continue;
      if (result < 0) return UringError(result, "io_uring_enter");
      io_uring_cqe* completion = nullptr;
      while (io_uring_peek_cqe(&ring_, &completion) == 0) {
        auto& slot = *static_cast<Slot*>(io_uring_cqe_get_data(completion));
        const int moved = completion->res;
        io_uring_cqe_seen(&ring_, completion);
        --in_flight_;
        if (moved < 0) return UringError(moved, "cannot copy");
        if (moved == 0) return absl::DataLossError("the source has become shorter");
        Advance(job, slot, static_cast<size_t>(moved));
      }
    }
    return absl::OkStatus();
  }

 private:
  struct Slot {
    std::byte* data = nullptr;
    size_t offset = 0;  // of the chunk
    size_t length = 0;
    size_t moved = 0;  // bytes of it, in this direction
    bool writing = false;
  };

  void TakeChunk(CopyJob& job, Slot& slot) {
    slot.offset = job.next.fetch_add(job.chunk);
    if (slot.offset >= job.size) return;
    slot.length = job.LengthAt(slot.offset);
    slot.moved = 0;
    slot.writing = false;
    Queue(slot);
  }

  void Advance(CopyJob& job, Slot& slot, size_t moved) {
    slot.moved += moved;
    if (slot.moved < slot.length) {
      Queue(slot);
    } else if (slot.writing) {
      TakeChunk(job, slot);
    } else {
      slot.moved = 0;
      slot.writing = true;
      Queue(slot);
    }
  }

  void Queue(Slot& slot) {
    // Never full: it has an entry for each slot.
    io_uring_sqe* request = io_uring_get_sqe(&ring_);
    const auto length = static_cast<unsigned>(slot.length - slot.moved);
    const size_t offset = slot.offset + slot.moved;
    if (slot.writing) {
      io_uring_prep_write_fixed(request, kTarget, slot.data + slot.moved, length, offset, 0);
    } else {
      io_uring_prep_read_fixed(request, kSource, slot.data + slot.moved, length, offset, 0);
    }
    request->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data(request, &slot);
    ++in_flight_;
  }

  const std::span<std::byte> buffer_;
  io_uring ring_ = {};
  bool ready_ = false;
  std::vector<Slot> slots_;
  size_t in_flight_ = 0;
};

}  // namespace

std::unique_ptr<Copier> MakeUringCopier(std::span<std::byte> buffer) {
  return std::make_unique<UringCopier>(buffer);
}

}  // namespace hotcell::io_bench
