"""Reports that a hostile guest leaves to the command: what they cost it, and what it prints."""

import itertools
import os
import struct

from support import harness, programs

_MIB = 1 << 20
_REPORT = _MIB  # the limit report-bytes
_WORKER = os.path.join(os.path.dirname(os.path.dirname(programs.HOTCELL)), "tests", "hostile",
                       "guests", "hotcell-hostile-worker")
# kScriptedSize, kMaxSelector and kScriptSize of script.h.
_SCRIPTED_SIZE = (1 << 49) + 0x7E57
_SELECTOR = 128
_SCRIPT = 128 << 10

# What the command may take: the same as for an honest report, and this many times the report.
_PEAK_FACTOR = 24
_PRINTED_FACTOR = 24


def _varint(value):
    encoded = b""
    while value >= 0x80:
        encoded += bytes([value & 0x7F | 0x80])
        value >>= 7
    return encoded + bytes([value])


def _message(number, content_size):
    """The beginning of a message in field `number`."""
    return _varint(number << 3 | 2) + _varint(content_size)


def _write_image(head, part, count):
    """An image whose guest leaves `head` and `count` times `part` as its report."""
    selector = b"!>report_of_parts %x 0 " % count
    script = selector.ljust(_SELECTOR, b"\0") + struct.pack("<II", len(head), len(part))
    with open("image.raw", "wb") as image:
        image.write((script + head + part).ljust(_SCRIPT, b"\0"))


def _run(*command):
    """Exit status, sizes of both outputs, and the most memory that the command had, bytes."""
    with open("out", "wb") as out, open("errors", "wb") as errors:
        command = [programs.HOTCELL, *command, "--worker", _WORKER, "--limit",
                   f"virtual-size={_SCRIPTED_SIZE}", "image.raw"]
        child = os.posix_spawn(command[0], command, os.environ, file_actions=[
            (os.POSIX_SPAWN_DUP2, out.fileno(), 1), (os.POSIX_SPAWN_DUP2, errors.fileno(), 2)])
        _, status, usage = os.wait4(child, 0)
    return (os.waitstatus_to_exitcode(status), os.path.getsize("out") + os.path.getsize("errors"),
            usage.ru_maxrss << 10)


def _nested(path, part, most, first=b""):
    """A report of `most` parts, or of as many as there is room for, in the message at the end of
    `path`, after `first`.
    """
    count = min(most, (_REPORT - 64 - len(first)) // len(part))
    content = len(first) + count * len(part)
    head = first
    for number in reversed(path):
        beginning = _message(number, content)
        head = beginning + head
        content += len(beginning)
    return head, part, count


# How many parts a report may have (report_budget.cc).
_QCOW2 = 65_536
_DETAILS = 32_000
_OTHERS = 8_000
_CHAIN = 1



def _detail(depth, key, value):
    content = b"\x08" + _varint(depth) + _message(2, len(key)) + key + value
    return _message(10, len(content)) + content


# Values of a detail.
_TRUE = b"\x18\x01"
_LIST = b"\x40\x01"
_DICTIONARY = b"\x40\x02"
_BITMAPS = b"\x40\x04"
_FILE = b"\x3a\x04" + b"\xff" * 4

# Where the image has its bitmaps, without which nobody prints them; the beginning of a list.
_HERE = _detail(0, b"bitmaps", _BITMAPS)
_HEAD = _detail(0, b"list", _LIST)

# Command, path to a message in the report, a part of it (empty ones, short ones, long ones), how
# many the command takes, and what the message begins with.
_REPORTS = {
    "snapshots": ("info", [3], b"\x42\x00", _QCOW2),
    "snapshots with names": ("info", [3], _message(8, 8) + b"\x0a\x01i\x12\x03\xff\xff\xff", _QCOW2),
    "bitmaps": ("info", [3], b"\x4a\x00", _QCOW2, _HERE),
    "bitmaps with flags": ("info", [3], _message(9, 6) + b"\x1a\x01f\x1a\x01f", _QCOW2, _HERE),
    "flags": ("info", [3, 9], b"\x1a\x00", 2 * _QCOW2),
    "details": ("info", [3], _detail(1, b"", _TRUE), _DETAILS, _HEAD),
    "files of details": ("info", [3], _detail(1, b"", _FILE), _DETAILS, _HEAD),
    "lists in a list": ("info", [3], _detail(1, b"", _LIST), _DETAILS, _HEAD),
    "extents": ("info", [3], _detail(1, b"", _DICTIONARY) + _detail(2, b"k" * 32, _TRUE),
                _DETAILS // 2, _HEAD),
    "details to judge": ("inspect", [13, 5], _detail(1, b"", _TRUE), _DETAILS, _HEAD),
    "references": ("info", [3], b"\x62\x00", _OTHERS),
    "a chain": ("info", [], b"\x2a\x00", _CHAIN),
    "warnings": ("info", [], b"\x22\x00", _OTHERS),
    "signatures": ("inspect", [13], b"\x1a\x00", _OTHERS),
    "other formats": ("inspect", [13], b"\x12\x00", _OTHERS),
    "references to judge": ("inspect", [13, 5], b"\x62\x00", _OTHERS),
    "long references": ("inspect", [13, 5], _message(12, 1003) + b"\x12\xe8\x07" + b"\xff" * 1000, _OTHERS),
    "concerns": ("inspect", [13], b"\x42\x00", _OTHERS),
    "findings": ("check", [12], b"\x32\x00", _OTHERS),
}


def _cost(_):
    programs.require_kvm()
    harness.check(os.path.exists(_WORKER), f"{_WORKER} is not built")
    _write_image(_message(3, 8) + b"\x0a\x03raw\x10\x80\x20", b"", 1)
    status, _, usual = _run("info")
    harness.check_equal(status, 0, "an honest report")
    print(f"honest: {usual / _MIB:.1f} MiB of memory")
    for name, (command, path, part, allowed, *first) in _REPORTS.items():
        for most, output in itertools.product((allowed, _REPORT), ("human", "json")):
            _write_image(*_nested(path, part, most, *first))
            status, printed, peak = _run(command, f"--output={output}")
            told = (f"{name}, at most {most}, {output}: exit status {status}, {printed} bytes "
                    f"printed, {peak / _MIB:.1f} MiB of memory")
            print(told)
            harness.check(status in (0, 1, 2, 125), told)
            harness.check(peak < usual + _PEAK_FACTOR * _REPORT, told)
            harness.check(printed < _PRINTED_FACTOR * _REPORT, told)
            # A report with as many parts as honest images may have is taken.
            harness.check(most == _REPORT or status != 1 or command == "check", told)


def _refusal(_):
    programs.require_kvm()
    _write_image(*_nested([13], b"\x1a\x00", _REPORT))
    result = programs.hotcell("inspect", "--worker", _WORKER, "--limit",
                              f"virtual-size={_SCRIPTED_SIZE}", "image.raw")
    harness.check_equal(result.returncode, 1, "exit status")
    harness.check(b"the limit `report-bytes` of 1048576" in result.stderr, result.stderr)


CASES = {"cost": _cost, "refusal": _refusal}


if __name__ == "__main__":
    harness.main(CASES)
