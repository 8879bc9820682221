"""Commands whose files or whose output do not answer end all the same: soon after their time is up, or
after a signal, with the message and the exit status that such an end has.
"""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import time

from support import hanging_files, harness, namespaces, programs

_MIB = 1 << 20
_TIMEOUT = 1
# Beyond what a command has to do; a machine under load must not fail a test.
_SLACK = 12
_UP = b"the job took longer than its limit `wall-time` of 1s"
_HELD_UP = b"a file or the standard output does not answer"
# 1: mov $'x', %al; mov $0x3f8, %dx; out %al, (%dx); jmp 1b
_FLOOD = bytes([0xB0, 0x78, 0x66, 0xBA, 0xF8, 0x03, 0xEE, 0xEB, 0xF7])
_RUN = ["run", "--mode", "long"]


def _start(*arguments, program=programs.HOTCELL, **options):
    options.setdefault("stdout", subprocess.PIPE)
    # pylint: disable-next=consider-using-with
    return subprocess.Popen([program, *arguments], stdin=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, **options)


def _end(process, begin, least):
    """Exit status, standard output and error of a command that has to end soon."""
    try:
        stdout, stderr = process.communicate(timeout=least + _SLACK)
    except subprocess.TimeoutExpired as hangs:
        process.kill()
        raise harness.Failure(f"{process.args} does not end") from hangs
    harness.check(time.monotonic() - begin >= least, f"{process.args} has not waited: {stderr!r}")
    return process.returncode, stdout, stderr


def _check_timeout(what, result, status=124):
    harness.check_equal(result[0], status, f"exit status of {what} ({result[2]!r})")
    harness.check(result[2].startswith(b"hotcell: ") and _UP in result[2] and
                  result[2].count(b"\n") == 1, f"{what}: {result[2]!r}")


def _make_disk():
    programs.require_kvm()
    with open("disk.raw", "wb") as disk:
        disk.write(os.urandom(_MIB))
        disk.truncate(4 * _MIB)


def _make_large_disk():
    """Makes a disk that takes far longer with `-r 1M` than any case does."""
    with open("large.raw", "wb") as disk:
        disk.write(os.urandom(64 * _MIB))


def _timed(*arguments, **options):
    begin = time.monotonic()
    return _end(_start(*arguments, "--timeout", str(_TIMEOUT), **options), begin, _TIMEOUT)


def _children(pid):
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/status", encoding="utf-8") as status:
                    text = status.read()
            except OSError:
                continue
            if f"PPid:\t{pid}\n" in text:
                found.append(int(entry))
    return found


def _check_no_worker_of(process):
    harness.check_equal(_children(process.pid), [], "children that are left")


def _commands(image):
    return [["info", image], ["check", image], ["inspect", image], ["map", image],
            ["digest", image], ["compare", "disk.raw", image], ["measure", "-O", "raw", image],
            ["convert", "-O", "qcow2", image, "out"],
            ["convert", "--inspect", "-O", "qcow2", image, "out"],
            ["dd", f"if={image}", "of=out"]]


def _files(hangs_at):
    def case(_):
        _make_disk()
        namespaces.enter()
        for command in _commands("mnt/disk.raw"):
            with hanging_files.mounted("mnt", hangs_at):
                _check_timeout(command, _timed(*command))
                harness.check(not os.path.exists("out"), f"{command} left its target")
        with hanging_files.mounted("mnt", hangs_at):
            document = json.loads(_timed("inspect", "--output=json", "mnt/disk.raw")[1])
            harness.check_equal((document["error"]["code"], document["error"]["kind"]),
                                ("deadline", "deadline"), "error")
    return case


def _as_qemu_img(_):
    _make_disk()
    namespaces.enter()
    link = os.path.abspath("qemu-img")
    os.symlink(programs.HOTCELL, link)
    worker = os.path.join(os.path.dirname(programs.HOTCELL), "hotcell-worker")
    for command, want in ((["compare", "disk.raw"], 2), (["info"], 1)):  # compare's 1: they differ
        with hanging_files.mounted("mnt", "read"):
            status, _, stderr = _timed(*command, "--worker", worker, "mnt/disk.raw", program=link)
            harness.check_equal(status, want, f"exit status of {command}")
            harness.check(stderr.startswith(b"qemu-img: ") and _UP in stderr, f"{stderr!r}")


def _targets(_):
    _make_disk()
    namespaces.enter()
    for command in (["create", "-f", "qcow2", "mnt/new.qcow2", "4M"],
                    ["convert", "-f", "raw", "-O", "raw", "disk.raw", "mnt/new.raw"],
                    ["convert", "-n", "-f", "raw", "-O", "raw", "disk.raw", "mnt/disk.raw"]):
        with hanging_files.mounted("mnt", "open"):
            _check_timeout(command, _timed(*command))


def _signals(_):
    _make_disk()
    namespaces.enter()
    for hangs_at in ("open", "read"):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with hanging_files.mounted("mnt", hangs_at) as hangs:
                process = _start("info", "mnt/disk.raw")
                hanging_files.wait_for(hangs, f"{hangs_at} of the image")
                time.sleep(0.2)
                begin = time.monotonic()
                process.send_signal(number)
                status, _, stderr = _end(process, begin, 1)
                harness.check_equal(status, 128 + number, "exit status")
                name = signal.Signals(number).name.encode()
                harness.check_equal(stderr, b"hotcell: info: cancelled by " + name + b"; " +
                                    _HELD_UP + b"\n", "message")


def _second_signal(_):
    """It ends the command at once, as it does without anything that hangs."""
    _make_disk()
    namespaces.enter()
    with hanging_files.mounted("mnt", "read") as hangs:
        process = _start("info", "mnt/disk.raw")
        hanging_files.wait_for(hangs, "a read")
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        time.sleep(0.7)
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        status, _, stderr = _end(process, begin, 0)
        harness.check_equal((status, stderr), (-signal.SIGINT, b""), "end")
        harness.check(time.monotonic() - begin < 1, "it has waited")
        _check_no_worker_of(process)


def _signal_that_comes_twice(_):
    """timeout(1) sends its signal to the process and to its group: that is one wish."""
    _make_disk()
    namespaces.enter()
    with hanging_files.mounted("mnt", "read") as hangs:
        process = _start("info", "mnt/disk.raw")
        hanging_files.wait_for(hangs, "a read")
        time.sleep(0.2)
        begin = time.monotonic()
        for _ in range(3):
            process.send_signal(signal.SIGTERM)
            time.sleep(0.1)
        harness.check_equal(_end(process, begin, 1)[0], 128 + signal.SIGTERM, "exit status")
    _make_large_disk()
    for _ in range(20):
        process = _start("convert", "-r", "1M", "-O", "raw", "large.raw", "out")
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.001)
        process.send_signal(signal.SIGTERM)
        status, _, stderr = _end(process, 0, 0)
        harness.check_equal((status, stderr), (128 + signal.SIGTERM,
                            b"hotcell: convert: cancelled by SIGTERM; 'out' is as it was before\n"),
                            "end")
        harness.check(not os.path.exists("out"), "the target is there")


@contextlib.contextmanager
def _full_pipe():
    read_end, write_end = os.pipe()
    os.write(write_end, bytes(fcntl.fcntl(write_end, fcntl.F_GETPIPE_SZ)))
    try:
        yield write_end
    finally:
        os.close(read_end)
        os.close(write_end)


def _other_children(_):
    """A process may have children from before it became this command; those are not its workers."""
    programs.require_kvm()
    with open("flood.bin", "wb") as program:
        program.write(_FLOOD)
    with _full_pipe() as full:
        begin = time.monotonic()
        script = 'sleep 50 >/dev/null 2>&1 & echo $! > child; exec "$@"'
        process = _start("-c", script, "sh", programs.HOTCELL, *_RUN, "--timeout", str(_TIMEOUT),
                         "flood.bin", program="/bin/sh", stdout=full, close_fds=True)
        _check_timeout("run", _end(process, begin, _TIMEOUT))
    with open("child", encoding="ascii") as file:
        child = int(file.read())
    try:
        with open(f"/proc/{child}/stat", encoding="ascii") as stat:
            harness.check(stat.read().split()[2] != "Z", "it was killed")
        os.kill(child, signal.SIGKILL)
    except (FileNotFoundError, ProcessLookupError) as gone:
        raise harness.Failure("it was killed") from gone


def _stopped(_):
    """The time of a process that was stopped goes on. It is no file's fault, then."""
    programs.require_kvm()
    _make_large_disk()
    process = _start("convert", "-r", "1M", "-O", "raw", "--timeout", "2", "large.raw", "out")
    time.sleep(0.5)
    process.send_signal(signal.SIGSTOP)
    time.sleep(6)
    process.send_signal(signal.SIGCONT)
    result = _end(process, 0, 0)
    harness.check_equal(result[0], 124, f"exit status ({result[2]!r})")
    harness.check(b"wall-time` of 2s" in result[2] and _HELD_UP not in result[2], f"{result[2]!r}")


def _output_that_nobody_reads(_):
    programs.require_kvm()
    with open("flood.bin", "wb") as program:
        program.write(_FLOOD)
    with _full_pipe() as full:
        result = _timed(*_RUN, "--output", "out", "flood.bin", stdout=full)
        _check_timeout("run", result)
        harness.check_equal(sorted(os.listdir(".")), ["flood.bin"], "files")
        process = _start(*_RUN, "flood.bin", stdout=full)
        time.sleep(0.5)
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        status, _, stderr = _end(process, begin, 1)
        harness.check_equal((status, stderr),
                            (130, b"hotcell: run: cancelled by SIGINT; " + _HELD_UP + b"\n"), "end")
        _check_no_worker_of(process)


def _messages_that_nobody_reads(_):
    programs.require_kvm()
    _make_large_disk()
    for command, want in ((["convert", "-r", "1M", "-O", "raw", "large.raw", "out"], 124),
                          (["info", "absent.raw"], 1),
                          ([*_RUN, "--registers", "halt.bin"], 0)):
        with open("halt.bin", "wb") as program:
            program.write(b"\xf4")
        with _full_pipe() as full:
            begin = time.monotonic()
            # pylint: disable-next=consider-using-with
            process = subprocess.Popen([programs.HOTCELL, *command, "--timeout", str(_TIMEOUT)],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=full)
            harness.check_equal(_end(process, begin, _TIMEOUT)[0], want, f"exit of {command}")


def _slow_readers_of_messages(_):
    with _full_pipe() as full:
        # pylint: disable-next=consider-using-with
        process = subprocess.Popen([programs.HOTCELL, "info", "--timeout", "20", "absent.raw"],
                                   stderr=full)
        time.sleep(2)
        with open(f"/proc/self/fd/{full}", "rb", buffering=0) as reader:
            reader.read(fcntl.fcntl(full, fcntl.F_GETPIPE_SZ))
            process.wait(programs.TIMEOUT_SECONDS)
            harness.check(b"absent.raw" in reader.read(4096), "the message is lost")
    harness.check_equal(process.returncode, 1, "exit status")


def _other_digests(_):
    """An image that does not answer keeps no other from being hashed."""
    _make_disk()
    with open("last.raw", "wb") as last:
        last.write(os.urandom(_MIB))
    namespaces.enter()
    want = programs.must_hotcell("digest", "disk.raw", "last.raw")
    images = ["disk.raw", "mnt/disk.raw", "last.raw"]
    for hangs_at in ("open", "read"):
        with hanging_files.mounted("mnt", hangs_at):
            result = _timed("digest", *images)
            _check_timeout("digest", result)
            harness.check_equal(result[1], want, "standard output")
            result = _timed("digest", "--output=json", *images)
            _check_timeout("digest", result)
            digests = json.loads(result[1])["digests"]
            harness.check_equal("".join(f"{digest['sha256']}  {digest['filename']}\n"
                                        for digest in digests).encode(), want, "document")


def _first_digest(_):
    """What has been hashed is told before another image holds the command up, and a signal ends all."""
    _make_disk()
    namespaces.enter()
    want = programs.must_hotcell("digest", "disk.raw")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        with hanging_files.mounted("mnt", "read") as hangs:
            process = _start("digest", "disk.raw", "mnt/disk.raw", "disk.raw")
            hanging_files.wait_for(hangs, "a read")
            harness.check_equal(process.stdout.read1(), want, "first line")
            process.send_signal(number)
            status, stdout, stderr = _end(process, 0, 0)
            harness.check_equal((status, stdout), (128 + number, b""), f"end ({stderr!r})")
            harness.check(stderr.count(b"\n") == 1 and _HELD_UP in stderr, f"{stderr!r}")


def _digests_without_their_command(_):
    """Nothing of a command that is killed is left."""
    _make_disk()
    namespaces.enter()
    with hanging_files.mounted("mnt", "open") as hangs:
        process = _start("digest", "mnt/disk.raw")
        hanging_files.wait_for(hangs, "an open")
        children = _children(process.pid)
        harness.check(children, "it has no child")
        process.kill()
        process.communicate()
        hanging_files.wait_for(lambda: not any(os.path.exists(f"/proc/{child}/exe")
                                               for child in children), "their end")


def _slow_readers(_):
    """Who reads a result may take more time than the job had."""
    programs.require_kvm()
    with open("ragged.raw", "wb") as disk:
        for offset in range(0, 64 * _MIB, 8192):
            disk.seek(offset)
            disk.write(b"x")
    command = ["map", "--output=json", "-f", "raw", "ragged.raw"]
    want = programs.must_hotcell(*command)
    harness.check(len(want) > 1 << 17, "too little for a pipe to be full")
    process = _start(*command, "--timeout", "2")
    time.sleep(6)
    stdout, stderr = process.communicate(timeout=programs.TIMEOUT_SECONDS)
    harness.check_equal((process.returncode, stderr), (0, b""), "end")
    harness.check(stdout == want, "another result")


def _inputs_of_run(_):
    _make_disk()
    with open("halt.bin", "wb") as program:
        program.write(b"\xf4")
    namespaces.enter()
    commands = [["mnt/program.bin"], ["--input", "mnt/input", "halt.bin"],
                ["--serial-input", "mnt/input", "halt.bin"]]
    for hangs_at in ("open", "read"):
        for command in commands:
            with hanging_files.mounted("mnt", hangs_at):
                result = _timed(*_RUN, *command)
                _check_timeout(command, result)
                harness.check(b"does not answer, or does not end" in result[2], f"{result[2]!r}")
    read_end, write_end = os.pipe()
    begin = time.monotonic()
    # pylint: disable-next=consider-using-with
    process = subprocess.Popen([programs.HOTCELL, *_RUN, "--timeout", str(_TIMEOUT),
                                "--serial-input", "-", "halt.bin"], stdin=read_end,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    _check_timeout("run with an input that does not end", _end(process, begin, _TIMEOUT))
    os.close(read_end)
    os.close(write_end)


def _configuration(_):
    _make_disk()
    namespaces.enter()
    environment = {**os.environ, "HOTCELL_CONFIG": "mnt/hotcell.conf"}
    for command in (["info", "disk.raw"], ["doctor"]):
        for hangs_at in ("open", "read"):
            with hanging_files.mounted("mnt", hangs_at):
                begin = time.monotonic()
                status, _, stderr = _end(_start(*command, env=environment), begin, 5)
                harness.check_equal((status, stderr), (
                    124, b"hotcell: " + command[0].encode() + b": it took longer than 5s to read "
                    b"the configuration; 'mnt/hotcell.conf' does not answer\n"), "end")


CASES = {
    "open": _files("open"),
    "read": _files("read"),
    "as-qemu-img": _as_qemu_img,
    "targets": _targets,
    "signals": _signals,
    "second-signal": _second_signal,
    "signal-that-comes-twice": _signal_that_comes_twice,
    "other-children": _other_children,
    "stopped": _stopped,
    "output": _output_that_nobody_reads,
    "inputs-of-run": _inputs_of_run,
    "configuration": _configuration,
    "messages": _messages_that_nobody_reads,
    "slow-readers-of-messages": _slow_readers_of_messages,
    "other-digests": _other_digests,
    "first-digest": _first_digest,
    "digests-without-their-command": _digests_without_their_command,
    "slow-readers": _slow_readers,
}

if __name__ == "__main__":
    harness.main(CASES)
