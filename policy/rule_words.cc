#include "policy/rule_words.h"

#include <seccomp.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>

namespace hotcell::policy {
namespace {

struct CallWords {
  long number;
  std::array<const char*, 6> arguments;
};

constexpr CallWords kCalls[] = {
    {__NR_ioctl, {"fd", "request"}},
    {__NR_read, {"fd"}},
    {__NR_write, {"fd"}},
    {__NR_futex, {"uaddr", "operation"}},
    {__NR_tgkill, {"tgid", "tid", "signal"}},
    {__NR_dup3, {"oldfd", "newfd", "flags"}},
    {__NR_mmap, {"addr", "length", "prot", "flags", "fd", "offset"}},
    {__NR_mprotect, {"addr", "length", "prot"}},
    {__NR_madvise, {"addr", "length", "advice"}},
    {__NR_clone, {"flags"}},
    {__NR_close, {"fd"}},
    {__NR_set_robust_list, {"head", "length"}},
    {__NR_rt_sigaction, {"signal"}},
    {__NR_rt_sigprocmask, {"how", "set", "old set", "size"}},
    {__NR_prlimit64, {"pid", "resource", "new limit", "old limit"}},
    {__NR_seccomp, {"operation", "flags"}},
};

struct ValueWords {
  const char* argument;
  uint64_t value;
  const char* words;
};

constexpr ValueWords kValues[] = {
    {"fd", abi::kFdControlIn, "the control pipe's, from the broker"},
    {"fd", abi::kFdControlOut, "the control pipe's, to the broker"},
    {"fd", abi::kFdKvm, "/dev/kvm's"},
    {"fd", abi::kFdArena, "the arena's"},
    {"fd", abi::kFdVm, "the VM's"},
    {"newfd", abi::kFdVm, "the VM's"},
    {"oldfd", abi::kFdArena, "the arena's, which the newest has after it"},
    {"request", KVM_RUN, "KVM_RUN"},
    {"request", KVM_GET_DIRTY_LOG, "KVM_GET_DIRTY_LOG"},
    {"request", KVM_GET_API_VERSION, "KVM_GET_API_VERSION"},
    {"request", KVM_CREATE_VM, "KVM_CREATE_VM"},
    {"request", KVM_GET_VCPU_MMAP_SIZE, "KVM_GET_VCPU_MMAP_SIZE"},
    {"request", KVM_CHECK_EXTENSION, "KVM_CHECK_EXTENSION"},
    {"request", KVM_CREATE_VCPU, "KVM_CREATE_VCPU"},
    {"request", KVM_SET_USER_MEMORY_REGION, "KVM_SET_USER_MEMORY_REGION"},
    {"request", KVM_IOEVENTFD, "KVM_IOEVENTFD"},
    {"request", KVM_SET_TSS_ADDR, "KVM_SET_TSS_ADDR"},
    {"request", KVM_SET_IDENTITY_MAP_ADDR, "KVM_SET_IDENTITY_MAP_ADDR"},
    {"request", KVM_ENABLE_CAP, "KVM_ENABLE_CAP"},
    {"request", KVM_X86_SET_MSR_FILTER, "KVM_X86_SET_MSR_FILTER"},
    {"request", kSetCpuid2, "KVM_SET_CPUID2"},
    {"request", KVM_GET_SREGS, "KVM_GET_SREGS"},
    {"request", KVM_SET_SREGS, "KVM_SET_SREGS"},
    {"request", KVM_SET_XCRS, "KVM_SET_XCRS"},
    {"operation", FUTEX_WAIT_PRIVATE, "FUTEX_WAIT_PRIVATE"},
    {"operation", FUTEX_WAKE_PRIVATE, "FUTEX_WAKE_PRIVATE"},
    {"signal", SIGUSR1, "SIGUSR1"},
    {"signal", kGlibcSetxid, "SIGSETXID"},
    {"prot", PROT_EXEC, "PROT_EXEC"},
    {"prot", PROT_READ | PROT_WRITE, "PROT_READ, PROT_WRITE"},
    {"prot", PROT_NONE, "PROT_NONE"},
    {"flags", MAP_ANONYMOUS, "MAP_ANONYMOUS"},
    {"flags", MAP_SHARED, "MAP_SHARED"},
    {"flags", O_CLOEXEC, "O_CLOEXEC"},
    {"flags", kThreadFlags, "those of a thread"},
    {"advice", MADV_HUGEPAGE, "MADV_HUGEPAGE"},
    {"advice", MADV_POPULATE_WRITE, "MADV_POPULATE_WRITE"},
    {"advice", MADV_DONTDUMP, "MADV_DONTDUMP"},
    {"how", SIG_BLOCK, "SIG_BLOCK"},
    {"how", SIG_SETMASK, "SIG_SETMASK"},
    {"how", SIG_UNBLOCK, "SIG_UNBLOCK"},
    {"old set", 0, "null"},
    {"length", sizeof(robust_list_head), "that of the list's head"},
    {"size", kSignalSetSize, "that of the kernel's sets"},
    {"pid", 0, "0, the worker itself"},
    {"old limit", 0, "null"},
    {"resource", RLIMIT_NPROC, "RLIMIT_NPROC"},
    {"resource", RLIMIT_NOFILE, "RLIMIT_NOFILE"},
    {"resource", RLIMIT_AS, "RLIMIT_AS"},
    {"resource", RLIMIT_DATA, "RLIMIT_DATA"},
    {"resource", RLIMIT_CPU, "RLIMIT_CPU"},
};

// The values of seccomp()'s arguments, apart from those of other calls, whose arguments may have
// the same names.
constexpr ValueWords kSeccompValues[] = {
    {"operation", SECCOMP_SET_MODE_FILTER, "SECCOMP_SET_MODE_FILTER"},
    {"flags", SECCOMP_FILTER_FLAG_TSYNC, "SECCOMP_FILTER_FLAG_TSYNC"},
};

constexpr ValueWords kLanes[] = {
    {"fd", abi::kFdVcpu, "a vCPU's"},
    {"newfd", abi::kFdVcpu, "a vCPU's"},
    {"fd", abi::kFdWake, "a lane's wake eventfd"},
    {"fd", abi::kFdDoorbell, "a lane's doorbell eventfd"},
};

[[noreturn]] void Missing(const char* what, long number, uint64_t value) {
  std::fprintf(stderr, "rule_words.cc: no words for %s 0x%llx of the call %ld\n", what,
               static_cast<unsigned long long>(value), number);
  std::exit(1);
}

std::string ArgumentName(long number, uint32_t argument) {
  for (const CallWords& call : kCalls) {
    if (call.number == number && call.arguments.at(argument) != nullptr) {
      return call.arguments.at(argument);
    }
  }
  Missing("argument", number, argument);
}

template <size_t kCount>
std::string Find(const ValueWords (&words)[kCount], long number, const std::string& argument,
                 uint64_t value) {
  for (const ValueWords& one : words) {
    if (argument == one.argument && value == one.value) return one.words;
  }
  Missing(argument.c_str(), number, value);
}

std::string Value(long number, const std::string& argument, uint64_t value) {
  return number == __NR_seccomp ? Find(kSeccompValues, number, argument, value)
                                : Find(kValues, number, argument, value);
}

}  // namespace

std::string CallName(long number) {
  const std::unique_ptr<char, decltype(&std::free)> name(
      seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, static_cast<int>(number)), &std::free);
  if (name == nullptr) Missing("number", number, static_cast<uint64_t>(number));
  return name.get();
}

std::string ConditionWords(long number, const Condition& condition) {
  const std::string argument = ArgumentName(number, condition.argument);
  switch (condition.match) {
    case Match::kNone:
      break;
    case Match::kEquals:
      return argument + " is " + Value(number, argument, condition.value);
    case Match::kMasked:
      return argument + (condition.value == 0 ? " has no " : " has ") +
             Value(number, argument, condition.mask);
    case Match::kLaneFd:
      return argument + " is " + Find(kLanes, number, argument, condition.value);
    case Match::kOwnTgid:
      return argument + " is the worker's own";
  }
  std::abort();
}

}  // namespace hotcell::policy
