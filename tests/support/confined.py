"""Runs a reader that nobody trusts on an image that nobody trusts: what it opened, what it took,
how it ended.

The program runs under strace with limits on memory, time and the size of files, in a directory of
its own. Whatever it asks the kernel for by name that is neither its own nor the image is `foreign`.
"""

import dataclasses
import os
import re
import select
import signal
import subprocess
import tempfile

MIB = 1 << 20

# The limits that OpenStack has for qemu-img: bytes, and seconds.
ADDRESS_SPACE = 1 << 30
CPU_SECONDS = 20
SECONDS = 60
# No reader is asked for a disk of more.
FILE_BYTES = 96 * MIB

OK, REFUSED, CRASH, HANG, MEMORY = "ok", "refused", "crash", "hang", "memory"

_NO_MEMORY = re.compile(
    rb"cannot allocate|can't allocate|failed to allocate|could not allocate|unable to allocate|"
    rb"out of memory|memory exhausted|bad_alloc|NO_MEMORY|ENOMEM", re.IGNORECASE)

# What programs ask for whatever the image is.
_USUAL = re.compile(
    r"^(/|/tmp|/dev/(null|urandom|random|tty)|/etc/(ld\.so\..*|localtime|locale\.alias|ssl/.*|"
    r"gnutls/.*|gcrypt/.*|crypto-policies/.*)|/usr/pyvenv\.cfg|(/usr)?/(lib|lib64|share)(/.*)?|"
    r"(/usr)?/s?bin(/.*)?|/usr/local/.*|"
    r"/proc/(self|\d+)/(maps|status|exe|auxv|cmdline|stat|cgroup|mountinfo|oom_score_adj|"
    r"task/\d+/comm)|/proc/(meminfo|cpuinfo|stat|filesystems|sys/.*)|/sys/.*|/selinux|"
    r"/(nonexistent|var/run/qemu/[^/]*)/block-[a-z0-9-]+\.so)$")

_LINE = re.compile(r"^(?:\d+ +)?(\w+)\((.*)$")
# strace -y shows descriptors as 7</directory>.
_NAME = re.compile(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>(?:\(deleted\))?, )?"((?:[^"\\]|\\.)*)"(\.\.\.)?')


@dataclasses.dataclass
class Run:
    end: str
    output: bytes
    errors: bytes
    foreign: list  # texts: files and addresses
    # Resident memory; a process counts what its parent had when it was made, so that it is never
    # less than that.
    peak_kib: int


def _unescape(text):
    return text.encode("latin-1").decode("unicode_escape")


def _foreign(log, directory, own, folders):
    found = []
    with open(log, encoding="latin-1") as lines:
        for line in lines:
            match = _LINE.match(line)
            if not match:
                continue
            call, arguments = match.groups()
            if call.startswith("readlink"):
                continue  # tells a name, opens nothing
            if call == "connect":
                found.append(f"connect({arguments.partition(') = ')[0].rstrip()})")
                continue
            names = _NAME.findall(arguments)
            for base, name, _ in names[:1] if call.startswith("exec") else names:
                path = os.path.normpath(os.path.join(base or directory, _unescape(name)))
                if name and not (_USUAL.match(path) or path in own or
                                 path.startswith(tuple(folder + "/" for folder in folders))):
                    found.append(f"{call} of {path}")
    return sorted(set(found))


def _wait(process, seconds):
    """Returns (status as of waitpid, rusage, whether the time was up)."""
    late = False
    descriptor = os.pidfd_open(process.pid)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        if not poll.poll(seconds * 1000):
            late = True
            os.killpg(process.pid, signal.SIGKILL)
        _, status, usage = os.wait4(process.pid, 0)
    finally:
        os.close(descriptor)
    process.returncode = 0  # it is waited for
    return status, usage, late


def run(command, directory, own=(), folders=(), output=None, environment=None, seconds=SECONDS):
    """Runs `command` in `directory`. `own`: paths that it may ask for besides the usual ones;
    `folders`: the same of all that is below them; `output`: a file for its standard output, which
    is else returned."""
    own = {directory, *own}
    # Small stacks and one arena: threads do not take up the address space by themselves.
    environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/nonexistent",
                   "MALLOC_ARENA_MAX": "1",
                   **(environment or {})}
    with tempfile.NamedTemporaryFile(prefix="hotcell-strace.") as log, \
            tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        traced = ["prlimit", f"--as={ADDRESS_SPACE}", f"--fsize={FILE_BYTES}", "--core=0",
                  "--stack=1048576:1048576",
                  f"--cpu={CPU_SECONDS}", "strace", "-f", "--seccomp-bpf", "-qq", "-y", "-s", "4096",
                  "-e", "trace=%file,connect", "-e", "signal=none", "-o", log.name, "--", *command]
        # SIGXFSZ stays ignored, so that a file which grows too big is an error and no signal.
        with subprocess.Popen(traced, cwd=directory, env=environment, stdin=subprocess.DEVNULL,
                              stdout=output or out, stderr=err, restore_signals=False,
                              start_new_session=True) as process:
            status, usage, late = _wait(process, seconds)
        out.seek(0)
        err.seek(0)
        answer = Run(OK, out.read(MIB), err.read(MIB),
                     _foreign(log.name, directory, own, folders), usage.ru_maxrss)
    killed = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if late or killed in (signal.SIGXCPU, signal.SIGKILL):
        answer.end = HANG
    elif _NO_MEMORY.search(answer.errors + answer.output) and status != 0:
        answer.end = MEMORY
    elif killed:
        answer.end = CRASH
    elif status != 0:
        answer.end = REFUSED
    return answer
