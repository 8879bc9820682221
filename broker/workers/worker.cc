#include "broker/workers/worker.h"

#include <poll.h>

#include <array>

#include "absl/strings/str_cat.h"
#include "broker/host/event_fd.h"
#include "broker/host/host_limits.h"
#include "broker/workers/spawn.h"
#include "broker/workers/worker_end.h"
#include "hotcell/failure.h"

namespace hotcell::broker {

absl::StatusOr<std::unique_ptr<Worker>> Worker::Start(const WorkerPrograms& programs,
                                                      const ArenaLayout& layout, v1::Setup setup,
                                                      StartInProgress* progress) {
  absl::Status limits = CheckHostLimits(
      {.lanes = layout.lanes, .arena = Arena::SizeOf(layout), .guest_memory = setup.memory_size()});
  if (!limits.ok()) return limits;
  absl::StatusOr<Arena> arena = Arena::Create(layout);
  if (!arena.ok()) return arena.status();
  setup.set_arena_size(arena->header().arena_size);
  if (layout.program_size != 0) setup.set_program_offset(arena->program_offset());
  if (arena->warm_size() != 0 || arena->warm_later_size() != 0) {
    setup.set_warm_offset(arena->header().buffers_offset);
    setup.set_warm_stride(kBuffersPerLane * kBufferSize);
    setup.set_warm_size(arena->warm_size());
    setup.set_warm_later_size(arena->warm_later_size());
  }

  std::vector<LaneEvents> events(layout.lanes);
  WorkerFds fds{.kvm = programs.kvm_fd, .arena = arena->fd()};
  for (LaneEvents& lane : events) {
    for (UniqueFd* fd : {&lane.doorbell, &lane.wake}) {
      absl::StatusOr<UniqueFd> event = MakeEventFd(0);
      if (!event.ok()) return event.status();
      *fd = *std::move(event);
    }
    fds.doorbells.push_back(lane.doorbell.get());
    fds.wakes.push_back(lane.wake.get());
  }
  absl::StatusOr<ControlChannel> control = ControlChannel::Create();
  if (!control.ok()) return control.status();
  fds.control_in = control->worker_in();
  fds.control_out = control->worker_out();
  absl::StatusOr<SpawnedWorker> spawned = SpawnWorker(programs.worker_fd, fds, progress);
  if (!spawned.ok()) return spawned.status();
  control->CloseWorkerEnds();

  std::unique_ptr<Worker> worker(
      new Worker(*std::move(arena), std::move(events), *std::move(control), std::move(setup)));
  worker->process_ = std::make_unique<WorkerProcess>(*std::move(spawned));
  if (absl::Status status = worker->control_.SendSetup(worker->setup_); !status.ok()) return status;
  worker->arena_.Warm();  // while the worker confines itself
  return worker;
}

absl::Status Worker::ReadSetup() {
  if (absl::Status status = control_.ReadAvailable(); !status.ok()) return status;
  while (true) {
    const absl::StatusOr<std::optional<v1::FromWorker>> message = control_.Next();
    if (!message.ok()) return message.status();
    if (!message->has_value()) break;
    if ((*message)->has_violation()) return ViolationStatus((*message)->violation());
    if ((*message)->has_failure()) return FailureStatus((*message)->failure());
    absl::Status status;
    if ((*message)->has_confined()) {
      set_confined((*message)->confined());
      status = CheckLayers(*confined_, {});
    } else if ((*message)->has_ready()) {
      status = SetReady((*message)->ready(), {});
    }
    if (!status.ok()) return status;
  }
  if (!control_.at_eof()) return absl::OkStatus();
  return WithFailureKind(absl::AbortedError("the worker ended before it had a job"),
                         FailureKind::kWorkerDied);
}

absl::Status Worker::SetReady(const v1::Ready& ready, std::span<const Layer> also_required) {
  if (absl::Status status = AddSetupLayers(ready, *confined_); !status.ok()) return status;
  return CheckLayers(*confined_, also_required);
}

bool Worker::IsUnusable() const {
  std::array<pollfd, 2> fds = {pollfd{.fd = process_->pidfd(), .events = POLLIN},
                               pollfd{.fd = control_.read_fd(), .events = POLLIN}};
  return poll(fds.data(), fds.size(), 0) != 0;
}

}  // namespace hotcell::broker
