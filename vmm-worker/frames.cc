#include "vmm-worker/frames.h"

#include <malloc.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>

namespace hotcell::worker {
namespace {

constexpr size_t kArenaBlock = 16 << 10;

google::protobuf::ArenaOptions ArenaIn(char* block) {
  google::protobuf::ArenaOptions options;
  options.initial_block = block;
  options.initial_block_size = kArenaBlock;
  return options;
}

}  // namespace

FrameChannel::FrameChannel(int in, int out)
    : in_(in),
      out_(out),
      buffer_(std::make_unique_for_overwrite<char[]>(abi::kMaxFrameToWorker)),
      arena_block_(std::make_unique_for_overwrite<char[]>(kArenaBlock)),
      arena_(ArenaIn(arena_block_.get())) {}

bool FrameChannel::ReadExactly(void* data, size_t size, bool* end) {
  size_t done = 0;
  while (done < size) {
    const ssize_t n = read(in_, static_cast<char*>(data) + done, size - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      *end = n == 0 && done == 0;
      if (n == 0) errno = 0;
      return false;
    }
    done += n;
  }
  return true;
}

Result<const v1::ToWorker*> FrameChannel::Read() {
  uint32_t size = 0;
  bool end = false;
  if (!ReadExactly(&size, sizeof(size), &end)) {
    if (end) return static_cast<const v1::ToWorker*>(nullptr);
    return ErrnoError(v1::STEP_READ_FRAME, "the pipe ended within a length");
  }
  if (size > abi::kMaxFrameToWorker) return Error{v1::STEP_READ_FRAME, 0, "a frame is too long"};
  if (!ReadExactly(buffer_.get(), size, &end)) {
    return ErrnoError(v1::STEP_READ_FRAME, "the pipe ended within a frame");
  }
  arena_.Reset();
  auto* message = google::protobuf::Arena::CreateMessage<v1::ToWorker>(&arena_);
  if (!message->ParseFromArray(buffer_.get(), static_cast<int>(size))) {
    return Error{v1::STEP_READ_FRAME, 0, "a frame is not a message to a worker"};
  }
  return static_cast<const v1::ToWorker*>(message);
}

bool FrameChannel::Write(const v1::FromWorker& message) {
  std::array<char, sizeof(uint32_t) + abi::kMaxFrameFromWorker> frame;
  const size_t size = message.ByteSizeLong();
  if (size > abi::kMaxFrameFromWorker) return false;
  const auto length = static_cast<uint32_t>(size);
  std::memcpy(frame.data(), &length, sizeof(length));
  if (!message.SerializeToArray(frame.data() + sizeof(length), static_cast<int>(size)))
    return false;
  // At most PIPE_BUF bytes: the kernel writes all or nothing.
  ssize_t n = 0;
  do {
    n = write(out_, frame.data(), sizeof(length) + size);
  } while (n < 0 && errno == EINTR);
  return n == static_cast<ssize_t>(sizeof(length) + size);
}

void ReserveHeap(size_t bytes) {
  mallopt(M_ARENA_MAX, 1);        // threads share the one heap instead of mapping their own
  mallopt(M_MMAP_MAX, 0);         // nor does a big block get a mapping
  mallopt(M_TRIM_THRESHOLD, -1);  // nor is anything given back
  // Grows the heap without touching it. volatile: the pair has an effect the compiler cannot see.
  void* volatile block = malloc(bytes);
  free(block);
}

}  // namespace hotcell::worker
