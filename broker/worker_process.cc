#include "broker/worker_process.h"

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

namespace hotcell::broker {

absl::Duration WorkerProcess::CpuTime() const {
  clockid_t clock{};
  timespec time{};
  if (clock_getcpuclockid(worker_.pid, &clock) != 0 || clock_gettime(clock, &time) != 0) {
    return absl::ZeroDuration();
  }
  return absl::DurationFromTimespec(time);
}

void WorkerProcess::Kill() const {
  if (!reaped_) syscall(SYS_pidfd_send_signal, pidfd(), SIGKILL, nullptr, 0);
}

bool WorkerProcess::Wait(int options) {
  if (reaped_) return true;
  int result = 0;
  do {
    // __WALL: the worker's exit signal is 0.
    result = waitid(P_PIDFD, static_cast<id_t>(pidfd()), &death_, WEXITED | __WALL | options);
  } while (result != 0 && errno == EINTR);
  // ECHILD: somebody else has reaped it.
  reaped_ = result != 0 || death_.si_pid != 0;
  return reaped_;
}

bool WorkerProcess::TryReap() { return Wait(WNOHANG); }

const siginfo_t& WorkerProcess::KillAndReap() {
  Kill();
  Wait(0);
  return death_;
}

void DyingWorkers::Add(std::unique_ptr<WorkerProcess> worker) {
  worker->Kill();
  {
    const std::lock_guard lock(mutex_);
    workers_.push_back(std::move(worker));
  }
  TakeOldest(kMax);  // its destructor waits, outside the lock
}

void DyingWorkers::ReapDead() {
  const std::lock_guard lock(mutex_);
  std::erase_if(workers_, [](const auto& worker) { return worker->TryReap(); });
}

void DyingWorkers::ReapAll() {
  while (TakeOldest(0) != nullptr) {
  }
}

bool DyingWorkers::any() {
  const std::lock_guard lock(mutex_);
  return !workers_.empty();
}

std::unique_ptr<WorkerProcess> DyingWorkers::TakeOldest(size_t beyond) {
  const std::lock_guard lock(mutex_);
  if (workers_.size() <= beyond) return nullptr;
  std::unique_ptr<WorkerProcess> oldest = std::move(workers_.front());
  workers_.pop_front();
  return oldest;
}

}  // namespace hotcell::broker
