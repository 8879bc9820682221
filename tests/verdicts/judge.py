"""Holds the verdict of hotcell on an image against what every reader makes of it.

`hotcell inspect` calls a file safe when no reader in use opens another file because of it, sees
another disk in it, or falls over. A finding is where that is not so.
"""

import dataclasses
import json
import os
import resource

from support import confined, files, harness, programs, readers

# What the readers take for the images of the honest corpus is far below: 15 to 60 MiB.
_HONEST_KIB = 64 << 10
_MORE_KIB = 256 << 10

_SECTOR = 512
_SECONDS = 60
# Formats marked at the end of the file only, which qemu-img takes for raw until it is told.
_MARKED_AT_END = {"vpc", "dmg"}


@dataclasses.dataclass
class Finding:
    kind: str  # opens, names, format, size, bytes, memory, crash, hang, hotcell
    reader: str
    text: str

    def __str__(self):
        return f"{self.kind}: {self.reader}: {self.text}"


@dataclasses.dataclass
class Verdict:
    safe: bool
    format: str
    size: int | None
    reasons: list
    features: list


# The verdict of a file that was not looked at.
UNSAFE = Verdict(False, "", None, [], [])


@dataclasses.dataclass
class Judgement:
    verdicts: dict  # Verdict, by whether it was with the check
    findings: list = dataclasses.field(default_factory=list)
    opened_by: list = dataclasses.field(default_factory=list)

    @property
    def safe(self):
        return any(verdict.safe for verdict in self.verdicts.values())


def inspect(path, *options):
    result = programs.hotcell("inspect", "--output=json", *options, path, timeout=_SECONDS)
    harness.check(result.returncode in (0, 2),
                  f"inspect: exit {result.returncode}: {result.stderr!r}")
    answer = json.loads(result.stdout)["inspect"]
    harness.check_equal(answer["safe"], result.returncode == 0, "inspect: safe")
    return Verdict(answer["safe"], answer["format"], answer.get("image", {}).get("virtual-size"),
                   [reason["code"] for reason in answer["reasons"]],
                   answer.get("image", {}).get("features", []))


def _own_disk(path, verdict, scratch):
    """The disk as hotcell reads it, or what it begins with; or a finding."""
    disk = os.path.join(scratch, "hotcell")
    if verdict.size <= readers.WHOLE_DISK:
        command = ["convert", "-f", verdict.format, "-O", "raw", path, disk]
    else:
        command = ["dd", "-f", verdict.format, "-O", "raw", "bs=1M",
                   f"count={readers.HEAD >> 20}", f"if={path}", f"of={disk}"]
    result = programs.hotcell(*command, timeout=_SECONDS)
    if result.returncode != 0:
        return None, [Finding("hotcell", command[0], result.stderr.decode(errors="replace"))]
    return disk, []


def _same_size(one, two):
    return -(-one // _SECTOR) == -(-two // _SECTOR)


def _compare_bytes(reading, disk):
    difference = files.first_difference(disk, reading.disk)
    if difference is None:
        return
    # Where the sizes are said to be the same, a tail short of a sector is zero in the longer file.
    sizes = [os.path.getsize(path) for path in (disk, reading.disk)]
    if difference == min(sizes) and max(sizes) - min(sizes) < _SECTOR:
        return
    if reading.size > readers.WHOLE_DISK and difference >= readers.HEAD:
        return
    yield Finding("bytes", reading.reader, f"the disk differs from byte {difference} on")


def _compare_disk(reading, verdict, disk):
    if reading.format != verdict.format:
        yield Finding("format", reading.reader, f"{reading.format}, not {verdict.format}")
    elif reading.size is None:
        return
    elif not _same_size(reading.size, verdict.size):
        yield Finding("size", reading.reader, f"{reading.size} bytes, not {verdict.size}")
    elif disk is not None and reading.disk is not None:
        yield from _compare_bytes(reading, disk)


def compare(reading, verdict, disk):
    """What a reading has against a verdict. `disk`: what hotcell reads, or None."""
    for text in sorted(set(reading.foreign)):
        yield Finding("opens", reading.reader, text)
    for name in reading.names:
        yield Finding("names", reading.reader, name)
    if reading.end in (confined.CRASH, confined.HANG, confined.MEMORY):
        yield Finding(reading.end, reading.reader, reading.text)
    own_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if reading.peak_kib > max(_HONEST_KIB + _MORE_KIB, own_kib + _HONEST_KIB):
        yield Finding("memory", reading.reader, f"{reading.peak_kib} KiB")
    if reading.format is not None:
        yield from _compare_disk(reading, verdict, disk)


def _accounts_for_file(verdict, path):
    """Whether the image is the whole file, which readers of its start take for a raw disk."""
    if verdict.format == "vpc":
        return verdict.size + _SECTOR == os.path.getsize(path)
    return verdict.format == "dmg"


def _readings(reader, verdict, path, scratch):
    reading = reader.read(path, scratch)
    if (reading.format == "raw" and verdict.format in _MARKED_AT_END and
            _accounts_for_file(verdict, path)):
        reading.disk = None
        reading = reader.read(path, scratch, image_format=verdict.format)
    return reading


def _nested(disk, verdict):
    """The raw file that a conversion makes of the disk has to be raw to who looks at it next."""
    if verdict.format == "raw" or verdict.size > readers.WHOLE_DISK:
        return
    found = readers.probed_format(disk)
    if found not in (None, "raw"):
        yield Finding("nested", "qemu-img", f"the disk itself is {found}")


def judge(path, scratch, with_readers, options=(), tables=False, nested=True):
    """What hotcell says of the file and what the readers have against it.

    `options`: of inspect; `tables`: where only the tables are wrong, which --no-check leaves out;
    `nested`: whether the disk must not be an image. Without readers, the verdict is all there is.
    """
    judgement = Judgement({True: inspect(path, *options),
                           False: inspect(path, "--no-check", *options)})
    if not judgement.safe or not with_readers:
        return judgement
    checked = judgement.verdicts[True].safe
    verdict = judgement.verdicts[checked]
    disk, problems = _own_disk(path, verdict, scratch)
    if checked:
        judgement.findings += problems
    if disk is not None and nested:
        judgement.findings += _nested(disk, verdict)
    for reader in with_readers:
        reading = _readings(reader, verdict, path, scratch)
        if reading.format is not None:
            judgement.opened_by.append(reader.name)
        judgement.findings += compare(reading, verdict, disk)
    if not checked and tables:
        judgement.findings = [finding for finding in judgement.findings
                              if finding.kind not in ("bytes", confined.CRASH)]
    return judgement
