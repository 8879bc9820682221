// Which lane does which part of the virtual disk, and in which order the writer sees the parts.
//
// Parts are given out by ascending offset and numbered from 0. A lane that has encoded a part
// offers it; whoever offers the part that is next in order has the writer place it and all that
// were offered before their turn. So no lane waits for its turn while it has anything else to do,
// and nobody holds a turn while waiting for I/O of another lane.
#ifndef HOTCELL_GUEST_OPS_CHUNK_SCHEDULER_H_
#define HOTCELL_GUEST_OPS_CHUNK_SCHEDULER_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

#include "guest/formats/writer.h"
#include "guest/runtime/spinlock.h"

namespace hotcell::guest {

class ChunkScheduler {
 public:
  // A lane's chunk with its number. Lives until it has been placed.
  struct Part {
    uint64_t number = 0;
    Chunk chunk;
    std::atomic<bool> placed = false;
  };

  // Where a part lies.
  struct Ticket {
    uint64_t number = 0;
    uint64_t offset = 0;  // bytes
    uint64_t length = 0;  // bytes
  };

  // At most `kMaxOutstanding` parts may be taken and not yet placed.
  static constexpr uint64_t kMaxOutstanding = 512;

  // `writer` outlives the scheduler. chunk_size is a power of two.
  ChunkScheduler(ImageWriter& writer, uint64_t virtual_size, uint64_t chunk_size)
      : writer_(writer),
        ordered_(writer.traits().ordered),
        virtual_size_(virtual_size),
        chunk_size_(chunk_size) {}

  // Chunks that nobody has taken, about.
  uint64_t ChunksLeft() const {
    return (virtual_size_ - next_offset_.load(std::memory_order_relaxed)) / chunk_size_;
  }
  // The next chunk_size bytes; nothing at the end of the disk or after a failure.
  std::optional<Ticket> Take();
  // What nobody has taken yet of the zeroes that reach to `end`, as one part: whole chunks, or up
  // to the end of the disk.
  std::optional<Ticket> TakeZeroes(uint64_t end);

  // Has the part placed as soon as it is its turn, perhaps by another lane and before Offer
  // returns. `io` is the calling lane's channel.
  void Offer(IoChannel& io, Part& part);

  // The first failure of any lane ends the work of all.
  void Fail(Status status);
  bool failed() const { return failed_.load(std::memory_order_acquire); }
  // After all lanes have returned.
  const Status& status() const { return status_; }

 private:
  std::optional<Ticket> TakeUpTo(uint64_t end);
  void PlaceOne(IoChannel& io, Part& part);

  ImageWriter& writer_;
  const bool ordered_;
  const uint64_t virtual_size_;
  const uint64_t chunk_size_;

  alignas(64) Spinlock take_lock_;
  uint64_t next_number_ = 0;
  std::atomic<uint64_t> next_offset_ = 0;  // written under take_lock_

  // Parts that wait for their turn, at number % kMaxOutstanding.
  alignas(64) std::array<std::atomic<Part*>, kMaxOutstanding> offered_ = {};
  alignas(64) std::atomic<bool> placing_ = false;
  uint64_t next_to_place_ = 0;  // of whoever has set placing_

  alignas(64) std::atomic<bool> failed_ = false;
  Spinlock status_lock_;
  Status status_;
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_OPS_CHUNK_SCHEDULER_H_
