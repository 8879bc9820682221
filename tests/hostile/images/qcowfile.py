"""Builds qcow (version 1) files field by field, so that any of them can lie.

    image = QcowFile()            # a disk of 1 MiB in clusters of 4 KiB, four of which hold data
    image.header["l2_bits"] = 0
    image.write(path)

Layout before anything is changed: header, L1 table at 48, L2 table at 4 KiB, data from 8 KiB on.
Names of fields are those of QEMU's block/qcow.c.
"""

import struct

from hostile.images.qcow2file import pattern

CLUSTER = 4096
L1 = 48
L2 = CLUSTER
DATA = 2 * CLUSTER
COMPRESSED = 1 << 63

# (name, struct code) in the order of the file.
FIELDS = [
    ("magic", "I"), ("version", "I"), ("backing_offset", "Q"), ("backing_size", "I"),
    ("mtime", "I"), ("size", "Q"), ("cluster_bits", "B"), ("l2_bits", "B"), ("padding", "H"),
    ("crypt_method", "I"), ("l1_offset", "Q"),
]


def compressed(offset, size, cluster_bits=12):
    """The L2 entry of a stream."""
    return COMPRESSED | size << (63 - cluster_bits) | offset


class QcowFile:
    def __init__(self, size=1 << 20, data_clusters=4):
        self.header = {
            "magic": 0x514649FB, "version": 1, "backing_offset": 0, "backing_size": 0, "mtime": 0,
            "size": size, "cluster_bits": 12, "l2_bits": 9, "padding": 0, "crypt_method": 0,
            "l1_offset": L1,
        }
        self.l1 = [L2]
        self.l2 = {number: DATA + number * CLUSTER for number in range(data_clusters)}
        # (offset, bytes), written in order after the tables.
        self.regions = [(DATA + number * CLUSTER, pattern(number, CLUSTER))
                        for number in range(data_clusters)]
        self.length = DATA + data_clusters * CLUSTER  # of the file

    def write(self, path):
        fields = struct.pack(">" + "".join(code for _, code in FIELDS),
                             *[self.header[name] for name, _ in FIELDS])
        l2 = b"".join(struct.pack(">Q", self.l2.get(number, 0)) for number in range(512))
        l1 = struct.pack(f">{len(self.l1)}Q", *self.l1)
        with open(path, "wb") as out:
            for offset, data in [(L2, l2), (L1, l1), (0, fields), *self.regions]:
                out.seek(offset)
                out.write(data)
            out.truncate(self.length)
