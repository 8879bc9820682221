"""Builds QED files field by field, so that any of them can lie.

    image = QedFile()             # a disk of 1 MiB in clusters of 4 KiB, four of which hold data
    image.header["table_size"] = 0
    image.write(path)

Layout before anything is changed, in clusters: 0 header, 1 and 2 L1 table, 3 and 4 L2 table, 5 and
up data. Names of fields are those of QEMU's docs/interop/qed_spec.
"""

import struct

from hostile.images.qcow2file import pattern

CLUSTER = 4096
L1 = CLUSTER
L2 = 3 * CLUSTER
DATA = 5 * CLUSTER

BACKING_FILE = 1
NEED_CHECK = 2
RAW_BACKING_FILE = 4
ZERO = 1

# (name, struct code) in the order of the file.
FIELDS = [
    ("magic", "I"), ("cluster_size", "I"), ("table_size", "I"), ("header_size", "I"),
    ("features", "Q"), ("compat_features", "Q"), ("autoclear_features", "Q"),
    ("l1_table_offset", "Q"), ("image_size", "Q"), ("backing_filename_offset", "I"),
    ("backing_filename_size", "I"),
]


class QedFile:
    def __init__(self, size=1 << 20, data_clusters=4):
        self.header = {name: 0 for name, _ in FIELDS}
        self.header.update({
            "magic": 0x00444551, "cluster_size": CLUSTER, "table_size": 2, "header_size": 1,
            "l1_table_offset": L1, "image_size": size,
        })
        self.l1 = {0: L2}
        self.l2 = {number: DATA + number * CLUSTER for number in range(data_clusters)}
        # (offset, bytes), written in order after the tables.
        self.regions = [(DATA + number * CLUSTER, pattern(number, CLUSTER))
                        for number in range(data_clusters)]
        self.length = DATA + data_clusters * CLUSTER  # of the file

    def write(self, path):
        fields = struct.pack("<" + "".join(code for _, code in FIELDS),
                             *[self.header[name] for name, _ in FIELDS])
        tables = [(offset, b"".join(struct.pack("<Q", table.get(number, 0))
                                    for number in range(1024)))
                  for offset, table in [(L1, self.l1), (L2, self.l2)]]
        with open(path, "wb") as out:
            for offset, data in [*tables, (0, fields), *self.regions]:
                out.seek(offset)
                out.write(data)
            out.truncate(self.length)
