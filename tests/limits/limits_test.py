"""Jobs under the resource limits that services and shells set: a job does what it does without them,
or one line names the limit with the value that is there and the one that is needed.
"""

import os
import re
import signal
import subprocess
import sys
import time

from limits import jobs
from support import harness, namespaces, programs

_KIB = 1 << 10
_MIB = 1 << 20
_GIB = 1 << 30


def _as_unknown_user(number):
    """A user of the job's own: a worker of another that nobody has waited for yet would count."""
    user = 100_000 + os.getpid() * 16 + number
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]


# ---- Resource limits ----------------------------------------------------------------------------

def _services(_):
    """The values with which Nova, Cinder, Glance, VDSM, CDI, incus and LXD call qemu-img."""
    programs.require_kvm()
    usual = jobs.Jobs()
    for seconds in (2, 30):
        usual.check_usual(f"CPU {seconds} s and 1 GiB",
                          ["prlimit", f"--cpu={seconds}", f"--as={_GIB}", "--"])
    for limit in ("--cpu=60", "--cpu=172804", "--cpu=30:unlimited"):
        usual.check_usual(limit, ["prlimit", limit, "--"], only=["info", "compress"])


# Limits that leave a job all it needs at their lowest.
_HARMLESS = ("core", "memlock", "rss", "msgqueue", "nice", "rtprio", "rttime", "sigpending",
             "locks")


def _harmless(_):
    programs.require_kvm()
    usual = jobs.Jobs()
    for name in _HARMLESS:
        usual.check_usual(name, ["prlimit", f"--{name}=0", "--"], only=["info", "compress"])
    usual.check_usual("all", ["prlimit", *(f"--{name}=0" for name in _HARMLESS), "--"])


def _stack(_):
    """Nothing depends on the stack that the kernel gives a process, but what runs before main()."""
    programs.require_kvm()
    usual = jobs.Jobs()
    for kibibytes in (16, 24, 64, 256, 8192):
        usual.check_usual(f"a stack of {kibibytes} KiB",
                          ["prlimit", f"--stack={kibibytes * _KIB}", "--"])
    usual.check_usual("no limit", ["prlimit", "--stack=unlimited", "--"])


def _needed(what, result, limit):
    """The number that the error says is needed. Of `run`, a job that fails has another status."""
    jobs.check_error(what, result, rf"RLIMIT_{limit} is ", "are needed",
                     status=120 if b"hotcell: run: " in result.stderr else 1)
    return int(re.search(rb"; (\d+) are needed", result.stderr).group(1))


def _descriptors(_):
    programs.require_kvm()
    usual = jobs.Jobs()
    for count in (4, 5, 6, 7, 8, 12, 20, 27, 40, 64):
        for name in ("info", "to raw"):
            result = programs.hotcell(*usual.commands[name],
                                      preexec_fn=jobs.with_limit("NOFILE", count))
            jobs.check_error(f"{name} with {count} files", result, rf"RLIMIT_NOFILE is {count}\b")
    for name in usual.commands:
        # Without --lanes a conversion makes do with fewer.
        result = programs.hotcell(*usual.commands[name], preexec_fn=jobs.with_limit("NOFILE", 20))
        needed = _needed(name, result, "NOFILE")
        usual.check_usual(f"{needed} files", only=[name],
                          preexec_fn=jobs.with_limit("NOFILE", needed))
        result = programs.hotcell(*usual.commands[name],
                                  preexec_fn=jobs.with_limit("NOFILE", needed - 1))
        harness.check_equal(_needed(name, result, "NOFILE"), needed, "needed as told before")
    usual.check_usual("a soft limit", preexec_fn=jobs.with_limit("NOFILE", 20, 4096))


def _file_size(_):
    programs.require_kvm()
    usual = jobs.Jobs()
    for name, command in usual.commands.items():
        if name == "run":
            continue  # shares next to nothing
        for size in (1, 1000, 20 * _MIB):
            result = programs.hotcell(*command, preexec_fn=jobs.with_limit("FSIZE", size))
            needed = _needed(f"{name}, files of {size} bytes", result, "FSIZE")
        usual.check_usual(f"files of {needed} bytes", only=[name],
                          preexec_fn=jobs.with_limit("FSIZE", needed))
    with open("large.raw", "wb") as disk:
        disk.truncate(64 * _MIB)
        disk.write(b"x" * 512)
        disk.seek(-512, os.SEEK_END)
        disk.write(b"x" * 512)
    limit = {"preexec_fn": jobs.with_limit("FSIZE", 40 * _MIB)}
    for command in (["convert", "-f", "raw", "-O", "raw", "large.raw", "out"],
                    ["convert", "-f", "raw", "-O", "raw", "-S", "0", "large.raw", "out"],
                    ["convert", "-f", "raw", "-O", "vpc", "-o", "subformat=fixed", "large.raw",
                     "out"],
                    ["dd", "-f", "raw", "-O", "raw", "if=large.raw", "of=out"],
                    ["create", "-f", "raw", "out", "64M"]):
        jobs.check_error(" ".join(command), programs.hotcell(*command, **limit),
                         rf"RLIMIT_FSIZE is {40 * _MIB} bytes")
    with open("existing", "wb") as existing:
        existing.write(b"old")
    result = programs.hotcell("convert", "-f", "raw", "-O", "raw", "large.raw", "existing", **limit)
    harness.check_equal(result.returncode, 1, "exit status")
    with open("existing", "rb") as existing:
        harness.check_equal(existing.read(), b"old", "the target of a conversion that failed")


def _memory(_):
    programs.require_kvm()
    usual = jobs.Jobs()
    for limit in ("AS", "DATA"):
        for name, command in usual.commands.items():
            for size in (24 * _MIB, 63 * _MIB):
                result = programs.hotcell(*command, preexec_fn=jobs.with_limit(limit, size))
                needed = _needed(f"{name}, {limit} of {size} bytes", result, limit)
            harness.check(needed < 96 * _MIB if limit == "DATA" else needed < 256 * _MIB,
                          f"{needed} bytes are more than a job takes")
            # From what is needed at least on, a job works or its error names the limit.
            for spare in (0, 1, 2, 4, 8, 16):
                preexec_fn = jobs.with_limit(limit, needed + spare * _MIB)
                result = programs.hotcell(*command, preexec_fn=preexec_fn)
                if result.returncode not in (0, 7):
                    jobs.check_error(f"{name}, {limit} with {spare} MiB to spare", result,
                                     rf"RLIMIT_{limit} is ", status=result.returncode)
                elif os.path.exists("out"):
                    os.remove("out")
            usual.check_usual(f"{limit} of {needed} bytes and 16 MiB", only=[name],
                              preexec_fn=jobs.with_limit(limit, needed + 16 * _MIB))


def _lanes_that_fit(_):
    """A conversion takes no more lanes than limits leave room for, and is the same with fewer."""
    programs.require_kvm()
    usual = jobs.Jobs()
    result = programs.hotcell("convert", "-m", "4", *usual.commands["to raw"][1:],
                              preexec_fn=jobs.with_limit("FSIZE", 30 * _MIB))
    if result.returncode == 0:
        harness.check_equal(result.stderr, b"", "as asked for")
        os.remove("out")
    for limits in (["--fsize=30000000"], ["--as=104857600"], ["--nofile=76"]):
        usual.check_usual(" ".join(limits), ["prlimit", *limits, "--"],
                          only=["to raw", "to qcow2", "compress"])


def _processes(directory):
    programs.require_kvm()
    programs.require_others_may_run()
    namespaces.enter()
    scratch = os.path.join(directory, "device")
    os.mkdir(scratch)
    namespaces.replace_kvm(scratch, 0o666)
    jobs.Jobs()
    os.chmod("disk.qcow2", 0o644)
    for count in range(0, 13):
        result = programs.run(["prlimit", f"--nproc={count}", *_as_unknown_user(count),
                               programs.HOTCELL, "info", "disk.qcow2"])
        if count >= 6:
            harness.check_equal((result.returncode, result.stderr), (0, b""), f"{count} tasks")
        elif result.returncode != 0:
            # KVM_RUN starts a thread of the kernel's.
            status = 126 if b"KVM_RUN" in result.stderr else 1
            jobs.check_error(f"{count} tasks", result, rf"RLIMIT_NPROC is {count}\b",
                             r"\d are needed", status=status)
        else:
            harness.check(count >= 5, f"a job of {count} tasks")


def _doctor(_):
    programs.require_kvm()
    report = programs.must(["prlimit", "--cpu=30", f"--as={_GIB}", "--", programs.HOTCELL,
                            "doctor"]).decode()
    harness.check(re.search(r"^note +resource limits +RLIMIT_CPU is 30 s, "
                            rf"RLIMIT_AS is {_GIB} bytes", report, re.MULTILINE), report)
    result = programs.run(["prlimit", "--nofile=20", "--", programs.HOTCELL, "doctor"])
    harness.check_equal(result.returncode, 1, "exit status where no job runs")
    harness.check(re.search(r"^problem +guest +RLIMIT_NOFILE is 20; \d+ are needed.*\n +remedy: ",
                            result.stdout.decode(), re.MULTILINE), f"{result.stdout!r}")


# ---- CPU time -----------------------------------------------------------------------------------

_USED_UP = r"RLIMIT_CPU is 1 s, and the worker has used them up"


def _cpu_time_of_the_worker(_):
    programs.require_kvm()
    jobs.Jobs()
    for limit in ("--cpu=1", "--cpu=1:unlimited"):
        result = programs.run(["prlimit", limit, "--", programs.HOTCELL, "run", "--mode", "long",
                               "endless.bin"])
        jobs.check_error(limit, result, _USED_UP, status=120)
    result = programs.run(["prlimit", "--cpu=20", "--", programs.HOTCELL, "run", "--mode", "long",
                           "--limit", "cpu-time=0.2", "endless.bin"])
    jobs.check_error("a lower limit of our own", result, "`cpu-time`", status=124)


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
    jobs.Jobs()
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
            result = subprocess.CompletedProcess([], command.returncode, b"", text)
            jobs.check_error(limit, result, _USED_UP, status=120)


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
        result = programs.run(["prlimit", limit, "--", sys.executable, "-c", spend, "0.7",
                               *command])
        jobs.check_error(limit, result, "RLIMIT_CPU is 1 s, and this process has used them up",
                         status=128 + signal.SIGXCPU)


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
})
