// Which lane does which part of the virtual disk, and in which order the writer sees the parts.
//
// Parts are given out by ascending offset and numbered from 0. A lane that has encoded a part
// offers it; whoever offers the part that is next in order has the writer place it and all that
// were offered before their turn. So no lane waits for its turn while it has anything else to do,
// and nobody holds a turn while waiting for I/O of another lane.
#ifndef HOTCELL_GUEST_OPS_PIPELINE_CHUNK_SCHEDULER_H_
#define HOTCELL_GUEST_OPS_PIPELINE_CHUNK_SCHEDULER_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

#include "guest/formats/common/writer.h"
#include "guest/ops/pipeline/chunk_dispenser.h"
#include "guest/runtime/common/spinlock.h"

namespace hotcell::guest {

class ChunkScheduler {
 public:
  // A lane's chunk with its number. Lives until it has been placed.
  struct Part {
    uint64_t number = 0;
    Chunk chunk;
    std::atomic<bool> placed = false;
  };

  using Ticket = ChunkDispenser::Ticket;

  // At most `kMaxOutstanding` parts may be taken and not yet placed.
  static constexpr uint64_t kMaxOutstanding = 512;

  // `writer` outlives the scheduler. chunk_size is a power of two.
  ChunkScheduler(ImageWriter& writer, uint64_t virtual_size, uint64_t chunk_size)
      : writer_(writer), ordered_(writer.traits().ordered), dispenser_(virtual_size, chunk_size) {}

  // The chunks that no lane has taken yet, about.
  uint64_t ChunksLeft() const { return dispenser_.ChunksLeft(); }
  std::optional<Ticket> Take();  // nothing after a failure either
  std::optional<Ticket> TakeZeroes(uint64_t end) { return dispenser_.TakeZeroes(end); }

  // Has the part placed as soon as it is its turn, perhaps by another lane and before Offer
  // returns. `io` is the calling lane's channel.
  void Offer(IoChannel& io, Part& part);

  // The first failure of any lane ends the work of all.
  void Fail(Status status);
  bool failed() const { return failed_.load(std::memory_order_acquire); }
  // The first failure, or OK. Call it after all lanes have returned.
  const Status& status() const { return status_; }

 private:
  void PlaceOne(IoChannel& io, Part& part);

  ImageWriter& writer_;
  const bool ordered_;
  ChunkDispenser dispenser_;

  // Parts that wait for their turn, at number % kMaxOutstanding.
  alignas(64) std::array<std::atomic<Part*>, kMaxOutstanding> offered_ = {};
  alignas(64) std::atomic<bool> placing_ = false;
  uint64_t next_to_place_ = 0;  // of whoever has set placing_

  alignas(64) std::atomic<bool> failed_ = false;
  Spinlock status_lock_;
  Status status_;
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_OPS_PIPELINE_CHUNK_SCHEDULER_H_
