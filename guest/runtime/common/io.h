// The one interface through which format, codec and op code reaches files. In the guest it is a
// lane of the arena (ring_channel.h); natively it is a synchronous stand-in over file descriptors
// or memory (native_channel.h), so that the same code runs under sanitizers and fuzzers.
#ifndef HOTCELL_GUEST_RUNTIME_COMMON_IO_H_
#define HOTCELL_GUEST_RUNTIME_COMMON_IO_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "guest/abi/abi.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest {

using abi::IoStatus;
using abi::ReferenceKind;

struct IoResult {
  IoStatus status = IoStatus::kOk;
  uint64_t value = 0;   // Completion::result
  uint64_t value2 = 0;  // Completion::result2

  bool ok() const { return status == IoStatus::kOk; }
};

struct CopySource {
  uint32_t slot = 0;
  uint64_t offset = 0;  // in the file, bytes
};

// One lane. Not thread-safe: each lane belongs to one vCPU. Files are named by slot.
//
// Submit* returns at once with a ticket; Wait(ticket) returns that request's result, once. At most
// kMaxInFlight tickets may be outstanding. Data moves only through this channel's buffers: `data`
// of a request must lie within one of them, and stay untouched from Submit to Wait.
class IoChannel {
 public:
  using Ticket = uint32_t;
  static constexpr uint32_t kMaxInFlight = abi::kRingEntries;

  virtual ~IoChannel() = default;

  virtual size_t buffer_count() const = 0;
  virtual size_t buffer_size()
      const = 0;  // bytes, the same for each; a power of two, at least 64 KiB
  virtual std::byte* buffer(size_t index) = 0;
  // Cuts the same memory into buffers of `size` bytes, a power of two, at least 64 KiB and at most
  // buffer_size(). Call while no buffer is taken.
  virtual void CutBuffers(size_t size) = 0;

  // A short read (result < data.size()) happens only at the end of the file.
  virtual Ticket SubmitRead(uint32_t slot, uint64_t offset, std::span<std::byte> data) = 0;
  virtual Ticket SubmitWrite(uint32_t slot, uint64_t offset, std::span<const std::byte> data) = 0;
  virtual Ticket SubmitWriteZeroes(uint32_t slot, uint64_t offset, uint64_t length) = 0;
  // Copies from an input of the job, `length` at most abi::kMaxCopy. value: bytes copied, fewer
  // only at the end of the source.
  virtual Ticket SubmitCopy(const CopySource& source, uint32_t slot, uint64_t offset,
                            uint64_t length) = 0;
  virtual IoResult Wait(Ticket ticket) = 0;

  // Synchronous requests off the hot path. Call only with no more than kMaxInFlight - 1
  // outstanding. Tells data from holes from `offset` on, with one buffer of the channel; value: how
  // many of `runs` were filled, which are at most abi::kMaxBlockRuns.
  virtual IoResult BlockStatus(uint32_t slot, uint64_t offset, uint64_t length,
                               std::span<abi::BlockRun> runs) = 0;
  virtual IoResult Flush(uint32_t slot) = 0;
  virtual IoResult SetSize(uint32_t slot, uint64_t size) = 0;
  // value: the new slot; value2: its size in bytes.
  virtual IoResult OpenReference(uint32_t from_slot, ReferenceKind kind, std::string_view name) = 0;

  // Makes a new, empty extent file `number` of the target, which the job must allow. They
  // are asked for from 0 on and in order. value: its slot.
  virtual IoResult CreateExtentFile(uint32_t target_slot, uint32_t number) = 0;

  // Hands over what was found out about the file in `slot`, as a hotcell.v1.Report that lies in one
  // of the channel's buffers. Until the answer is OK nothing may be written. Once, in a job that
  // asks for it.
  virtual IoResult Proceed(uint32_t slot, std::span<const std::byte> report) = 0;

  // Buffers taken and not released. The pool is the channel's; AcquireBuffer() fails the job
  // (panic) when none is left, so callers hold a known number: an op at most buffer_count() - 2,
  // metadata readers at most one at a time.
  virtual std::byte* AcquireBuffer() = 0;
  virtual void ReleaseBuffer(std::byte* buffer) = 0;
};

// A taken buffer, released when it goes out of scope.
class ScopedBuffer {
 public:
  explicit ScopedBuffer(IoChannel& io) : io_(io), data_(io.AcquireBuffer()) {}
  ~ScopedBuffer() { io_.ReleaseBuffer(data_); }
  ScopedBuffer(const ScopedBuffer&) = delete;
  ScopedBuffer& operator=(const ScopedBuffer&) = delete;

  std::byte* data() const { return data_; }
  std::span<std::byte> span() const { return {data_, io_.buffer_size()}; }

 private:
  IoChannel& io_;
  std::byte* data_;
};

// The error a failed request becomes. `action` completes "cannot ...", such as "read the L1 table
// at offset 0x30000".
Status IoError(const IoResult& result, std::string_view action);

// An open file of the job: slot and size at the time it was opened.
struct FileHandle {
  uint32_t slot = 0;
  uint64_t size = 0;  // bytes
};

// Fills `out` (any memory) from the file through a buffer of the channel, in pieces. Reading past
// the end is a kCorruptImage error that names `what`, as in "the L1 table".
Status ReadExact(IoChannel& io, const FileHandle& file, uint64_t offset, std::span<std::byte> out,
                 std::string_view what);
// Writes `data` (any memory) through a buffer of the channel, in pieces.
Status WriteAll(IoChannel& io, uint32_t slot, uint64_t offset, std::span<const std::byte> data,
                std::string_view what);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_RUNTIME_COMMON_IO_H_
