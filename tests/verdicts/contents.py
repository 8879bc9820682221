"""What is on the disks of honest images: partition tables, file systems, encryption, nothing.

    contents.CONTENTS["gpt"](path)       # writes a raw disk

Each skips (support.harness.Skip) where the program that makes it is not installed.
"""

import os
import random
import struct
import tempfile

from hostile.images.vmdkfile import pattern
from support import programs
from verdicts import edits

MIB = 1 << 20
CONTENTS = {}

# Disks that are a LUKS volume from their first byte, which as a raw file are opened as one.
LUKS_DISKS = ("luks1-disk", "luks2-disk")
# What readers know by its start, whatever follows: file systems of optical discs with nothing in
# front of them, and disks with partition tables.
PLAIN_ISOS = ("iso9660", "iso-joliet")
PARTITIONED = ("gpt", "gpt-full", "mbr", "mbr-extended", "gpt-luks2-at-34", "mbr-luks1-at-63",
               "gpt-luks1-at-2048", "vfat", "iso-hybrid-mbr", "iso-hybrid-partition",
               "iso-hybrid-gpt", "iso-hybrid-appended")


def _content(name):
    def add(make):
        CONTENTS[name] = make
        return make
    return add


def _empty(path, size):
    with open(path, "wb") as disk:
        disk.truncate(size)


def _fill(path, offset, source):
    """Copies a file into the disk."""
    edits.patch(path, offset, edits.read(source))


def _partitioned(path, script, size=12 * MIB):
    programs.require_program("sfdisk")
    _empty(path, size)
    with tempfile.TemporaryFile() as commands:
        commands.write(script.encode())
        commands.seek(0)
        programs.must(["sfdisk", "-q", path], stdin=commands)


_content("empty")(lambda path: _empty(path, 4 * MIB))


@_content("noise")
def _noise(path):
    edits.write(path, random.Random(7).randbytes(2 * MIB + 512) + bytes(MIB))


# ---- Partition tables ---------------------------------------------------------------------------

@_content("gpt")
def _gpt(path):
    _partitioned(path, "label: gpt\n2048,4M,U\n,,L\n")
    edits.patch(path, 6 * MIB, pattern(1))


@_content("gpt-full")
def _gpt_full(path):
    """Data in front of the second table, so that it lies in a cluster with other things."""
    _partitioned(path, "label: gpt\n2048,,L\n")
    edits.patch(path, 12 * MIB - 128 * 1024, pattern(2, 128 * 1024 - 33 * 512))


@_content("mbr")
def _mbr(path):
    _partitioned(path, "label: dos\n63,4M,c,*\n,,83\n")


@_content("mbr-extended")
def _mbr_extended(path):
    _partitioned(path, "label: dos\n2048,4M,83\n,,5\n,2M,83\n,,82\n")


# ---- LUKS ---------------------------------------------------------------------------------------

def _luks(path, version):
    """A volume of 4 MiB with an empty file system's worth of noise in it."""
    programs.require_program("cryptsetup")
    _empty(path, 4 * MIB)
    options = ["--type", f"luks{version}", "--pbkdf-force-iterations", "1000", "--key-file",
               path + ".key"]
    if version == 2:
        options += ["--pbkdf", "pbkdf2", "--luks2-metadata-size", "16k", "--luks2-keyslots-size",
                    "512k"]
    edits.write(path + ".key", b"geheim")
    programs.must(["cryptsetup", "luksFormat", "-q", *options, path])
    os.unlink(path + ".key")
    edits.patch(path, 3 * MIB, random.Random(3).randbytes(MIB))


def _with_luks_at(path, version, sector, script):
    _partitioned(path, script)
    volume = path + ".luks"
    _luks(volume, version)
    _fill(path, sector * 512, volume)
    os.unlink(volume)


_content("luks1-disk")(lambda path: _luks(path, 1))
_content("luks2-disk")(lambda path: _luks(path, 2))
_content("gpt-luks2-at-34")(lambda path: _with_luks_at(
    path, 2, 34, "label: gpt\nfirst-lba: 34\nstart=34,size=8192,type=L\n"))
_content("mbr-luks1-at-63")(lambda path: _with_luks_at(
    path, 1, 63, "label: dos\nstart=63,size=8192,type=83\n"))
_content("gpt-luks1-at-2048")(lambda path: _with_luks_at(
    path, 1, 2048, "label: gpt\nstart=2048,size=8192,type=L\n"))


# ---- File systems -------------------------------------------------------------------------------

def _made_by(name, size, *command):
    @_content(name)
    def _make(path):
        programs.require_program(command[0])
        _empty(path, size)
        programs.must([*command, path])


_made_by("ext4", 8 * MIB, "mke2fs", "-q", "-F", "-t", "ext4")
_made_by("ext2-1k", 2 * MIB, "mke2fs", "-q", "-F", "-t", "ext2", "-b", "1024")
_made_by("vfat", 4 * MIB, "mkfs.vfat")
_made_by("xfs", 304 * MIB, "mkfs.xfs", "-q")
_made_by("btrfs", 112 * MIB, "mkfs.btrfs", "-q")
_made_by("swap", 2 * MIB, "mkswap", "-q")


@_content("lvm")
def _lvm(path):
    """The label of a physical volume and the start of its metadata."""
    _empty(path, 4 * MIB)
    edits.patch(path, 512, struct.pack("<8sQII8s32s", b"LABELONE", 1, 0x12345678, 32, b"LVM2 001",
                                       b"abcdefghijklmnopqrstuvwxyz012345"))
    edits.patch(path, 4096, b"\x12\x34\x56\x78 LVM2 x[5A%r0N*>")


def _iso(name, *options, appended=False):
    @_content(name)
    def _make(path):
        programs.require_program("xorriso")
        with tempfile.TemporaryDirectory() as tree:
            edits.write(os.path.join(tree, "readme.txt"), pattern(4, 300000))
            more = []
            if appended:
                partition = path + ".part"
                CONTENTS["vfat"](partition)
                more = ["-append_partition", "2", "0xef", partition]
            programs.must(["xorriso", "-as", "mkisofs", "-quiet", *options, *more, "-o", path,
                           tree])
            if appended:
                os.unlink(partition)


_iso("iso9660")
_iso("iso-joliet", "-J", "-R")
_iso("iso-hybrid-mbr", "--protective-msdos-label")
_iso("iso-hybrid-partition", "-partition_offset", "16")
_iso("iso-hybrid-gpt", "-appended_part_as_gpt", appended=True)
_iso("iso-hybrid-appended", appended=True)
