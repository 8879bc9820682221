"""VHDs, DMGs and files shorter than a sector: hotcell and those who read the file after it see the
same disk, or `inspect` says that they do not."""

import json
import os
import struct

from hostile.images import dmgfile as d
from hostile.images import vpcfile as v
from support import content, files, harness, programs

KIB = 1 << 10
MIB = 1 << 20
_SECTOR = 512


def _verdict(path, *arguments):
    programs.require_kvm()
    result = programs.hotcell("inspect", "--output=json", *arguments, path)
    harness.check(result.returncode in (0, 2), f"{path}: exit {result.returncode}, "
                  f"{result.stderr!r}")
    verdict = json.loads(result.stdout)["inspect"]
    harness.check_equal(verdict["safe"], result.returncode == 0, f"{path}: safe")
    return verdict


def _check_unsafe(path, code, *arguments):
    """Checks the verdict with a check of the tables and without."""
    for check in ([], ["--no-check"]):
        verdict = _verdict(path, *arguments, *check)
        harness.check(code in [reason["code"] for reason in verdict["reasons"]],
                      f"{path} {arguments} {check}: no reason {code}: {verdict['reasons']}")


def _check_safe(path, *arguments):
    for check in ([], ["--no-check"]):
        verdict = _verdict(path, *arguments, *check)
        harness.check(verdict["safe"], f"{path} {arguments} {check}: {verdict['reasons']}")
        # Every anomaly is seen in a failure.
        print(path, arguments, check, verdict["anomalies"])


def _check_format(path, name, size):
    info = json.loads(programs.must_hotcell("info", "--output=json", path))
    harness.check_equal((info["format"], info["virtual-size"]), (name, size), path)


def _write(name, data):
    with open(name, "wb") as file:
        file.write(data)
    return name


# ---- Trailers of raw disks -----------------------------------------------------------------------

_MBR = b"\x80\0\2\0\x83\xff\xff\xff" + struct.pack("<II", 8, 2000)


def _disk(table, size=2 * MIB):
    """A disk of its partition table and text."""
    disk = bytearray(d.pattern(7, size))
    if table == "mbr":
        disk[446:512] = _MBR.ljust(64, b"\0") + b"\x55\xaa"
    if table == "gpt":
        disk[512:520] = b"EFI PART"
    return disk


def _vhd_footer(size):
    image = v.VpcFile()
    image.make_fixed(b"")
    image.footer.update(original_size=size, current_size=size)
    image.write("footer")
    with open("footer", "rb") as file:
        return file.read()[-_SECTOR:]


def _koly(disk, sectors):
    """A property list that describes a disk of so many sectors, and its trailer, as they stand at
    the end of `disk`."""
    image = d.DmgFile(chunks=False)
    image.add(d.RAW, bytes(disk[:sectors * _SECTOR]))
    image.write("described.dmg")
    with open("described.dmg", "rb") as file:
        tail = bytearray(file.read()[sectors * _SECTOR:])
    struct.pack_into(">Q", tail, len(tail) - _SECTOR + 0xd8, len(disk) - len(tail))
    struct.pack_into(">Q", tail, len(tail) - _SECTOR + 0x20, len(disk) - len(tail))
    return bytes(tail)


def _check_raw(name, disk, *codes):
    """It is the raw disk that qemu-img sees, and handed on by nobody who did not say so."""
    _write(name, disk)
    _check_format(name, "raw", len(disk))
    programs.must_hotcell("convert", "-O", "raw", name, "out.raw")
    harness.check_equal(files.first_difference(name, "out.raw"), None, name)
    harness.check_equal(programs.qemu_info(name)["format"], "raw", f"{name}: qemu-img")
    for code in codes:
        _check_unsafe(name, code)
        _check_unsafe(name, code, "-f", "raw")


def _smaller_disk_in_a_raw_one(_):
    programs.require_kvm()
    programs.require_program("qemu-img")
    for table in ("mbr", "gpt", "none"):
        disk = _disk(table)
        _check_raw(f"vhd-{table}.raw", disk[:-_SECTOR] + _vhd_footer(MIB), "foreign-signature")
        # The footer accounts for the file, but its checksum is wrong.
        wrong = bytearray(_vhd_footer(len(disk) - _SECTOR))
        wrong[200] = 1
        _check_raw(f"sum-{table}.raw", disk[:-_SECTOR] + wrong, "foreign-signature")
        tail = _koly(disk, 512)
        _check_raw(f"dmg-{table}.raw", disk[:-len(tail)] + tail, "foreign-signature")
    trailer = _koly(_disk("none"), 512)[-_SECTOR:]
    _check_raw("dmg-partial.raw", _disk("none")[:-_SECTOR - 4096] + bytes(4096) + trailer,
               "foreign-signature")


def _footer_of_511_bytes(_):
    programs.require_kvm()
    programs.require_program("qemu-img")
    disk = _disk("none", MIB)
    name = "old.vhd"
    _write(name, disk + _vhd_footer(MIB)[:-1])
    _check_unsafe(name, "foreign-signature")
    _check_safe(name, "-f", "vpc")
    for read in (lambda: programs.must_hotcell("convert", "-f", "vpc", "-O", "raw", name, "out"),
                 lambda: programs.qemu_img("convert", "-f", "vpc", "-O", "raw", name, "out")):
        read()
        harness.check_equal(files.first_difference("out", _write("disk", disk)), None, name)


# ---- VHDs ----------------------------------------------------------------------------------------

def _honest_vhds(_):
    programs.require_kvm()
    programs.require_program("qemu-img")
    for size in ("1M", "10M", "100000k", "3G", "130G", "2000G"):
        for options in ("", "force_size=on"):
            more = ["-o", options] if options else []
            programs.qemu_img("create", "-q", "-f", "vpc", *more, "image.vhd", size)
            _check_safe("image.vhd")
    for options in ("", "subformat=fixed", "force_size=on", "subformat=fixed,force_size=on"):
        more = ["-o", options] if options else []
        programs.qemu_img("convert", "-f", "raw", "-O", "vpc", *more, content.pattern(),
                          "image.vhd")
        _check_safe("image.vhd")
        _check_safe("image.vhd", "-f", "vpc")
    programs.must_hotcell("convert", "-f", "raw", "-O", "vpc", "-o", "subformat=fixed",
                          content.pattern(), "image.vhd")
    _check_safe("image.vhd")
    # The image of a partitioned disk is safe only with its format named: qemu-img takes it for raw.
    for table in ("mbr", "gpt"):
        _write("disk.raw", _disk(table))
        programs.qemu_img("convert", "-f", "raw", "-O", "vpc", "-o",
                          "subformat=fixed,force_size=on", "disk.raw", "image.vhd")
        _check_unsafe("image.vhd", "ambiguous-format")
        _check_safe("image.vhd", "-f", "vpc")
        _check_format("image.vhd", "raw", os.stat("image.vhd").st_size)
        programs.must_hotcell("convert", "-f", "vpc", "-O", "raw", "image.vhd", "out.raw")
        harness.check_equal(files.first_difference("disk.raw", "out.raw"), None, table)


def _vhd(change, name="image.vhd", **layout):
    image = v.VpcFile(**layout)
    change(image)
    image.write(name)
    return name


def _two_footers(_):
    programs.require_kvm()
    programs.require_program("qemu-img")
    for field, value in (("current_size", v.BLOCK), ("unique_id", b"\x22" * 16),
                         ("type", v.DIFFERENCING), ("creator", b"vpc "), ("data_offset", 1536)):
        for checksum in ({}, {"checksum": 7}):
            path = _vhd(lambda image, what={field: value, **checksum}: setattr(image, "last", what))
            _check_unsafe(path, "readers-differ", "-f", "vpc")
    # Fixed: qemu-img goes by the first, and wants a dynamic disk header that it has no use for.
    image = v.VpcFile(present=())
    image.header.update(block_size=1 << 31, max_table_entries=512)
    image.table = [v.UNALLOCATED] * 512
    image.write("dynamic.vhd")
    with open("dynamic.vhd", "rb") as file:
        image.make_fixed(file.read(4 * KIB).ljust(MIB, b"\1"))
    image.footer["data_offset"] = v.HEADER
    for size in (1 << 40, 512 * KIB):
        image.first = {"current_size": size}
        image.write("fixed.vhd")
        _check_unsafe("fixed.vhd", "readers-differ")
        harness.check_equal(programs.qemu_info("fixed.vhd")["virtual-size"], size, "qemu-img")
    image.first = {"checksum": 7}
    image.write("fixed.vhd")
    _check_unsafe("fixed.vhd", "readers-differ", "-f", "vpc")
    # Two footers of one disk: but whoever takes a copy of the disk for itself sees the first one.
    image.first = {}
    image.write("fixed.vhd")
    _check_unsafe("fixed.vhd", "nested-image", "-f", "vpc")
    harness.check_equal(programs.qemu_info("fixed.vhd")["virtual-size"], MIB, "qemu-img")


def _two_sizes(_):
    """Where qemu-img, which goes by the geometry of some programs, sees another size than the
    field says, by more than what honest programs leave out, it is a reason."""
    programs.require_kvm()
    programs.require_program("qemu-img")
    for creator in (b"vpc ", b"qemu", b"vbox", b"vs  ", b"evil", b"win ", b"qem2", b"d2v ",
                    b"CTXS", b"tap\0", b"wa\0\0"):
        for geometry in ((2000, 16, 63), (1, 1, 1), (30, 4, 17), (65535, 16, 255)):
            image = v.VpcFile()
            image.make_fixed(bytes(MIB))
            image.footer.update(creator=creator, **dict(zip(("cylinders", "heads", "sectors"),
                                                            geometry)))
            image.write("sized.vhd")
            theirs = programs.qemu_info("sized.vhd", "-f", "vpc")["virtual-size"]
            code = "readers-differ"
            reasons = [reason["code"] for reason in
                       _verdict("sized.vhd", "-f", "vpc", "--no-check")["reasons"]]
            if theirs != MIB and not MIB - 4 * 17 * _SECTOR < theirs < MIB:
                harness.check(reasons, f"{creator} {geometry}: {theirs} in qemu-img, safe here")
            elif geometry in ((30, 4, 17), (65535, 16, 255)):
                harness.check(code not in reasons, f"{creator} {geometry}: {reasons}")


def _large_table(_):
    path = _vhd(lambda image: image.header.update(max_table_entries=0x1fffff00))
    _check_unsafe(path, "reader-memory")
    _check_unsafe(path, "not-understood")


def _bitmaps(_):
    """VirtualBox reads zeroes where a block's bitmap has none of its sectors."""
    programs.require_kvm()
    bits = bytearray(b"\xff" * v.BITMAP)
    bits[3] = 0xfe
    for data, safe in ((v.pattern(1), False), (bytes(v.BLOCK), True)):
        path = _vhd(lambda image, data=data: image.add_block(1, data, bytes(bits)))
        verdict = _verdict(path)
        harness.check_equal(verdict["safe"], safe, verdict["reasons"])
        # hotcell check and convert go by the data, as qemu-img does.
        programs.must_hotcell("check", path)
        harness.check_equal(programs.must_hotcell("digest", path).split()[0],
                            programs.must_hotcell("digest", _vhd(
                                lambda image, data=data: image.add_block(1, data),
                                "whole.vhd")).split()[0], "digest")


# ---- DMGs ----------------------------------------------------------------------------------------

def _dmg(name, kinds, **arguments):
    d.from_disk(bytes(_disk("none")), kinds, **arguments).write(name)
    return name


def _honest_dmgs(_):
    for number, kinds in enumerate(([d.ZLIB], [d.BZIP2], [d.LZMA], [d.RAW], [d.ADC],
                                    [d.BZIP2, d.RAW], [d.LZMA, d.ZLIB])):
        _check_safe(_dmg(f"{number}.dmg", kinds))
        _check_safe(_dmg(f"{number}-fork.dmg", kinds, resource_fork=True))
    # It begins with the partition table of its disk.
    d.from_disk(bytes(_disk("mbr")), [d.RAW]).write("mbr.dmg")
    _check_unsafe("mbr.dmg", "ambiguous-format")
    _check_safe("mbr.dmg", "-f", "dmg")
    # Chunks in LZFSE cannot be read, so that nobody knows what the disk begins with.
    _check_unsafe(_dmg("lzfse.dmg", [d.LZFSE]), "check-failed", "--no-check")


def _stream_at_the_start(_):
    """The first chunk of an image may be a stream that files of another kind begin with."""
    for number, kind in enumerate((d.BZIP2, d.LZMA)):
        image = _dmg(f"first-{number}.dmg", [kind])
        with open(image, "rb") as file:
            start = file.read(6)
        harness.check(start.startswith((b"BZh", b"\xfd7zXZ\0")), f"the file begins with {start}")
        for options in ([], ["-f", "dmg"]):
            _check_safe(image, *options)
        verdict = _verdict(image)
        harness.check(not verdict["other-formats"], verdict)
        # Without what makes it an image it is the stream, and refused.
        with open(image, "rb") as file:
            _write("stream", file.read()[:-_SECTOR])
        harness.check(not _verdict("stream")["safe"], f"{image}: the stream alone is safe")
        # The chunks before it hold nothing.
        empty = bytes(1024 * _SECTOR)
        later = d.from_disk(empty + bytes(_disk("none")), [kind])
        later.write("later.dmg")
        with open("later.dmg", "rb") as file:
            harness.check_equal(file.read(6), start, "how the file begins")
        _check_safe("later.dmg")
        # The disk as it is begins so.
        d.from_disk(start + b"Y&SY" + bytes(MIB), [d.RAW]).write("raw.dmg")
        _check_unsafe("raw.dmg", "foreign-signature")
        _check_unsafe("raw.dmg", "foreign-signature", "-f", "dmg")


def _two_descriptions(_):
    """A resource fork, which qemu-img reads, and a property list, which 7-Zip and macOS do."""
    with open(_dmg("list.dmg", [d.ZLIB]), "rb") as file:
        listed = file.read()
    with open(_dmg("fork.dmg", [d.ZLIB], resource_fork=True), "rb") as file:
        forked = file.read()
    xml_offset, xml_length = struct.unpack_from(">QQ", listed, len(listed) - _SECTOR + 0xd8)
    fork_length = struct.unpack_from(">Q", forked, len(forked) - _SECTOR + 0x30)[0]
    fork = forked[xml_offset:xml_offset + fork_length]
    for other, safe in ((fork, True), (fork.replace(struct.pack(">I", d.ZLIB),
                                                    struct.pack(">I", d.IGNORE)), False)):
        trailer = bytearray(listed[-_SECTOR:])
        struct.pack_into(">QQ", trailer, 0x28, xml_offset + xml_length, len(other))
        _write("both.dmg", listed[:-_SECTOR] + other + trailer)
        if safe:
            _check_safe("both.dmg")
        else:
            _check_unsafe("both.dmg", "readers-differ")


# ---- Files shorter than a sector -----------------------------------------------------------------

# A qcow header whose last field, at the end of the file, is the name of a backing file.
_QCOW = b"QFI\xfb" + struct.pack(">IQIIQBBHI", 1, 40, 7, 0, MIB, 12, 9, 0, 0) + b"../s.rw"
_PARALLELS = struct.pack("<16sIIIIIQIIQ", b"WithoutFreeSpace", 2, 16, 2, 63, 0, 1 << 31, 0, 0, 0)
_CUTS = (4, 8, 17, 20, 40, 47, 48, 56, 67, 68, 96, 104, 200, 456, 511)


def _short_headers():
    yield "qcow-with-a-name", _QCOW
    yield "parallels-of-a-tebibyte", _PARALLELS[:56]
    for name in ("qcow2", "qcow", "vmdk", "vpc", "vhdx", "vdi", "qed", "parallels"):
        programs.qemu_img("create", "-q", "-f", name, "whole", "64M")
        with open("whole", "rb") as file:
            header = file.read(_SECTOR)
        for size in _CUTS:
            yield f"{name}-{size}", header[:size]


def _short_files(_):
    """What qemu-img takes for an image is none that hotcell calls a safe raw disk, or converts as
    one."""
    programs.require_kvm()
    programs.require_program("qemu-img")
    taken = 0
    for name, data in _short_headers():
        _write(name, data)
        theirs = programs.run(["qemu-img", "info", "--output=json", name])
        if theirs.returncode == 0 and json.loads(theirs.stdout)["format"] == "raw":
            _check_format(name, "raw", _SECTOR)
            continue
        taken += 1
        for check in ([], ["--no-check"]):
            harness.check(_verdict(name, *check)["format"] != "raw", f"{name}: raw")
        # A whole header without its tables is, to qemu-img, a disk of zeroes.
        if programs.hotcell("convert", "-O", "raw", name, "out.raw").returncode == 0:
            programs.qemu_img("convert", "-O", "raw", name, "theirs.raw")
            harness.check_equal(files.first_difference("theirs.raw", "out.raw"), None, name)
        else:
            harness.check(not _verdict(name)["safe"], f"{name}: cannot be read, but is safe")
    harness.check(taken > 50, f"qemu-img took only {taken} of them for images")


if __name__ == "__main__":
    harness.main({"smaller-disk-in-a-raw-one": _smaller_disk_in_a_raw_one,
                  "footer-of-511-bytes": _footer_of_511_bytes, "honest-vhds": _honest_vhds,
                  "two-footers": _two_footers, "two-sizes": _two_sizes,
                  "large-table": _large_table, "bitmaps": _bitmaps, "honest-dmgs": _honest_dmgs,
                  "stream-at-the-start": _stream_at_the_start,
                  "two-descriptions": _two_descriptions, "short-files": _short_files})
