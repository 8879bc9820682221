#include "broker/workers/worker_process.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <ctime>
#include <set>

#include "broker/host/monotonic_clock.h"
#include "hotcell/workers.h"

namespace hotcell::broker {
namespace {

// linux/pidfd.h's pidfd_info as of its first version, which Debian 12's headers do not have.
struct PidfdInfo {
  uint64_t mask;
  uint64_t cgroupid;
  uint32_t ids[11];
  int32_t exit_code;  // as wait() gives it
};
constexpr unsigned long kPidfdGetInfo = _IOWR(0xff, 11, PidfdInfo);
static_assert(sizeof(PidfdInfo) == 64);
constexpr uint64_t kPidfdInfoExit = 1 << 3;

// How a process ended that has been reaped. Linux knows it since 6.15; before, nobody does any
// more.
WorkerDeath AskPidfd(int pidfd) {
  PidfdInfo info = {.mask = kPidfdInfoExit, .cgroupid = 0, .ids = {}, .exit_code = 0};
  if (ioctl(pidfd, kPidfdGetInfo, &info) != 0 || (info.mask & kPidfdInfoExit) == 0) return {};
  if (WIFEXITED(info.exit_code)) {
    return {.known = true, .code = CLD_EXITED, .status = WEXITSTATUS(info.exit_code)};
  }
  return {.known = true, .code = CLD_KILLED, .status = WTERMSIG(info.exit_code)};
}

// The pidfds of all workers of this process, for KillWorkers(). One that is here is open.
class Workers {
 public:
  static Workers& All() {
    // Outlives whatever is destroyed at exit. A child after fork() starts without any.
    static auto* const all = new PerProcess<Workers>;
    return **all;
  }
  void Add(int pidfd) {
    const std::lock_guard lock(mutex_);
    pidfds_.insert(pidfd);
  }
  void Drop(int pidfd) {
    const std::lock_guard lock(mutex_);
    pidfds_.erase(pidfd);
  }
  void KillAndReap() {
    const std::lock_guard lock(mutex_);
    for (const int pidfd : pidfds_) syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0);
    for (const int pidfd : pidfds_) {
      siginfo_t info = {};
      while (waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED | __WALL) != 0 &&
             errno == EINTR) {
      }
    }
  }

 private:
  std::mutex mutex_;
  std::set<int> pidfds_;
};

}  // namespace

WorkerProcess::WorkerProcess(SpawnedWorker worker) : worker_(std::move(worker)) {
  Workers::All().Add(pidfd());
}

WorkerProcess::~WorkerProcess() {
  KillAndReap();
  Workers::All().Drop(pidfd());
}

absl::Duration WorkerProcess::CpuTime() const {
  clockid_t clock{};
  timespec time{};
  if (clock_getcpuclockid(worker_.pid, &clock) != 0 || clock_gettime(clock, &time) != 0) {
    return absl::ZeroDuration();
  }
  return absl::DurationFromTimespec(time);
}

absl::Duration WorkerProcess::LimitedCpuTime() const {
  // The kernel's numbers of other processes' clocks: ~pid in the upper bits, CPUCLOCK_PROF is 0.
  const auto clock = static_cast<clockid_t>(~static_cast<unsigned>(worker_.pid) << 3);
  timespec time{};
  if (clock_gettime(clock, &time) != 0) return absl::ZeroDuration();
  return absl::DurationFromTimespec(time);
}

void WorkerProcess::Kill() const {
  if (!reaped_ && getpid() == owner_) syscall(SYS_pidfd_send_signal, pidfd(), SIGKILL, nullptr, 0);
}

bool WorkerProcess::Wait(int options) {
  if (reaped_) return true;
  siginfo_t info = {};
  rusage usage = {};
  long result = 0;
  do {
    // The kernel's call: glibc's does not hand out the usage. __WALL: as long as the child has not
    // executed the worker, its exit signal is 0.
    result = syscall(SYS_waitid, P_PIDFD, pidfd(), &info, WEXITED | __WALL | options, &usage);
  } while (result != 0 && errno == EINTR);
  if (result == 0 && info.si_pid == 0) return false;
  reaped_ = true;
  // ECHILD: somebody else has reaped it.
  death_ = result == 0 ? WorkerDeath{.known = true,
                                     .code = info.si_code,
                                     .status = info.si_status,
                                     .cpu_time = absl::DurationFromTimeval(usage.ru_utime) +
                                                 absl::DurationFromTimeval(usage.ru_stime)}
                       : AskPidfd(pidfd());
  return true;
}

bool WorkerProcess::TryReap() { return Wait(WNOHANG); }

bool WorkerProcess::ReapUntil(absl::Duration deadline) {
  pollfd dead{.fd = pidfd(), .events = POLLIN};
  while (!TryReap()) {
    if (MonotonicNow() >= deadline) return false;
    poll(&dead, 1, PollTimeout(deadline));
  }
  return true;
}

const WorkerDeath& WorkerProcess::KillAndReap() {
  Kill();
  Wait(0);
  return death_;
}

void DyingWorkers::Add(std::unique_ptr<WorkerProcess> worker) {
  worker->Kill();
  {
    List& list = *list_;
    const std::lock_guard lock(list.mutex);
    list.workers.push_back(std::move(worker));
  }
  TakeOldest(kMax);  // its destructor waits, outside the lock
}

void DyingWorkers::ReapDead() {
  List& list = *list_;
  const std::lock_guard lock(list.mutex);
  std::erase_if(list.workers, [](const auto& worker) { return worker->TryReap(); });
}

bool DyingWorkers::ReapAll(absl::Duration deadline) {
  while (std::unique_ptr<WorkerProcess> oldest = TakeOldest(0)) {
    if (oldest->ReapUntil(deadline)) continue;
    List& list = *list_;
    const std::lock_guard lock(list.mutex);
    list.workers.push_front(std::move(oldest));
    return false;
  }
  return true;
}

bool DyingWorkers::any() {
  List& list = *list_;
  const std::lock_guard lock(list.mutex);
  return !list.workers.empty();
}

std::unique_ptr<WorkerProcess> DyingWorkers::TakeOldest(size_t beyond) {
  List& list = *list_;
  const std::lock_guard lock(list.mutex);
  if (list.workers.size() <= beyond) return nullptr;
  std::unique_ptr<WorkerProcess> oldest = std::move(list.workers.front());
  list.workers.pop_front();
  return oldest;
}

}  // namespace hotcell::broker

namespace hotcell {

void KillWorkers() { broker::Workers::All().KillAndReap(); }

}  // namespace hotcell
