#include "broker/lanes/ring.h"

#include <atomic>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "broker/workers/shared_memory.h"

namespace hotcell::broker {
namespace {

// Longest name OPEN_REFERENCE may ask for, bytes. qcow2 and VMDK end at 1023, VHDX parent locators
// at 64 KiB in theory and at PATH_MAX in practice.
constexpr uint64_t kMaxReferenceName = 4096;

absl::Status Broken(absl::string_view what) {
  return absl::InternalError(absl::StrCat("the guest broke the ring protocol: ", what));
}

}  // namespace

absl::StatusOr<std::optional<abi::Submission>> LaneRing::Take() {
  const uint32_t tail = LoadShared(&control_->sq_tail, std::memory_order_acquire);
  const uint32_t waiting = tail - taken_;
  if (waiting == 0) return std::nullopt;
  if (waiting > abi::kRingEntries) {
    return Broken(absl::StrFormat("%u requests in a submission ring of %u (sq_tail %u, sq_head %u)",
                                  waiting, abi::kRingEntries, tail, taken_));
  }
  const abi::Submission copy = CopyShared(&submissions_[taken_ % abi::kRingEntries]);
  ++taken_;
  StoreShared(&control_->sq_head, taken_, std::memory_order_release);
  return copy;
}

absl::StatusOr<bool> LaneRing::Post(const abi::Completion& completion) {
  const uint32_t head = LoadShared(&control_->cq_head, std::memory_order_acquire);
  const uint32_t unread = posted_ - head;
  if (unread >= abi::kRingEntries) {
    return Broken(absl::StrFormat("no room in a completion ring of %u (cq_tail %u, cq_head %u)",
                                  abi::kRingEntries, posted_, head));
  }
  StoreSharedStruct(&completions_[posted_ % abi::kRingEntries], completion);
  ++posted_;
  StoreShared(&control_->cq_tail, posted_, std::memory_order_release);
  // Orders the store of cq_tail before the load of guest_waiting; the guest has the same fence
  // between its store of guest_waiting and its last look at cq_tail. One of the two sees the other.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (LoadShared(&control_->guest_waiting, std::memory_order_acquire) == 0) return false;
  const uint32_t missing = LoadShared(&control_->wake_at) - posted_;
  return missing == 0 || missing > abi::kRingEntries;
}

void LaneRing::StartPolling() { StoreShared(&control_->broker_polling, 1); }

bool LaneRing::StopPolling() {
  StoreShared(&control_->broker_polling, 0);
  // Pairs with the guest's fence between its store of sq_tail and its load of broker_polling.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return LoadShared(&control_->sq_tail, std::memory_order_acquire) != taken_;
}

absl::Status CheckSubmission(const abi::Submission& submission, uint64_t max_transfer) {
  // File offsets are off_t to the kernel.
  constexpr uint64_t kMaxOffset = std::numeric_limits<int64_t>::max();
  const auto broken = [&](absl::string_view what, uint64_t value) {
    return Broken(absl::StrFormat("%s (0x%x) in a request of opcode %u for slot %u", what, value,
                                  submission.opcode, submission.slot));
  };
  if (submission.reserved0 != 0) return broken("reserved0 is not zero", submission.reserved0);
  if (submission.offset > kMaxOffset || submission.length > kMaxOffset - submission.offset) {
    return broken("offset + length overflows, offset", submission.offset);
  }
  const auto opcode = static_cast<abi::Opcode>(submission.opcode);
  if (opcode != abi::Opcode::kCopy && submission.source_slot != 0) {
    return broken("a source slot is not used", submission.source_slot);
  }
  if (opcode != abi::Opcode::kCopy && submission.source_offset != 0) {
    return broken("a source offset is not used", submission.source_offset);
  }
  switch (opcode) {
    case abi::Opcode::kCopy:
      if (submission.length == 0 || submission.length > abi::kMaxCopy) {
        return broken("the length is out of range", submission.length);
      }
      if (submission.buffer != 0) return broken("a buffer is not used", submission.buffer);
      if (submission.source_slot > std::numeric_limits<uint32_t>::max()) {
        return broken("the source slot is out of range", submission.source_slot);
      }
      if (submission.source_offset > kMaxOffset - submission.length) {
        return broken("source offset + length overflows, offset", submission.source_offset);
      }
      break;
    case abi::Opcode::kRead:
    case abi::Opcode::kWrite:
      if (submission.length == 0 || submission.length > max_transfer) {
        return broken("the length is not within a buffer", submission.length);
      }
      break;
    case abi::Opcode::kProceed:
      if (submission.offset != 0) return broken("an offset is not used", submission.offset);
      if (submission.length == 0 || submission.length > max_transfer) {
        return broken("the length is not within a buffer", submission.length);
      }
      break;
    case abi::Opcode::kBlockStatus:
      if (submission.length == 0) return broken("the length is zero", submission.length);
      break;
    case abi::Opcode::kWriteZeroes:
      if (submission.length == 0) return broken("the length is zero", submission.length);
      if (submission.buffer != 0) return broken("a buffer is not used", submission.buffer);
      break;
    case abi::Opcode::kFlush:
      if (submission.offset != 0) return broken("an offset is not used", submission.offset);
      [[fallthrough]];
    case abi::Opcode::kCreateExtentFile:
    case abi::Opcode::kSetSize:
      if (submission.length != 0) return broken("a length is not used", submission.length);
      if (submission.buffer != 0) return broken("a buffer is not used", submission.buffer);
      break;
    case abi::Opcode::kOpenReference:
      if (submission.offset != 0) return broken("an offset is not used", submission.offset);
      if (submission.length == 0 || submission.length > kMaxReferenceName) {
        return broken("the name's length is out of range", submission.length);
      }
      if (submission.flags < static_cast<uint32_t>(abi::ReferenceKind::kBackingFile) ||
          submission.flags > static_cast<uint32_t>(abi::ReferenceKind::kParent)) {
        return broken("unknown reference kind", submission.flags);
      }
      return absl::OkStatus();
    default:
      return broken("unknown opcode", submission.opcode);
  }
  if (submission.flags != 0) return broken("flags are not zero", submission.flags);
  return absl::OkStatus();
}

}  // namespace hotcell::broker
