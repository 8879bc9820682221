// The end of worker processes: they are killed through their pidfds, reaped, and asked how they
// died.
#ifndef HOTCELL_BROKER_WORKERS_WORKER_PROCESS_H_
#define HOTCELL_BROKER_WORKERS_WORKER_PROCESS_H_

#include <sys/types.h>
#include <unistd.h>

#include <deque>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/time/time.h"
#include "broker/host/per_process.h"
#include "broker/workers/spawn.h"

namespace hotcell::broker {

// How a worker died.
struct WorkerDeath {
  // False where somebody else has waited for it and the kernel does not tell afterwards: the rest
  // says nothing then.
  bool known = false;
  int code = 0;    // CLD_EXITED, CLD_KILLED or CLD_DUMPED
  int status = 0;  // of its exit, or the signal
  // CPU time of all its threads; zero where somebody else has waited for it.
  absl::Duration cpu_time;
};

// A spawned worker: killed and reaped at the latest when this goes out of scope. It belongs to the
// process that made this: in a child of that, after fork(), nothing is done to the worker.
class WorkerProcess {
 public:
  explicit WorkerProcess(SpawnedWorker worker);
  ~WorkerProcess();
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  pid_t pid() const { return worker_.pid; }
  int pidfd() const { return worker_.pidfd.get(); }

  // CPU time of all its threads so far; zero when it is gone.
  absl::Duration CpuTime() const;
  // CPU time of all its threads so far as RLIMIT_CPU counts it: by ticks of the kernel's clock,
  // which may differ from CpuTime() by a good part.
  absl::Duration LimitedCpuTime() const;

  // SIGKILL (unless it is dead), without waiting: its threads run no more than to the next entry
  // into the kernel or the next interrupt.
  void Kill() const;
  // Whether it is dead, and then reaped. Never waits.
  bool TryReap();
  // TryReap(), but waits for it until `deadline`, a MonotonicNow().
  bool ReapUntil(absl::Duration deadline);
  // Kill() and waitid(). Idempotent.
  const WorkerDeath& KillAndReap();

 private:
  bool Wait(int options);

  SpawnedWorker worker_;
  const pid_t owner_ = getpid();
  bool reaped_ = false;
  WorkerDeath death_;
};

// Workers that were killed and have yet to be waited for: the kernel takes up to 20 ms to destroy a
// VM, and no job need wait for that. Thread-safe; each process has its own.
class DyingWorkers {
 public:
  // How many workers are left to die by themselves; whoever adds one more waits for the oldest.
  static constexpr size_t kMax = 8;

  DyingWorkers() = default;
  ~DyingWorkers() { ReapAll(); }
  DyingWorkers(const DyingWorkers&) = delete;
  DyingWorkers& operator=(const DyingWorkers&) = delete;

  // Kills `worker`.
  void Add(std::unique_ptr<WorkerProcess> worker);
  // Reaps those that are dead.
  void ReapDead();
  // Waits for all, but no longer than until `deadline`, a MonotonicNow(). Whether none is left.
  bool ReapAll(absl::Duration deadline = absl::InfiniteDuration());
  bool any();

 private:
  struct List {
    std::mutex mutex;
    std::deque<std::unique_ptr<WorkerProcess>> workers;  // oldest first
  };

  std::unique_ptr<WorkerProcess> TakeOldest(size_t beyond);

  PerProcess<List> list_;
};

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_WORKERS_WORKER_PROCESS_H_
