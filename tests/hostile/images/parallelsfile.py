"""Builds Parallels images field by field, so that any of them can lie.

    image = ParallelsFile()       # four clusters of 64 KiB, two of which hold data
    image.header["tracks"] = 0
    image.write(path)

Layout before anything is changed, in clusters: 0 header and BAT, 1 and 2 data. Names of fields are
those of QEMU's docs/interop/parallels.
"""

import struct

CLUSTER = 1 << 16
TRACKS = CLUSTER // 512
OLD_MAGIC = b"WithoutFreeSpace"
MAGIC = b"WithouFreSpacExt"
IN_USE = 0x746F6E59

EXTENSION_MAGIC = 0xAB234CEF23DCEA87
DIRTY_BITMAP = 0x20385FAE252CB34A
NECESSARY = 1

# (name, struct code) in the order of the file.
FIELDS = [
    ("magic", "16s"), ("version", "I"), ("heads", "I"), ("cylinders", "I"), ("tracks", "I"),
    ("nb_bat_entries", "I"), ("nb_sectors", "Q"), ("in_use", "I"), ("data_off", "I"),
    ("flags", "I"), ("ext_off", "Q"),
]


def pattern(number):
    """The start of data cluster `number`; the rest of it is zero."""
    return (f"cluster {number:8d} of a test image\n".encode() * 128)[:4096]


def feature(magic, flags=0, data=b"", size=None):
    """A section of the format extension; `size`: what it says instead of the truth."""
    header = struct.pack("<QQII", magic, flags, len(data) if size is None else size, 0)
    return header + data + b"\0" * (-len(data) % 8)


class ParallelsFile:
    def __init__(self, clusters=4):
        self.header = {
            "magic": MAGIC, "version": 2, "heads": 16, "cylinders": 1, "tracks": TRACKS,
            "nb_bat_entries": clusters, "nb_sectors": clusters * TRACKS, "in_use": 0,
            "data_off": TRACKS, "flags": 0, "ext_off": 0,
        }
        self.bat = [0] * min(clusters, 4096)
        self.bat[0:2] = [2, 1]
        self.regions = [(CLUSTER, pattern(0)), (2 * CLUSTER, pattern(1))]
        self.length = 3 * CLUSTER  # of the file

    def make_old(self):
        """Makes it an image of the older kind, whose BAT counts sectors."""
        self.header["magic"] = OLD_MAGIC
        self.bat = [entry * TRACKS for entry in self.bat]

    def set_extension(self, *features, magic=EXTENSION_MAGIC):
        """In a cluster after the data; its checksum, which is MD5, is left out."""
        self.header["ext_off"] = 3 * TRACKS
        data = struct.pack("<Q", magic) + bytes(16) + b"".join(features)
        self.regions.append((3 * CLUSTER, data))
        self.length = 4 * CLUSTER

    def write(self, path):
        fields = struct.pack("<" + "".join(code for _, code in FIELDS),
                             *[self.header[name] for name, _ in FIELDS])
        with open(path, "wb") as out:
            for offset, data in [*self.regions, (64, struct.pack(f"<{len(self.bat)}I", *self.bat)),
                                 (0, fields)]:
                out.seek(offset)
                out.write(data)
            out.truncate(self.length)
