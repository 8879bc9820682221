// Taking requests from a lane's rings and posting their completions, in memory that the guest and
// the worker can change at any time.
#ifndef HOTCELL_BROKER_LANES_RING_H_
#define HOTCELL_BROKER_LANES_RING_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "guest/abi/abi.h"

namespace hotcell::broker {

// The broker's side of one lane's submission and completion rings. The shared memory is hostile:
// the broker's own indices live here and only the guest's (sq_tail, cq_head, guest_waiting) are
// read from it, each once per decision; a Submission is copied out word by word before anybody
// looks at it. Used by one thread.
class LaneRing {
 public:
  // The pointers are into the arena, which outlives this. The area's indices are zero.
  LaneRing(abi::LaneControl* control, abi::Submission* submissions, abi::Completion* completions)
      : control_(control), submissions_(submissions), completions_(completions) {}

  // The next request, copied and not yet validated; nullopt when there is none. Error: the guest's
  // indices cannot be.
  absl::StatusOr<std::optional<abi::Submission>> Take();

  // Posts the completion of the request taken last. True: the guest sleeps, or is about to, until
  // this completion or an earlier one, and has to be woken. Error: the guest's indices cannot be.
  absl::StatusOr<bool> Post(const abi::Completion& completion);

  // While polling the guest rings no doorbell. Before it blocks the caller calls StopPolling() and,
  // when that returns true, looks at the ring once more: a request may have come without doorbell.
  void StartPolling();
  [[nodiscard]] bool StopPolling();

 private:
  abi::LaneControl* control_;
  abi::Submission* submissions_;
  abi::Completion* completions_;
  uint32_t taken_ = 0;   // sq_head
  uint32_t posted_ = 0;  // cq_tail
};

// Whether a request keeps the contract of abi.h as far as the request alone tells: known opcode,
// reserved and unused fields zero, range without overflow, length within what an opcode may move.
// Slots and buffers are checked where they are looked up. The error says which field breaks what.
absl::Status CheckSubmission(const abi::Submission& submission, uint64_t max_transfer);

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_LANES_RING_H_
