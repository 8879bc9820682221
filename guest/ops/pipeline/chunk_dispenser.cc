#include "guest/ops/pipeline/chunk_dispenser.h"

#include <algorithm>
#include <mutex>

namespace hotcell::guest {

ChunkDispenser::Ticket ChunkDispenser::TakeUpTo(uint64_t end) {
  const uint64_t begin = next_offset_.load(std::memory_order_relaxed);
  const Ticket ticket = {.number = next_number_++, .offset = begin, .length = end - begin};
  next_offset_.store(end, std::memory_order_relaxed);
  return ticket;
}

std::optional<ChunkDispenser::Ticket> ChunkDispenser::Take() {
  const std::lock_guard lock(lock_);
  if (next_offset_ >= virtual_size_) return std::nullopt;
  return TakeUpTo(next_offset_ + std::min(chunk_size_, virtual_size_ - next_offset_));
}

std::optional<ChunkDispenser::Ticket> ChunkDispenser::TakeZeroes(uint64_t end) {
  if (end < virtual_size_) end -= end % chunk_size_;
  const std::lock_guard lock(lock_);
  if (next_offset_ >= end) return std::nullopt;
  return TakeUpTo(end);
}

}  // namespace hotcell::guest
