"""Files whose format is not said: no disk images at all, raw disks whose structures lie, polyglots."""

import bz2
import gzip
import io
import lzma
import os
import struct
import tarfile
import zipfile

from hostile.images import qcow2file as q
from hostile.images.case import MIB, Case, custom_case, refused, same

_DISK = q.pattern(1, MIB)


def _probed(name, verdict, reads_as=None, info=None):
    """Registers a function () -> bytes of a file."""
    def add(build):
        @custom_case(f"probed-{name}")
        def _make(directory):
            path = os.path.join(directory, "image")
            with open(path, "wb") as out:
                out.write(build())
            return Case(path, verdict, format=None, reads_as=reads_as, info=info)
        return build
    return add


def _put(data, *pieces):
    """`data` with pieces (offset, bytes) in it."""
    out = bytearray(data)
    for offset, piece in pieces:
        out[offset:offset + len(piece)] = piece
    return bytes(out)


# ---- No disk images -----------------------------------------------------------------------------

def _foreign(name, pattern, build):
    _probed(name, refused(pattern), info=pattern)(build)


def _signature(name, pattern, *pieces):
    _foreign(name, pattern, lambda: _put(bytes(MIB), *pieces))


def _zip(*members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for member in members:
            archive.writestr(zipfile.ZipInfo(member), _DISK)
    return out.getvalue()


def _tar(*members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for member in members:
            entry = tarfile.TarInfo(member)
            entry.size = len(_DISK)
            archive.addfile(entry, io.BytesIO(_DISK))
    return out.getvalue()


_foreign("gzip", "gzip.*gunzip", lambda: gzip.compress(_DISK, mtime=0))
_foreign("gzip-cut", "gzip.*gunzip", lambda: gzip.compress(_DISK, mtime=0)[:10])
_foreign("xz", "xz.*unxz", lambda: lzma.compress(_DISK))
_foreign("bzip2", "bzip2.*bunzip2", lambda: bz2.compress(_DISK))
_foreign("bzip2-of-nothing", "bzip2.*bunzip2", lambda: bz2.compress(b""))
_foreign("zstd", "Zstandard.*unzstd", lambda: q.zstd_run(65, MIB))
_foreign("zstd-of-a-petabyte", "Zstandard", lambda: b"\x28\xb5\x2f\xfd\xe0" + bytes([255] * 8))
_foreign("zip", "ZIP.*unzip", lambda: _zip("disk.raw"))
_foreign("aff4", "AFF4", lambda: _zip("container.description", "disk"))
_foreign("tar", "tar archive.*tar -xf", lambda: _tar("disk.raw"))
_foreign("ova", "OVA", lambda: _tar("machine.ovf", "machine-disk1.vmdk"))
_signature("lz4", "LZ4", (0, b"\x04\x22\x4d\x18"))
_signature("7z", "7z", (0, b"7z\xbc\xaf\x27\x1c\0\4"))
_signature("rar", "RAR", (0, b"Rar!\x1a\7\1\0"))
_signature("cpio", "cpio", (0, b"070701" + b"F" * 104))
_signature("luks1", "LUKS1.*cryptsetup", (0, b"LUKS\xba\xbe\0\1aes"))
_signature("luks1-slots-lie", "LUKS1", (0, b"LUKS\xba\xbe\0\1" + b"\xff" * 584))
_signature("luks2", "LUKS2.*cryptsetup", (0, b"LUKS\xba\xbe\0\2" + b"\xff" * 8))
_signature("bitlocker", "BitLocker", (0, b"\xeb\x58\x90-FVE-FS-"), (510, b"\x55\xaa"))
_signature("ewf", "EnCase.*ewfexport", (0, b"EVF\t\r\n\xff\0\1\1\0\0\0"))
_signature("ewf2", "EnCase.*ewfexport", (0, b"EVF2\r\n\x81\0\2\1"))
_signature("aff", "AFF forensic", (0, b"AFF10\r\n\0"))
_signature("iso", "ISO 9660.*-f raw", (0x8000, b"\1CD001\1"))
_signature("squashfs", "squashfs", (0, b"hsqs" + b"\xff" * 92))
_signature("vmstate", "QEMU", (0, b"QEVM\0\0\0\3"))


# ---- Raw disks ----------------------------------------------------------------------------------

def _partition(kind, start, sectors, status=0):
    return struct.pack("<BBBBBBBBII", status, 0, 2, 0, kind, 0xFF, 0xFF, 0xFF, start, sectors)


def _mbr(*partitions):
    return (446, b"".join(partitions).ljust(64, b"\0") + b"\x55\xaa")


def _gpt_header(count=128, size=128, first=2):
    return (512, struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, 1, 2047, 34,
                             2014, bytes(16), first, count, size, 0))


def _raw(name, *pieces, size=MIB):
    _probed(f"raw-{name}", same(), reads_as="raw", info="answers")(
        lambda: _put(_DISK[:size], *pieces))


_LINUX = _partition(0x83, 8, 2000)
_PROTECTIVE = _partition(0xEE, 1, 0xFFFFFFFF)

_raw("empty", size=0)
_raw("one-byte", size=1)
_raw("half-a-signature", (0, b"\x1f\x8b"), size=2)
_raw("short-of-a-sector", size=511)
_raw("partition-past-the-end", _mbr(_partition(0x83, 0xFFFFFFF0, 0xFFFFFFFF)))
_raw("partitions-overlap", _mbr(_LINUX, _LINUX, _LINUX, _LINUX))
_raw("extended-partition-in-itself", _mbr(_partition(5, 0, 2048)))
_raw("mbr-status-wrong", _mbr(_partition(0x83, 8, 2000, status=0x7F)))
_raw("gpt", _mbr(_PROTECTIVE), _gpt_header())
_raw("gpt-without-mbr", _gpt_header())
_raw("gpt-entries-lie", _mbr(_PROTECTIVE),
     _gpt_header(count=0xFFFFFFFF, size=0xFFFFFFFF, first=(1 << 64) - 1))
_raw("gpt-and-mbr-disagree", _mbr(_LINUX, _PROTECTIVE), _gpt_header())
_raw("ext4-lies", (1024, b"\xff" * 56 + b"\x53\xef" + b"\xff" * 200))
_raw("lvm-lies", (512, b"LABELONE" + b"\xff" * 16 + b"LVM2 001"))


# ---- Polyglots ----------------------------------------------------------------------------------

def _polyglot(name, reads_as, build):
    _probed(f"polyglot-{name}", same(), reads_as=reads_as, info="answers")(build)


def _qcow2(*pieces):
    """A qcow2 image with pieces in the unused part of its file."""
    image = q.Qcow2File()
    for offset, piece in pieces:
        image.put(offset, piece)
    path = f"/proc/self/fd/{os.memfd_create('image')}"
    image.write(path)
    with open(path, "rb") as file:
        data = file.read()
    os.close(int(path.rpartition("/")[2]))
    return data


_DESCRIPTOR = (b"# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n"
               b'createType="monolithicFlat"\nRW 2048 FLAT "/etc/passwd" 0\n')

_polyglot("qcow2-and-iso", "qcow2", lambda: _qcow2((0x8000, b"\1CD001\1")))
_polyglot("qcow2-and-tar", "qcow2", lambda: _qcow2((257, b"ustar\0" b"00")))
_polyglot("qcow2-and-vmdk-text", "qcow2", lambda: _qcow2((512, _DESCRIPTOR)))
_polyglot("qcow2-and-mbr", "qcow2", lambda: _qcow2(_mbr(_LINUX)))
_polyglot("qcow2-and-elf-behind-it", "qcow2", lambda: _qcow2((512, b"\x7fELF\2\1\1")))
_polyglot("elf-and-qcow2-behind-it", "raw",
          lambda: _put(_DISK, (0, b"\x7fELF\2\1\1"), (512, _qcow2())))
_polyglot("qcow2-at-512", "raw", lambda: bytes(512) + _qcow2())
_polyglot("vmdk-text-at-512", "raw", lambda: bytes(512) + _DESCRIPTOR.ljust(MIB, b"\0"))
_polyglot("vhdx-at-512", "raw", lambda: _put(bytes(MIB), (512, b"vhdxfile")))
_polyglot("hybrid-iso", "raw", lambda: _put(_DISK, _mbr(_LINUX), (0x8000, b"\1CD001\1")))
_polyglot("gzip-and-mbr", "raw", lambda: _put(_DISK, _mbr(_LINUX), (0, b"\x1f\x8b\x08")))
_polyglot("luks-and-mbr", "raw", lambda: _put(_DISK, _mbr(_LINUX), (0, b"LUKS\xba\xbe\0\1")))
_polyglot("mbr-and-a-wrong-vhd-footer", "raw",
          lambda: _put(_DISK, _mbr(_LINUX), (MIB - 512, b"conectix")))
_polyglot("qcow2-and-a-wrong-vhd-footer", "qcow2",
          lambda: _qcow2((9 << 16, bytes(1024 - 512) + b"conectix".ljust(512, b"\0"))))
