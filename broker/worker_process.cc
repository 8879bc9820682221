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

const siginfo_t& WorkerProcess::KillAndReap() {
  if (reaped_) return death_;
  syscall(SYS_pidfd_send_signal, pidfd(), SIGKILL, nullptr, 0);
  // __WALL: the worker's exit signal is 0.
  while (waitid(P_PIDFD, static_cast<id_t>(pidfd()), &death_, WEXITED | __WALL) != 0 &&
         errno == EINTR) {
  }
  reaped_ = true;
  return death_;
}

}  // namespace hotcell::broker
