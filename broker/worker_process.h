#ifndef HOTCELL_BROKER_WORKER_PROCESS_H_
#define HOTCELL_BROKER_WORKER_PROCESS_H_

#include <sys/types.h>

#include <csignal>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/time/time.h"
#include "broker/spawn.h"

namespace hotcell::broker {

// A spawned worker: killed and reaped at the latest when this goes out of scope.
class WorkerProcess {
 public:
  explicit WorkerProcess(SpawnedWorker worker) : worker_(std::move(worker)) {}
  ~WorkerProcess() { KillAndReap(); }
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  pid_t pid() const { return worker_.pid; }
  int pidfd() const { return worker_.pidfd.get(); }

  // CPU time of all its threads so far; zero when it is gone.
  absl::Duration CpuTime() const;

  // SIGKILL (unless it is dead), without waiting: its threads run no more than to the next entry
  // into the kernel or the next interrupt.
  void Kill() const;
  // Whether it is dead, and then reaped. Never waits.
  bool TryReap();
  // Kill() and waitid(). Idempotent; returns how it died.
  const siginfo_t& KillAndReap();

 private:
  bool Wait(int options);

  SpawnedWorker worker_;
  bool reaped_ = false;
  siginfo_t death_{};
};

// Workers that were killed and have yet to be waited for: the kernel takes up to 20 ms to destroy a
// VM, and no job need wait for that. Thread-safe.
class DyingWorkers {
 public:
  // So many are left to die by themselves; whoever adds one more waits for the oldest.
  static constexpr size_t kMax = 8;

  DyingWorkers() = default;
  ~DyingWorkers() { ReapAll(); }
  DyingWorkers(const DyingWorkers&) = delete;
  DyingWorkers& operator=(const DyingWorkers&) = delete;

  // Kills `worker`.
  void Add(std::unique_ptr<WorkerProcess> worker);
  // Reaps those that are dead.
  void ReapDead();
  // Waits for all.
  void ReapAll();
  bool any();

 private:
  std::unique_ptr<WorkerProcess> TakeOldest(size_t beyond);

  std::mutex mutex_;
  std::deque<std::unique_ptr<WorkerProcess>> workers_;  // oldest first
};

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_WORKER_PROCESS_H_
