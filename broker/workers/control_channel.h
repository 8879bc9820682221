// The messages between the broker and a worker, which may be under an attacker's control.
#ifndef HOTCELL_BROKER_WORKERS_CONTROL_CHANNEL_H_
#define HOTCELL_BROKER_WORKERS_CONTROL_CHANNEL_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "protos/control.pb.h"

namespace hotcell::broker {

// What the broker knows of its worker (docs/protocol.md).
enum class WorkerState { kSpawned, kConfined, kReady, kRunning, kFinished };

// The broker's end of the two control pipes: frames of protobuf messages in both directions, and
// the state machine that says which message may come when. Never blocks. The worker is hostile:
// a frame's size is checked before it is stored, and an error of ReadAvailable() or Next() means
// that the worker has to be killed.
class ControlChannel {
 public:
  static absl::StatusOr<ControlChannel> Create();

  // The worker's ends, until CloseWorkerEnds(): call that once the worker has its copies.
  int worker_in() const { return worker_in_.get(); }
  int worker_out() const { return worker_out_.get(); }
  void CloseWorkerEnds() { worker_out_.reset(); }

  // The descriptor to poll for reading, until at_eof().
  int read_fd() const { return read_.get(); }
  // The descriptor to poll for writing, while wants_write().
  int write_fd() const { return write_.get(); }
  bool wants_write() const { return !outgoing_.empty(); }
  bool at_eof() const { return at_eof_; }
  WorkerState state() const { return state_; }

  // Queue a message and write what fits. Setup before anything else; Start once, in state confined
  // or ready: the worker runs when it is both ready and told to start; Stop in state running at
  // most once.
  absl::Status SendSetup(const v1::Setup& setup);
  absl::Status SendStart(const v1::Start& start);
  absl::Status SendStop(v1::StopReason reason);
  // Writes what fits of what is queued.
  absl::Status WritePending();

  // Reads what is there, up to a bound, so that a flood leaves the caller its turn.
  absl::Status ReadAvailable();
  // The next whole message, checked against the state; nullopt: none yet.
  absl::StatusOr<std::optional<v1::FromWorker>> Next();

 private:
  ControlChannel() = default;
  absl::Status Send(const v1::ToWorker& message);
  // The state after `message`, or the reason why it may not come now.
  absl::Status Advance(const v1::FromWorker& message);

  UniqueFd read_;
  UniqueFd write_;
  // Kept open here too: with a reader of its own a write never raises SIGPIPE in the application.
  UniqueFd worker_in_;
  UniqueFd worker_out_;
  WorkerState state_ = WorkerState::kSpawned;
  bool start_sent_ = false;
  bool at_eof_ = false;
  std::string incoming_;  // bytes not yet taken, at most two frames
  std::string outgoing_;
};

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_WORKERS_CONTROL_CHANNEL_H_
