"""Raw disks that readers may take for something else: by what is in the first sectors, in the last
ones, or both."""

import struct

from hostile.images import vmdkfile
from verdicts import common_kinds, edits, trailers
from verdicts.kind import kind

_MAGICS = (b"QFI\xfb\0\0\0\1", b"QFI\xfb\0\0\0\2", b"QFI\xfb\0\0\0\3", b"QFI\xfb\0\0\0\4", b"QED\0",
           b"KDMV\1\0\0\0", b"KDMV\3\0\0\0", b"COWD\1\0\0\0", b"vhdxfile", b"conectix", b"cxsparse",
           b"WithoutFreeSpace\2\0\0\0", b"WithouFreSpacExt\2\0\0\0", b"WithoutFreeSpace",
           b"Bochs Virtual HD Image", b"LUKS\xba\xbe\0\1", b"LUKS\xba\xbe\0\2", b"koly",
           b"# Disk DescriptorFile\nversion=1\n", b"#!/bin/sh\n#V2.0 Format\n", b"\x1f\x8b\x08",
           b"SKUL\xba\xbe\0\2", b"EFI PART", b"PK\3\4", b"BZh9", b"\x7fELF\2\1\1", b"MZ",
           b"<<< Oracle VM VirtualBox Disk Image >>>\n", b"<<< QEMU VM Virtual Disk Image >>>\n",
           b"#\n\n# Disk DescriptorFile\n", b"version=1\n", b"version=2\r\n", b"\n# x\nversion=3\n")


def _disk(chance):
    """Bytes of a raw disk with a partition table, a file system, or neither."""
    size = chance.choice([edits.MIB, edits.MIB, 4 * edits.MIB, 8 * edits.MIB, 65536])
    disk = bytearray(size)
    what = chance.choice(["mbr", "gpt", "ext", "iso", "nothing", "text"])
    if what in ("mbr", "gpt"):
        disk[:512] = edits.mbr(chance, size // 512)
    if what == "gpt":
        last = size // 512 - 1
        disk[512:1024] = edits.gpt_header(1, last, last)
        disk[-512:] = edits.gpt_header(last, 1, last)
    if what == "ext":
        disk[1024 + 56:1024 + 58] = b"\x53\xef"
    if what == "iso" and size > 65536:
        disk[32768:32774] = b"\1CD001"
    if what == "text":
        disk[4096:8192] = vmdkfile.pattern(1, 4096)
    return disk


@kind("raw", "trailer", weight=6)
def _trailer(chance, path):
    edits.write(path, _disk(chance))
    trailers.add(chance, path)


@kind("raw", "vhd-of-part", weight=3)
def _vhd_of_part(chance, path):
    """What a guest can write into the last sector of its own disk."""
    disk = _disk(chance)
    disk[-512:] = trailers.any_vhd_footer(chance, len(disk) - 512).ljust(512, b"\0")
    edits.write(path, disk)


@kind("dmg", "of-part", weight=2)  # the name of the file counts for qemu-img
@kind("raw", "dmg-of-part", weight=2)
def _dmg_of_part(chance, path):
    disk = _disk(chance)
    ending = trailers.dmg_ending(chance, len(disk) - 8192)
    disk[len(disk) - 8192:len(disk) - 8192 + len(ending)] = ending
    ending_at_end = trailers.dmg_ending(chance, len(disk) - len(ending))
    if len(ending_at_end) == len(ending):
        disk[-len(ending):] = ending_at_end
    edits.write(path, disk)


@kind("raw", "magic", weight=4)
def _magic(chance, path):
    """The mark of a format, whole or not, where readers look, with a partition table or without."""
    disk = _disk(chance)
    magic = chance.choice(_MAGICS)
    magic = magic[:chance.choice([len(magic)] * 3 + [chance.randrange(1, len(magic) + 1)])]
    place = chance.choice([0, 0, 0, 0, 3, 64, 512, 1024, 4096, 65536, len(disk) - 512])
    disk[place:place + len(magic)] = magic
    if chance.random() < 0.3:
        disk[64:68] = b"\x7f\x10\xda\xbe"
    edits.write(path, disk[:chance.choice([len(disk)] * 3 + [511, 512, 513, 4096, 65536])])


@kind("raw", "two-images", weight=3)
def _two_images(chance, path):
    """An image in front of which, in which or behind which another begins."""
    one, two = chance.sample(sorted(common_kinds.SOUND), 2)
    common_kinds.write_sound(one, chance, path)
    data = bytearray(edits.read(path))
    common_kinds.write_sound(two, chance, path)
    other = edits.read(path)
    place = chance.choice([512, 1024, 4096, 65536, len(data), -(-len(data) // 65536) * 65536])
    part = other[:chance.choice([len(other)] * 3 + [512, 1024, 4096])]
    if len(data) < place:
        data += bytes(place - len(data))
    data[place:place + len(part)] = part
    edits.write(path, data)


@kind("raw", "merged-heads", weight=3)
def _merged_heads(chance, path):
    """The first bytes of one format and the rest of the first sector of another."""
    one, two = chance.sample(sorted(common_kinds.SOUND), 2)
    common_kinds.write_sound(one, chance, path)
    head = edits.read(path)
    common_kinds.write_sound(two, chance, path)
    body = bytearray(edits.read(path))
    length = chance.choice([4, 8, 16, 20, 64, 68, 72, 128, 512])
    body[:length] = head[:length]
    edits.write(path, body)


@kind("raw", "vdi-signature")
def _vdi_signature(chance, path):
    """VDI is told by four bytes in the middle of the first sector."""
    disk = _disk(chance)
    disk[64:68] = struct.pack("<I", 0xBEDA107F)
    disk[68:72] = struct.pack("<I", chance.choice([0x00010001, 0, 0x00010000, 0x00020000]))
    edits.write(path, disk)


@kind("raw", "sizes")
def _sizes(chance, path):
    edits.write(path, vmdkfile.pattern(3, chance.choice([0, 1, 2, 3, 4, 511, 512, 513, 1000, 65535,
                                                        chance.randrange(1 << 17)])))
