// The ways to copy a file that are compared: system calls, system calls in turns, and io_uring.
#ifndef HOTCELL_TOOLS_IO_BENCH_COPIER_H_
#define HOTCELL_TOOLS_IO_BENCH_COPIER_H_

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <span>

#include "absl/status/status.h"

namespace hotcell::io_bench {

// One copy of a file, shared by the threads that make it.
struct CopyJob {
  int source = -1;
  int target = -1;
  size_t size = 0;               // bytes
  size_t chunk = 0;              // bytes
  std::atomic<size_t> next = 0;  // offset of the first chunk nobody has taken
  std::mutex turn;               // at writing

  size_t LengthAt(size_t offset) const { return std::min(chunk, size - offset); }
};

// A thread's part in copies. Used by that thread only.
class Copier {
 public:
  Copier() = default;
  virtual ~Copier() = default;
  Copier(const Copier&) = delete;
  Copier& operator=(const Copier&) = delete;

  // What happens once, before time counts.
  virtual absl::Status Prepare(const CopyJob&) { return absl::OkStatus(); }

  // Takes chunks until none is left.
  virtual absl::Status Run(CopyJob& job) = 0;
};

// pread(2) and pwrite(2), chunk by chunk, through `buffer` of one chunk.
std::unique_ptr<Copier> MakeSyscallCopier(std::span<std::byte> buffer);

// Takes as many chunks as fit into `buffer` at a time, reads them, and writes them while it holds
// the job's turn, as WriteTurn in broker/lanes/write_turn.h does.
std::unique_ptr<Copier> MakeTurnCopier(std::span<std::byte> buffer);

// io_uring with as many requests in flight as chunks fit into `buffer`, each a read or a write of
// a chunk of its own; files and buffers are registered.
std::unique_ptr<Copier> MakeUringCopier(std::span<std::byte> buffer);

}  // namespace hotcell::io_bench

#endif  // HOTCELL_TOOLS_IO_BENCH_COPIER_H_
