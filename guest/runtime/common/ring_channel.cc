#include "guest/runtime/common/ring_channel.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>

#include "guest/runtime/common/panic.h"
#include "guest/runtime/common/spinlock.h"

namespace hotcell::guest {

namespace {

// The words of LaneControl are plain integers in memory that the broker shares.
uint32_t Load(uint32_t& word, std::memory_order order) {
  return std::atomic_ref<uint32_t>(word).load(order);
}

void Store(uint32_t& word, uint32_t value, std::memory_order order) {
  std::atomic_ref<uint32_t>(word).store(value, order);
}

void FullFence() { std::atomic_thread_fence(std::memory_order_seq_cst); }

std::byte* Bytes(const abi::ArenaHeader& arena) {
  return reinterpret_cast<std::byte*>(const_cast<abi::ArenaHeader*>(&arena));
}

// The lane's part of the arena, once the header has been found to describe one.
std::byte* LaneOf(const abi::ArenaHeader& arena, uint32_t lane) {
  HOTCELL_CHECK(arena.magic == abi::kArenaMagic && arena.version == abi::kVersion);
  HOTCELL_CHECK(lane < arena.lane_count && arena.lane_count <= abi::kMaxLanes);
  HOTCELL_CHECK(std::has_single_bit(arena.ring_entries) && arena.ring_entries == abi::kRingEntries);
  HOTCELL_CHECK(arena.lane_stride >= abi::kLaneStride);
  HOTCELL_CHECK(std::has_single_bit(arena.buffer_size));
  HOTCELL_CHECK(arena.lanes_offset + arena.lane_count * arena.lane_stride <= arena.arena_size);
  HOTCELL_CHECK(arena.buffers_offset +
                    uint64_t{arena.lane_count} * arena.buffers_per_lane * arena.buffer_size <=
                arena.arena_size);
  return Bytes(arena) + arena.lanes_offset + lane * arena.lane_stride;
}

}  // namespace

RingChannel::RingChannel(const abi::ArenaHeader& arena, uint32_t lane, LanePort& port,
                         uint32_t spins)
    : arena_(Bytes(arena)),
      lane_(lane),
      port_(port),
      spins_(spins),
      ring_mask_(arena.ring_entries - 1),
      control_(*reinterpret_cast<abi::LaneControl*>(LaneOf(arena, lane))),
      submissions_(
          reinterpret_cast<abi::Submission*>(LaneOf(arena, lane) + abi::kSubmissionRingOffset)),
      completions_(reinterpret_cast<const abi::Completion*>(LaneOf(arena, lane) +
                                                            abi::kCompletionRingOffset)),
      buffers_(Bytes(arena) + arena.buffers_offset +
               uint64_t{lane} * arena.buffers_per_lane * arena.buffer_size),
      buffer_count_(arena.buffers_per_lane),
      buffer_size_(arena.buffer_size),
      sq_tail_(Load(control_.sq_tail, std::memory_order_relaxed)),
      cq_head_(Load(control_.cq_head, std::memory_order_relaxed)) {
  free_requests_.reserve(kMaxInFlight);
  for (uint32_t ticket = kMaxInFlight; ticket-- > 0;) {
    free_requests_.push_back(static_cast<uint8_t>(ticket));
  }
  CutBuffers(buffer_size_);
}

void RingChannel::CutBuffers(size_t size) {
  HOTCELL_CHECK(std::has_single_bit(size) && size <= buffer_size_);
  HOTCELL_CHECK(free_buffers_.empty() || free_buffers_.size() == buffer_count_);
  buffer_count_ *= buffer_size_ / size;
  buffer_size_ = size;
  free_buffers_.clear();
  free_buffers_.reserve(buffer_count_);
  // The lowest is taken first, and what was released last before that: memory that is in use is
  // little, and warm.
  for (size_t i = buffer_count_; i-- > 0;) free_buffers_.push_back(buffer(i));
}

// The rings cannot overflow: each holds as many entries as there are tickets, and a ticket is free
// again only after its completion was taken.
IoChannel::Ticket RingChannel::Submit(abi::Submission entry) {
  HOTCELL_CHECK(!free_requests_.empty());
  const Ticket ticket = free_requests_.back();
  free_requests_.pop_back();
  // Submissions and completions are numbered from the same start.
  requests_[ticket].state = Request::State::kPending;
  requests_[ticket].done_at = sq_tail_ + 1;

  entry.user_data = ticket;
  submissions_[sq_tail_ & ring_mask_] = entry;
  ++sq_tail_;
  Store(control_.sq_tail, sq_tail_, std::memory_order_release);
  RingDoorbell(sq_tail_);
  return ticket;
}

// The broker clears broker_polling before its last look at sq_tail, and it takes entries after it
// was rung and before it sleeps again. So no bell is needed while it polls, nor while it has taken
// nothing since the last bell: its look at sq_tail is still to come.
void RingChannel::RingDoorbell(uint32_t tail) {
  FullFence();
  const uint32_t head = Load(control_.sq_head, std::memory_order_acquire);
  if (rung_ && head == rung_at_head_) return;
  rung_ = false;
  if (head == tail || Load(control_.broker_polling, std::memory_order_relaxed) != 0) return;
  rung_ = true;
  rung_at_head_ = head;
  port_.Doorbell(lane_);
}

IoChannel::Ticket RingChannel::SubmitData(abi::Opcode opcode, uint32_t slot, uint64_t offset,
                                          std::span<const std::byte> data) {
  HOTCELL_CHECK(data.data() >= buffers_ && !data.empty() && data.size() <= buffer_size_);
  const auto in_buffers = static_cast<size_t>(data.data() - buffers_);
  HOTCELL_CHECK(in_buffers < buffer_count_ * buffer_size_);
  HOTCELL_CHECK(data.size() <= buffer_size_ - in_buffers % buffer_size_);
  return Submit({.opcode = static_cast<uint32_t>(opcode),
                 .slot = slot,
                 .offset = offset,
                 .length = data.size(),
                 .buffer = static_cast<uint64_t>(data.data() - arena_)});
}

IoChannel::Ticket RingChannel::SubmitRead(uint32_t slot, uint64_t offset,
                                          std::span<std::byte> data) {
  return SubmitData(abi::Opcode::kRead, slot, offset, data);
}

IoChannel::Ticket RingChannel::SubmitWrite(uint32_t slot, uint64_t offset,
                                           std::span<const std::byte> data) {
  return SubmitData(abi::Opcode::kWrite, slot, offset, data);
}

IoChannel::Ticket RingChannel::SubmitWriteZeroes(uint32_t slot, uint64_t offset, uint64_t length) {
  return Submit({.opcode = static_cast<uint32_t>(abi::Opcode::kWriteZeroes),
                 .slot = slot,
                 .offset = offset,
                 .length = length});
}

IoChannel::Ticket RingChannel::SubmitCopy(const CopySource& source, uint32_t slot, uint64_t offset,
                                          uint64_t length) {
  return Submit({.opcode = static_cast<uint32_t>(abi::Opcode::kCopy),
                 .slot = slot,
                 .offset = offset,
                 .length = length,
                 .source_slot = source.slot,
                 .source_offset = source.offset});
}

bool RingChannel::TakeCompletions() {
  const uint32_t tail = Load(control_.cq_tail, std::memory_order_acquire);
  if (tail == cq_head_) return false;
  for (; cq_head_ != tail; ++cq_head_) {
    const abi::Completion& entry = completions_[cq_head_ & ring_mask_];
    HOTCELL_CHECK(entry.user_data < kMaxInFlight);
    Request& request = requests_[entry.user_data];
    HOTCELL_CHECK(request.state == Request::State::kPending);
    request.result = {.status = static_cast<IoStatus>(entry.status),
                      .value = entry.result,
                      .value2 = entry.result2};
    request.state = Request::State::kDone;
  }
  Store(control_.cq_head, cq_head_, std::memory_order_release);
  return true;
}

void RingChannel::AwaitCompletions(uint32_t wake_at) {
  for (uint32_t i = 0; i < spins_; ++i) {
    if (TakeCompletions()) return;
    CpuRelax();
  }
  Store(control_.wake_at, wake_at, std::memory_order_relaxed);
  Store(control_.guest_waiting, 1, std::memory_order_release);
  while (true) {
    FullFence();
    if (TakeCompletions()) break;
    port_.Wait(lane_);
  }
  Store(control_.guest_waiting, 0, std::memory_order_relaxed);
}

IoResult RingChannel::Wait(Ticket ticket) {
  HOTCELL_CHECK(ticket < kMaxInFlight);
  Request& request = requests_[ticket];
  HOTCELL_CHECK(request.state != Request::State::kFree);
  while (request.state != Request::State::kDone) AwaitCompletions(request.done_at);
  request.state = Request::State::kFree;
  free_requests_.push_back(static_cast<uint8_t>(ticket));
  return request.result;
}

IoResult RingChannel::BlockStatus(uint32_t slot, uint64_t offset, uint64_t length,
                                  std::span<abi::BlockRun> runs) {
  const ScopedBuffer buffer(*this);
  IoResult result = Wait(Submit({.opcode = static_cast<uint32_t>(abi::Opcode::kBlockStatus),
                                 .slot = slot,
                                 .offset = offset,
                                 .length = length,
                                 .buffer = static_cast<uint64_t>(buffer.data() - arena_)}));
  if (!result.ok()) return result;
  result.value = std::min<uint64_t>(result.value, runs.size());
  std::memcpy(runs.data(), buffer.data(), result.value * sizeof(abi::BlockRun));
  return result;
}

IoResult RingChannel::Flush(uint32_t slot) {
  return Wait(Submit({.opcode = static_cast<uint32_t>(abi::Opcode::kFlush), .slot = slot}));
}

IoResult RingChannel::SetSize(uint32_t slot, uint64_t size) {
  return Wait(Submit(
      {.opcode = static_cast<uint32_t>(abi::Opcode::kSetSize), .slot = slot, .offset = size}));
}

IoResult RingChannel::OpenReference(uint32_t from_slot, ReferenceKind kind, std::string_view name) {
  // No name that long can be a file's, and the broker does not take it.
  if (name.empty() || name.size() > abi::kMaxReferenceName) return {.status = IoStatus::kRefused};
  ScopedBuffer buffer(*this);
  std::memcpy(buffer.data(), name.data(), name.size());
  return Wait(Submit({.opcode = static_cast<uint32_t>(abi::Opcode::kOpenReference),
                      .slot = from_slot,
                      .length = name.size(),
                      .buffer = static_cast<uint64_t>(buffer.data() - arena_),
                      .flags = static_cast<uint32_t>(kind)}));
}

IoResult RingChannel::CreateExtentFile(uint32_t target_slot, uint32_t number) {
  return Wait(Submit({.opcode = static_cast<uint32_t>(abi::Opcode::kCreateExtentFile),
                      .slot = target_slot,
                      .offset = number}));
}

IoResult RingChannel::Proceed(uint32_t slot, std::span<const std::byte> report) {
  return Wait(SubmitData(abi::Opcode::kProceed, slot, 0, report));
}

std::byte* RingChannel::AcquireBuffer() {
  HOTCELL_CHECK(!free_buffers_.empty());
  std::byte* const buffer = free_buffers_.back();
  free_buffers_.pop_back();
  return buffer;
}

void RingChannel::ReleaseBuffer(std::byte* buffer) {
  HOTCELL_CHECK(free_buffers_.size() < buffer_count_);
  free_buffers_.push_back(buffer);
}

}  // namespace hotcell::guest
