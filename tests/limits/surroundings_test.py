"""Jobs with the signals, descriptors, priorities, rights, control groups and filters of system calls
that a process may be started with: a job does what it does without them, or one line names what is in
its way.
"""

import ctypes
import errno
import itertools
import os
import random
import shutil
import signal

from limits import jobs
from support import control_group, harness, outer_filter, programs

_MIB = 1 << 20
_UNKNOWN_USER = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"]
_FILTERED = "outer seccomp filter, such as a container's profile"


# ---- Signals and descriptors --------------------------------------------------------------------

def _signals(_):
    programs.require_kvm()
    usual = jobs.Jobs()
    numbers = [signal.SIGCHLD, signal.SIGXCPU, signal.SIGXFSZ, signal.SIGPIPE, signal.SIGTERM,
               signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGSYS, signal.SIGALRM]

    def ignore():
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)

    usual.check_usual("signals ignored", preexec_fn=ignore, restore_signals=False)
    usual.check_usual("signals blocked", preexec_fn=lambda: signal.pthread_sigmask(
        signal.SIG_BLOCK, signal.valid_signals()))


def _death_with_children_ignored(_):
    programs.require_kvm()
    result = programs.hotcell("info", "--worker", "/bin/false", __file__, restore_signals=False,
                              preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    jobs.check_error("SIGCHLD ignored", result, "the worker exited with status 1", status=127)


def _parent_death_signal(_):
    programs.require_kvm()
    pr_set_pdeathsig = 1
    jobs.Jobs().check_usual("a parent-death signal", preexec_fn=lambda: ctypes.CDLL(None).prctl(
        pr_set_pdeathsig, signal.SIGTERM))


def _closed_descriptors(_):
    programs.require_kvm()
    jobs.Jobs()
    for count in range(1, 4):
        for closed in itertools.combinations(range(3), count):
            def close(numbers=closed):
                for number in numbers:
                    os.close(number)
            result = programs.hotcell("convert", "-O", "raw", "disk.qcow2", "out", preexec_fn=close)
            harness.check_equal((result.returncode, result.stderr), (0, b""), f"{closed} closed")
            with open("out", "rb") as out, open("disk.raw", "rb") as disk:
                harness.check(out.read() == disk.read(), f"{closed} closed: another disk")
            os.remove("out")


# ---- Priority, processors, rights ---------------------------------------------------------------

def _scheduling(_):
    programs.require_kvm()
    usual = jobs.Jobs()
    wrappers = [["nice", "-n", "19"], ["ionice", "-c", "3"], ["taskset", "-c", "0"],
                ["chrt", "--batch", "0"], ["chrt", "--idle", "0"]]
    if os.geteuid() == 0:
        wrappers += [["chrt", "--fifo", "1"], ["chrt", "--rr", "1", "nice", "-n", "-5"]]
    for wrapper in wrappers:
        programs.require_program(wrapper[0])
        usual.check_usual(" ".join(wrapper), wrapper, only=["info", "compress", "run"])


_LOCKED = "noroot,noroot_locked,no_setuid_fixup,no_setuid_fixup_locked"


def _rights(_):
    programs.require_kvm()
    programs.require_root()
    programs.require_program("setpriv")
    usual = jobs.Jobs()
    rights = [
        ["--no-new-privs"],
        ["--securebits", "+noroot,+noroot_locked"],
        ["--securebits", ",".join(f"+{bit}" for bit in _LOCKED.split(","))],
        ["--securebits", ",".join(f"+{bit}" for bit in (_LOCKED + ",keep_caps_locked").split(","))],
        ["--securebits", "+keep_caps_locked,+no_setuid_fixup_locked"],
        ["--bounding-set", "-all"],
        ["--inh-caps", "-all", "--bounding-set", "-all", "--no-new-privs"],
        ["--ruid", "0", "--clear-groups"],
    ]
    for options in rights:
        usual.check_usual(" ".join(options), ["setpriv", *options], only=["info", "to raw", "run"])


# Each bit of linux/securebits.h that the worker locks.
_ALL_SECUREBITS = 0xEF


def _lost_rights(_):
    """Rights that the command has given up need none to be given up again, as they would where the
    worker has a user namespace."""
    programs.require_kvm()
    programs.require_root()
    programs.require_program("setpriv")
    jobs.Jobs()

    def lock_securebits():
        pr_set_securebits = 28
        if ctypes.CDLL(None).prctl(pr_set_securebits, _ALL_SECUREBITS, 0, 0, 0) != 0:
            raise OSError("prctl(PR_SET_SECUREBITS)")
        outer_filter.container(errno.ENOSYS)()

    no_bounding_set = ["setpriv", "--bounding-set", "-all"]
    for layer, prefix, preexec_fn in (
            ("securebits", [], lock_securebits),
            ("bounding-set", no_bounding_set, outer_filter.container(errno.ENOSYS))):
        result = programs.run([*prefix, programs.HOTCELL, "info", "disk.qcow2",
                               f"--require={layer}"], preexec_fn=preexec_fn)
        harness.check_equal((result.returncode, result.stderr), (0, b""), layer)


def _worker_out_of_reach(directory):
    programs.require_kvm()
    programs.require_root()
    installed = os.path.dirname(programs.HOTCELL)
    os.makedirs("bin")
    os.makedirs("libexec/hotcell")
    shutil.copy(programs.HOTCELL, "bin/hotcell")
    shutil.copy(os.path.join(installed, "hotcell-worker"), "libexec/hotcell/hotcell-worker")
    os.chmod("libexec/hotcell", 0o700)
    with open("disk.raw", "wb") as disk:
        disk.truncate(_MIB)
    result = programs.run([*_UNKNOWN_USER, os.path.join(directory, "bin", "hotcell"), "info",
                           "disk.raw"])
    jobs.check_error("no right to the worker", result, "cannot open the worker",
                     "Permission denied")


# ---- Control groups -----------------------------------------------------------------------------

def _memory_group(_):
    programs.require_kvm()
    usual = jobs.Jobs()
    with open("large.raw", "wb") as disk:
        disk.write(random.Random(8).randbytes(8 * _MIB))
    killed = 0
    for mebibytes in (64, 12, 8, 6):
        group = control_group.ControlGroup("memory")
        try:
            group.set("memory.limit_in_bytes" if group.version == 1 else "memory.max",
                      mebibytes * _MIB)
            if mebibytes == 64:
                usual.check_usual("64 MiB", preexec_fn=group.enter)
                continue
            result = programs.hotcell("convert", "-c", "-f", "raw", "-O", "qcow2", "large.raw",
                                      "out", preexec_fn=group.enter)
            if result.returncode == 127:
                killed += 1
                jobs.check_error(f"{mebibytes} MiB", result, r"out of memory\? ",
                                 rf"limit is {mebibytes * _MIB} bytes", status=127)
            elif result.returncode == 0:
                os.remove("out")
        finally:
            group.remove()
    harness.check(killed > 0, "no limit was too low for the worker and enough for the command")


def _task_group(_):
    programs.require_kvm()
    usual = jobs.Jobs()
    for count in range(1, 12):
        group = control_group.ControlGroup("pids")
        try:
            group.set("pids.max", count)
            result = programs.hotcell("info", "disk.qcow2", preexec_fn=group.enter)
            if result.returncode != 0:
                harness.check(count < 8, f"{count} tasks: {result.stderr!r}")
                jobs.check_error(f"{count} tasks", result,
                                 rf"pids.max of its control group is {count}\b", r"\d are needed",
                                 status=126 if b"KVM_RUN" in result.stderr else 1)
        finally:
            group.remove()
    usual.check_usual("no group")


def _processor_group(_):
    programs.require_kvm()
    usual = jobs.Jobs()
    group = control_group.ControlGroup("cpuset")
    try:
        group.set("cpuset.cpus", 0)
        group.set("cpuset.mems", 0)
        usual.check_usual("one processor", preexec_fn=group.enter)
    finally:
        group.remove()


# ---- Filters of system calls --------------------------------------------------------------------

# What is refused, and what the error then speaks of; nothing: the job is done, with layers of the
# confinement unavailable that it does not require.
_REFUSED = {
    "clone": "clone", "clone3": "clone3", "close_range": "close_range", "dup3": "dup3",
    "eventfd2": "eventfd", "execveat": "execveat", "getrandom": "getrandom",
    "ioctl": "KVM_GET_API_VERSION", "madvise": "madvise", "memfd_create": "memfd_create",
    "mmap": "mmap", "pipe2": "control pipe", "prctl": "prctl", "prlimit64": "setrlimit",
    "rt_sigaction": "rt_sigaction", "rt_sigprocmask": "rt_sigprocmask", "seccomp": "seccomp",
    "setsid": "setsid", "capset": "capset",
    "keyctl": "", "fsconfig": "", "fsmount": "", "fsopen": "", "io_uring_setup": "",
    "landlock_create_ruleset": "", "landlock_restrict_self": "", "mount": "", "move_mount": "",
    "personality": "", "pidfd_send_signal": "", "pivot_root": "", "rseq": "",
    "sched_getaffinity": "", "setrlimit": "", "set_robust_list": "", "timer_create": "",
    "umount2": "", "unshare": "", "userfaultfd": "", "waitid": "",
}


def _filters(_):
    programs.require_kvm()
    usual = jobs.Jobs()
    for call, words in _REFUSED.items():
        for error in (errno.EPERM, errno.ENOSYS):
            what = f"{call} refused with {errno.errorcode[error]}"
            refusal = outer_filter.Filter().refuse(call, error)
            if not words or (call, error) == ("clone3", errno.ENOSYS):
                usual.check_usual(what, only=["info", "to raw"], preexec_fn=refusal)
                continue
            result = programs.hotcell("info", "disk.qcow2", preexec_fn=refusal)
            jobs.check_error(what, result, words, _FILTERED, status=126 if call == "ioctl" else 1)


def _container(_):
    """The filter is that of Docker's default profile."""
    programs.require_kvm()
    usual = jobs.Jobs()
    usual.check_usual("a container's profile", preexec_fn=outer_filter.container(errno.ENOSYS))
    result = programs.hotcell("info", "disk.qcow2", "--require=mount-namespace",
                              preexec_fn=outer_filter.container(errno.ENOSYS))
    jobs.check_error("a layer that is required", result, "mount-namespace", _FILTERED)


def _long_names(_):
    """A name that the file system does not take is an error before the work, not after it."""
    programs.require_kvm()
    usual = jobs.Jobs()
    name = "n" * 256
    for command in (["convert", "-p", "-f", "raw", "-O", "raw", "disk.raw", name],
                    ["convert", "-p", "-f", "raw", "-O", "vmdk", "-o", "subformat=monolithicFlat",
                     "disk.raw", name[:250] + ".vmd"],
                    ["dd", "-f", "raw", "-O", "raw", "if=disk.raw", f"of={name}"],
                    ["create", "-q", "-f", "qcow2", name, "1M"]):
        result = programs.hotcell(*command)
        jobs.check_error(" ".join(command), result, "File name too long")
        harness.check(b"100.00" not in result.stdout, f"{command[0]} did its work first")
    harness.check(not [found for found in os.listdir(".") if found.startswith("n")], "files")
    result = programs.hotcell("convert", "-f", "raw", "-O", "raw", "disk.raw", name[1:])
    harness.check_equal((result.returncode, result.stderr), (0, b""), "the longest name")
    usual.check_usual("after it", only=["info"])


harness.main({
    "long-names": _long_names,
    "signals": _signals,
    "death-with-children-ignored": _death_with_children_ignored,
    "parent-death-signal": _parent_death_signal,
    "closed-descriptors": _closed_descriptors,
    "scheduling": _scheduling,
    "rights": _rights,
    "lost-rights": _lost_rights,
    "worker-out-of-reach": _worker_out_of_reach,
    "memory-group": _memory_group,
    "task-group": _task_group,
    "processor-group": _processor_group,
    "filters": _filters,
    "container": _container,
})
