// A lane's rings as an attacker uses them: nothing is checked, anything can be written.
#ifndef HOTCELL_TESTS_HOSTILE_GUESTS_PROGRAM_LANE_H_
#define HOTCELL_TESTS_HOSTILE_GUESTS_PROGRAM_LANE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "guest/abi/abi.h"

namespace hotcell::hostile {

class Lane {
 public:
  explicit Lane(uint32_t index);

  volatile abi::LaneControl& control() const { return *control_; }
  abi::Submission& submission(uint32_t index) const {
    return submissions_[index % abi::kRingEntries];
  }
  const abi::Completion& completion(uint32_t index) const {
    return completions_[index % abi::kRingEntries];
  }
  // Arena offset of the lane's buffers, and where they are.
  uint64_t buffers() const { return buffers_; }
  std::byte* data() const;

  // Puts an entry behind those that are there. Publish() shows it to the broker.
  void Put(const abi::Submission& request) { submission(tail_++) = request; }
  void Publish();
  // Says that there are entries up to `tail`, and rings.
  void PublishTail(uint32_t tail);
  // The next completion; waits for it, awake.
  abi::Completion Await();
  abi::Completion Do(const abi::Submission& request);
  // Asks for the file whose name are the first `length` bytes of the buffers.
  abi::Completion OpenReference(uint64_t length, uint32_t kind);
  // Submits and leaves the completion to whom it may concern.
  void Submit(const abi::Submission& request);

  uint32_t tail() const { return tail_; }

 private:
  const uint32_t index_;
  volatile abi::LaneControl* control_;
  abi::Submission* submissions_;
  const abi::Completion* completions_;
  uint64_t buffers_;
  uint32_t tail_;
  uint32_t head_;
};

// "status 3, result 0, result2 0".
std::string Describe(const abi::Completion& completion);

// Reads the first kScriptSize bytes of the input, as the transcoder would; returns where they are,
// at the start of the lane's buffers.
std::byte* ReadScript(Lane& lane);

}  // namespace hotcell::hostile

#endif  // HOTCELL_TESTS_HOSTILE_GUESTS_PROGRAM_LANE_H_
