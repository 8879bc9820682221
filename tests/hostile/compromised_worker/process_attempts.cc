#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "guest/abi/abi.h"
#include "tests/hostile/compromised_worker/attempts.h"

namespace hotcell::tests {
namespace {

constexpr Layer kPids = Layer::kPidNamespace;

// Processes as the host counts them. No signal is sent where there may be a process of another's.
constexpr int kNoSignal = 0;
constexpr int kInitOfHost = 1;
// In a pid namespace of its own the worker is number 1, and 2 would be the next.
pid_t Broker() { return getpid(); }

Argument Range() {
  return Object(iovec{.iov_base = reinterpret_cast<void*>(0x400000), .iov_len = 8});
}

Argument Clone3(uint64_t flags) {
  const clone_args args = {.flags = flags, .exit_signal = SIGCHLD};
  return Object(args);
}

}  // namespace

std::vector<Attempt> ProcessAttempts() {
  return {
      {"kill_the_broker", Chain().Call(SYS_kill, {Broker(), SIGTERM}), kPids, {ESRCH}},
      {"kill_the_parent", Chain().Call(SYS_kill, {getppid(), kNoSignal}), kPids, {ESRCH}},
      {"kill_everybody", Chain().Call(SYS_kill, {-1, kNoSignal}), kPids, {ESRCH}},
      {"tkill_the_broker", Chain().Call(SYS_tkill, {Broker(), SIGTERM}), kPids, {ESRCH}},
      {"tgkill_the_broker",
       Chain().Call(SYS_tgkill, {Broker(), Broker(), SIGUSR1}),
       kPids,
       {ESRCH}},
      {"sigqueue_to_the_broker",
       Chain().Call(SYS_rt_sigqueueinfo, {Broker(), SIGTERM, Space(128)}),
       kPids,
       {ESRCH, EPERM}},
      {"tgsigqueue_to_the_broker",
       Chain().Call(SYS_rt_tgsigqueueinfo, {Broker(), Broker(), SIGTERM, Space(128)}),
       kPids,
       {ESRCH, EPERM}},
      {"pidfd_open_of_the_broker",
       Chain().Call(SYS_pidfd_open, {Broker(), 0}),
       kPids,
       {ESRCH, EINVAL}},
      {"pidfd_send_signal",
       Chain().Call(SYS_pidfd_send_signal, {0, SIGTERM, 0, 0}),
       kTheKernel,
       {EBADF}},
      {"pidfd_getfd",
       Chain().Call(SYS_pidfd_getfd, {0, abi::kFdControlIn, 0}),
       kTheKernel,
       {EBADF}},
      {"ptrace_the_broker",
       Chain().Call(SYS_ptrace, {PTRACE_SEIZE, Broker(), 0, 0}),
       kPids,
       {ESRCH}},
      {"ptrace_the_hosts_init",
       Chain().Call(SYS_ptrace, {PTRACE_SEIZE, kInitOfHost, 0, 0}),
       kPids,  // number 1 is the worker itself
       {EPERM}},
      {"process_vm_readv",
       Chain().Call(SYS_process_vm_readv, {Broker(), Range(), 1, Range(), 1, 0}),
       kPids,
       {ESRCH}},
      {"process_vm_writev",
       Chain().Call(SYS_process_vm_writev, {Broker(), Range(), 1, Range(), 1, 0}),
       kPids,
       {ESRCH}},
      {"process_madvise",
       Chain().Call(SYS_process_madvise, {0, Space(16), 1, 8, 0}),
       kTheKernel,
       {EBADF}},
      {"kcmp", Chain().Call(SYS_kcmp, {Broker(), Broker(), 0, 0, 1}), kPids, {ESRCH, ENOSYS}},
      {"get_robust_list",
       Chain().Call(SYS_get_robust_list, {Broker(), Space(8), Space(8)}),
       kPids,
       {ESRCH}},
      {"prlimit_of_the_broker",
       Chain().Call(SYS_prlimit64, {Broker(), 7, 0, Space(16)}),
       kPids,
       {ESRCH}},
      {"sched_setaffinity_of_the_broker",
       Chain().Call(SYS_sched_setaffinity, {Broker(), 8, Space(8)}),
       kPids,
       {ESRCH}},
      {"setpriority_of_the_broker",
       Chain().Call(SYS_setpriority, {0, Broker(), 19}),
       kPids,
       {ESRCH}},
      {"move_pages_of_the_broker",
       Chain().Call(SYS_move_pages, {Broker(), 0, 0, 0, 0, 0}),
       kPids,
       {ESRCH}},
      {"migrate_pages_of_the_broker",
       Chain().Call(SYS_migrate_pages, {Broker(), 8, Space(8), Space(8)}),
       kPids,
       {ESRCH, ENOSYS}},
      {"wait4", Chain().Call(SYS_wait4, {-1, 0, WNOHANG, 0}), kTheKernel, {ECHILD}},
      {"waitid",
       Chain().Call(SYS_waitid, {P_ALL, 0, 0, WEXITED | WNOHANG, 0}),
       kTheKernel,
       {ECHILD}},
      // A child would be in the same cage, and dies with number 1 of its pid namespace.
      {"fork", Chain().Call(SYS_fork), kOnlyTheFilter, {0, EAGAIN}},
      {"vfork", Chain().Call(SYS_vfork), kOnlyTheFilter, {0, EAGAIN}},
      {"clone", Chain().Call(SYS_clone, {SIGCHLD, 0, 0, 0, 0}), kOnlyTheFilter, {0, EAGAIN}},
      {"clone3",
       Chain().Call(SYS_clone3, {Clone3(0), sizeof(clone_args)}),
       kOnlyTheFilter,
       {0, EAGAIN}},
      {"clone_into_new_namespaces",
       Chain().Call(SYS_clone, {SIGCHLD | CLONE_NEWUSER | CLONE_NEWPID, 0, 0, 0, 0}),
       Layer::kUserNamespace,
       {EPERM}},
      {"execve",
       Chain().Call(SYS_execve, {Bytes("/bin/sh"), 0, 0}),
       Layer::kMountNamespace,
       {ENOENT}},
      {"execve_of_itself",
       Chain().Call(SYS_execve, {Bytes("/proc/self/exe"), 0, 0}),
       Layer::kMountNamespace,
       {ENOENT}},
      {"execveat_of_a_descriptor",
       Chain().Call(SYS_execveat, {0, Bytes(""), 0, 0, 0x1000}),
       kTheKernel,
       {EACCES}},
      {"setsid", Chain().Call(SYS_setsid), kTheKernel, {EPERM}},
      {"setpgid", Chain().Call(SYS_setpgid, {0, Broker()}), kTheKernel, {EPERM}},
      {"shmget", Chain().Call(SYS_shmget, {0x1234, 4096, 0600}), Layer::kIpcNamespace, {ENOENT}},
      {"msgget", Chain().Call(SYS_msgget, {0x1234, 0600}), Layer::kIpcNamespace, {ENOENT}},
      {"semget", Chain().Call(SYS_semget, {0x1234, 1, 0600}), Layer::kIpcNamespace, {ENOENT}},
      {"mq_open",
       Chain().Call(SYS_mq_open, {Bytes("queue"), O_CREAT | O_RDWR, 0600, 0}),
       Layer::kUserNamespace,  // nobody who could own it
       {EOVERFLOW, ENOSYS},
       {EMFILE}},
  };
}

}  // namespace hotcell::tests
