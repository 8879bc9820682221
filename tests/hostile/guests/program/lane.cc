#include "tests/hostile/guests/program/lane.h"

#include "base/text.h"
#include "guest/runtime/common/spinlock.h"
#include "guest/runtime/guest/ports.h"
#include "guest/runtime/guest/program.h"
#include "tests/hostile/guests/script.h"

namespace hotcell::hostile {

Lane::Lane(uint32_t index) : index_(index) {
  const abi::ArenaHeader& arena = *guest::Arena();
  std::byte* const lane =
      guest::ArenaBytes().data() + arena.lanes_offset + index * arena.lane_stride;
  control_ = reinterpret_cast<volatile abi::LaneControl*>(lane);
  submissions_ = reinterpret_cast<abi::Submission*>(lane + abi::kSubmissionRingOffset);
  completions_ = reinterpret_cast<const abi::Completion*>(lane + abi::kCompletionRingOffset);
  buffers_ = arena.buffers_offset + uint64_t{index} * arena.buffers_per_lane * arena.buffer_size;
  tail_ = control_->sq_tail;
  head_ = control_->cq_head;
}

std::byte* Lane::data() const { return guest::ArenaBytes().data() + buffers_; }

void Lane::Publish() { PublishTail(tail_); }

void Lane::PublishTail(uint32_t tail) {
  __atomic_store_n(&control_->sq_tail, tail, __ATOMIC_SEQ_CST);
  guest::Out32(abi::kPortDoorbell, index_);
}

abi::Completion Lane::Await() {
  while (__atomic_load_n(&control_->cq_tail, __ATOMIC_ACQUIRE) == head_) guest::CpuRelax();
  const abi::Completion taken = completion(head_++);
  __atomic_store_n(&control_->cq_head, head_, __ATOMIC_RELEASE);
  return taken;
}

abi::Completion Lane::Do(const abi::Submission& request) {
  Submit(request);
  return Await();
}

abi::Completion Lane::OpenReference(uint64_t length, uint32_t kind) {
  return Do({.opcode = static_cast<uint32_t>(abi::Opcode::kOpenReference),
             .slot = kInputSlot,
             .length = length,
             .buffer = buffers_,
             .flags = kind});
}

void Lane::Submit(const abi::Submission& request) {
  Put(request);
  Publish();
}

std::string Describe(const abi::Completion& completion) {
  return StrCat("status ", completion.status, ", result ", completion.result, ", result2 ",
                completion.result2);
}

std::byte* ReadScript(Lane& lane) {
  lane.Do({.opcode = static_cast<uint32_t>(abi::Opcode::kRead),
           .slot = kInputSlot,
           .length = kScriptSize,
           .buffer = lane.buffers()});
  return lane.data();
}

}  // namespace hotcell::hostile
