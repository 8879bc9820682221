#include "broker/workers/worker_pool.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "broker/host/blocked_signals.h"
#include "broker/host/event_fd.h"
#include "broker/host/monotonic_clock.h"
#include "broker/host/posix_error.h"
#include "broker/host/thread_attributes.h"

namespace hotcell::broker {
namespace {

// How long one worker may take from its start until it is ready; it takes milliseconds.
constexpr absl::Duration kStartLimit = absl::Seconds(10);
// The time from a start that failed to the next. Jobs meanwhile start their own workers, and tell
// why that fails.
constexpr absl::Duration kRetryInterval = absl::Milliseconds(200);
// How often those that are dying are looked at.
constexpr absl::Duration kReapInterval = absl::Milliseconds(5);
// Started at the same time; more would only take the processors from each other and from jobs.
constexpr size_t kMaxStarting = 2;

}  // namespace

absl::StatusOr<std::unique_ptr<Worker>> StartTranscoder(const WorkerPrograms& programs,
                                                        const WorkerShape& shape,
                                                        StartInProgress* progress) {
  v1::Setup setup;
  setup.set_mode(v1::GUEST_MODE_PAYLOAD);
  setup.set_memory_size(shape.guest_memory);
  setup.set_vcpus(shape.lanes);
  setup.set_forward_doorbells(shape.forward_doorbells);
  setup.set_cpu_seconds(shape.cpu_seconds);
  return Worker::Start(programs,
                       {.lanes = shape.lanes,
                        .report_capacity = shape.report_bytes,
                        .warm_size = shape.warm_size,
                        .warm_later_size = shape.warm_later_size},
                       std::move(setup), progress);
}

absl::StatusOr<std::unique_ptr<WorkerPool>> WorkerPool::Create(const WorkerPrograms& programs,
                                                               const std::vector<Kind>& kinds,
                                                               DyingWorkers& dying) {
  absl::StatusOr<UniqueFd> wake_event = MakeEventFd(EFD_NONBLOCK);
  if (!wake_event.ok()) return wake_event.status();
  auto pool = std::unique_ptr<WorkerPool>(new WorkerPool(programs, dying, *std::move(wake_event)));
  for (const Kind& kind : kinds) pool->ready_workers_.push_back({.kind = kind, .ready = {}});
  const BlockedSignals blocked;
  const ThreadAttributes attributes;
  const int error =
      pthread_create(&pool->thread_, attributes.get(), &WorkerPool::ThreadMain, pool.get());
  if (error == 0) return pool;
  pool->thread_ = {};
  return TaskError(error, "start the thread of the pool of workers (clone3)");
}

WorkerPool::~WorkerPool() {
  if (thread_ == pthread_t{}) return;
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  WakeThread();
  while (!Join()) start_.Kill();
}

bool WorkerPool::Join() const {
  // It does what it is at first, and then ends.
  const timespec until = absl::ToTimespec(MonotonicNow() + absl::Milliseconds(200));
  return pthread_clockjoin_np(thread_, nullptr, CLOCK_MONOTONIC, &until) != ETIMEDOUT;
}

void WorkerPool::WakeThread() const {
  if (mine()) SignalEventFd(wake_event_.get());
}

std::unique_ptr<Worker> WorkerPool::Take(const WorkerShape& shape) {
  // The thread, which a child does not have, may have been holding the lock.
  if (!mine()) return nullptr;
  const std::lock_guard lock(mutex_);
  for (ReadyWorkers& group : ready_workers_) {
    if (group.kind.shape != shape) continue;
    // The thread drops the unusable ones, which may take a while.
    const auto found =
        std::ranges::find_if(group.ready, [](const auto& worker) { return !worker->IsUnusable(); });
    if (found == group.ready.end()) continue;
    std::unique_ptr<Worker> worker = std::move(*found);
    group.ready.erase(found);
    return worker;
  }
  return nullptr;
}

void* WorkerPool::ThreadMain(void* pool) {
  pthread_setname_np(pthread_self(), "hotcell-pool");
  static_cast<WorkerPool*>(pool)->Run();
  return nullptr;
}

bool WorkerPool::stopping() {
  const std::lock_guard lock(mutex_);
  return stop_;
}

void WorkerPool::Run() {
  while (!stopping()) {
    dying_.ReapDead();
    AdvanceStarting();
    DropUnusable();
    StartMissing();
    WaitForEvent();
  }
}

void WorkerPool::StartMissing() {
  for (size_t i = 0; i < ready_workers_.size(); ++i) {
    const Kind kind = ready_workers_[i].kind;  // never changes
    while (starting_.size() < kMaxStarting && MonotonicNow() >= retry_at_) {
      size_t count = std::ranges::count(starting_, i, &Starting::kind);
      {
        const std::lock_guard lock(mutex_);
        count += ready_workers_[i].ready.size();
        if (stop_) return;
      }
      if (count >= kind.count) break;
      absl::StatusOr<std::unique_ptr<Worker>> worker =
          StartTranscoder(programs_, kind.shape, &start_);
      if (worker.ok()) {
        starting_.push_back({i, *std::move(worker), MonotonicNow() + kStartLimit});
      } else {
        retry_at_ = MonotonicNow() + kRetryInterval;
      }
    }
  }
}

void WorkerPool::AdvanceStarting() {
  for (Starting& starting : starting_) {
    const absl::Status status = starting.worker->ReadSetup();
    if (status.ok() && starting.worker->ready()) {
      const std::lock_guard lock(mutex_);
      ready_workers_[starting.kind].ready.push_back(std::move(starting.worker));
    } else if (!status.ok() || MonotonicNow() >= starting.deadline) {
      starting.worker.reset();
      retry_at_ = MonotonicNow() + kRetryInterval;
    }
  }
  std::erase_if(starting_, [](const Starting& starting) { return starting.worker == nullptr; });
}

void WorkerPool::DropUnusable() {
  std::vector<std::unique_ptr<Worker>> unusable;  // destroyed, which waits, outside the lock
  const std::lock_guard lock(mutex_);
  for (ReadyWorkers& group : ready_workers_) {
    for (std::unique_ptr<Worker>& worker : group.ready) {
      if (worker->IsUnusable()) unusable.push_back(std::move(worker));
    }
    std::erase(group.ready, nullptr);
  }
  // Without the interval, one that is unusable as soon as it is ready would be started again and
  // again.
  if (!unusable.empty()) retry_at_ = MonotonicNow() + kRetryInterval;
}

void WorkerPool::WaitForEvent() {
  std::vector<pollfd> fds = {{.fd = wake_event_.get(), .events = POLLIN}};
  const auto add = [&fds](Worker& worker) {
    fds.push_back({.fd = worker.process()->pidfd(), .events = POLLIN});
    fds.push_back({.fd = worker.control().read_fd(), .events = POLLIN});
  };
  absl::Duration next = absl::InfiniteDuration();
  bool complete = true;
  for (const Starting& starting : starting_) {
    add(*starting.worker);
    next = std::min(next, starting.deadline);
  }
  {
    const std::lock_guard lock(mutex_);
    for (const ReadyWorkers& group : ready_workers_) {
      // One that is taken meanwhile costs a look in vain.
      for (const auto& worker : group.ready) add(*worker);
      complete = complete && group.ready.size() >= group.kind.count;
    }
  }
  if (!complete && starting_.empty()) next = std::min(next, retry_at_);
  if (dying_.any()) next = std::min(next, MonotonicNow() + kReapInterval);
  poll(fds.data(), fds.size(), PollTimeout(next));
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t drained = read(wake_event_.get(), &count, sizeof(count));
}

}  // namespace hotcell::broker
