"""Jobs under what services, shells and containers leave them: resource limits, control groups, signals,
closed descriptors, lost rights and filters of system calls. Either the job does what it does without
them, or one line names what is in its way.
"""

import ctypes
import errno
import itertools
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# pylint: disable=wrong-import-position
from support import harness, namespaces, outer_filter, programs

_KIB = 1 << 10
_MIB = 1 << 20
_GIB = 1 << 30
_INFINITE = resource.RLIM_INFINITY
_UNKNOWN_USER = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"]
_FILTERED = "outer seccomp filter, such as a container's profile"

# mov $7, %al; out %al, $1: the guest's own exit status.
_GUEST = bytes([0xB0, 0x07, 0xE6, 0x01])
# jmp to itself
_ENDLESS = bytes([0xEB, 0xFE])


# ---- Jobs ---------------------------------------------------------------------------------------

class Jobs:
    """One of each command, and what each does where nothing is in its way."""

    def __init__(self):
        noise = random.Random(7).randbytes(768 * _KIB)
        with open("disk.raw", "wb") as disk:
            disk.truncate(4 * _MIB)
            disk.write(noise)
            disk.seek(3 * _MIB)
            disk.write(b"text " * 4096)
        programs.must_hotcell("convert", "-f", "raw", "-O", "qcow2", "disk.raw", "disk.qcow2")
        for name, code in (("guest.bin", _GUEST), ("endless.bin", _ENDLESS)):
            with open(name, "wb") as program:
                program.write(code)
        self.commands = {
            "info": ["info", "disk.qcow2"],
            "inspect": ["inspect", "disk.qcow2"],
            "check": ["check", "disk.qcow2"],
            "to raw": ["convert", "-O", "raw", "disk.qcow2", "out"],
            "to qcow2": ["convert", "-f", "raw", "-O", "qcow2", "disk.raw", "out"],
            "compress": ["convert", "-c", "-f", "raw", "-O", "qcow2", "disk.raw", "out"],
            "run": ["run", "--mode", "long", "guest.bin"],
        }
        self._usual = {name: self._do(command, [], {}) for name, command in self.commands.items()}
        for name, (status, _, text, _) in self._usual.items():
            harness.check_equal((status, text), (7 if name == "run" else 0, b""), name)

    @staticmethod
    def _do(command, prefix, options):
        result = programs.run([*prefix, programs.HOTCELL, *command], **options)
        written = None
        if os.path.exists("out"):
            with open("out", "rb") as out:
                written = out.read()
            os.remove("out")
        return result.returncode, result.stdout, result.stderr, written

    def check_usual(self, what, prefix=(), only=None, **options):
        for name in only or self.commands:
            result = self._do(self.commands[name], list(prefix), options)
            harness.check(result == self._usual[name],
                          f"{what}: {name}: exit status {result[0]}, {result[2]!r}")


def _error(what, result, *patterns, status=1):
    text = result.stderr.decode(errors="replace")
    harness.check_equal(result.returncode, status, f"{what}: exit status ({text!r})")
    harness.check(text.count("\n") == 1 and text.endswith("\n") and text.startswith("hotcell: "),
                  f"{what}: not one line: {text!r}")
    for pattern in patterns:
        harness.check(re.search(pattern, text), f"{what}: no /{pattern}/ in {text!r}")
    harness.check("run filter" not in text, f"{what}: the wrong step: {text!r}")
    harness.check(not os.path.exists("out"), f"{what}: left a file")


def _with_limit(name, soft, hard=None):
    """For preexec_fn."""
    number = getattr(resource, f"RLIMIT_{name}")
    return lambda: resource.setrlimit(number, (soft, soft if hard is None else hard))


# ---- Resource limits ----------------------------------------------------------------------------

def _services(_):
    """The values with which Nova, Cinder, Glance, VDSM, CDI, incus and LXD call qemu-img."""
    programs.require_kvm()
    jobs = Jobs()
    for seconds in (2, 30):
        jobs.check_usual(f"CPU {seconds} s and 1 GiB",
                         ["prlimit", f"--cpu={seconds}", f"--as={_GIB}", "--"])
    for limit in ("--cpu=60", "--cpu=172804", "--cpu=30:unlimited"):
        jobs.check_usual(limit, ["prlimit", limit, "--"], only=["info", "compress"])


# Limits that leave a job all it needs at their lowest.
_HARMLESS = ("core", "memlock", "rss", "msgqueue", "nice", "rtprio", "rttime", "sigpending", "locks")


def _harmless(_):
    programs.require_kvm()
    jobs = Jobs()
    for name in _HARMLESS:
        jobs.check_usual(name, ["prlimit", f"--{name}=0", "--"], only=["info", "compress"])
    jobs.check_usual("all", ["prlimit", *(f"--{name}=0" for name in _HARMLESS), "--"])


def _stack(_):
    """Nothing depends on the stack that the kernel gives a process, but what runs before main()."""
    programs.require_kvm()
    jobs = Jobs()
    for kibibytes in (16, 24, 64, 256, 8192):
        jobs.check_usual(f"a stack of {kibibytes} KiB",
                         ["prlimit", f"--stack={kibibytes * _KIB}", "--"])
    jobs.check_usual("no limit", ["prlimit", "--stack=unlimited", "--"])


def _needed(what, result, limit):
    """The number that the error says is needed. Of `run`, a job that fails has another status."""
    _error(what, result, rf"RLIMIT_{limit} is ", "are needed",
           status=120 if b"hotcell: run: " in result.stderr else 1)
    return int(re.search(rb"; (\d+) are needed", result.stderr).group(1))


def _descriptors(_):
    programs.require_kvm()
    jobs = Jobs()
    for count in (4, 5, 6, 7, 8, 12, 20, 27, 40, 64):
        for name in ("info", "to raw"):
            result = programs.hotcell(*jobs.commands[name], preexec_fn=_with_limit("NOFILE", count))
            _error(f"{name} with {count} files", result, rf"RLIMIT_NOFILE is {count}\b")
    for name in jobs.commands:
        # Without --lanes a conversion makes do with fewer.
        result = programs.hotcell(*jobs.commands[name], preexec_fn=_with_limit("NOFILE", 20))
        needed = _needed(name, result, "NOFILE")
        jobs.check_usual(f"{needed} files", only=[name], preexec_fn=_with_limit("NOFILE", needed))
        result = programs.hotcell(*jobs.commands[name],
                                  preexec_fn=_with_limit("NOFILE", needed - 1))
        harness.check_equal(_needed(name, result, "NOFILE"), needed, "needed as told before")
    jobs.check_usual("a soft limit", preexec_fn=_with_limit("NOFILE", 20, 4096))


def _file_size(_):
    programs.require_kvm()
    jobs = Jobs()
    for name, command in jobs.commands.items():
        if name == "run":
            continue  # shares next to nothing
        for size in (1, 1000, 20 * _MIB):
            result = programs.hotcell(*command, preexec_fn=_with_limit("FSIZE", size))
            needed = _needed(f"{name}, files of {size} bytes", result, "FSIZE")
        jobs.check_usual(f"files of {needed} bytes", only=[name],
                         preexec_fn=_with_limit("FSIZE", needed))
    with open("large.raw", "wb") as disk:
        disk.truncate(64 * _MIB)
        disk.write(b"x" * 512)
        disk.seek(-512, os.SEEK_END)
        disk.write(b"x" * 512)
    limit = {"preexec_fn": _with_limit("FSIZE", 40 * _MIB)}
    for command in (["convert", "-f", "raw", "-O", "raw", "large.raw", "out"],
                    ["convert", "-f", "raw", "-O", "raw", "-S", "0", "large.raw", "out"],
                    ["convert", "-f", "raw", "-O", "vpc", "-o", "subformat=fixed", "large.raw", "out"],
                    ["dd", "-f", "raw", "-O", "raw", "if=large.raw", "of=out"],
                    ["create", "-f", "raw", "out", "64M"]):
        _error(" ".join(command), programs.hotcell(*command, **limit),
               rf"RLIMIT_FSIZE is {40 * _MIB} bytes")
    with open("existing", "wb") as existing:
        existing.write(b"old")
    result = programs.hotcell("convert", "-f", "raw", "-O", "raw", "large.raw", "existing", **limit)
    harness.check_equal(result.returncode, 1, "exit status")
    with open("existing", "rb") as existing:
        harness.check_equal(existing.read(), b"old", "the target of a conversion that failed")


def _memory(_):
    programs.require_kvm()
    jobs = Jobs()
    for limit in ("AS", "DATA"):
        for name, command in jobs.commands.items():
            for size in (24 * _MIB, 63 * _MIB):
                result = programs.hotcell(*command, preexec_fn=_with_limit(limit, size))
                needed = _needed(f"{name}, {limit} of {size} bytes", result, limit)
            harness.check(needed < 96 * _MIB if limit == "DATA" else needed < 256 * _MIB,
                          f"{needed} bytes are more than a job takes")
            # From what is needed at least on, a job works or its error names the limit.
            for spare in (0, 1, 2, 4, 8, 16):
                preexec_fn = _with_limit(limit, needed + spare * _MIB)
                result = programs.hotcell(*command, preexec_fn=preexec_fn)
                if result.returncode not in (0, 7):
                    _error(f"{name}, {limit} with {spare} MiB to spare", result,
                           rf"RLIMIT_{limit} is ", status=result.returncode)
                elif os.path.exists("out"):
                    os.remove("out")
            jobs.check_usual(f"{limit} of {needed} bytes and 16 MiB", only=[name],
                             preexec_fn=_with_limit(limit, needed + 16 * _MIB))


def _lanes_that_fit(_):
    """A conversion takes no more lanes than limits leave room for, and is the same with fewer."""
    programs.require_kvm()
    jobs = Jobs()
    result = programs.hotcell("convert", "-m", "4", *jobs.commands["to raw"][1:],
                              preexec_fn=_with_limit("FSIZE", 30 * _MIB))
    if result.returncode == 0:
        harness.check_equal(result.stderr, b"", "as asked for")
        os.remove("out")
    for limits in (["--fsize=30000000"], ["--as=104857600"], ["--nofile=76"]):
        jobs.check_usual(" ".join(limits), ["prlimit", *limits, "--"],
                         only=["to raw", "to qcow2", "compress"])


def _processes(directory):
    programs.require_kvm()
    namespaces.enter()
    scratch = os.path.join(directory, "device")
    os.mkdir(scratch)
    namespaces.replace_kvm(scratch, 0o666)
    Jobs()
    os.chmod("disk.qcow2", 0o644)
    for count in range(0, 13):
        result = programs.run(["prlimit", f"--nproc={count}", *_UNKNOWN_USER, programs.HOTCELL,
                               "info", "disk.qcow2"])
        if count >= 6:
            harness.check_equal((result.returncode, result.stderr), (0, b""), f"{count} tasks")
        elif result.returncode != 0:
            # KVM_RUN starts a thread of the kernel's.
            status = 126 if b"KVM_RUN" in result.stderr else 1
            _error(f"{count} tasks", result, rf"RLIMIT_NPROC is {count}\b", r"\d are needed",
                   status=status)
        else:
            harness.check(count >= 5, f"a job of {count} tasks")


def _doctor(_):
    programs.require_kvm()
    report = programs.must(["prlimit", "--cpu=30", f"--as={_GIB}", "--", programs.HOTCELL,
                            "doctor"]).decode()
    harness.check(re.search(rf"^note +resource limits +RLIMIT_CPU is 30 s, RLIMIT_AS is {_GIB} bytes",
                            report, re.MULTILINE), report)
    result = programs.run(["prlimit", "--nofile=20", "--", programs.HOTCELL, "doctor"])
    harness.check_equal(result.returncode, 1, "exit status where no job runs")
    harness.check(re.search(r"^problem +guest +RLIMIT_NOFILE is 20; \d+ are needed.*\n +remedy: ",
                            result.stdout.decode(), re.MULTILINE), f"{result.stdout!r}")


# ---- CPU time -----------------------------------------------------------------------------------

_USED_UP = r"RLIMIT_CPU is 1 s, and the worker has used them up"


def _cpu_time_of_the_worker(_):
    programs.require_kvm()
    Jobs()
    for limit in ("--cpu=1", "--cpu=1:unlimited"):
        result = programs.run(["prlimit", limit, "--", programs.HOTCELL, "run", "--mode", "long",
                               "endless.bin"])
        _error(limit, result, _USED_UP, status=120)
    result = programs.run(["prlimit", "--cpu=20", "--", programs.HOTCELL, "run", "--mode", "long",
                           "--limit", "cpu-time=0.2", "endless.bin"])
    _error("a lower limit of our own", result, "`cpu_time`", status=124)


def _worker_of(command):
    """The process id of its only child, once there is one."""
    deadline = time.monotonic() + programs.TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        with open(f"/proc/{command.pid}/task/{command.pid}/children", encoding="ascii") as children:
            numbers = children.read().split()
        if numbers:
            return int(numbers[0])
        time.sleep(0.005)
    raise harness.Failure("no worker was started")


def _wait_until_dead(process):
    deadline = time.monotonic() + programs.TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        with open(f"/proc/{process}/stat", encoding="ascii") as stat:
            if stat.read().rpartition(")")[2].split()[0] == "Z":
                return
        time.sleep(0.01)
    raise harness.Failure("the kernel did not end the worker")


def _cpu_time_that_the_kernel_ends(_):
    """A command that cannot stop its worker in time learns from the kernel why it died."""
    programs.require_kvm()
    Jobs()
    for limit in ("--cpu=1", "--cpu=1:unlimited"):
        with subprocess.Popen(["prlimit", limit, "--", programs.HOTCELL, "run", "--mode", "long",
                               "endless.bin"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as command:
            worker = _worker_of(command)
            time.sleep(0.1)
            command.send_signal(signal.SIGSTOP)
            try:
                _wait_until_dead(worker)
            finally:
                command.send_signal(signal.SIGCONT)
            _, text = command.communicate(timeout=programs.TIMEOUT_SECONDS)
            _error(limit, subprocess.CompletedProcess([], command.returncode, b"", text), _USED_UP,
                   status=120)


def _cpu_time_of_the_command(_):
    """Copying costs the command time; at its limit it gives up before the kernel ends it."""
    programs.require_kvm()
    with open("large.raw", "wb") as disk:
        disk.truncate(_GIB)
    command = [programs.HOTCELL, "convert", "-f", "raw", "-O", "raw", "-S", "0", "large.raw", "out"]
    # A process keeps its time over an exec, as oslo.concurrency's wrapper in Python does.
    spend = ("import os, sys, time\n"
             "while time.process_time() < float(sys.argv[1]): pass\n"
             "os.execv(sys.argv[2], sys.argv[2:])\n")
    for limit in ("--cpu=1", "--cpu=1:3"):
        result = programs.run(["prlimit", limit, "--", sys.executable, "-c", spend, "0.7", *command])
        _error(limit, result, "RLIMIT_CPU is 1 s, and this process has used them up",
               status=128 + signal.SIGXCPU)


# ---- Signals and descriptors --------------------------------------------------------------------

def _signals(_):
    programs.require_kvm()
    jobs = Jobs()
    numbers = [signal.SIGCHLD, signal.SIGXCPU, signal.SIGXFSZ, signal.SIGPIPE, signal.SIGTERM,
               signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGSYS, signal.SIGALRM]

    def ignore():
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)

    jobs.check_usual("signals ignored", preexec_fn=ignore, restore_signals=False)
    jobs.check_usual("signals blocked", preexec_fn=lambda: signal.pthread_sigmask(
        signal.SIG_BLOCK, signal.valid_signals()))


def _death_with_children_ignored(_):
    programs.require_kvm()
    result = programs.hotcell("info", "--worker", "/bin/false", __file__, restore_signals=False,
                              preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    _error("SIGCHLD ignored", result, "the worker exited with status 1", status=127)


def _parent_death_signal(_):
    programs.require_kvm()
    pr_set_pdeathsig = 1
    Jobs().check_usual("a parent-death signal", preexec_fn=lambda: ctypes.CDLL(None).prctl(
        pr_set_pdeathsig, signal.SIGTERM))


def _closed_descriptors(_):
    programs.require_kvm()
    Jobs()
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
    jobs = Jobs()
    wrappers = [["nice", "-n", "19"], ["ionice", "-c", "3"], ["taskset", "-c", "0"],
                ["chrt", "--batch", "0"], ["chrt", "--idle", "0"]]
    if os.geteuid() == 0:
        wrappers += [["chrt", "--fifo", "1"], ["chrt", "--rr", "1", "nice", "-n", "-5"]]
    for wrapper in wrappers:
        programs.require_program(wrapper[0])
        jobs.check_usual(" ".join(wrapper), wrapper, only=["info", "compress", "run"])


_LOCKED = "noroot,noroot_locked,no_setuid_fixup,no_setuid_fixup_locked"


def _rights(_):
    programs.require_kvm()
    programs.require_root()
    programs.require_program("setpriv")
    jobs = Jobs()
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
        jobs.check_usual(" ".join(options), ["setpriv", *options], only=["info", "to raw", "run"])


# Each bit of linux/securebits.h that the worker locks.
_ALL_SECUREBITS = 0xEF


def _lost_rights(_):
    """Rights that the command has given up need none to be given up again, as they would where the
    worker has a user namespace."""
    programs.require_kvm()
    programs.require_root()
    programs.require_program("setpriv")
    Jobs()

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
    _error("no right to the worker", result, "cannot open the worker", "Permission denied")


# ---- Control groups -----------------------------------------------------------------------------

class ControlGroup:
    """A group of its own below this process's, of version 1 or 2; removed at the end."""

    def __init__(self, controller):
        programs.require_root()
        with open("/proc/self/cgroup", encoding="ascii") as text:
            lines = [line.rstrip("\n").split(":", 2) for line in text]
        with open("/proc/self/mountinfo", encoding="utf-8") as text:
            mounts = [line.split() for line in text]
        for _, controllers, path in lines:
            if controller not in controllers.split(","):
                continue
            for mount in mounts:
                tail = mount[mount.index("-") + 1:]
                if tail[0] == "cgroup" and controller in tail[2].split(","):
                    self._make(mount[4] + path)
                    self.version = 1
                    return
        for mount in mounts:
            if mount[mount.index("-") + 1] == "cgroup2":
                path = next(path for number, _, path in lines if number == "0")
                self._make(mount[4] + path)
                self.version = 2
                if os.path.exists(os.path.join(self.path, f"{controller}.max")):
                    return
                self.remove()
        raise harness.Skip(f"no control group of {controller} can be made")

    def _make(self, parent):
        self.path = os.path.join(parent, f"hotcell-test-{os.getpid()}")
        try:
            os.mkdir(self.path)
        except OSError as error:
            raise harness.Skip(f"no control group can be made: {error}") from error

    def set(self, name, value):
        try:
            with open(os.path.join(self.path, name), "w", encoding="ascii") as file:
                file.write(str(value))
        except OSError as error:
            self.remove()
            raise harness.Skip(f"{name}: {error}") from error

    def enter(self):
        with open(os.path.join(self.path, "cgroup.procs"), "w", encoding="ascii") as procs:
            procs.write(str(os.getpid()))

    def remove(self):
        for _ in range(100):
            try:
                os.rmdir(self.path)
                return
            except OSError:
                subprocess.run(["sleep", "0.02"], check=True)


def _memory_group(_):
    programs.require_kvm()
    jobs = Jobs()
    with open("large.raw", "wb") as disk:
        disk.write(random.Random(8).randbytes(8 * _MIB))
    killed = 0
    for mebibytes in (64, 12, 8, 6):
        group = ControlGroup("memory")
        try:
            group.set("memory.limit_in_bytes" if group.version == 1 else "memory.max",
                      mebibytes * _MIB)
            if mebibytes == 64:
                jobs.check_usual("64 MiB", preexec_fn=group.enter)
                continue
            result = programs.hotcell("convert", "-c", "-f", "raw", "-O", "qcow2", "large.raw",
                                      "out", preexec_fn=group.enter)
            if result.returncode == 127:
                killed += 1
                _error(f"{mebibytes} MiB", result, r"out of memory\? ",
                       rf"limit is {mebibytes * _MIB} bytes", status=127)
            elif result.returncode == 0:
                os.remove("out")
        finally:
            group.remove()
    harness.check(killed > 0, "no limit was too low for the worker and enough for the command")


def _task_group(_):
    programs.require_kvm()
    jobs = Jobs()
    for count in range(1, 12):
        group = ControlGroup("pids")
        try:
            group.set("pids.max", count)
            result = programs.hotcell("info", "disk.qcow2", preexec_fn=group.enter)
            if result.returncode != 0:
                harness.check(count < 8, f"{count} tasks: {result.stderr!r}")
                _error(f"{count} tasks", result, rf"pids.max of its control group is {count}\b",
                       r"\d are needed", status=126 if b"KVM_RUN" in result.stderr else 1)
        finally:
            group.remove()
    jobs.check_usual("no group")


def _processor_group(_):
    programs.require_kvm()
    jobs = Jobs()
    group = ControlGroup("cpuset")
    try:
        group.set("cpuset.cpus", 0)
        group.set("cpuset.mems", 0)
        jobs.check_usual("one processor", preexec_fn=group.enter)
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
    jobs = Jobs()
    for call, words in _REFUSED.items():
        for error in (errno.EPERM, errno.ENOSYS):
            what = f"{call} refused with {errno.errorcode[error]}"
            refusal = outer_filter.Filter().refuse(call, error)
            if not words or (call, error) == ("clone3", errno.ENOSYS):
                jobs.check_usual(what, only=["info", "to raw"], preexec_fn=refusal)
                continue
            result = programs.hotcell("info", "disk.qcow2", preexec_fn=refusal)
            _error(what, result, words, _FILTERED, status=126 if call == "ioctl" else 1)


def _container(_):
    """As Docker's default profile has it."""
    programs.require_kvm()
    jobs = Jobs()
    jobs.check_usual("a container's profile", preexec_fn=outer_filter.container(errno.ENOSYS))
    result = programs.hotcell("info", "disk.qcow2", "--require=mount-namespace",
                              preexec_fn=outer_filter.container(errno.ENOSYS))
    _error("a layer that is required", result, "mount-namespace", _FILTERED)


harness.main({
    "services": _services,
    "harmless": _harmless,
    "stack": _stack,
    "descriptors": _descriptors,
    "file-size": _file_size,
    "memory": _memory,
    "lanes-that-fit": _lanes_that_fit,
    "processes": _processes,
    "doctor": _doctor,
    "cpu-time-of-the-worker": _cpu_time_of_the_worker,
    "cpu-time-that-the-kernel-ends": _cpu_time_that_the_kernel_ends,
    "cpu-time-of-the-command": _cpu_time_of_the_command,
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
