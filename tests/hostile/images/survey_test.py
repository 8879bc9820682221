"""Holds what `inspect` says of headers against what other programs make of the same images.

A verdict of "safe" promises that they see the same format and disk, open no other file and take no
more memory than the limit; what the header alone shows must be said with and without the check.
"""

import functools
import json
import os
import re
import sys

from hostile.images import survey_cases
from support import files, harness, programs, trace

_MIB = 1 << 20
_LIMIT = 256 * _MIB  # of --max-reader-memory
# What is unpacked to be compared.
_MAX_COMPARED = 64 * _MIB
# Two programs that round a size to sectors agree.
_SECTOR = 512
# The reasons that need a look at the tables.
_OF_TABLES = {"corrupt", "check-failed"}


def _inspect(path, image_format, *options):
    result = programs.hotcell("inspect", "--output=json", f"--allow-format={image_format}",
                              *options, path)
    harness.check(result.returncode in (0, 2), f"inspect: exit {result.returncode}: "
                  f"{result.stderr!r}")
    return json.loads(result.stdout)["inspect"]


def _codes(verdict):
    return {reason["code"] for reason in verdict["reasons"]}


def _check_reasons(case, verdicts):
    for options, verdict in verdicts.items():
        wanted = case.reasons - (_OF_TABLES if options else set())
        what = " ".join(("inspect", *options))
        if case.reasons:
            harness.check(wanted <= _codes(verdict),
                          f"{what}: {wanted - _codes(verdict)} missing of {verdict['reasons']}")
        else:
            harness.check(verdict["safe"], f"{what}: {verdict['reasons']}")


# What a process takes counts as its child's until that runs another program: this one takes little.
_MEASURE = """
import os, sys
process = os.posix_spawnp("qemu-img", ["qemu-img", "info", sys.argv[1]], os.environ,
                          file_actions=[(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)])
_, status, usage = os.wait4(process, 0)
print(status, usage.ru_maxrss)
"""


def _peak_memory(path):
    """The peak memory of `qemu-img info`, in bytes."""
    output = programs.must([sys.executable, "-I", "-S", "-c", _MEASURE, path])
    status, peak = map(int, output.split())
    harness.check_equal(status, 0, "qemu-img info: status")
    return peak << 10


def _check_memory(case, verdict, path, directory):
    plain = os.path.join(directory, "plain")
    survey_cases.CASES[f"{case.format}-plain"].build(plain)
    taken = max(_peak_memory(path) - _peak_memory(plain), 0)
    said = verdict["reader-memory"]
    print(f"qemu-img info takes {taken >> 10} KiB more than for a small image; said: {said >> 10}")
    if case.measured:
        harness.check(said / 2 <= taken <= said * 2,
                      f"qemu-img info takes {taken} bytes, inspect says {said}")
    elif verdict["safe"]:
        harness.check(taken <= _LIMIT, f"qemu-img info takes {taken} bytes")


def _check_opens(path, directory):
    """Asks for no file beside the image, and for no peer."""
    _, entries = trace.run(["qemu-img", "info", path], os.path.join(directory, "strace.log"))
    others = [entry for entry in entries
              if entry.call in ("connect", "bind") or
              entry.path.startswith(directory + "/") and entry.path != path]
    harness.check(not others, f"qemu-img info asked for {others}")


def _check_size(reader, size, verdict):
    own = verdict["image"]["virtual-size"]
    harness.check(-(-size // _SECTOR) == -(-own // _SECTOR),
                  f"{reader}: the disk has {size} bytes; inspect: {own}")


def _read_by_seven_zip(path):
    """Size of the disk; None: it reads no such image."""
    result = programs.run([programs.SEVEN_ZIP, "l", "-slt", "-p-", path])
    text = result.stdout.decode(errors="replace")
    kind = re.search(r"^Type = (QCOW|VHDX|VDI)$", text, re.MULTILINE)
    size = re.search(r"^Size = (\d+)$", text, re.MULTILINE)
    return int(size[1]) if result.returncode == 0 and kind and size else None


def _read_by_libyal(path, image_format):
    """Size of the disk, as _read_by_seven_zip() returns it."""
    module = {"qcow": "pyqcow", "qcow2": "pyqcow", "vhdx": "pyvhdi"}.get(image_format)
    if module is None:
        return None
    result = programs.run(["/usr/bin/python3", "-c",
                           f"import sys, {module}\nimage = {module}.file()\n"
                           "image.open(sys.argv[1])\nprint(image.get_media_size())", path])
    return int(result.stdout) if result.returncode == 0 else None


def _check_disk(verdict, path):
    """Format and size, which the header says."""
    info = programs.qemu_info(path)
    harness.check_equal(info["format"], verdict["format"], "qemu-img info: format")
    _check_size("qemu-img", info["virtual-size"], verdict)
    if programs.shutil.which(programs.SEVEN_ZIP):
        size = _read_by_seven_zip(path)
        if size is not None:
            _check_size("7-Zip", size, verdict)
    size = _read_by_libyal(path, verdict["format"])
    if size is not None:
        _check_size("libyal", size, verdict)


def _check_bytes(verdict, path, directory):
    if verdict["image"]["virtual-size"] > _MAX_COMPARED:
        return
    own, other = (os.path.join(directory, name) for name in ("own.raw", "other.raw"))
    programs.must_hotcell("convert", "-O", "raw", path, own)
    programs.qemu_img("convert", "-O", "raw", path, other)
    difference = files.first_difference(own, other)
    harness.check(difference is None, f"qemu-img's disk differs from byte {difference} on")


def _check(case, directory):
    programs.require_kvm()
    programs.require_program("qemu-img")
    path = os.path.join(directory, "image")
    case.build(path)
    verdicts = {options: _inspect(path, case.format, *options)
                for options in ((), ("--no-check",))}
    _check_reasons(case, verdicts)
    safe = [verdict for verdict in verdicts.values() if verdict["safe"]]
    if safe or case.measured:
        _check_memory(case, verdicts[()], path, directory)
    if safe:
        _check_opens(path, directory)
        _check_disk(safe[0], path)
    if verdicts[()]["safe"]:
        _check_bytes(verdicts[()], path, directory)


if __name__ == "__main__":
    harness.main({name: functools.partial(_check, case)
                  for name, case in survey_cases.CASES.items()})
