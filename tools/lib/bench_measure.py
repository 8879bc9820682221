"""Runs a command and says what it cost: wall time, CPU time, peak memory of all its processes."""

import ctypes
import dataclasses
import os
import subprocess
import threading
import time

_SAMPLE_SECONDS = 0.01
_PR_SET_CHILD_SUBREAPER = 36


@dataclasses.dataclass
class Cost:
    wall: float  # seconds
    cpu: float  # seconds, user and system, of the command and all its children


def adopt_orphans():
    """Makes this process the parent of what a command leaves behind: hotcell ends while the kernel
    still takes its worker apart, and the worker's time counts."""
    if ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise RuntimeError("cannot become a subreaper")


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
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"exit {process.returncode}: {' '.join(command)}")
    return Cost(wall, usage.ru_utime + usage.ru_stime + _reap_orphans())


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


def peak_memory(command):
    """Runs a command. Returns the highest sum over its process tree that was sampled, bytes."""
    # pylint: disable-next=consider-using-with
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    peak = 0
    done = threading.Event()

    def sample():
        nonlocal peak
        while not done.is_set():
            peak = max(peak, sum(map(_proportional_set_size, _descendants(process.pid))))
            done.wait(_SAMPLE_SECONDS)

    sampler = threading.Thread(target=sample)
    sampler.start()
    status = process.wait()
    done.set()
    sampler.join()
    _reap_orphans()
    if status != 0:
        raise RuntimeError(f"exit {status}: {' '.join(command)}")
    return peak
