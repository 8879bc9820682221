// Hands out the parts of a virtual disk to lanes, by ascending offset.
#ifndef HOTCELL_GUEST_OPS_PIPELINE_CHUNK_DISPENSER_H_
#define HOTCELL_GUEST_OPS_PIPELINE_CHUNK_DISPENSER_H_

#include <atomic>
#include <cstdint>
#include <optional>

#include "guest/runtime/common/spinlock.h"

namespace hotcell::guest {

// All lanes may call it at once.
class ChunkDispenser {
 public:
  // A part that one lane has taken.
  struct Ticket {
    uint64_t number = 0;  // from 0
    uint64_t offset = 0;  // bytes
    uint64_t length = 0;  // bytes
  };

  // chunk_size is a power of two.
  ChunkDispenser(uint64_t virtual_size, uint64_t chunk_size)
      : virtual_size_(virtual_size), chunk_size_(chunk_size) {}

  // Chunks that nobody has taken, about.
  uint64_t ChunksLeft() const {
    return (virtual_size_ - next_offset_.load(std::memory_order_relaxed)) / chunk_size_;
  }
  // The next chunk_size bytes; nothing at the end of the disk.
  std::optional<Ticket> Take();
  // What nobody has taken yet of the zeroes that reach to `end`, as one part: whole chunks, or up
  // to the end of the disk.
  std::optional<Ticket> TakeZeroes(uint64_t end);

 private:
  Ticket TakeUpTo(uint64_t end);

  const uint64_t virtual_size_;
  const uint64_t chunk_size_;

  alignas(64) Spinlock lock_;
  uint64_t next_number_ = 0;
  std::atomic<uint64_t> next_offset_ = 0;  // written under lock_
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_OPS_PIPELINE_CHUNK_DISPENSER_H_
