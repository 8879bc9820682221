"""Builds VMDK files field by field, so that any of them can lie.

    image = VmdkFile()           # 1 MiB disk, 64 KiB grains, four of them with data
    image.header["capacity"] = 0
    image.write(path)

Layout before anything is changed, in sectors: 0 header, 1 to 20 descriptor, 21 redundant grain
directory, 22 its table, 26 grain directory, 27 its table, from 128 on grains. A stream has
compressed grains behind markers instead. Fields are those of VMware's "Virtual Disk Format 5.0".
"""

import struct
import zlib

SECTOR = 512
GRAIN = 64 << 10

FLAG_NEWLINES = 1 << 0
FLAG_REDUNDANT = 1 << 1
FLAG_ZEROED = 1 << 2
FLAG_COMPRESSED = 1 << 16
FLAG_MARKERS = 1 << 17
AT_END = (1 << 64) - 1

MARKER_FOOTER = 3

FIELDS = [
    ("magic", "4s"), ("version", "I"), ("flags", "I"), ("capacity", "Q"), ("grain_size", "Q"),
    ("descriptor_offset", "Q"), ("descriptor_size", "Q"), ("gt_entries", "I"),
    ("rgd_offset", "Q"), ("gd_offset", "Q"), ("overhead", "Q"), ("unclean", "B"),
    ("newlines", "4s"), ("compression", "H"),
]

RGD, RGT, GD, GT, DATA = 21, 22, 26, 27, 128


def pattern(number, size=GRAIN):
    """Bytes of grain `number`: no two grains alike, and none all zero."""
    line = f"grain {number:8d} of a test image\n".encode()
    return (line * (size // len(line) + 1))[:size]


def marker(lba, size):
    return struct.pack("<QI", lba, size)


def metadata_marker(sectors, kind):
    return struct.pack("<QII", sectors, 0, kind).ljust(SECTOR, b"\0")


def descriptor(create_type=b"monolithicSparse", extents=b'RW 2048 SPARSE "image.vmdk"\n',
               cid=b"fffffffe", parent_cid=b"ffffffff", more=b""):
    return (b"# Disk DescriptorFile\nversion=1\nCID=" + cid + b"\nparentCID=" + parent_cid +
            b'\ncreateType="' + create_type + b'"\n' + more + b"\n# Extent description\n" +
            extents + b'\n# The Disk Data Base\n#DDB\n\nddb.adapterType = "ide"\n')


class VmdkFile:
    def __init__(self, grains=4, stream=False, footer=False):
        self.stream = stream
        self.header = {
            "magic": b"KDMV", "version": 3 if stream else 1,
            "flags": FLAG_NEWLINES | (FLAG_COMPRESSED | FLAG_MARKERS if stream else
                                      FLAG_REDUNDANT),
            "capacity": 2048, "grain_size": 128, "descriptor_offset": 1, "descriptor_size": 20,
            "gt_entries": 512, "rgd_offset": 0 if stream else RGD, "gd_offset": GD,
            "overhead": DATA, "unclean": 0, "newlines": b"\n \r\n",
            "compression": 1 if stream else 0,
        }
        # The fields of the footer that differ from the header's.
        self.footer = {"gd_offset": GD} if footer else None
        if footer:
            self.header["gd_offset"] = AT_END
        self.descriptor = descriptor(b"streamOptimized" if stream else b"monolithicSparse")
        self.gd = [GT]
        self.rgd = [] if stream else [RGT]
        self.gt = {}  # index: entry, in both tables
        self.regions = []  # (offset, bytes), written last, in order
        self.tail = b""  # after everything, the footer included
        self.length = None  # of the file; None: as far as its parts reach
        self.end = DATA * SECTOR
        for number in range(grains):
            self.add_grain(number)

    def add(self, data):
        """At the file's end, in whole sectors; returns its sector."""
        sector = self.end // SECTOR
        self.regions.append((self.end, data))
        self.end += -(-len(data) // SECTOR) * SECTOR
        return sector

    def add_grain(self, number):
        if self.stream:
            stream = zlib.compress(pattern(number))
            self.gt[number] = self.add(marker(number * 128, len(stream)) + stream)
        else:
            self.gt[number] = self.add(pattern(number))

    def put(self, sector, data):
        self.regions.append((sector * SECTOR, bytes(data)))

    def _header_bytes(self, changes):
        fields = self.header | changes
        return struct.pack("<" + "".join(code for _, code in FIELDS),
                           *[fields[name] for name, _ in FIELDS]).ljust(SECTOR, b"\0")

    def write(self, path):
        table = bytearray(2048)
        for index, entry in self.gt.items():
            struct.pack_into("<I", table, 4 * index, entry)
        parts = [(DATA * SECTOR - 1, b"\0"), (SECTOR, self.descriptor),
                 (GD * SECTOR, struct.pack(f"<{len(self.gd)}I", *self.gd)), (GT * SECTOR, table)]
        if self.rgd:
            parts += [(RGD * SECTOR, struct.pack(f"<{len(self.rgd)}I", *self.rgd)),
                      (RGT * SECTOR, table)]
        end = self.end
        if self.footer is not None:
            parts.append((end, metadata_marker(1, MARKER_FOOTER) +
                          self._header_bytes(self.footer) + metadata_marker(0, 0)))
            end += 3 * SECTOR
        with open(path, "wb") as out:
            for offset, data in [*parts, (0, self._header_bytes({})), *self.regions,
                                 (end, self.tail)]:
                if data:
                    out.seek(offset)
                    out.write(data)
            out.seek(0, 2)
            if self.length is not None:
                out.truncate(self.length)
            elif out.tell() < self.end:
                out.truncate(self.end)
