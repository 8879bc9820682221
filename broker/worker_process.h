#ifndef HOTCELL_BROKER_WORKER_PROCESS_H_
#define HOTCELL_BROKER_WORKER_PROCESS_H_

#include <sys/types.h>

#include <csignal>
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

  // SIGKILL (unless it is dead) and waitid(). Idempotent; returns how it died.
  const siginfo_t& KillAndReap();

 private:
  SpawnedWorker worker_;
  bool reaped_ = false;
  siginfo_t death_{};
};

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_WORKER_PROCESS_H_
