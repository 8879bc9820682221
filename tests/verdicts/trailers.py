"""Structures that readers look for at the end of a file, and what else may be appended to one."""

import os
import struct

from hostile.images import dmgfile, vpcfile
from verdicts import edits


def vhd_footer(chance, size, **changes):
    """The last 512 bytes of a VHD whose disk has `size` bytes."""
    image = vpcfile.VpcFile()
    image.make_fixed(b"")
    image.footer.update(current_size=size, original_size=size, **changes)
    path = f"/proc/self/fd/{os.memfd_create('footer')}"
    image.write(path)
    footer = bytearray(edits.read(path)[-512:])
    os.close(int(path.rpartition("/")[2]))
    if "checksum" in changes:
        struct.pack_into(">I", footer, 64, changes["checksum"])
    return bytes(footer[:511] if chance.random() < 0.1 else footer)


def any_vhd_footer(chance, length):
    """One that may or may not describe a file of `length` bytes before it."""
    size = chance.choice([length, length, length, edits.MIB, length // 2, length * 2, length - 512,
                          length + 512, 1 << 40, 512, 0])
    changes = {}
    if chance.random() < 0.3:
        changes["type"] = chance.choice([0, 1, 3, 4, 5, 2])
    if chance.random() < 0.2:
        changes["data_offset"] = chance.choice([0, 512, length, edits.MIB])
    if chance.random() < 0.2:
        changes["checksum"] = chance.choice([0, 0xFFFFFFFF])
    if chance.random() < 0.3:
        changes["creator"] = chance.choice([b"vpc ", b"win ", b"vs  ", b"vbox", b"tap\0", b"d2v "])
    return vhd_footer(chance, size, **changes)


def dmg_ending(chance, length):
    """A property list and the trailer of a DMG, of chunks somewhere in `length` bytes before it."""
    image = dmgfile.DmgFile(chunks=False)
    sectors = chance.choice([8, 2048, max(1, length // 512)])
    start = chance.choice([0, 0, 512, max(0, length - 512 * sectors)])
    kind = chance.choice([dmgfile.RAW, dmgfile.RAW, dmgfile.ZERO])
    stored = 0 if kind == dmgfile.ZERO else 512 * sectors
    image.tables[0].entries = [[kind, 0, 0, sectors, start if stored else 0, stored],
                               [dmgfile.END, 0, sectors, 0, 0, 0]]
    description = image._property_list()  # pylint: disable=protected-access
    image.plist = description
    image.trailer.update(xml_offset=length, xml_length=len(description), sector_count=sectors,
                         data_fork_length=length)
    if chance.random() < 0.2:
        edits.change_fields(chance, image.trailer, dmgfile.TRAILER)
    path = f"/proc/self/fd/{os.memfd_create('dmg')}"
    image.write(path)
    data = edits.read(path)
    os.close(int(path.rpartition("/")[2]))
    return data


def _zip_ending(*_):
    return struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0, 0, 0, 0, 0)


def _gpt_ending(chance, length):
    last = length // 512
    return bytes(32 * 512 * chance.randrange(2)) + edits.gpt_header(last, 1, last)


def _vhdx_file_identifier(*_):
    return b"vhdxfile".ljust(65536, b"\0")


def _zeros(chance, _):
    return bytes(chance.choice([1, 511, 512, 513, 4096, 65536, 1 << 20]))


def _noise(chance, _):
    return chance.randbytes(chance.choice([1, 511, 512, 4096, 65536]))


def _vmdk_footer(*_):
    return (struct.pack("<QII", 1, 0, 3).ljust(512, b"\0") + b"KDMV".ljust(512, b"\0") +
            bytes(512))


def _script_of_sectors(chance, _):
    return b"# Disk DescriptorFile\nversion=1\n".ljust(chance.choice([512, 1024]), b"\0")


_ENDINGS = [any_vhd_footer, any_vhd_footer, any_vhd_footer, dmg_ending, dmg_ending, _zip_ending,
            _gpt_ending, _vhdx_file_identifier, _zeros, _noise, _vmdk_footer, _script_of_sectors]


def add(chance, path):
    """Puts a trailer behind the file, or over its last bytes."""
    length = os.path.getsize(path)
    padding = -length % 512
    over = chance.random() < 0.3
    ending = chance.choice(_ENDINGS)
    data = ending(chance, max(0, length + padding - (512 if over else 0)))
    place = length + (padding if chance.random() < 0.8 else 0)
    if over:
        place = max(0, length - len(data))
    edits.patch(path, place, data)
