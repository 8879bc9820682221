"""Disk images of macOS, built from a disk by rules of our own: other readers say whether they are
right, and what hotcell reads must be the disk."""

import os
import random
import sys

from hostile.images import dmgfile as d
from support import files, harness, programs
from support.programs import SEVEN_ZIP


def _disk():
    """9 MiB and a bit of noise, text, code and nothing in pieces of any size."""
    chance = random.Random(3)
    with open(sys.executable, "rb") as program:
        code = program.read(4 << 20)
    parts = []
    size = (9 << 20) + 77 * d.SECTOR
    left = size
    while left > 0:
        length = min(left, d.SECTOR * chance.randrange(1, 700))
        start = chance.randrange(1 << 20)
        parts.append(chance.choice([
            bytes(length), chance.randbytes(length), code[start:start + length].ljust(length, b"."),
            d.pattern(chance.randrange(1000), length)]))
        left -= length
    return b"".join(parts)


# Name: (arguments of from_disk, others that read it). qemu-img is packaged without bzip2 for such
# images and has no LZMA; 7-Zip does not read resource forks.
_VARIANTS = {
    "zlib": ({"kinds": [d.ZLIB]}, ["qemu-img", SEVEN_ZIP]),
    "zlib-256k": ({"kinds": [d.ZLIB], "chunk_sectors": 512}, ["qemu-img", SEVEN_ZIP]),
    "bzip2": ({"kinds": [d.BZIP2]}, [SEVEN_ZIP]),
    "lzma": ({"kinds": [d.LZMA]}, [SEVEN_ZIP]),
    "adc": ({"kinds": [d.ADC]}, [SEVEN_ZIP]),
    "raw": ({"kinds": [d.RAW]}, ["qemu-img", SEVEN_ZIP]),
    "mixed-partitions": ({"kinds": [d.ZLIB, d.RAW, d.BZIP2], "partitions": 3}, [SEVEN_ZIP]),
    "odd-chunks": ({"kinds": [d.ZLIB, d.BZIP2, d.RAW], "chunk_sectors": 333}, [SEVEN_ZIP]),
    "one-sector-chunks": ({"kinds": [d.ZLIB, d.RAW], "chunk_sectors": 1}, ["qemu-img", SEVEN_ZIP]),
    "largest-chunks": ({"kinds": [d.ZLIB, d.BZIP2, d.LZMA], "chunk_sectors": 4095}, [SEVEN_ZIP]),
    "resource-fork": ({"kinds": [d.ZLIB, d.RAW], "resource_fork": True}, ["qemu-img"]),
}


def _check_judges(image, disk, judges):
    """The image is what it is meant to be."""
    judged = disk + ".judged"
    for judge in judges:
        programs.require_program(judge)
        if judge == "qemu-img":
            programs.qemu_img("convert", "-f", "dmg", "-O", "raw", image, judged)
        else:
            with open(judged, "wb") as out:
                programs.must([SEVEN_ZIP, "x", "-tdmg", "-so", image], stdout=out)
        difference = files.first_difference(judged, disk)
        harness.check(difference is None, f"{judge}: differs from the disk at byte {difference}")


def _reads_the_disk(variant, directory):
    programs.require_kvm()
    arguments, judges = _VARIANTS[variant]
    content = _disk()
    disk, image, target = (os.path.join(directory, name)
                           for name in ("disk.raw", "image.dmg", "target.raw"))
    with open(disk, "wb") as out:
        out.write(content)
    d.from_disk(content, **arguments).write(image)
    _check_judges(image, disk, judges)

    for options in (["-f", "dmg"], [], ["-f", "dmg", "-S", "0"]):
        programs.must_hotcell("convert", *options, "-O", "raw", image, target)
        difference = files.first_difference(target, disk)
        harness.check(difference is None, f"differs from the disk at byte {difference}")


def _is_described(directory):
    programs.require_kvm()
    image = os.path.join(directory, "image.dmg")
    d.from_disk(bytes(1 << 20) + b"x" * 512, [d.ZLIB]).write(image)
    text = programs.must_hotcell("info", image).decode()
    harness.check("file format: dmg\n" in text, text)
    harness.check("virtual size: 1 MiB (1049088 bytes)\n" in text, text)
    harness.check("cluster_size" not in text, text)


CASES = {variant: (lambda directory, variant=variant: _reads_the_disk(variant, directory))
         for variant in _VARIANTS}
CASES["info"] = _is_described

if __name__ == "__main__":
    harness.main(CASES)
