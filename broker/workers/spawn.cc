#include "broker/workers/spawn.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdint>
#include <span>
#include <string_view>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "broker/host/mapping.h"
#include "broker/host/posix_error.h"
#include "guest/abi/abi.h"
#include "guest/abi/kept_root.h"

namespace hotcell::broker {
namespace {

constexpr int kLanes = abi::kMaxLanes;
// Where the child keeps what it is about to place: above every number that a worker knows.
constexpr int kScratchFd = abi::kFdVcpu + kLanes;
constexpr int kMaxPlaced = 3 + 4 + 2 * kLanes;
constexpr size_t kStackSize = 64 << 10;
constexpr uint64_t kProgramStack = 64 << 10;

struct Placement {
  int from;
  int to;
};

enum class Step {
  kNone,
  kDuplicate,
  kPlace,
  kClose,
  kSession,
  kSignals,
  kCapabilities,
  kExecute,
};

// What parent and child share: until the program is executed, they are one address space.
struct SpawnState {
  std::array<Placement, kMaxPlaced> placements;
  size_t placement_count = 0;
  int program = -1;
  bool user_namespace = false;
  bool keeps_root = false;  // root's ids, if this process is root
  Step failed_step = Step::kNone;
  int error = 0;
};

// ---- In the child -------------------------------------------------------------------------------
//
// It runs on a stack of its own in the memory of a process whose other threads go on: system calls
// and writes to SpawnState, and nothing else.

// Sanitizers' run-times know one stack per thread, and this is a second.
#define HOTCELL_IN_CHILD __attribute__((no_sanitize("address", "undefined")))

[[noreturn]] HOTCELL_IN_CHILD void Fail(SpawnState& state, Step step) {
  state.error = errno;
  state.failed_step = step;
  syscall(SYS_exit_group, 1);
  __builtin_unreachable();
}

// Raises a soft limit of the child's to what it needs, as far as the hard one lets it: soft limits
// are the caller's choice for itself. Where that is not enough, the step that needs it fails.
HOTCELL_IN_CHILD void RaiseSoftLimit(int resource, uint64_t needed) {
  rlimit64 limit = {};
  if (syscall(SYS_prlimit64, 0, resource, nullptr, &limit) < 0 || limit.rlim_cur >= needed) return;
  limit.rlim_cur = needed < limit.rlim_max ? needed : limit.rlim_max;
  syscall(SYS_prlimit64, 0, resource, &limit, nullptr);
}

// Moves everything out of the way first: a source may have the number that another one shall get.
HOTCELL_IN_CHILD void PlaceDescriptors(SpawnState& state) {
  const std::span placements(state.placements.data(), state.placement_count);
  for (Placement& placement : placements) {
    placement.from = fcntl(placement.from, F_DUPFD_CLOEXEC, kScratchFd);
    if (placement.from < 0) Fail(state, Step::kDuplicate);
  }
  const int program = fcntl(state.program, F_DUPFD_CLOEXEC, kScratchFd);
  if (program < 0) Fail(state, Step::kDuplicate);
  // Whatever is not placed ends with the exec.
  if (syscall(SYS_close_range, 0, UINT_MAX, CLOSE_RANGE_CLOEXEC) < 0) Fail(state, Step::kClose);
  for (const Placement& placement : placements) {
    if (dup3(placement.from, placement.to, 0) < 0) Fail(state, Step::kPlace);
  }
  state.program = program;
}

// An exec by a user whom the namespace does not know would drop the capabilities that came with it.
// The worker needs these two to make its other namespaces and to empty the bounding set.
HOTCELL_IN_CHILD void KeepCapabilities(SpawnState& state) {
  constexpr uint32_t kKept[] = {CAP_SYS_ADMIN, CAP_SETPCAP};
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
  for (const uint32_t capability : kKept) {
    sets[CAP_TO_INDEX(capability)].permitted |= CAP_TO_MASK(capability);
  }
  for (__user_cap_data_struct& set : sets) set.effective = set.inheritable = set.permitted;
  if (syscall(SYS_capset, &header, sets) < 0) Fail(state, Step::kCapabilities);
  for (const uint32_t capability : kKept) {
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0) {
      Fail(state, Step::kCapabilities);
    }
  }
}

// The kernel's struct sigaction, from which glibc's differs.
struct SignalAction {
  uintptr_t handler;
  uint64_t flags;
  uintptr_t restorer;
  uint64_t mask;
};
constexpr int kSignals = 64;

// All signals are blocked since before the clone, so that no handler of the parent's can run; none
// is there any more once they are let through, and no signal is ignored because the parent does so.
HOTCELL_IN_CHILD void ResetSignals(SpawnState& state) {
  const SignalAction reset = {};
  for (int number = 1; number <= kSignals; ++number) {
    if (number == SIGKILL || number == SIGSTOP) continue;
    if (syscall(SYS_rt_sigaction, number, &reset, nullptr, sizeof(reset.mask)) < 0) {
      Fail(state, Step::kSignals);
    }
  }
  const uint64_t no_signals = 0;
  if (syscall(SYS_rt_sigprocmask, SIG_SETMASK, &no_signals, nullptr, sizeof(no_signals)) < 0) {
    Fail(state, Step::kSignals);
  }
}

[[noreturn]] HOTCELL_IN_CHILD void RunChild(SpawnState& state) {
  // The parent may have all numbers below taken. The worker lowers both limits at once.
  RaiseSoftLimit(RLIMIT_NOFILE, RLIM64_INFINITY);
  // What a program uses before its first line.
  RaiseSoftLimit(RLIMIT_STACK, kProgramStack);
  PlaceDescriptors(state);
  if (setsid() < 0 || chdir("/") < 0) Fail(state, Step::kSession);
  personality(PER_LINUX);  // the caller may have switched off address randomisation
  if (state.user_namespace) KeepCapabilities(state);
  ResetSignals(state);
  const char* const argv[] = {"hotcell-worker", nullptr};
  static_assert(std::string_view(abi::kKeptRoot) == "HOTCELL_KEPT_ROOT");
  const char* const envp[] = {state.keeps_root ? "HOTCELL_KEPT_ROOT=1" : nullptr, nullptr};
  syscall(SYS_execveat, state.program, "", argv, envp, AT_EMPTY_PATH);
  Fail(state, Step::kExecute);
}

// A call of clone's family, with a stack of the child's own on which it calls RunChild(state).
// glibc offers no such thing: its clone() cannot reset signal handlers.
struct CloneCall {
  long number;
  long arguments[3];  // it has more, which the flags given here do not use
};
long CloneAndRun(const CloneCall& call, SpawnState& state) {
  long result = call.number;
  void (*const run)(SpawnState&) = RunChild;
  asm volatile(
      "syscall\n\t"
      "test %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "xor %%ebp, %%ebp\n\t"  // end of the chain of frames
      "mov %[state], %%rdi\n\t"
      "call *%[run]\n\t"
      "ud2\n"
      "1:"
      : "+a"(result)
      : "D"(call.arguments[0]), "S"(call.arguments[1]),
        "d"(call.arguments[2]), [run] "r"(run), [state] "r"(&state)
      : "rcx", "r11", "memory");
  return result;
}

// ---- In the parent ------------------------------------------------------------------------------

absl::Status Explain(const SpawnState& state) {
  switch (state.failed_step) {
    case Step::kDuplicate:
      if (state.error == EBADF) return PosixError(state.error, "find the worker's descriptors");
      // One that cannot even be asked for is EINVAL.
      return PosixError(EMFILE, "give the worker its descriptors");
    case Step::kPlace:
      return CallError(state.error, "place the worker's descriptors (dup3)");
    case Step::kClose:
      return CallError(state.error,
                       "close the worker's other descriptors (close_range needs Linux 5.11)");
    case Step::kSession:
      return CallError(state.error, "give the worker a session of its own (setsid, chdir)");
    case Step::kSignals:
      return CallError(state.error, "reset the worker's signals (rt_sigaction, rt_sigprocmask)");
    case Step::kCapabilities:
      return CallError(state.error,
                       "pass the worker the capabilities of its user namespace (capset, prctl)");
    case Step::kExecute:
      return CallError(state.error,
                       "execute the worker program (execveat): it must be an executable ELF file "
                       "for this machine, on a file system without noexec; install hotcell-worker "
                       "again");
    case Step::kNone:
      break;
  }
  return absl::InternalError("the worker failed to start");
}

// What may be had from the most confined down. Kernels and administrators refuse user namespaces in
// several ways; a refusal costs microseconds. The first is for a worker that gives up root's ids,
// which is to come before its user namespace.
constexpr uint64_t kNamespaces[] = {CLONE_NEWPID, CLONE_NEWUSER | CLONE_NEWPID, CLONE_NEWPID,
                                    CLONE_NEWUSER, 0};

bool IsRoot() { return getuid() == 0 || geteuid() == 0; }

// Whether a worker that this process executes as root can give up root's ids and make its own
// namespaces, and this process can end it all the same.
bool MayGiveUpRoot() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
  if (geteuid() != 0 || prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) != 0 ||
      syscall(SYS_capget, &header, sets) < 0) {
    return false;
  }
  return std::ranges::all_of(std::array{CAP_SETUID, CAP_SETGID, CAP_KILL}, [&](int capability) {
    return (sets[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability)) != 0;
  });
}

bool IsRefusal(int error) {
  return error == EPERM || error == EINVAL || error == ENOSPC || error == EUSERS || error == EACCES;
}

// The parent's memory is lent, not copied: a service's may be large. It is held until the exec, so
// that a failure to execute is known when this returns.
constexpr uint64_t kCloneFlags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD;

long Clone3(uint64_t namespaces, const Mapping& stack, int& pidfd, SpawnState& state) {
  clone_args args = {};
  args.flags = kCloneFlags | CLONE_CLEAR_SIGHAND | namespaces;
  args.pidfd = reinterpret_cast<uintptr_t>(&pidfd);
  args.stack = reinterpret_cast<uintptr_t>(stack.data());
  args.stack_size = stack.size();
  return CloneAndRun({SYS_clone3, {reinterpret_cast<long>(&args), sizeof(args)}}, state);
}

// Does what Clone3() does where clone3 is refused: containers' filters of system calls cannot look
// into its arguments. It goes without CLONE_CLEAR_SIGHAND, which the child does not need: see
// ResetSignals().
long Clone(uint64_t namespaces, const Mapping& stack, int& pidfd, SpawnState& state) {
  const auto top = reinterpret_cast<long>(stack.data() + stack.size());
  return CloneAndRun(
      {SYS_clone,
       {static_cast<long>(kCloneFlags | namespaces), top, reinterpret_cast<long>(&pidfd)}},
      state);
}

absl::StatusOr<SpawnedWorker> CloneWorker(SpawnState& state, const Mapping& stack,
                                          std::atomic<int>& shared_pidfd) {
  static_assert(sizeof(shared_pidfd) == sizeof(int) && std::atomic<int>::is_always_lock_free);
  int error = 0;
  const bool may_give_up_root = MayGiveUpRoot();
  for (const auto call : {&Clone3, &Clone}) {
    for (const uint64_t namespaces : std::span(kNamespaces).subspan(may_give_up_root ? 0 : 1)) {
      // What is waiting here for the child cannot tell who it is; the kernel can.
      int& pidfd = reinterpret_cast<int&>(shared_pidfd);
      pidfd = -1;
      state.user_namespace = (namespaces & CLONE_NEWUSER) != 0;
      state.keeps_root = IsRoot() && (state.user_namespace || !may_give_up_root);
      const long pid = call(namespaces, stack, pidfd, state);
      if (pid >= 0) return SpawnedWorker{static_cast<pid_t>(pid), UniqueFd(pidfd)};
      error = static_cast<int>(-pid);
      if (!IsRefusal(error)) break;
    }
    if (error != ENOSYS && error != EPERM) break;
  }
  return TaskError(error, "start a worker (clone)");
}

// While it lives, this thread takes no signal at all. pthread_sigmask() would let through those
// that glibc has for itself, whose handlers are no less the parent's.
class AllSignalsBlocked {
 public:
  AllSignalsBlocked() {
    const uint64_t all = ~uint64_t{0};
    blocked_ = syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before_, sizeof(before_)) == 0;
  }
  ~AllSignalsBlocked() {
    if (blocked_) syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before_, nullptr, sizeof(before_));
  }
  AllSignalsBlocked(const AllSignalsBlocked&) = delete;
  AllSignalsBlocked& operator=(const AllSignalsBlocked&) = delete;

  bool blocked() const { return blocked_; }

 private:
  bool blocked_ = false;
  uint64_t before_ = 0;
};

void Place(SpawnState& state, int from, int to) {
  state.placements[state.placement_count++] = {from, to};
}

absl::Status PlanPlacements(const WorkerFds& fds, int null, SpawnState& state) {
  if (fds.doorbells.size() > kLanes || fds.wakes.size() > kLanes) {
    return absl::InvalidArgumentError(absl::StrCat("a worker has at most ", kLanes, " lanes"));
  }
  for (int standard = 0; standard < 3; ++standard) Place(state, null, standard);
  Place(state, fds.control_in, abi::kFdControlIn);
  Place(state, fds.control_out, abi::kFdControlOut);
  Place(state, fds.kvm, abi::kFdKvm);
  if (fds.arena >= 0) Place(state, fds.arena, abi::kFdArena);
  for (size_t i = 0; i < fds.doorbells.size(); ++i) {
    Place(state, fds.doorbells[i], abi::kFdDoorbell + static_cast<int>(i));
  }
  for (size_t i = 0; i < fds.wakes.size(); ++i) {
    Place(state, fds.wakes[i], abi::kFdWake + static_cast<int>(i));
  }
  return absl::OkStatus();
}

void Reap(const UniqueFd& pidfd) {
  siginfo_t info;
  while (waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &info, WEXITED | __WALL) < 0 &&
         errno == EINTR) {
  }
}

}  // namespace

void StartInProgress::Kill() {
  const std::lock_guard lock(mutex_);
  const int pidfd = pidfd_;
  if (pidfd >= 0) syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0);
}

absl::StatusOr<SpawnedWorker> SpawnWorker(int worker_program_fd, const WorkerFds& fds,
                                          StartInProgress* progress) {
  StartInProgress nobodys;
  StartInProgress& start = progress == nullptr ? nobodys : *progress;
  const UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null.valid()) return PosixError(errno, "open /dev/null, which a worker needs");
  SpawnState state;
  state.program = worker_program_fd;
  if (absl::Status status = PlanPlacements(fds, null.get(), state); !status.ok()) return status;

  void* const memory = mmap(nullptr, kStackSize, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) return CallError(errno, "map a stack for the worker's start (mmap)");
  const Mapping stack(memory, kStackSize);

  // No handler of the caller's may run in the child before they are reset, nor a thread be
  // cancelled.
  absl::StatusOr<SpawnedWorker> worker = [&]() -> absl::StatusOr<SpawnedWorker> {
    const AllSignalsBlocked signals;
    if (!signals.blocked()) return CallError(errno, "block signals (rt_sigprocmask)");
    return CloneWorker(state, stack, start.pidfd_);
  }();
  {
    const std::lock_guard lock(start.mutex_);
    start.pidfd_ = -1;
  }

  if (worker.ok() && state.failed_step != Step::kNone) {
    Reap(worker->pidfd);
    return Explain(state);
  }
  return worker;
}

}  // namespace hotcell::broker
