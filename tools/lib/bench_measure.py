"""Runs a command and says what it cost: wall time, CPU time, peak memory of all its processes."""

import ctypes
import dataclasses
import mmap
import os
import subprocess
import threading
import time

_MIB = 1 << 20
_SAMPLE_SECONDS = 0.002
_PR_SET_CHILD_SUBREAPER = 36
_BLOCK = b"\x5a" * (4 * _MIB)


class CommandFailed(Exception):
    """A command failed that had to succeed; the text is what it said."""


@dataclasses.dataclass
class Cost:
    wall: float  # seconds
    cpu: float  # seconds, user and system, of the command and all its children


def adopt_orphans():
    """Makes this process the parent of what a command leaves behind: hotcell ends while the kernel
    still takes its worker apart, and the worker's time counts."""
    if ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise RuntimeError("cannot become a subreaper")


def read_through(path):
    """Brings the data of a file into the page cache; holes are not read."""
    with open(path, "rb", buffering=0) as source:
        buffer = bytearray(len(_BLOCK))
        size = os.fstat(source.fileno()).st_size
        position = 0
        while position < size:
            try:
                position = os.lseek(source.fileno(), position, os.SEEK_DATA)
            except OSError:
                return  # nothing but a hole is left
            end = os.lseek(source.fileno(), position, os.SEEK_HOLE)
            os.lseek(source.fileno(), position, os.SEEK_SET)
            while position < end:
                count = source.readinto(buffer)
                if count == 0:
                    return
                position += count


class BackedMemory:
    """Keeps `size` bytes of free memory backed by the host, while it is open.

    The host of a virtual machine takes memory back within seconds of its being freed, and gives it
    again several times as slowly as it is used: a conversion then takes one to five times its time,
    at random. What it takes are free blocks of many pages; so one page of every sixteen stays in
    use, the others are freed, and whoever allocates single pages (tmpfs, most programs) gets those.
    """

    _STEP = 16 * mmap.PAGESIZE  # half of the smallest block that Linux reports, 128 KiB at that

    def __init__(self, size):
        self._memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._memory.madvise(mmap.MADV_NOHUGEPAGE)
        for offset in range(0, size, len(_BLOCK)):
            self._memory[offset:offset + len(_BLOCK)] = _BLOCK
        for offset in range(0, size, self._STEP):
            self._memory.madvise(mmap.MADV_DONTNEED, offset + mmap.PAGESIZE,
                                 self._STEP - mmap.PAGESIZE)

    def close(self):
        self._memory.close()


def _fail(command, status, errors):
    lines = errors.decode(errors="replace").strip().splitlines()
    raise CommandFailed(f"{' '.join(command)}: {lines[-1] if lines else f'exit {status}'}")


def _reap_orphans():
    """Waits for adopted children. Returns their CPU time, seconds."""
    cpu = 0.0
    while True:
        try:
            _, _, usage = os.wait4(-1, 0)
        except ChildProcessError:
            return cpu
        cpu += usage.ru_utime + usage.ru_stime


def measure(command):
    """Runs a command that must succeed. Returns its Cost."""
    begin = time.perf_counter()
    # pylint: disable-next=consider-using-with
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    cpu = usage.ru_utime + usage.ru_stime + _reap_orphans()
    with process.stderr as errors:
        if process.returncode != 0:
            _fail(command, process.returncode, errors.read())
    return Cost(wall, cpu)


def _descendants(pid):
    found = [pid]
    for parent in found:
        try:
            for thread in os.listdir(f"/proc/{parent}/task"):
                with open(f"/proc/{parent}/task/{thread}/children", encoding="ascii") as children:
                    found += [int(child) for child in children.read().split()]
        except OSError:
            continue  # ended meanwhile
    return found


def _proportional_set_size(pid):
    """Bytes, shared pages counted in parts."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) << 10
    except OSError:
        pass  # ended meanwhile, or undumpable and we are not root
    return 0


def observe(command):
    """Runs a command that must succeed. Returns the highest sum over its process tree that was
    sampled, bytes, and its standard output. Slows the command down."""
    # pylint: disable-next=consider-using-with
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    peak = 0
    done = threading.Event()

    def sample():
        nonlocal peak
        while not done.is_set():
            peak = max(peak, sum(map(_proportional_set_size, _descendants(process.pid))))
            done.wait(_SAMPLE_SECONDS)

    sampler = threading.Thread(target=sample)
    sampler.start()
    output, errors = process.communicate()
    done.set()
    sampler.join()
    _reap_orphans()
    if process.returncode != 0:
        _fail(command, process.returncode, errors)
    return peak, output
