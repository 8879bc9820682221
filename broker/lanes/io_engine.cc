#include "broker/lanes/io_engine.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <ctime>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/host/blocked_signals.h"
#include "broker/host/event_fd.h"
#include "broker/host/posix_error.h"
#include "broker/host/thread_attributes.h"
#include "hotcell/failure.h"

namespace hotcell::broker {
namespace {

// How often an empty ring is looked at before the thread blocks. The guest polls long and the
// broker short: on two cores the broker's thread would take the time from the guest's.
constexpr int kPolls = 100;

bool IsReady(int fd, int16_t events, int timeout_ms) {
  pollfd poll_fd{.fd = fd, .events = events};
  return poll(&poll_fd, 1, timeout_ms) == 1;
}

}  // namespace

absl::StatusOr<std::unique_ptr<IoEngine>> IoEngine::Create(Worker& worker, FileTable& files,
                                                           const ReferenceResolver& references) {
  const Arena& arena = worker.arena();
  std::unique_ptr<IoEngine> engine(new IoEngine(arena, files, references));
  for (uint32_t i = 0; i < arena.header().lane_count; ++i) {
    auto lane = std::make_unique<Lane>(
        LaneRing(arena.lane(i), arena.submission_ring(i), arena.completion_ring(i)),
        worker.events()[i]);
    lane->engine = engine.get();
    lane->index = i;
    engine->lanes_.push_back(std::move(lane));
  }
  absl::StatusOr<UniqueFd> failure_fd = MakeEventFd(EFD_NONBLOCK);
  if (!failure_fd.ok()) return failure_fd.status();
  engine->failure_fd_ = *std::move(failure_fd);
  return engine;
}

IoEngine::~IoEngine() { Stop(); }

absl::Status IoEngine::Start(bool has_job) {
  has_job_ = has_job;
  const BlockedSignals blocked;
  const ThreadAttributes attributes;
  int error = 0;
  for (const auto& lane : lanes_) {
    error = pthread_create(&lane->thread, attributes.get(), &IoEngine::ThreadMain, lane.get());
    if (error != 0) break;
    lane->running = true;
    pthread_setname_np(lane->thread, absl::StrCat("hotcell-lane", lane->index).c_str());
  }
  return error == 0 ? absl::OkStatus() : TaskError(error, "start an I/O thread (clone3)");
}

void IoEngine::AnnounceJob() {
  job_announced_ = true;
  job_announced_.notify_one();
}

void* IoEngine::ThreadMain(void* lane_pointer) {
  Lane& lane = *static_cast<Lane*>(lane_pointer);
  if (lane.engine->has_job_ && lane.index == 0) {
    lane.engine->job_announced_.wait(false);
    SignalEventFd(lane.wake);
  }
  try {
    if (absl::Status status = lane.engine->ServeLane(lane); !status.ok()) {
      lane.engine->Fail(std::move(status));
    }
  } catch (...) {
    // The exception came from a function of the caller's and goes to the caller's thread.
    lane.engine->Fail(absl::AbortedError("a callback of the job threw an exception"),
                      std::current_exception());
  }
  lane.turn.End();
  return nullptr;
}

absl::Status IoEngine::ServeLane(Lane& lane) {
  while (!stop_) {
    lane.ring.StartPolling();
    for (int idle = 0; idle < kPolls && !stop_; ++idle) {
      const absl::StatusOr<int> served = ServeOne(lane);
      if (!served.ok()) return served.status();
      if (*served != 0) idle = 0;
      __builtin_ia32_pause();
    }
    if (!lane.ring.StopPolling() && !stop_) WaitForDoorbell(lane);
  }
  return absl::OkStatus();
}

absl::StatusOr<int> IoEngine::ServeOne(Lane& lane) {
  const absl::StatusOr<std::optional<abi::Submission>> request = lane.ring.Take();
  if (!request.ok()) return request.status();
  if (!request->has_value()) {
    lane.turn.End();
    return 0;
  }
  lane.requests.fetch_add(1, std::memory_order_relaxed);
  const absl::StatusOr<abi::Completion> completion =
      handler_.Handle(lane.index, **request, lane.turn);
  if (!completion.ok()) return completion.status();
  const absl::StatusOr<bool> wake = lane.ring.Post(*completion);
  if (!wake.ok()) return wake.status();
  if (*wake) {
    // A worker that fills the counter makes this block until Unblock() drains it; the other lanes
    // must not wait for that.
    lane.turn.End();
    SignalEventFd(lane.wake);
  }
  return 1;
}

void IoEngine::WaitForDoorbell(Lane& lane) {
  uint64_t count = 0;
  if (read(lane.doorbell, &count, sizeof(count)) == sizeof(count)) {
    lane.doorbells.fetch_add(1, std::memory_order_relaxed);
  } else {
    // A hostile worker can have made the shared description non-blocking.
    IsReady(lane.doorbell, POLLIN, /*timeout_ms=*/100);
  }
}

void IoEngine::Fail(absl::Status error, std::exception_ptr thrown) {
  {
    const std::lock_guard lock(mutex_);
    if (failure_.ok()) {
      failure_ = WithFailureKind(std::move(error), FailureKind::kGuestContract);
      thrown_ = std::move(thrown);
    }
  }
  SignalEventFd(failure_fd_.get());
}

absl::Status IoEngine::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

void IoEngine::RethrowFailure() const {
  std::exception_ptr thrown;
  {
    const std::lock_guard lock(mutex_);
    thrown = thrown_;
  }
  if (thrown != nullptr) std::rethrow_exception(thrown);
}

void IoEngine::Unblock(const Lane& lane) {
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t drained = read(lane.wake, &count, sizeof(count));
  SignalEventFd(lane.doorbell);
}

bool IoEngine::Join(Lane& lane) {
  constexpr int64_t kPatience = 1'000'000;  // ns
  timespec until{};
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_nsec += kPatience;
  if (until.tv_nsec >= 1'000'000'000) {
    until.tv_nsec -= 1'000'000'000;
    ++until.tv_sec;
  }
  lane.running = pthread_clockjoin_np(lane.thread, nullptr, CLOCK_MONOTONIC, &until) == ETIMEDOUT;
  return !lane.running;
}

void IoEngine::Stop() {
  stop_ = true;
  AnnounceJob();
  // A worker about to die may still fill or drain them: this thread must not wait for that.
  for (const auto& lane : lanes_) {
    if (!lane->running) continue;
    fcntl(lane->wake, F_SETFL, O_NONBLOCK);
    fcntl(lane->doorbell, F_SETFL, O_NONBLOCK);
    Unblock(*lane);
  }
  for (const auto& lane : lanes_) {
    while (lane->running && !Join(*lane)) Unblock(*lane);
  }
}

IoEngine::Counters IoEngine::counters() const {
  Counters counters;
  for (const auto& lane : lanes_) {
    counters.requests += lane->requests;
    counters.doorbells += lane->doorbells;
  }
  counters.bytes_written = handler_.bytes_written();
  return counters;
}

}  // namespace hotcell::broker
