#include "guest/ops/pipeline/chunk_scheduler.h"

#include <mutex>
#include <utility>

namespace hotcell::guest {

std::optional<ChunkScheduler::Ticket> ChunkScheduler::Take() {
  if (failed()) return std::nullopt;
  return dispenser_.Take();
}

void ChunkScheduler::PlaceOne(IoChannel& io, Part& part) {
  if (!failed()) {
    if (Status status = writer_.Place(io, part.chunk); !status.ok()) Fail(std::move(status));
  }
  part.placed.store(true, std::memory_order_release);
}

void ChunkScheduler::Offer(IoChannel& io, Part& part) {
  if (!ordered_) {
    PlaceOne(io, part);
    return;
  }
  offered_[part.number % kMaxOutstanding].store(&part);
  // Sequentially consistent throughout: whoever leaves below after having found no part must be
  // seen to have left by one who offers that part afterwards.
  for (;;) {
    if (placing_.exchange(true)) return;
    while (Part* const next = offered_[next_to_place_ % kMaxOutstanding].exchange(nullptr)) {
      ++next_to_place_;
      PlaceOne(io, *next);
    }
    std::atomic<Part*>& turn = offered_[next_to_place_ % kMaxOutstanding];
    placing_.store(false);
    if (turn.load() == nullptr) return;
  }
}

void ChunkScheduler::Fail(Status status) {
  const std::lock_guard lock(status_lock_);
  if (failed_.load(std::memory_order_relaxed)) return;
  status_ = std::move(status);
  failed_.store(true, std::memory_order_release);
}

}  // namespace hotcell::guest
