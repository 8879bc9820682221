"""Builds VDI files field by field, so that any of them can lie.

    image = VdiFile()             # a dynamic disk of 4 MiB, two blocks of which hold data
    image.header["block_size"] = 0
    image.write(path)

Layout before anything is changed: header, block map at 512, blocks of 1 MiB from 1024 on. Names of
fields are those of QEMU's block/vdi.c.
"""

import struct

MIB = 1 << 20
UNALLOCATED = 0xFFFFFFFF
DISCARDED = 0xFFFFFFFE

# (name, struct code) in the order of the file.
FIELDS = [
    ("text", "64s"), ("signature", "I"), ("version", "I"), ("header_size", "I"),
    ("image_type", "I"), ("image_flags", "I"), ("description", "256s"), ("offset_bmap", "I"),
    ("offset_data", "I"), ("cylinders", "I"), ("heads", "I"), ("sectors", "I"),
    ("sector_size", "I"), ("unused1", "I"), ("disk_size", "Q"), ("block_size", "I"),
    ("block_extra", "I"), ("blocks_in_image", "I"), ("blocks_allocated", "I"),
    ("uuid_image", "16s"), ("uuid_last_snap", "16s"), ("uuid_link", "16s"),
    ("uuid_parent", "16s"), ("unused2", "56s"),
]


def pattern(number):
    """The start of data block `number`; the rest of it is zero."""
    return (f"block {number:8d} of a test image\n".encode() * 128)[:4096]


class VdiFile:
    def __init__(self, blocks=4):
        self.header = {name: b"" if code.endswith("s") else 0 for name, code in FIELDS}
        self.header.update({
            "text": b"<<< Oracle VM VirtualBox Disk Image >>>\n", "signature": 0xBEDA107F,
            "version": 0x00010001, "header_size": 0x190, "image_type": 1, "offset_bmap": 512,
            "offset_data": 1024, "sector_size": 512, "disk_size": blocks * MIB,
            "block_size": MIB, "blocks_in_image": blocks, "blocks_allocated": 2,
            "uuid_image": bytes(range(16)), "uuid_last_snap": bytes(range(16, 32)),
        })
        self.map = [UNALLOCATED] * min(blocks, 4096)
        self.map[0:2] = [1, 0]
        self.regions = [(1024, pattern(0)), (1024 + MIB, pattern(1))]
        self.length = 1024 + 2 * MIB  # of the file

    def write(self, path):
        fields = struct.pack("<" + "".join(code for _, code in FIELDS),
                             *[self.header[name] for name, _ in FIELDS])
        block_map = struct.pack(f"<{len(self.map)}I", *self.map)
        with open(path, "wb") as out:
            for offset, data in [*self.regions, (512, block_map), (0, fields)]:
                out.seek(offset)
                out.write(data)
            out.truncate(self.length)
