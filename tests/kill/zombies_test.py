"""A container's process 1 often reaps nothing: whatever a command leaves to it stays there as a
zombie, and counts against the container's limit of processes.

The case runs commands of all kinds in a pid namespace whose process 1, this script, waits for the
commands alone.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time

from support import harness, programs

_MIB = 1 << 20
_ROUNDS = 3
# jmp to itself
_ENDLESS = bytes([0xEB, 0xFE])
# mov $7, %al; out %al, $1: the guest's own exit status.
_GUEST = bytes([0xB0, 0x07, 0xE6, 0x01])
# 1: mov $'x', %al; mov $0x3f8, %dx; out %al, (%dx); jmp 1b
_FLOOD = bytes([0xB0, 0x78, 0x66, 0xBA, 0xF8, 0x03, 0xEE, 0xEB, 0xF7])
_RUN = ["run", "--mode", "long"]

# Exit status and arguments.
_COMMANDS = [
    (0, ["info", "disk.qcow2"]),
    (0, ["info", "--output=json", "overlay.qcow2"]),
    (0, ["convert", "-f", "raw", "-O", "qcow2", "disk.raw", "out"]),
    (0, ["convert", "-c", "-O", "qcow2", "disk.qcow2", "out"]),
    (0, ["convert", "--inspect", "-O", "raw", "disk.qcow2", "out"]),
    (0, ["create", "-f", "qcow2", "-b", "disk.qcow2", "-F", "qcow2", "out"]),
    (0, ["dd", "if=disk.qcow2", "of=out", "bs=1M", "count=1"]),
    (0, ["compare", "disk.raw", "disk.qcow2"]),
    (0, ["check", "disk.qcow2"]),
    (0, ["inspect", "disk.qcow2"]),
    (0, ["digest", "disk.raw", "disk.qcow2", "disk.raw"]),
    (0, ["map", "disk.qcow2"]),
    (0, ["measure", "-O", "qcow2", "disk.raw"]),
    (0, ["doctor"]),
    (7, [*_RUN, "guest.bin"]),
    # Jobs that fail: of the image, of a limit, of time, of the worker.
    (1, ["info", "-f", "qcow2", "disk.raw"]),
    (1, ["convert", "-O", "raw", "overlay.qcow2", "out"]),
    (1, ["convert", "--limit", "output-bytes=64K", "-O", "raw", "disk.qcow2", "out"]),
    (2, ["inspect", "overlay.qcow2"]),
    (124, [*_RUN, "--timeout", "0.2", "endless.bin"]),
    (124, ["convert", "--timeout", "0.001", "-O", "raw", "disk.qcow2", "out"]),
    (127, ["info", "--worker=/bin/true", "disk.qcow2"]),
    # Nothing that needs a worker.
    (1, ["info", "absent.qcow2"]),
    (1, ["info", "--require=nonsense", "disk.qcow2"]),
]


def _make_files():
    with open("disk.raw", "wb") as disk:
        disk.write(os.urandom(_MIB))
        disk.truncate(4 * _MIB)
    programs.must_hotcell("convert", "-f", "raw", "-O", "qcow2", "disk.raw", "disk.qcow2")
    programs.must_hotcell("create", "-f", "qcow2", "-b", "disk.qcow2", "-F", "qcow2",
                          "overlay.qcow2")
    for name, code in (("guest.bin", _GUEST), ("endless.bin", _ENDLESS), ("flood.bin", _FLOOD)):
        with open(name, "wb") as program:
            program.write(code)


def _cancel(number):
    # pylint: disable-next=consider-using-with
    process = subprocess.Popen([programs.HOTCELL, *_RUN, "endless.bin"],
                               stderr=subprocess.DEVNULL)
    time.sleep(0.3)
    process.send_signal(number)
    harness.check_equal(process.wait(programs.TIMEOUT_SECONDS), 128 + number, "cancelled run")


def _hold_up():
    """Commands that their output holds up, and that end all the same."""
    read_end, write_end = os.pipe()
    os.write(write_end, bytes(fcntl.fcntl(write_end, fcntl.F_GETPIPE_SZ)))  # it is full
    for arguments, signals, want in ((["--timeout", "0.5"], [], 124),
                                     ([], [signal.SIGTERM], 143),
                                     ([], [signal.SIGINT] * 2, -signal.SIGINT)):
        # pylint: disable-next=consider-using-with
        process = subprocess.Popen([programs.HOTCELL, *_RUN, *arguments, "flood.bin"],
                                   stdout=write_end, stderr=subprocess.DEVNULL)
        for number in signals:
            time.sleep(0.7)
            process.send_signal(number)
        status = process.wait(programs.TIMEOUT_SECONDS)
        harness.check_equal(status, want, f"run that is held up ({signals})")
    os.close(read_end)
    os.close(write_end)


def _zombies():
    """What has died below process 1 and nobody waits for."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        with open(f"/proc/{entry}/stat", encoding="utf-8") as stat:
            name, _, rest = stat.read().partition("(")[2].rpartition(")")
        if rest.split()[0] == "Z":
            found.append(name)
    return found


def _be_process_1():
    harness.check_equal(os.getpid(), 1, "process id")
    for _ in range(_ROUNDS):
        for status, arguments in _COMMANDS:
            result = programs.hotcell(*arguments)
            harness.check_equal((arguments, result.returncode), (arguments, status),
                                f"exit status ({result.stderr!r})")
    _cancel(signal.SIGINT)
    _cancel(signal.SIGTERM)
    _hold_up()
    time.sleep(0.5)
    harness.check_equal(_zombies(), [], "zombies")
    # A zombie would have been seen: this one's parent ends first.
    programs.must(["sh", "-c", "sleep 0.1 &"])
    time.sleep(0.5)
    harness.check_equal(_zombies(), ["sleep"], "zombies of a command that waits for nobody")


def _nothing_is_left(_directory):
    programs.require_root()
    programs.require_kvm()
    if shutil.which("unshare") is None:
        raise harness.Skip("unshare is not installed")
    _make_files()
    programs.must(["unshare", "--pid", "--fork", "--mount-proc", sys.executable,
                   "-m", "kill.zombies_test", "--process-1"], stdout=None, timeout=200)


if __name__ == "__main__":
    if sys.argv[1:] == ["--process-1"]:
        _be_process_1()
    else:
        harness.main({"nothing-is-left": _nothing_is_left})
