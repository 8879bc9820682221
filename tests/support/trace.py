"""What files and addresses a command and its children asked the kernel for."""

import dataclasses
import os
import re
import stat

from support import harness, programs

# Calls that reach a file or a peer by name.
_CALLS = ("open,openat,openat2,creat,connect,bind,execve,execveat,link,linkat,rename,renameat,"
          "renameat2,unlink,unlinkat,truncate,mknod,mknodat,symlink,symlinkat")

# strace -y gives descriptors as 7</dir>, AT_FDCWD</cwd>.
_LINE = re.compile(r"^\d+ +(\w+)\((.*)$")
_NAME = re.compile(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>(?:\(deleted\))?, )?"((?:[^"\\]|\\.)*)"')
_FAILED = re.compile(r"\) += -1 E\w+ ")


@dataclasses.dataclass
class Entry:
    call: str
    path: str
    failed: bool


def run(command, log, **options):
    """Runs a command under strace. Returns its CompletedProcess and a list of Entry."""
    programs.require_program("strace")
    result = programs.run(
        ["strace", "-f", "-qq", "-y", "-s", "4096", "-e", f"trace={_CALLS}", "-o", log, "--",
         *command], **options)
    with open(log, encoding="utf-8", errors="replace") as lines:
        return result, [entry for line in lines for entry in _entries(line)]


def _entries(line):
    match = _LINE.match(line)
    if not match:
        return  # a resumed call, a signal, an exit
    call, arguments = match.groups()
    failed = bool(_FAILED.search(line))
    if call in ("connect", "bind"):
        yield Entry(call, arguments, failed)
        return
    names = _NAME.findall(arguments)
    if call in ("execve", "execveat"):
        names = names[:1]  # the strings that follow are arguments
    for directory, name in names:
        if not name and call == "linkat":
            continue  # the descriptor itself, a file without a name
        name = name.encode().decode("unicode_escape")
        yield Entry(call, os.path.normpath(os.path.join(directory or os.getcwd(), name)), failed)


# What the programs need whatever the image: the device, the worker beside the command, the shared
# libraries of a build that is not static, the time zone of a snapshot's date, and what the kernel
# says about the process itself.
_ALWAYS = re.compile(
    r"^(/dev/kvm|/dev/null|/etc/ld\.so\.(cache|preload)|/etc/localtime|(/usr)?/lib(64|32|x32)?/.*|"
    r"/proc/(self|thread-self|\d+)(/task/\d+)?/(maps|status|fd/?\d*|uid_map|gid_map|setgroups|"
    r"cgroup|exe|comm|oom_score_adj)|/proc/self/fd|/sys/.*|/proc/sys/.*|/proc/meminfo|/proc/cpuinfo)$")


def check_only(entries, allowed, attempted, worker):
    """Fails when a path is neither always needed nor one of `allowed`. Those of `attempted` may be
    asked for, if the kernel refuses."""
    own = {programs.HOTCELL, worker}
    for entry in entries:
        if entry.call in ("execve", "execveat"):
            # execveat of a descriptor with an empty name shows the descriptor's own path.
            harness.check(entry.path in own, f"{entry.call} of {entry.path}")
        elif entry.path in attempted and entry.failed:
            continue
        else:
            harness.check(
                entry.path in allowed or entry.path in own or _ALWAYS.match(entry.path),
                f"{entry.call} of {entry.path!r}, which nobody named")


def snapshot(directory):
    """Names, kinds and sizes of what a directory holds, to find debris."""
    found = {}
    for parent, directories, names in os.walk(directory):
        for name in directories + names:
            path = os.path.join(parent, name)
            status = os.lstat(path)
            kind = stat.S_IFMT(status.st_mode)
            found[path] = (kind, status.st_size if kind == stat.S_IFREG else 0)
    return found
