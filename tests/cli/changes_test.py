"""Files that change while they are read: a warning, or an error where it is asked for."""

import contextlib
import json
import os
import threading
import time

from support import harness, programs

_MIB = 1 << 20
_WARNING = b"'%s' changed while it was read; the result may be of both contents"

# Commands that read disk.qcow2, and what they print where all is well is not looked at.
_COMMANDS = {
    "convert": ["convert", "-O", "raw", "disk.qcow2", "out"],
    "dd": ["dd", "-O", "raw", "if=disk.qcow2", "of=out"],
    "digest": ["digest", "disk.qcow2"],
    "compare": ["compare", "disk.qcow2", "same.qcow2"],
    "check": ["check", "disk.qcow2"],
    "map": ["map", "disk.qcow2"],
    "measure": ["measure", "-O", "qcow2", "disk.qcow2"],
    "info": ["info", "disk.qcow2"],
}


def _make_images():
    programs.require_kvm()
    with open("disk.raw", "wb") as disk:
        disk.write(os.urandom(4 * _MIB))
    for name in ("disk.qcow2", "same.qcow2"):
        programs.must_hotcell("convert", "-f", "raw", "-O", "qcow2", "disk.raw", name)


@contextlib.contextmanager
def _changing(path, change=None):
    """Somebody does that to the file all the time, or writes what is there already."""
    done = threading.Event()

    def write():
        with open(path, "r+b", buffering=0) as file:
            first = file.read(1)
            while not done.is_set():
                if change is None:
                    os.pwrite(file.fileno(), first, 0)
                else:
                    change(path)
                time.sleep(0.0005)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        done.set()
        writer.join()


def _run(command, *options):
    result = programs.hotcell(*command, *options)
    if os.path.exists("out"):
        os.remove("out")
    return result


def _warnings(_):
    _make_images()
    for name, command in _COMMANDS.items():
        usual = _run(command)
        harness.check_equal((usual.returncode, usual.stderr), (0, b""), name)
        # What is read is not changed by it, nor by having been changed before.
        harness.check_equal(_run(command, "--fail-if-changed").returncode, 0, name)
        with _changing("disk.qcow2"):
            result = _run(command)
            failed = _run(command, "--fail-if-changed")
        line = _WARNING % b"disk.qcow2"
        harness.check_equal(result.returncode, 0, f"{name} of a file that changes")
        harness.check_equal(result.stdout, usual.stdout, f"{name}: standard output")
        harness.check_equal(result.stderr, b"hotcell: %s: warning: %s\n" % (name.encode(), line),
                            f"{name}: standard error")
        harness.check(failed.returncode not in (0, 125), f"{name}: {failed.returncode}")
        harness.check_equal(failed.stderr, b"hotcell: %s: %s\n" % (name.encode(), line),
                            f"{name}: the error")
        harness.check(name == "compare" or failed.stdout == b"", f"{name}: {failed.stdout!r}")


def _link_and_unlink(path):
    os.link(path, f"{path}.other")
    os.remove(f"{path}.other")


def _attributes(_):
    """Where the change time alone tells, no more is said than that."""
    _make_images()
    command = _COMMANDS["digest"]
    for change in (lambda path: os.chmod(path, 0o644), _link_and_unlink):
        with _changing("disk.qcow2", change):
            result = _run(command)
            failed = _run(command, "--fail-if-changed")
            judged = programs.hotcell("inspect", "--output=json", "disk.qcow2")
        known = (b"the attributes or names of 'disk.qcow2' changed while it was %s; its size and "
                 b"modification time did not, but its contents may have")
        harness.check_equal((result.returncode, result.stderr),
                            (0, b"hotcell: digest: warning: %s\n" % (known % b"read")), "warning")
        harness.check_equal((failed.returncode, failed.stderr),
                            (1, b"hotcell: digest: %s\n" % (known % b"read")), "error")
        reasons = json.loads(judged.stdout)["inspect"]["reasons"]
        harness.check_equal([(reason["code"], reason["text"]) for reason in reasons],
                            [("changed", (known % b"judged").decode())], "the reasons")


def _json(_):
    _make_images()
    with _changing("disk.qcow2"):
        result = programs.must_hotcell("convert", "--output=json", "-O", "raw", "disk.qcow2", "out")
    harness.check("'disk.qcow2' changed while it was read" in result.decode(), result)


def _references(_):
    """What the image stands on counts, and what nobody read does not."""
    _make_images()
    programs.must_hotcell("create", "-f", "qcow2", "-b", "disk.qcow2", "-F", "qcow2", "top.qcow2")
    command = ["digest", "--follow-references=.", "top.qcow2"]
    with _changing("disk.qcow2"):
        result = _run(command)
    harness.check_equal(result.returncode, 0, "exit status")
    harness.check(b"disk.qcow2' changed while it was read" in result.stderr, result.stderr)
    with _changing("same.qcow2"):
        result = _run(command)
    harness.check_equal((result.returncode, result.stderr), (0, b""), "another file")


def _target(_):
    """The job's own writes are no change, in place or not."""
    _make_images()
    with open("existing.raw", "wb") as existing:
        existing.truncate(4 * _MIB)
    for target in (["-n", "-O", "raw", "disk.raw", "existing.raw"],
                   ["-O", "raw", "disk.raw", "existing.raw"], ["-O", "qcow2", "disk.raw", "new"]):
        result = programs.hotcell("convert", "--fail-if-changed", "-f", "raw", *target)
        harness.check_equal((result.returncode, result.stderr), (0, b""), " ".join(target))


def _verdict(_):
    _make_images()
    with _changing("disk.qcow2"):
        result = programs.hotcell("inspect", "--output=json", "disk.qcow2")
        refused = programs.hotcell("inspect", "--fail-if-changed", "disk.qcow2")
    harness.check_equal(result.returncode, 2, "exit status of inspect")
    reasons = json.loads(result.stdout)["inspect"]["reasons"]
    harness.check_equal([reason["code"] for reason in reasons], ["changed"], "the reasons")
    harness.check_equal(refused.returncode, 1, "exit status with --fail-if-changed")


def _link(_):
    """Services take any line of qemu-img's on standard error for a failure."""
    _make_images()
    os.symlink(programs.HOTCELL, "qemu-img")
    command = ["./qemu-img", "convert", "-O", "raw", "disk.qcow2", "out"]
    with _changing("disk.qcow2"):
        result = programs.run(command)
        harness.check_equal((result.returncode, result.stderr), (0, b""), "through the link")
        with open("machine.conf", "w", encoding="utf-8") as config:
            config.write("fail-if-changed=yes\n")
        result = programs.run(command, env={**os.environ, "HOTCELL_CONFIG": "machine.conf"})
    harness.check_equal(result.returncode, 1, "as configured")
    harness.check_equal(result.stderr, b"qemu-img: %s\n" % (_WARNING % b"disk.qcow2"), "the error")


harness.main({
    "warnings": _warnings,
    "attributes": _attributes,
    "json": _json,
    "references": _references,
    "target": _target,
    "verdict": _verdict,
    "link": _link,
})
