#include <asm/prctl.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/kexec.h>
#include <linux/keyctl.h>
#include <linux/landlock.h>
#include <linux/perf_event.h>
#include <linux/reboot.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <cerrno>
#include <csignal>

#include "tests/hostile/compromised_worker/attempts.h"

namespace hotcell::tests {
namespace {

constexpr Layer kCapabilities = Layer::kCapabilities;

Argument CounterOfInstructions() {
  const perf_event_attr attributes = {
      .type = PERF_TYPE_HARDWARE, .size = sizeof(perf_event_attr), .config = 1};
  return Object(attributes);
}

}  // namespace

std::vector<Attempt> PrivilegeAttempts() {
  return {
      {"setuid", Chain().Call(SYS_setuid, {0}), Layer::kUserNamespace, {EINVAL}},
      {"setresgid", Chain().Call(SYS_setresgid, {0, 0, 0}), Layer::kUserNamespace, {EINVAL}},
      {"setgroups", Chain().Call(SYS_setgroups, {0, 0}), Layer::kUserNamespace, {EPERM, EINVAL}},
      {"capset",
       Chain().Call(SYS_capset, {Bytes(std::string("\x22\x05\x08\x20\0\0\0\0", 8)),
                                 Bytes(std::string(24, '\xff'))}),
       kCapabilities,
       {EPERM}},
      {"keep_capabilities",
       Chain().Call(SYS_prctl, {PR_SET_SECUREBITS, 0, 0, 0, 0}),
       kCapabilities,
       {EPERM}},
      {"clear_no_new_privs",
       Chain().Call(SYS_prctl, {PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0}),
       Layer::kNoNewPrivs,
       {EINVAL}},
      {"become_dumpable",
       Chain().Call(SYS_prctl, {PR_SET_DUMPABLE, 1, 0, 0, 0}),
       kOnlyTheFilter,
       {0}},
      {"drop_the_parents_death_signal",
       Chain().Call(SYS_prctl, {PR_SET_PDEATHSIG, 0, 0, 0, 0}),
       kOnlyTheFilter,
       {0}},
      {"be_traced_by_anybody",
       Chain().Call(SYS_prctl, {PR_SET_PTRACER, -1, 0, 0, 0}),
       kOnlyTheFilter,
       {0, EINVAL}},
      {"seccomp_by_prctl",
       Chain().Call(SYS_prctl, {PR_SET_SECCOMP, 2, 0, 0, 0}),
       kOnlyTheFilter,
       {EFAULT}},
      {"another_seccomp_filter",
       Chain().Call(SYS_seccomp, {SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, 0}),
       kOnlyTheFilter,
       {EFAULT}},
      {"seccomp_listener",
       Chain().Call(SYS_seccomp, {SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, 0}),
       kOnlyTheFilter,
       {EFAULT}},
      {"unshare_a_user_namespace",
       Chain().Call(SYS_unshare, {CLONE_NEWUSER}),
       Layer::kUserNamespace,
       {EINVAL, EPERM}},
      {"unshare_a_mount_namespace",
       Chain().Call(SYS_unshare, {CLONE_NEWNS}),
       kCapabilities,
       {EPERM, EINVAL}},
      {"setns", Chain().Call(SYS_setns, {0, CLONE_NEWNS}), kTheKernel, {EINVAL}},
      {"mount",
       Chain().Call(SYS_mount, {Bytes("proc"), Bytes("/"), Bytes("proc"), 0, 0}),
       kCapabilities,
       {EPERM, EACCES}},
      {"umount",
       Chain().Call(SYS_umount2, {Bytes("/"), MNT_DETACH}),
       kCapabilities,
       {EPERM, EINVAL}},
      {"pivot_root",
       Chain().Call(SYS_pivot_root, {Bytes("/"), Bytes("/")}),
       kCapabilities,
       {EPERM}},
      {"fsopen", Chain().Call(SYS_fsopen, {Bytes("proc"), 0}), kCapabilities, {EPERM}},
      {"open_tree", Chain().Call(SYS_open_tree, {-100, Bytes("/"), 1}), kCapabilities, {EPERM}},
      {"bpf_map",
       Chain().Call(SYS_bpf, {BPF_MAP_CREATE, Space(128), 72}),
       kCapabilities,
       {EPERM, EINVAL}},
      {"bpf_program",
       Chain().Call(SYS_bpf, {BPF_PROG_LOAD, Space(128), 128}),
       kCapabilities,
       {EPERM, EINVAL, EACCES}},
      {"perf_event_open",
       Chain().Call(SYS_perf_event_open, {CounterOfInstructions(), 0, -1, -1, 0}),
       kCapabilities,
       {EACCES, EPERM, ENOENT, EOPNOTSUPP, ENODEV}},
      {"add_key",
       Chain().Call(SYS_add_key,
                    {Bytes("user"), Bytes("k"), Bytes("v"), 1, KEY_SPEC_SESSION_KEYRING}),
       kOnlyTheFilter,
       {0, EDQUOT, ENOSYS}},
      {"keyctl_of_the_users_keyring",
       Chain().Call(SYS_keyctl, {KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_SESSION_KEYRING, 0, 0, 0}),
       kOnlyTheFilter,
       {0, ENOKEY, ENOSYS, EPERM}},
      {"reboot",
       Chain().Call(SYS_reboot,
                    {LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_CAD_OFF, 0}),
       kCapabilities,
       {EPERM}},
      {"kexec", Chain().Call(SYS_kexec_load, {0, 0, 0, 0}), kCapabilities, {EPERM, ENOSYS}},
      {"init_module",
       Chain().Call(SYS_init_module, {Bytes("module"), 6, Bytes("")}),
       kCapabilities,
       {EPERM, ENOSYS}},
      {"finit_module",
       Chain().Call(SYS_finit_module, {0, Bytes(""), 0}),
       kCapabilities,
       {EPERM, ENOSYS}},
      {"delete_module",
       Chain().Call(SYS_delete_module, {Bytes("kvm"), 0}),
       kCapabilities,
       {EPERM, ENOSYS}},
      {"syslog", Chain().Call(SYS_syslog, {5, 0, 0}), kCapabilities, {EPERM, EINVAL}},
      {"sethostname", Chain().Call(SYS_sethostname, {Bytes("h"), 1}), kCapabilities, {EPERM}},
      {"settimeofday", Chain().Call(SYS_settimeofday, {Space(16), 0}), kCapabilities, {EPERM}},
      {"adjtimex", Chain().Call(SYS_adjtimex, {Bytes("\x01")}), kCapabilities, {EPERM}},
      {"swapon", Chain().Call(SYS_swapon, {Bytes("/swap"), 0}), kCapabilities, {EPERM}},
      {"quotactl",
       Chain().Call(SYS_quotactl, {0x800003, Bytes("/dev/sda"), 0, 0}),
       kCapabilities,
       {ENOENT, EPERM, ENOSYS, ENODEV, EINVAL}},
      {"acct", Chain().Call(SYS_acct, {0}), kCapabilities, {EPERM, ENOSYS}},
      {"iopl", Chain().Call(SYS_iopl, {3}), kCapabilities, {EPERM, ENOSYS}},
      {"ioperm", Chain().Call(SYS_ioperm, {0x70, 2, 1}), kCapabilities, {EPERM, ENOSYS}},
      {"modify_ldt", Chain().Call(SYS_modify_ldt, {0, Space(16), 16}), kOnlyTheFilter, {0, ENOSYS}},
      {"arch_prctl", Chain().Call(SYS_arch_prctl, {ARCH_GET_FS, Space(8)}), kOnlyTheFilter, {0}},
      {"personality", Chain().Call(SYS_personality, {READ_IMPLIES_EXEC}), kOnlyTheFilter, {0}},
      {"raise_a_limit",
       Chain().Call(SYS_prlimit64, {0, RLIMIT_FSIZE, Bytes(std::string(16, '\x7f')), 0}),
       kCapabilities,
       {EPERM}},
      {"nice",
       Chain().Call(SYS_setpriority, {PRIO_PROCESS, 0, -20}),
       kCapabilities,
       {EACCES, EPERM}},
      {"realtime_priority",
       Chain().Call(SYS_sched_setscheduler, {0, 1, Bytes(std::string("\x01\0\0\0", 4))}),
       kCapabilities,
       {EPERM}},
      {"another_landlock_ruleset",
       Chain().Call(SYS_landlock_create_ruleset, {0, 0, 1}),
       kOnlyTheFilter,
       {0, EOPNOTSUPP, ENOSYS}},
      {"catch_the_stop", Chain().Call(SYS_rt_sigaction, {SIGTERM, 0, 0, 8}), kOnlyTheFilter, {0}},
      {"catch_the_violation",
       Chain().Call(SYS_rt_sigaction, {SIGSYS, 0, 0, 8}),
       kOnlyTheFilter,
       {0}},
      {"block_the_violation",
       Chain().Call(SYS_rt_sigprocmask, {SIG_BLOCK, Space(8), 0, 8}),
       kOnlyTheFilter,
       {0}},
      {"getrandom", Chain().Call(SYS_getrandom, {Space(8), 8, 0}), kOnlyTheFilter, {0}},
      {"a_call_that_does_not_exist", Chain().Call(1000), kTheKernel, {ENOSYS}},
  };
}

}  // namespace hotcell::tests
