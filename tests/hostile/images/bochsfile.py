"""Builds Bochs growing images field by field, so that any of them can lie.

    image = BochsFile()           # a disk of 1 MiB in extents of 64 KiB, two of which are there
    image.header["extent"] = 0
    image.write(path)

Layout before anything is changed: header, catalog at 512, extents 0 and 1, each of a bitmap of one
sector and 64 KiB of data. Names of fields are those of QEMU's block/bochs.c.
"""

import struct

from hostile.images.qcow2file import pattern

EXTENT = 64 << 10
ENTRIES = 16
CATALOG = 512
NO_EXTENT = 0xFFFFFFFF

# (name, struct code) in the order of the file; version 1 has no time stamp.
FIELDS = [
    ("magic", "32s"), ("type", "16s"), ("subtype", "16s"), ("version", "I"), ("header", "I"),
    ("catalog", "I"), ("bitmap", "I"), ("extent", "I"), ("timestamp", "I"), ("disk", "Q"),
]


class BochsFile:
    def __init__(self, entries=ENTRIES):
        self.header = {
            "magic": b"Bochs Virtual HD Image", "type": b"Redolog", "subtype": b"Growing",
            "version": 0x00020000, "header": CATALOG, "catalog": entries, "bitmap": 16,
            "extent": EXTENT, "timestamp": 0, "disk": entries * EXTENT,
        }
        self.catalog = [1, 0] + [NO_EXTENT] * (min(entries, 1 << 16) - 2)
        self.bitmaps = [b"\xff" * 16, b"\xff" * 16]
        self.length = self.extent(2)  # of the file

    def extent(self, number):
        return CATALOG + 4 * self.header["catalog"] + number * (512 + EXTENT)

    def write(self, path):
        fields = [(name, code) for name, code in FIELDS
                  if self.header["version"] != 0x00010000 or name != "timestamp"]
        header = struct.pack("<" + "".join(code for _, code in fields),
                             *[self.header[name] for name, _ in fields])
        regions = [(0, header), (CATALOG, struct.pack(f"<{len(self.catalog)}I", *self.catalog))]
        # Where extents are while the header tells the truth.
        first = CATALOG + 4 * len(self.catalog)
        for number, bitmap in enumerate(self.bitmaps):
            at = first + number * (512 + EXTENT)
            regions += [(at, bitmap), (at + 512, pattern(number, EXTENT))]
        with open(path, "wb") as out:
            for offset, data in regions:
                out.seek(offset)
                out.write(data)
            out.truncate(self.length)
