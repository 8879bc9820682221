#include "broker/worker_process.h"

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <utility>
#include <vector>

namespace hotcell::broker {

namespace {

// False when WNOHANG is among the options and it is not dead yet.
bool Reap(int pidfd, int options, siginfo_t& death) {
  int result = 0;
  death.si_pid = 0;
  do {
    // __WALL: a worker's exit signal is 0.
    result = waitid(P_PIDFD, static_cast<id_t>(pidfd), &death, WEXITED | __WALL | options);
  } while (result != 0 && errno == EINTR);
  return result != 0 || death.si_pid != 0;
}

void Kill(int pidfd) { syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0); }

}  // namespace

void DyingWorkers::Add(SpawnedWorker worker) {
  const std::lock_guard lock(mutex_);
  workers_.push_back(std::move(worker));
}

void DyingWorkers::ReapDead() {
  const std::lock_guard lock(mutex_);
  std::erase_if(workers_, [](const SpawnedWorker& worker) {
    siginfo_t death{};
    return Reap(worker.pidfd.get(), WNOHANG, death);
  });
}

WorkerProcess::~WorkerProcess() {
  if (worker_.pidfd.valid()) KillAndReap();
}

absl::Duration WorkerProcess::CpuTime() const {
  clockid_t clock{};
  timespec time{};
  if (clock_getcpuclockid(worker_.pid, &clock) != 0 || clock_gettime(clock, &time) != 0) {
    return absl::ZeroDuration();
  }
  return absl::DurationFromTimespec(time);
}

const siginfo_t& WorkerProcess::KillAndReap() {
  if (reaped_) return death_;
  Kill(pidfd());
  Reap(pidfd(), 0, death_);
  reaped_ = true;
  return death_;
}

void WorkerProcess::KillAndLeaveTo(DyingWorkers& dying) {
  Kill(pidfd());
  dying.Add(std::move(worker_));
}

}  // namespace hotcell::broker
