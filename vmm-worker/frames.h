// Frames on the control pipes: a u32 little-endian length, then a serialized message. The worker
// neither maps nor grows memory for one once it is locked down: buffers and protobuf's arena are
// set aside when a FrameChannel is made.
#ifndef HOTCELL_VMM_WORKER_FRAMES_H_
#define HOTCELL_VMM_WORKER_FRAMES_H_

#include <google/protobuf/arena.h>

#include <cstddef>
#include <memory>

#include "guest/abi/abi.h"
#include "protos/control.pb.h"
#include "vmm-worker/result.h"

namespace hotcell::worker {

class FrameChannel {
 public:
  // Does not own the descriptors.
  FrameChannel(int in, int out);
  FrameChannel(const FrameChannel&) = delete;
  FrameChannel& operator=(const FrameChannel&) = delete;

  // Blocks for the next frame. The message lives until the next Read(). A null pointer: the broker
  // closed the pipe, between frames. Errors: a frame longer than abi::kMaxFrameToWorker, cut short,
  // or not a ToWorker. One thread at a time.
  Result<const v1::ToWorker*> Read();

  // One frame, one write(2). Any thread. False when it does not fit abi::kMaxFrameFromWorker or the
  // pipe is closed; there is nobody left to tell then.
  bool Write(const v1::FromWorker& message);

 private:
  // True when `size` bytes came; `*end` tells a clean end of file before the first of them.
  bool ReadExactly(void* data, size_t size, bool* end);

  int in_;
  int out_;
  std::unique_ptr<char[]> buffer_;
  std::unique_ptr<char[]> arena_block_;
  google::protobuf::Arena arena_;
};

// Makes malloc() live within memory that it has already got from the kernel, on all threads, for
// `bytes` more. For the start of main(), before any thread.
void ReserveHeap(size_t bytes);

}  // namespace hotcell::worker

#endif  // HOTCELL_VMM_WORKER_FRAMES_H_
