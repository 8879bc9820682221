"""Ends conversions at random moments in every way a machine can, a hundred times in all.

Whatever happened: no worker is left, the target is the old one or a complete new one, nothing lies
beside it, and who still speaks says clearly what went wrong.
"""

import os
import random
import resource
import shutil
import signal
import subprocess
import time

from support import content, files, harness, namespaces, programs

MIB = 1 << 20
_OLD_TARGET = b"the old target\n" * 1000
# Orphans and debris must be gone this long after the command is.
_GRACE_SECONDS = 5


class Bench:
    """A conversion that takes a good part of a second, and copies of the programs by whose path
    their processes are recognised."""

    def __init__(self, directory, copies=4):
        programs.require_kvm()
        self.bin = os.path.join(directory, "bin")
        os.mkdir(self.bin)
        for name in ("hotcell", "hotcell-worker"):
            shutil.copy2(os.path.join(os.path.dirname(programs.HOTCELL), name), self.bin)
        self.source = os.path.join(directory, "source.raw")
        with open(self.source, "wb") as out:
            for _ in range(copies):
                with open(content.file_system(), "rb") as data:
                    shutil.copyfileobj(data, out)
        self.output = os.path.join(directory, "output")
        os.mkdir(self.output)
        self.target = os.path.join(self.output, "target.qcow2")
        self.command = [os.path.join(self.bin, "hotcell"), "convert", "-c", "-f", "raw", "-O",
                        "qcow2", self.source, self.target]
        self.complete = os.path.join(directory, "complete.qcow2")
        begin = time.monotonic()
        programs.must([*self.command[:-1], self.complete])
        self.seconds = time.monotonic() - begin
        self.had_target = False

    def prepare(self, had_target):
        """Puts the old target in place, or takes what is there away."""
        self.had_target = had_target
        if os.path.exists(self.target):
            os.unlink(self.target)
        if had_target:
            with open(self.target, "wb") as old:
                old.write(_OLD_TARGET)

    def start(self, **options):
        # pylint: disable-next=consider-using-with
        return subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, **options)

    def processes(self, name):
        """Process ids of the copy of a program."""
        found = []
        for entry in os.listdir("/proc"):
            try:
                if entry.isdigit() and os.readlink(f"/proc/{entry}/exe") == os.path.join(
                        self.bin, name):
                    with open(f"/proc/{entry}/stat", encoding="utf-8") as status:
                        if status.read().rpartition(")")[2].split()[0] != "Z":
                            found.append(int(entry))
            except OSError:
                continue  # gone meanwhile, or another user's
        return found

    def check_clean(self):
        """No process, no debris, and a target that is old, absent or complete. Returns which."""
        deadline = time.monotonic() + _GRACE_SECONDS
        while left := self.processes("hotcell-worker") + self.processes("hotcell"):
            harness.check(time.monotonic() < deadline, f"processes are left: {left}")
            time.sleep(0.01)
        names = os.listdir(self.output)
        harness.check(names in ([], ["target.qcow2"]), f"debris: {names}")
        if not names:
            harness.check(not self.had_target, "the old target is gone")
            return "none"
        if self.had_target and os.path.getsize(self.target) == len(_OLD_TARGET):
            with open(self.target, "rb") as target:
                harness.check(target.read() == _OLD_TARGET, "the old target was changed")
            return "old"
        difference = files.first_difference(self.target, self.complete)
        harness.check(difference is None, f"the target is half-written: wrong at {difference}")
        return "complete"


def check_error(text, *words):
    harness.check(text.startswith(b"hotcell: ") and text.count(b"\n") == 1,
                  f"not one line of an error: {text!r}")
    harness.check(any(word in text.lower() for word in words),
                  f"the error speaks of none of {words}: {text!r}")


def _rounds(count, seconds):
    """Yields (round, delay), the delays at random over the time a conversion takes."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    for number in range(count):
        yield number, moments.uniform(0, seconds * 1.05)


def _finish(process):
    stderr = process.communicate(timeout=programs.TIMEOUT_SECONDS)[1]
    return process.returncode, stderr


def _kill_worker(directory):
    bench = Bench(directory)
    hits = 0
    for number, delay in _rounds(30, bench.seconds):
        bench.prepare(had_target=number % 2 == 0)
        process = bench.start()
        time.sleep(delay)
        for worker in bench.processes("hotcell-worker"):
            try:
                os.kill(worker, signal.SIGKILL)
            except ProcessLookupError:
                pass
        status, stderr = _finish(process)
        outcome = bench.check_clean()
        print(f"after {delay:.3f} s: exit {status}, target {outcome}: {stderr.decode()}", end="\n")
        if status == 0:
            harness.check_equal(outcome, "complete", "target of a success")
            continue
        hits += 1
        harness.check_equal(status, 127, "exit status")
        check_error(stderr, b"worker")
    harness.check(hits >= 5, f"only {hits} of 30 rounds met a worker")


def _kill_broker(directory):
    bench = Bench(directory)
    hits = 0
    for number, delay in _rounds(30, bench.seconds):
        bench.prepare(had_target=number % 2 == 0)
        process = bench.start()
        time.sleep(delay)
        process.kill()
        status, _ = _finish(process)
        outcome = bench.check_clean()
        print(f"after {delay:.3f} s: exit {status}, target {outcome}")
        hits += status == -signal.SIGKILL
    harness.check(hits >= 5, f"only {hits} of 30 rounds met a broker")


def _signal(directory, number, count):
    """Interrupted from the terminal (the whole process group) or by a service manager."""
    bench = Bench(directory)
    hits = 0
    for turn, delay in _rounds(count, bench.seconds):
        bench.prepare(had_target=turn % 2 == 0)
        process = bench.start(start_new_session=True)
        time.sleep(delay)
        if turn % 4 < 2:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        status, stderr = _finish(process)
        outcome = bench.check_clean()
        print(f"after {delay:.3f} s: exit {status}, target {outcome}: {stderr.decode()}")
        if status == 0:
            harness.check_equal(outcome, "complete", "target of a success")
            continue
        hits += 1
        # Before main() has installed a handler, the signal simply ends the program.
        if status != -number:
            harness.check(status in (1, 128 + number), f"exit status {status}")
            check_error(stderr, b"interrupt", b"cancel", b"signal", b"terminated", b"stopped")
    harness.check(hits >= 3, f"only {hits} of {count} rounds met a running conversion")


def _full_disk(directory):
    bench = Bench(directory)
    namespaces.enter()
    needed = os.path.getsize(bench.complete) // 1024
    for number, _ in _rounds(10, 1):
        size = random.randrange(64, needed - 1024)
        namespaces.mount_tmpfs(bench.output, size)
        bench.prepare(had_target=number % 2 == 0)
        free = os.statvfs(bench.output).f_bfree
        status, stderr = _finish(bench.start())
        outcome = bench.check_clean()
        print(f"{size} KiB: exit {status}, target {outcome}: {stderr.decode()}")
        harness.check_equal(status, 1, "exit status")
        check_error(stderr, b"no space left", b"full")
        harness.check_equal(os.statvfs(bench.output).f_bfree, free, "free blocks afterwards")
        namespaces.unmount(bench.output)


def _file_size_limit(directory):
    bench = Bench(directory)
    needed = os.path.getsize(bench.complete)
    for number, _ in _rounds(5, 1):
        limit = random.randrange(4096, needed - MIB)
        bench.prepare(had_target=number % 2 == 0)
        status, stderr = _finish(bench.start(preexec_fn=lambda limit=limit: resource.setrlimit(
            resource.RLIMIT_FSIZE, (limit, limit))))
        outcome = bench.check_clean()
        print(f"{limit} bytes: exit {status}, target {outcome}: {stderr.decode()}")
        harness.check_equal(status, 1, "exit status")
        check_error(stderr, b"file too large", b"limit", b"rlimit")


def _read_only_directory(directory):
    bench = Bench(directory, copies=1)
    namespaces.enter()
    bench.prepare(had_target=True)
    namespaces.make_read_only(bench.output)
    for _ in range(5):
        status, stderr = _finish(bench.start())
        harness.check_equal(bench.check_clean(), "old", "target")
        harness.check_equal(status, 1, "exit status")
        check_error(stderr, b"read-only")


CASES = {
    "worker-sigkill": _kill_worker,
    "broker-sigkill": _kill_broker,
    "sigint": lambda directory: _signal(directory, signal.SIGINT, 10),
    "sigterm": lambda directory: _signal(directory, signal.SIGTERM, 10),
    "full-disk": _full_disk,
    "file-size-limit": _file_size_limit,
    "read-only-directory": _read_only_directory,
}

if __name__ == "__main__":
    harness.main(CASES)
