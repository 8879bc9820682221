#ifndef HOTCELL_BROKER_WORKER_PROCESS_H_
#define HOTCELL_BROKER_WORKER_PROCESS_H_

#include <sys/types.h>

#include <csignal>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "broker/spawn.h"

namespace hotcell::broker {

// Workers that were killed after their last message and that the kernel is still taking apart. On a
// busy machine that lasts many milliseconds, for which no job has to wait. Thread-safe.
class DyingWorkers {
 public:
  DyingWorkers() = default;
  DyingWorkers(const DyingWorkers&) = delete;
  DyingWorkers& operator=(const DyingWorkers&) = delete;

  // Precondition: SIGKILL was sent.
  void Add(SpawnedWorker worker);
  // Reaps those that are gone.
  void ReapDead();

 private:
  std::mutex mutex_;
  std::vector<SpawnedWorker> workers_;
};

// A spawned worker: killed and reaped at the latest when this goes out of scope.
class WorkerProcess {
 public:
  explicit WorkerProcess(SpawnedWorker worker) : worker_(std::move(worker)) {}
  ~WorkerProcess();
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  pid_t pid() const { return worker_.pid; }
  int pidfd() const { return worker_.pidfd.get(); }

  // CPU time of all its threads so far; zero when it is gone.
  absl::Duration CpuTime() const;

  // SIGKILL (unless it is dead) and waitid(). Idempotent; returns how it died.
  const siginfo_t& KillAndReap();
  // SIGKILL, and leaves the rest to `dying`. Nothing may be called afterwards.
  void KillAndLeaveTo(DyingWorkers& dying);

 private:
  SpawnedWorker worker_;
  bool reaped_ = false;
  siginfo_t death_{};
};

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_WORKER_PROCESS_H_
