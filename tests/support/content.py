"""What test images are filled with: a real file system and patterns.

The contents are made once per build directory and shared by all tests that run at the same time.
"""

import fcntl
import os
import random
import shutil
import tempfile

from support import programs

CACHE = os.path.abspath(os.environ.get("HOTCELL_TEST_DATA", "build/test-data"))

MIB = 1 << 20
_FILE_SYSTEM_BYTES = 32 * MIB
# Trees of real files, of which as many as fit are taken: programs, text, many small files.
_TREES = ["/usr/lib/python3", "/usr/share/perl", "/usr/include", "/usr/share/doc", "/usr/bin"]


def file_system():
    """Path of a raw ext4 image of 32 MiB, about two thirds full of this machine's files."""
    return cached("ext4.raw", _make_file_system)


def pattern():
    """Path of 8 MiB + 1536 bytes: random, text, zeroes, ones, short runs, and a hole at the end."""
    return cached("pattern.raw", _make_pattern)


def cached(name, make):
    """Path of a file that `make` (path) writes once. Tests at the same time wait for it."""
    os.makedirs(CACHE, exist_ok=True)
    path = os.path.join(CACHE, name)
    with open(os.path.join(CACHE, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(path):
            make(path + ".new")
            os.rename(path + ".new", path)
    return path


def _copy_files(target, budget):
    share = budget // len(_TREES)
    for number, tree in enumerate(_TREES):
        left = share
        for directory, _, names in os.walk(tree):
            for name in sorted(names):
                source = os.path.join(directory, name)
                if os.path.islink(source) or not os.path.isfile(source):
                    continue
                size = os.path.getsize(source)
                if size > min(left, 2 * MIB) or not os.access(source, os.R_OK):
                    continue
                place = os.path.join(target, str(number) + directory)
                os.makedirs(place, exist_ok=True)
                shutil.copyfile(source, os.path.join(place, name))
                left -= size
            if left < 4096:
                break


def _make_file_system(path):
    programs.require_program("mke2fs")
    with tempfile.TemporaryDirectory() as files:
        _copy_files(files, _FILE_SYSTEM_BYTES * 2 // 3)
        programs.must(["mke2fs", "-q", "-F", "-t", "ext4", "-d", files, path,
                       f"{_FILE_SYSTEM_BYTES // 1024}k"])


def _make_pattern(path):
    source = random.Random(20210)
    with open(path, "wb") as out:
        out.write(source.randbytes(MIB))
        out.write(b"The quick brown fox jumps over the lazy dog.\n" * 23302)
        out.seek(2 * MIB)
        out.write(b"\0" * MIB)  # zeroes that are stored
        out.write(b"\xff" * MIB)
        for _ in range(512):  # 4 KiB of one random byte, or of nothing
            value = source.choice([0, 0, source.randrange(256)])
            out.write(bytes([value]) * 4096)
        for _ in range(2048):  # single sectors that differ
            out.write(bytes([source.randrange(3)]) * 512)
        out.truncate(8 * MIB + 1536)
