// What the worker does, told line by line for `hotcell run --verbose`. Lines from before the broker
// says whether it wants to hear them are kept.
#ifndef HOTCELL_VMM_WORKER_NARRATION_H_
#define HOTCELL_VMM_WORKER_NARRATION_H_

#include <string>
#include <utility>
#include <vector>

#include "vmm-worker/frames.h"

namespace hotcell::worker {

// One thread at a time.
class Narration {
 public:
  explicit Narration(FrameChannel& channel) : channel_(channel) {}

  void Tell(std::string line) {
    if (state_ == State::kTelling) {
      Send(line);
    } else if (state_ == State::kUndecided) {
      kept_.push_back(std::move(line));
    }
  }

  // The broker's decision, once.
  void Decide(bool verbose) {
    state_ = verbose ? State::kTelling : State::kSilent;
    if (verbose) {
      for (const std::string& line : kept_) Send(line);
    }
    kept_.clear();
  }

 private:
  enum class State { kUndecided, kTelling, kSilent };

  void Send(const std::string& line) {
    v1::FromWorker message;
    message.mutable_trace()->set_text(line);
    channel_.Write(message);
  }

  FrameChannel& channel_;
  State state_ = State::kUndecided;
  std::vector<std::string> kept_;
};

}  // namespace hotcell::worker

#endif  // HOTCELL_VMM_WORKER_NARRATION_H_
