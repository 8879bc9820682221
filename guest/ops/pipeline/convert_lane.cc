#include "guest/ops/pipeline/convert_lane.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "guest/runtime/common/spinlock.h"

namespace hotcell::guest {
namespace {

// Extents of a hole that are looked at beyond a chunk that is one.
constexpr uint32_t kMaxHoleExtents = 64;

}  // namespace

void ConvertLane::Process(IoChannel& io) {
  io_ = &io;
  if (plan_.buffer_size < io.buffer_size()) io.CutBuffers(plan_.buffer_size);
  for (std::unique_ptr<Slot>& slot : slots_) slot = std::make_unique<Slot>(plan_.read);
  if (Status status = Work(); !status.ok()) plan_.scheduler->Fail(std::move(status));
  Abandon();
}

Status ConvertLane::Work() {
  while (!plan_.scheduler->failed()) {
    HOTCELL_RETURN_IF_ERROR(SubmitPlaced());
    HOTCELL_RETURN_IF_ERROR(RetireCompleted());
    if (WantsToRead()) {
      HOTCELL_RETURN_IF_ERROR(StartNext());
    } else if (reading_ > 0) {
      HOTCELL_RETURN_IF_ERROR(FinishOldestRead());
    } else if (count_ > 0) {
      HOTCELL_RETURN_IF_ERROR(RetireOldest());
    } else if (exhausted_) {
      break;
    }
  }
  return OkStatus();
}

ConvertLane::Slot& ConvertLane::Push(const ChunkScheduler::Ticket& ticket) {
  Slot& slot = At(count_++);
  slot.state = State::kReading;
  slot.last_request = 0;
  slot.part.number = ticket.number;
  slot.part.placed.store(false, std::memory_order_relaxed);
  slot.part.chunk.offset = ticket.offset;
  slot.part.chunk.length = ticket.length;
  slot.part.chunk.runs.clear();
  slot.part.chunk.writes.clear();
  return slot;
}

// Room for one more chunk of data and one of zeroes after it. A chunk takes a buffer for its data,
// one for compressed streams while it is read, and one for the streams it is encoded to, which is
// set aside from the start.
bool ConvertLane::HasRoom() const {
  if (count_ + 2 > kSlots) return false;
  const size_t wanted = plan_.encodes ? 3 + reading_ : 2;
  size_t held = 0;
  for (uint32_t i = 0; i < count_; ++i) {
    const Slot& slot = *slots_[(first_ + i) % kSlots];
    held += slot.reader.buffers_held() + (slot.encoded != nullptr ? 1 : 0);
  }
  return held + wanted <= io_->buffer_count() - 2;
}

// Reads are started in bursts, once what was read before is nearly used up, so that writes come in
// bursts as well: the broker's lanes take turns at writing a file, and each turn costs a wake-up.
// Towards the end a lane takes less ahead, to leave the others their share.
bool ConvertLane::WantsToRead() {
  const uint64_t share = plan_.scheduler->ChunksLeft() / (2 * plan_.lanes->count());
  const uint64_t grown = kFirstReadAhead + taken_ / kChunksPerReadAhead;
  const uint64_t ahead = std::clamp<uint64_t>(std::min(share, grown), 1, kReadAhead);
  if (reading_ <= 1) in_burst_ = true;
  if (exhausted_ || reading_ >= ahead || !HasRoom()) in_burst_ = false;
  return in_burst_;
}

Status ConvertLane::StartNext() {
  const std::optional<ChunkScheduler::Ticket> ticket = plan_.scheduler->Take();
  if (!ticket) {
    exhausted_ = true;
    return OkStatus();
  }
  ++taken_;
  Slot& slot = Push(*ticket);
  const Status status = slot.reader.Start(*io_, ticket->offset, ticket->length);
  HOTCELL_RETURN_IF_ERROR(status);
  const std::optional<Run::Kind> hole = slot.reader.hole();
  if (!hole) {
    ++reading_;
    slot.last_request = ++requests_;
    return OkStatus();
  }
  OfferHole(slot, *hole);
  return TakeHoleAfter(ticket->offset + ticket->length, *hole);
}

// Big holes are not worth a chunk per MiB.
Status ConvertLane::TakeHoleAfter(uint64_t offset, Run::Kind kind) {
  const Extent::Kind wanted =
      kind == Run::Kind::kZero ? Extent::Kind::kZero : Extent::Kind::kUnallocated;
  uint64_t end = offset;
  for (uint32_t i = 0; i < kMaxHoleExtents && end < plan_.virtual_size; ++i) {
    auto extent = MapForTarget(plan_.read, *io_, end, plan_.virtual_size - end);
    if (!extent.ok()) return extent.status();
    if (extent->kind != wanted) break;
    end += extent->length;
  }
  if (end == offset) return OkStatus();
  const std::optional<ChunkScheduler::Ticket> ticket = plan_.scheduler->TakeZeroes(end);
  if (ticket) OfferHole(Push(*ticket), kind);
  return OkStatus();
}

void ConvertLane::OfferHole(Slot& slot, Run::Kind kind) {
  Chunk& chunk = slot.part.chunk;
  chunk.runs.push_back({.kind = kind, .offset = chunk.offset, .length = chunk.length});
  if (kind == Run::Kind::kZero) totals_.zero_bytes += chunk.length;
  slot.state = State::kOffered;
  plan_.scheduler->Offer(*io_, slot.part);
}

Status ConvertLane::FinishOldestRead() {
  uint32_t index = 0;
  while (At(index).state != State::kReading) ++index;
  Slot& slot = At(index);
  Chunk& chunk = slot.part.chunk;
  if (slot.last_request > completed_) {
    // Chunks are read in the order of the ring.
    uint32_t newest = count_ - 1;
    while (At(newest).state != State::kReading) --newest;
    At(newest).reader.Await(*io_);
    completed_ = At(newest).last_request;
  }
  --reading_;
  HOTCELL_RETURN_IF_ERROR(slot.reader.Finish(*io_, unpacker_, chunk));
  if (plan_.ends != nullptr) plan_.ends->Add(chunk);
  bool needs_data = false;
  for (const Run& run : chunk.runs) {
    if (run.kind == Run::Kind::kZero) totals_.zero_bytes += run.length;
    needs_data |= run.kind == Run::Kind::kData;
  }
  if (plan_.encodes && needs_data) {
    slot.encoded = io_->AcquireBuffer();
    HOTCELL_RETURN_IF_ERROR(encoder_->Encode(chunk, {slot.encoded, io_->buffer_size()}));
    needs_data = false;
    for (const Run& run : chunk.runs) needs_data |= run.kind == Run::Kind::kData;
  }
  if (!needs_data) slot.reader.Release(*io_);
  slot.state = State::kOffered;
  plan_.scheduler->Offer(*io_, slot.part);
  return OkStatus();
}

Status ConvertLane::SubmitPlaced() {
  for (uint32_t i = 0; i < count_; ++i) {
    Slot& slot = At(i);
    if (slot.state == State::kReading) break;
    if (slot.state == State::kWriting) continue;
    if (!slot.part.placed.load(std::memory_order_acquire)) break;
    slot.state = State::kWriting;
    HOTCELL_RETURN_IF_ERROR(SubmitWrites(slot));
  }
  return OkStatus();
}

Status ConvertLane::SubmitWrites(Slot& slot) {
  for (FileWrite rest : slot.part.chunk.writes) {
    while (rest.length > 0) {
      if (write_count_ == kMaxWrites) HOTCELL_RETURN_IF_ERROR(WaitOldestWrite());
      const ChunkReader::Place place = slot.reader.Find(rest.data, rest.length);
      FileWrite piece = rest;
      piece.length = place.length;
      SubmitWrite(piece, place.source, slot);
      rest.offset += piece.length;
      rest.length -= piece.length;
      if (rest.data != nullptr) rest.data += piece.length;
    }
  }
  return OkStatus();
}

void ConvertLane::SubmitWrite(const FileWrite& write, const std::optional<CopySource>& source,
                              Slot& slot) {
  const uint32_t target = write.slot == FileWrite::kTarget ? plan_.target_slot : write.slot;
  IoChannel::Ticket ticket;
  if (source) {
    ticket = io_->SubmitCopy(*source, target, write.offset, write.length);
    totals_.bytes_read += write.length;
  } else if (write.data == nullptr) {
    ticket = io_->SubmitWriteZeroes(target, write.offset, write.length);
  } else {
    ticket = io_->SubmitWrite(target, write.offset, {write.data, write.length});
  }
  writes_[(first_write_ + write_count_++) % kMaxWrites] = {.ticket = ticket,
                                                           .offset = write.offset,
                                                           .length = write.length,
                                                           .slot = &slot,
                                                           .source = source};
  ++slot.writes;
  slot.last_request = ++requests_;
  if (write.data != nullptr) totals_.bytes_written += write.length;
}

Status ConvertLane::WaitOldestWrite() {
  const Write write = writes_[first_write_];
  first_write_ = (first_write_ + 1) % kMaxWrites;
  --write_count_;
  --write.slot->writes;
  const IoResult result = io_->Wait(write.ticket);
  if (result.ok() && write.source && result.value < write.length) {
    return CorruptImage(StrCat("the file ends at offset ", write.source->offset + result.value,
                               ", within data of the disk"));
  }
  if (result.ok()) return OkStatus();
  return IoError(result,
                 StrCat("write ", write.length, " bytes of the target at offset ", write.offset));
}

// Without waiting.
Status ConvertLane::RetireCompleted() {
  while (count_ > 0 && At(0).state == State::kWriting && At(0).last_request <= completed_) {
    HOTCELL_RETURN_IF_ERROR(RetireOldest());
  }
  return OkStatus();
}

Status ConvertLane::RetireOldest() {
  Slot& slot = At(0);
  if (slot.state == State::kOffered) {
    // Another lane has a chunk before this one.
    while (!slot.part.placed.load(std::memory_order_acquire)) {
      if (plan_.scheduler->failed()) return OkStatus();
      CpuRelax();
    }
    return OkStatus();
  }
  while (slot.writes > 0) HOTCELL_RETURN_IF_ERROR(WaitOldestWrite());
  ReleaseBuffers(slot);
  plan_.lanes->AddDone(slot.part.chunk.length);
  first_ = (first_ + 1) % kSlots;
  --count_;
  return OkStatus();
}

void ConvertLane::ReleaseBuffers(Slot& slot) {
  slot.reader.Release(*io_);
  if (slot.encoded != nullptr) io_->ReleaseBuffer(slot.encoded);
  slot.encoded = nullptr;
}

void ConvertLane::Abandon() {
  // What becomes of these writes no longer matters, but their buffers are in use until then.
  while (write_count_ > 0) (void)WaitOldestWrite();
  for (; count_ > 0; --count_, first_ = (first_ + 1) % kSlots) ReleaseBuffers(At(0));
}

ConvertLane::Totals ConvertLane::totals() const {
  Totals totals = totals_;
  for (const std::unique_ptr<Slot>& slot : slots_) {
    if (slot != nullptr) totals.bytes_read += slot->reader.bytes_read();
  }
  return totals;
}

}  // namespace hotcell::guest
