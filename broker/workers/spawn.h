// Starting the worker program in a process that has nothing of the application's but the
// descriptors it needs.
#ifndef HOTCELL_BROKER_WORKERS_SPAWN_H_
#define HOTCELL_BROKER_WORKERS_SPAWN_H_

#include <sys/types.h>

#include <atomic>
#include <mutex>
#include <vector>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace hotcell::broker {

// What a worker gets, by its number in the calling process; none is owned, and every one may have
// any number. At most abi::kMaxLanes doorbells and wakes.
struct WorkerFds {
  int control_in = -1;         // the worker reads; becomes abi::kFdControlIn
  int control_out = -1;        // the worker writes; becomes abi::kFdControlOut
  int kvm = -1;                // abi::kFdKvm
  int arena = -1;              // abi::kFdArena; -1: none
  std::vector<int> doorbells;  // abi::kFdDoorbell + i
  std::vector<int> wakes;      // abi::kFdWake + i
};

struct SpawnedWorker {
  pid_t pid = -1;  // as seen here, for messages only: signal and wait through pidfd
  UniqueFd pidfd;  // readable once the worker is dead
};

// Ends a start that hangs: SpawnWorker() returns when its child has executed its program, which one
// that somebody stops before that does not do. Thread-safe; for one start after the other.
class StartInProgress {
 public:
  // SIGKILL to the child of the SpawnWorker() that is under way, if any.
  void Kill();

 private:
  friend absl::StatusOr<SpawnedWorker> SpawnWorker(int worker_program_fd, const WorkerFds& fds,
                                                   StartInProgress* progress);

  std::mutex mutex_;  // held while the descriptor is used, and before its owner may close it
  std::atomic<int> pidfd_ = -1;  // the kernel writes it before the child runs
};

// Starts the program that `worker_program_fd` (readable or O_PATH, an ELF) refers to, in a user and
// a pid namespace of its own where the caller may make them; the worker reports what it found. For
// root with the capabilities to do so, it starts as root in a pid namespace only, gives up root's
// ids and makes its user namespace then: in one of its own it could not.
//
// The worker starts with the descriptors above and /dev/null as 0, 1 and 2, and nothing else: no
// environment (but guest/abi/kept_root.h), no other descriptor, no controlling terminal, default
// signal dispositions, an empty signal mask, root as working directory. Reap it with
// waitid(P_PIDFD, pidfd, &info, WEXITED | __WALL). Since exec makes every process an ordinary
// child, a program that waits for any child, or ignores SIGCHLD, may have reaped it before: then
// waitid() says ECHILD, the pidfd is readable all the same, and only PIDFD_GET_INFO (Linux 6.15)
// still knows how it ended.
//
// The worker asks to be killed when the thread that called SpawnWorker() ends: that thread must
// outlive the job. Returns once the program has been executed. Any step that fails is an error that
// names the step, the cause and the remedy, and leaves no process behind. Thread-safe.
absl::StatusOr<SpawnedWorker> SpawnWorker(int worker_program_fd, const WorkerFds& fds,
                                          StartInProgress* progress = nullptr);

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_WORKERS_SPAWN_H_
