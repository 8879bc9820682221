// IoChannel over one lane of the arena: requests go to the broker through the lane's rings, as
// docs/guest-abi.md describes. The memory may be any; natively a test plays the broker.
#ifndef HOTCELL_GUEST_RUNTIME_COMMON_RING_CHANNEL_H_
#define HOTCELL_GUEST_RUNTIME_COMMON_RING_CHANNEL_H_

#include <vector>

#include "guest/abi/abi.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/lane_port.h"

namespace hotcell::guest {

class RingChannel final : public IoChannel {
 public:
  // Looks at the completion ring this often, a pause apart, before the lane sleeps.
  static constexpr uint32_t kDefaultSpins = 1'000;

  // `arena` and `port` outlive the channel. A header whose lanes or buffers do not fit in it
  // panics.
  RingChannel(const abi::ArenaHeader& arena, uint32_t lane, LanePort& port,
              uint32_t spins = kDefaultSpins);
  RingChannel(const RingChannel&) = delete;
  RingChannel& operator=(const RingChannel&) = delete;

  size_t buffer_count() const override { return buffer_count_; }
  size_t buffer_size() const override { return buffer_size_; }
  std::byte* buffer(size_t index) override { return buffers_ + index * buffer_size_; }
  void CutBuffers(size_t size) override;
  Ticket SubmitRead(uint32_t slot, uint64_t offset, std::span<std::byte> data) override;
  Ticket SubmitWrite(uint32_t slot, uint64_t offset, std::span<const std::byte> data) override;
  Ticket SubmitWriteZeroes(uint32_t slot, uint64_t offset, uint64_t length) override;
  Ticket SubmitCopy(const CopySource& source, uint32_t slot, uint64_t offset,
                    uint64_t length) override;
  IoResult Wait(Ticket ticket) override;
  IoResult BlockStatus(uint32_t slot, uint64_t offset, uint64_t length,
                       std::span<abi::BlockRun> runs) override;
  IoResult Flush(uint32_t slot) override;
  IoResult SetSize(uint32_t slot, uint64_t size) override;
  IoResult OpenReference(uint32_t from_slot, ReferenceKind kind, std::string_view name) override;
  IoResult CreateExtentFile(uint32_t target_slot, uint32_t number) override;
  IoResult Proceed(uint32_t slot, std::span<const std::byte> report) override;
  std::byte* AcquireBuffer() override;
  void ReleaseBuffer(std::byte* buffer) override;

 private:
  // What became of a ticket. Tickets are indices of requests_.
  struct Request {
    enum class State : uint8_t { kFree, kPending, kDone };
    State state = State::kFree;
    // cq_tail once this is done: completions come in the order of submission.
    uint32_t done_at = 0;
    IoResult result;
  };

  Ticket Submit(abi::Submission entry);
  Ticket SubmitData(abi::Opcode opcode, uint32_t slot, uint64_t offset,
                    std::span<const std::byte> data);
  void RingDoorbell(uint32_t tail);
  // Takes all posted completions; false when there were none.
  bool TakeCompletions();
  // Returns when completions were taken, asleep at most until cq_tail is at `wake_at`.
  void AwaitCompletions(uint32_t wake_at);

  const std::byte* const arena_;
  const uint32_t lane_;
  LanePort& port_;
  const uint32_t spins_;
  const uint32_t ring_mask_;
  abi::LaneControl& control_;
  abi::Submission* const submissions_;
  const abi::Completion* const completions_;
  std::byte* const buffers_;
  size_t buffer_count_;
  size_t buffer_size_;

  uint32_t sq_tail_;
  uint32_t cq_head_;
  // The broker has been rung and had taken entries up to rung_at_head_ at that time.
  bool rung_ = false;
  uint32_t rung_at_head_ = 0;
  Request requests_[kMaxInFlight];
  std::vector<uint8_t> free_requests_;
  std::vector<std::byte*> free_buffers_;
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_RUNTIME_COMMON_RING_CHANNEL_H_
