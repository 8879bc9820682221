// A worker with everything of the broker's that belongs to it: process, arena, events and control
// channel. The job that it is for takes all of it, and nothing is used twice.
#ifndef HOTCELL_BROKER_WORKERS_WORKER_H_
#define HOTCELL_BROKER_WORKERS_WORKER_H_

#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "broker/workers/arena.h"
#include "broker/workers/control_channel.h"
#include "broker/workers/spawn.h"
#include "broker/workers/worker_process.h"
#include "hotcell/layers.h"
#include "protos/control.pb.h"

namespace hotcell::broker {

// What every job needs and nobody changes; not owned.
struct WorkerPrograms {
  int worker_fd = -1;
  int kvm_fd = -1;
};

// How a lane's two sides wake each other.
struct LaneEvents {
  UniqueFd doorbell;  // the guest, or its worker, signals
  UniqueFd wake;      // the broker signals
};

// A worker process and all that the broker shares with it. It comes before its job, and serves one.
class Worker {
 public:
  // Makes the arena and the eventfds, starts the process and sends it `setup`, in which the size
  // of the arena is filled in. Call on a thread that stays: the worker dies with it.
  static absl::StatusOr<std::unique_ptr<Worker>> Start(const WorkerPrograms& programs,
                                                       const ArenaLayout& layout, v1::Setup setup,
                                                       StartInProgress* progress = nullptr);

  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  const v1::Setup& setup() const { return setup_; }
  Arena& arena() { return arena_; }
  const std::vector<LaneEvents>& events() const { return events_; }
  ControlChannel& control() { return control_; }
  // Null once it was taken.
  WorkerProcess* process() { return process_.get(); }
  std::unique_ptr<WorkerProcess> TakeProcess() { return std::move(process_); }

  // What it says of its confinement, once it has.
  const std::optional<v1::Confined>& confined() const { return confined_; }
  void set_confined(const v1::Confined& confined) { confined_ = confined; }
  // Completes confined() and checks it again. To be called in state ready or running.
  absl::Status SetReady(const v1::Ready& ready, std::span<const Layer> also_required);

  // While there is no job: takes in what has come from the worker. An error: it failed, or is not
  // confined as every job requires.
  absl::Status ReadSetup();
  bool ready() const { return control_.state() == WorkerState::kReady; }
  // Whether a ready worker has died or spoken, which it has no reason to.
  bool IsUnusable() const;

 private:
  Worker(Arena arena, std::vector<LaneEvents> events, ControlChannel control, v1::Setup setup)
      : setup_(std::move(setup)),
        arena_(std::move(arena)),
        events_(std::move(events)),
        control_(std::move(control)) {}

  const v1::Setup setup_;
  Arena arena_;
  const std::vector<LaneEvents> events_;
  ControlChannel control_;
  std::unique_ptr<WorkerProcess> process_;
  std::optional<v1::Confined> confined_;
};

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_WORKERS_WORKER_H_
