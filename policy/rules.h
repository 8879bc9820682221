// What the worker may ask of the kernel, as data. This file is the policy: everything that is not
// here ends the worker: with a report of the call while the machine is set up, by the kernel at
// once while the guest runs (policy/filters.h).
//
// Two stages. The filters are stacked, and a call passes only if both allow it; so kRunRules hold
// from the start, kSetupRules add what is needed once, until InstallRunFilter() (see
// vmm-worker/confinement/confinement.h) takes it away again for all threads.
//
// compile_rules.cc turns the tables into BPF while the project is built; nothing but one seccomp(2)
// call is left to do at run time.
#ifndef HOTCELL_POLICY_RULES_H_
#define HOTCELL_POLICY_RULES_H_

#include <asm/unistd.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdint>

#include "guest/abi/abi.h"

namespace hotcell::policy {

enum class Action : uint8_t {
  kAllow,
  kNoSuchCall,  // ENOSYS: glibc has another way
};

enum class Match : uint8_t {
  kNone,     // no condition
  kEquals,   // argument == value
  kMasked,   // (argument & mask) == value
  kLaneFd,   // value <= argument < value + vCPUs
  kOwnTgid,  // argument == the worker's own thread group id
};

// What one argument must be. A rule with several allows the call when all of them hold.
struct Condition {
  Match match = Match::kNone;
  uint32_t argument = 0;  // 0 to 5
  uint64_t value = 0;
  uint64_t mask = 0;
};

inline constexpr int kMaxConditions = 3;

struct Rule {
  long number;                           // __NR_*
  Action action;                         // when the conditions hold
  const char* caller;                    // who makes the call
  const char* reason;                    // why it must
  Condition conditions[kMaxConditions];  // on different arguments
};

constexpr Condition Equals(uint32_t argument, uint64_t value) {
  return {Match::kEquals, argument, value, 0};
}
constexpr Condition Without(uint32_t argument, uint64_t bits) {
  return {Match::kMasked, argument, 0, bits};
}
constexpr Condition With(uint32_t argument, uint64_t bits) {
  return {Match::kMasked, argument, bits, bits};
}
constexpr Condition LaneFd(uint32_t argument, int first) {
  return {Match::kLaneFd, argument, static_cast<uint64_t>(first), 0};
}
constexpr Condition OwnTgid(uint32_t argument) { return {Match::kOwnTgid, argument, 0, 0}; }

// A rule a line: number, action, who calls, why, conditions. clang-format would make a column of
// each.
// clang-format off

// ---- While the guest runs -----------------------------------------------------------------------

// In order of heat: the first rules are the first that the filter tries.
inline constexpr Rule kRunRules[] = {
    {__NR_ioctl, Action::kAllow, "vCPU threads", "enter the guest", {Equals(1, KVM_RUN), LaneFd(0, abi::kFdVcpu)}},
    {__NR_read, Action::kAllow, "vCPU threads", "sleep in the wait port", {LaneFd(0, abi::kFdWake)}},
    {__NR_read, Action::kAllow, "control thread", "messages of the broker, and its end", {Equals(0, abi::kFdControlIn)}},
    {__NR_write, Action::kAllow, "all threads", "messages to the broker", {Equals(0, abi::kFdControlOut)}},
    // Only the two private operations: a shared futex reaches into the arena, and requeueing and
    // priority inheritance have been a source of kernel bugs.
    {__NR_futex, Action::kAllow, "all threads, glibc", "block on a lock or a gate", {Equals(1, FUTEX_WAIT_PRIVATE)}},
    {__NR_futex, Action::kAllow, "all threads, glibc", "release those who wait", {Equals(1, FUTEX_WAKE_PRIVATE)}},
    {__NR_tgkill, Action::kAllow, "control thread", "kick a vCPU out of KVM_RUN", {OwnTgid(0), Equals(2, SIGUSR1)}},
    {__NR_rt_sigreturn, Action::kAllow, "signal trampoline", "return from the handler of SIGUSR1", {}},
    // Numbered by the kernel itself, and good for nothing but the wait that was interrupted.
    {__NR_restart_syscall, Action::kAllow, "kernel, control thread", "wait on with a timeout after a stop (SIGSTOP, a frozen control group)", {}},
    {__NR_exit_group, Action::kAllow, "main", "end of the worker", {}},
};

// Added to them for a job that asked for the pages its guest wrote: KVM hands those out by ioctl
// only.
inline constexpr Rule kDirtyLogRules[] = {
    {__NR_ioctl, Action::kAllow, "control thread", "pages that the guest wrote, at the end", {Equals(0, abi::kFdVm), Equals(1, KVM_GET_DIRTY_LOG)}},
};

// Added to them for a job so short that it does without ioeventfds (hotcell.v1.Setup's
// forward_doorbells): the vCPU's thread signals the broker itself.
inline constexpr Rule kDoorbellRules[] = {
    {__NR_write, Action::kAllow, "vCPU threads", "the guest's doorbell", {LaneFd(0, abi::kFdDoorbell)}},
};

// ---- Until then ---------------------------------------------------------------------------------

// pthread_create()'s flags: a thread, and nothing that is not one.
inline constexpr uint64_t kThreadFlags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
                                         CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS |
                                         CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;

// KVM_SET_CPUID2 as C has it. linux/kvm.h declares the argument with a flexible array that takes a
// byte in C++, and the size of the argument is part of the number.
inline constexpr uint64_t kSetCpuid2 = _IOC(_IOC_WRITE, KVMIO, 0x90, 8);

inline constexpr uint64_t kSignalSetSize = 8;  // the kernel's sigset_t

// SIGSETXID of glibc's nptl, which no header of its names.
inline constexpr uint64_t kGlibcSetxid = 33;

inline constexpr Rule kSetupRules[] = {
    // /dev/kvm.
    {__NR_ioctl, Action::kAllow, "kvm", "refuse an unknown API", {Equals(0, abi::kFdKvm), Equals(1, KVM_GET_API_VERSION)}},
    {__NR_ioctl, Action::kAllow, "kvm", "make the VM", {Equals(0, abi::kFdKvm), Equals(1, KVM_CREATE_VM)}},
    {__NR_ioctl, Action::kAllow, "kvm", "size of the kvm_run area", {Equals(0, abi::kFdKvm), Equals(1, KVM_GET_VCPU_MMAP_SIZE)}},
    {__NR_ioctl, Action::kAllow, "kvm", "what this KVM can do", {Equals(0, abi::kFdKvm), Equals(1, KVM_CHECK_EXTENSION)}},
    // The VM.
    {__NR_ioctl, Action::kAllow, "kvm", "make a vCPU", {Equals(0, abi::kFdVm), Equals(1, KVM_CREATE_VCPU)}},
    {__NR_ioctl, Action::kAllow, "kvm", "guest RAM and arena", {Equals(0, abi::kFdVm), Equals(1, KVM_SET_USER_MEMORY_REGION)}},
    {__NR_ioctl, Action::kAllow, "kvm", "doorbells that do not wake the worker", {Equals(0, abi::kFdVm), Equals(1, KVM_IOEVENTFD)}},
    {__NR_ioctl, Action::kAllow, "kvm", "real mode needs it on VMX", {Equals(0, abi::kFdVm), Equals(1, KVM_SET_TSS_ADDR)}},
    {__NR_ioctl, Action::kAllow, "kvm", "real mode needs it on VMX", {Equals(0, abi::kFdVm), Equals(1, KVM_SET_IDENTITY_MAP_ADDR)}},
    {__NR_ioctl, Action::kAllow, "kvm", "switch off what a guest does not need", {Equals(0, abi::kFdVm), Equals(1, KVM_ENABLE_CAP)}},
    {__NR_ioctl, Action::kAllow, "kvm", "deny MSRs", {Equals(0, abi::kFdVm), Equals(1, KVM_X86_SET_MSR_FILTER)}},
    // vCPUs: the state a guest starts with.
    {__NR_ioctl, Action::kAllow, "kvm", "no hypercall that CPUID does not offer", {Equals(1, KVM_ENABLE_CAP), LaneFd(0, abi::kFdVcpu)}},
    {__NR_ioctl, Action::kAllow, "kvm", "CPU features", {Equals(1, kSetCpuid2), LaneFd(0, abi::kFdVcpu)}},
    {__NR_ioctl, Action::kAllow, "kvm", "segments and control registers", {Equals(1, KVM_GET_SREGS), LaneFd(0, abi::kFdVcpu)}},
    {__NR_ioctl, Action::kAllow, "kvm", "segments and control registers", {Equals(1, KVM_SET_SREGS), LaneFd(0, abi::kFdVcpu)}},
    {__NR_ioctl, Action::kAllow, "kvm", "vector units", {Equals(1, KVM_SET_XCRS), LaneFd(0, abi::kFdVcpu)}},
    {__NR_dup3, Action::kAllow, "kvm", "vCPU descriptors to their fixed numbers", {Equals(0, abi::kFdArena), LaneFd(1, abi::kFdVcpu), Equals(2, O_CLOEXEC)}},
    {__NR_dup3, Action::kAllow, "kvm", "the VM's descriptor to its fixed number", {Equals(0, abi::kFdArena), Equals(1, abi::kFdVm), Equals(2, O_CLOEXEC)}},
    {__NR_close, Action::kAllow, "kvm", "give up /dev/kvm", {Equals(0, abi::kFdKvm)}},
    {__NR_close, Action::kAllow, "kvm", "give up the arena once it is mapped, whose number VM and vCPUs get before their own", {Equals(0, abi::kFdArena)}},
    {__NR_close, Action::kAllow, "kvm", "give up the VM, which its vCPUs keep", {Equals(0, abi::kFdVm)}},
    {__NR_close, Action::kAllow, "kvm", "give up the doorbells, which KVM rings", {LaneFd(0, abi::kFdDoorbell)}},

    // Memory: never executable. The heap has been made beforehand.
    {__NR_mmap, Action::kAllow, "kvm, glibc", "guest RAM, stacks", {Without(2, PROT_EXEC), With(3, MAP_ANONYMOUS)}},
    {__NR_mmap, Action::kAllow, "kvm", "the arena", {Equals(2, PROT_READ | PROT_WRITE), Equals(3, MAP_SHARED), Equals(4, abi::kFdArena)}},
    {__NR_mmap, Action::kAllow, "kvm", "kvm_run of a vCPU", {Equals(2, PROT_READ | PROT_WRITE), Equals(3, MAP_SHARED), LaneFd(4, abi::kFdVcpu)}},
    {__NR_mprotect, Action::kAllow, "main", "a page that is none below each stack", {Equals(2, PROT_NONE)}},
    {__NR_madvise, Action::kAllow, "kvm", "huge pages for guest RAM", {Equals(2, MADV_HUGEPAGE)}},
    {__NR_madvise, Action::kAllow, "kvm", "populate guest RAM", {Equals(2, MADV_POPULATE_WRITE)}},
    {__NR_madvise, Action::kAllow, "all threads", "leave all memory out of dumps", {Equals(2, MADV_DONTDUMP)}},
    {__NR_munmap, Action::kAllow, "kvm", "what alignment leaves over of guest RAM", {}},

    // Threads. clone3's flags lie in memory, where a filter cannot see them.
    {__NR_clone3, Action::kNoSuchCall, "pthread_create", "make it use clone", {}},
    {__NR_clone, Action::kAllow, "pthread_create", "vCPU threads", {Equals(0, kThreadFlags)}},
    {__NR_set_robust_list, Action::kAllow, "glibc", "start of a thread", {Equals(1, sizeof(robust_list_head))}},
    {__NR_gettid, Action::kAllow, "vCPU threads", "whom to kick", {}},
    {__NR_rseq, Action::kAllow, "glibc", "start of a thread", {}},
    {__NR_rt_sigprocmask, Action::kAllow, "pthread_create", "no signal before a thread is ready", {Equals(0, SIG_BLOCK), Equals(3, kSignalSetSize)}},
    {__NR_rt_sigprocmask, Action::kAllow, "pthread_create", "signals as before, once it is", {Equals(0, SIG_SETMASK), Equals(3, kSignalSetSize)}},
    {__NR_rt_sigprocmask, Action::kAllow, "pthread_create", "let through glibc's own signal, before the first thread", {Equals(0, SIG_UNBLOCK), Equals(2, 0), Equals(3, kSignalSetSize)}},
    {__NR_rt_sigaction, Action::kAllow, "vCPU threads", "the handler of the kick", {Equals(0, SIGUSR1)}},
    {__NR_rt_sigaction, Action::kAllow, "pthread_create", "glibc's own signal for setuid() on all threads, before the first thread", {Equals(0, kGlibcSetxid)}},

    // The way into the run stage.
    {__NR_getpid, Action::kAllow, "confinement, main", "own id, for tgkill and its rule", {}},
    {__NR_prlimit64, Action::kAllow, "confinement", "no more threads", {Equals(0, 0), Equals(1, RLIMIT_NPROC), Equals(3, 0)}},
    {__NR_prlimit64, Action::kAllow, "confinement", "no more descriptors", {Equals(0, 0), Equals(1, RLIMIT_NOFILE), Equals(3, 0)}},
    {__NR_prlimit64, Action::kAllow, "confinement", "no more mappings", {Equals(0, 0), Equals(1, RLIMIT_AS), Equals(3, 0)}},
    {__NR_prlimit64, Action::kAllow, "confinement", "no larger heap", {Equals(0, 0), Equals(1, RLIMIT_DATA), Equals(3, 0)}},
    {__NR_prlimit64, Action::kAllow, "confinement", "an end to CPU time", {Equals(0, 0), Equals(1, RLIMIT_CPU), Equals(3, 0)}},
    {__NR_seccomp, Action::kAllow, "confinement", "install the filter of the run stage", {Equals(0, SECCOMP_SET_MODE_FILTER), Equals(1, SECCOMP_FILTER_FLAG_TSYNC)}},
};
// clang-format on

}  // namespace hotcell::policy

#endif  // HOTCELL_POLICY_RULES_H_
