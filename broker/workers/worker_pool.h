// Workers that are started before there is a job for them, so that a job does not wait for a
// process and its VM.
#ifndef HOTCELL_BROKER_WORKERS_WORKER_POOL_H_
#define HOTCELL_BROKER_WORKERS_WORKER_POOL_H_

#include <pthread.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/unique_fd.h"
#include "broker/workers/worker.h"
#include "broker/workers/worker_process.h"
#include "broker/workers/worker_shape.h"

namespace hotcell::broker {

absl::StatusOr<std::unique_ptr<Worker>> StartTranscoder(const WorkerPrograms& programs,
                                                        const WorkerShape& shape,
                                                        StartInProgress* progress = nullptr);

// Keeps workers ready: confined, their VM made, the transcoder loaded, waiting for a job. A thread
// of the pool's, which is the parent of its workers, starts a new one for each that was taken or
// has died, and reaps those that have ended. Thread-safe.
//
// It belongs to the process that made it: in a child of that, after fork(), it gives nothing and
// does nothing, and must not be destroyed.
class WorkerPool {
 public:
  struct Kind {
    WorkerShape shape;
    uint32_t count = 0;
  };

  // Starts the thread. `programs` and `dying` outlive the pool. The first workers are ready a few
  // milliseconds later.
  static absl::StatusOr<std::unique_ptr<WorkerPool>> Create(const WorkerPrograms& programs,
                                                            const std::vector<Kind>& kinds,
                                                            DyingWorkers& dying);
  // Ends the thread and the workers that have not been taken. Those that have must be gone: they
  // die with the thread.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Whether this process made the pool. A child of it has a copy without the thread.
  bool mine() const { return getpid() == owner_; }
  // A ready worker, or null.
  std::unique_ptr<Worker> Take(const WorkerShape& shape);
  // Tells the thread that there are workers to reap, or to start.
  void WakeThread() const;

 private:
  struct Starting {
    size_t kind;
    std::unique_ptr<Worker> worker;
    absl::Duration deadline;  // MonotonicNow()
  };
  struct ReadyWorkers {
    Kind kind;
    std::vector<std::unique_ptr<Worker>> ready;  // the oldest first
  };

  WorkerPool(const WorkerPrograms& programs, DyingWorkers& dying, UniqueFd wake_event)
      : programs_(programs), dying_(dying), wake_event_(std::move(wake_event)) {}

  static void* ThreadMain(void* pool);
  void Run();
  // These are the thread's.
  void StartMissing();
  void DropUnusable();
  void AdvanceStarting();
  void WaitForEvent();
  bool stopping();
  // Waits a little for the thread to end; false: it has not.
  bool Join() const;

  const WorkerPrograms programs_;
  DyingWorkers& dying_;
  const UniqueFd wake_event_;
  const pid_t owner_ = getpid();
  pthread_t thread_{};
  StartInProgress start_;           // the thread's
  std::vector<Starting> starting_;  // the thread's
  absl::Duration retry_at_;         // the thread's; MonotonicNow()

  std::mutex mutex_;  // guards what follows
  bool stop_ = false;
  std::vector<ReadyWorkers> ready_workers_;
};

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_WORKERS_WORKER_POOL_H_
