"""Builds qcow2 files field by field, so that any of them can lie.

    image = Qcow2File()           # 1 MiB disk, 64 KiB clusters, four clusters of data
    image.header["l1_size"] = 0
    image.write(path)

Layout before anything is changed, in clusters: 0 header, 1 refcount table, 2 refcount block, 3 L1
table, 4 L2 table, 5 and up data. Offsets and flags are those of the format's specification
(docs/interop/qcow2.rst in QEMU's sources).
"""

import random
import struct
import zlib

# (name, struct code) in the order of the file.
FIELDS = [
    ("magic", "I"), ("version", "I"), ("backing_offset", "Q"), ("backing_size", "I"),
    ("cluster_bits", "I"), ("size", "Q"), ("crypt_method", "I"), ("l1_size", "I"),
    ("l1_offset", "Q"), ("refcount_table_offset", "Q"), ("refcount_table_clusters", "I"),
    ("snapshot_count", "I"), ("snapshots_offset", "Q"),
    ("incompatible", "Q"), ("compatible", "Q"), ("autoclear", "Q"), ("refcount_order", "I"),
    ("header_length", "I"), ("compression_type", "B"),
]
_VERSION_2_FIELDS = 13

COPIED = 1 << 63
COMPRESSED = 1 << 62
ZERO = 1

INCOMPATIBLE_DIRTY = 1 << 0
INCOMPATIBLE_CORRUPT = 1 << 1
INCOMPATIBLE_DATA_FILE = 1 << 2
INCOMPATIBLE_COMPRESSION = 1 << 3
INCOMPATIBLE_EXTENDED_L2 = 1 << 4

EXTENSION_BACKING_FORMAT = 0xE2792ACA
EXTENSION_FEATURE_NAMES = 0x6803F857
EXTENSION_BITMAPS = 0x23852875
EXTENSION_CRYPTO = 0x0537BE77
EXTENSION_DATA_FILE = 0x44415441


def deflate(data, window_bits=12):
    packer = zlib.compressobj(9, zlib.DEFLATED, -window_bits)
    return packer.compress(data) + packer.flush()


def zstd_run(byte, size):
    """A Zstandard frame (RFC 8878) of `size` equal bytes, in run-length blocks of 128 KiB."""
    frame = struct.pack("<IBI", 0xFD2FB528, 0xA0, size)
    while size:
        length = min(size, 128 << 10)
        size -= length
        frame += struct.pack("<I", (not size) | 1 << 1 | length << 3)[:3] + bytes([byte])
    return frame


def pattern(number, size):
    """Bytes of data cluster `number`: no two clusters alike, and none all zero."""
    line = f"cluster {number:8d} of a test image\n".encode()
    return (line * (size // len(line) + 1))[:size]


def noise(size):
    """Bytes that do not compress, the same in each run."""
    return random.Random(1).randbytes(size)


class Qcow2File:
    def __init__(self, size=1 << 20, cluster_bits=16, version=3, data_clusters=4, extended=False):
        self.cluster_size = cluster = 1 << cluster_bits
        self.extended = extended
        entry_size = 16 if extended else 8
        self.header = {
            "magic": 0x514649FB, "version": version, "backing_offset": 0, "backing_size": 0,
            "cluster_bits": cluster_bits, "size": size, "crypt_method": 0,
            "l1_size": max(1, -(-size // (cluster * (cluster // entry_size)))),
            "l1_offset": 3 * cluster, "refcount_table_offset": cluster,
            "refcount_table_clusters": 1, "snapshot_count": 0, "snapshots_offset": 0,
            "incompatible": INCOMPATIBLE_EXTENDED_L2 if extended else 0, "compatible": 0,
            "autoclear": 0, "refcount_order": 4, "header_length": 112, "compression_type": 0,
        }
        self.extensions = []  # (type, data) or (type, data, declared length)
        self.end_extensions = True
        self.backing_name = None  # bytes, placed in the first cluster
        self.l1 = [0] * min(self.header["l1_size"], 1 << 16)
        self.l1[0] = 4 * cluster | COPIED
        self.l2 = {}  # index: entry, or (entry, subcluster bitmap)
        self.refcounts = {number: 1 for number in range(5 + data_clusters)}
        self.regions = []  # (offset, bytes), written last, in order
        self.length = None  # of the file; None: as far as its parts reach
        for number in range(data_clusters):
            self.set_data(number, 5 + number)

    def set_data(self, guest_cluster, host_cluster):
        offset = host_cluster * self.cluster_size
        self.l2[guest_cluster] = offset | COPIED
        if self.extended:
            self.l2[guest_cluster] = (offset | COPIED, 0xFFFFFFFF)
        self.regions.append((offset, pattern(guest_cluster, self.cluster_size)))

    def set_compressed(self, guest_cluster, host_offset, stream, sectors=None):
        """Puts a stream at any byte. `sectors`: what the entry says instead of the truth."""
        offset_bits = 62 - (self.header["cluster_bits"] - 8)
        if sectors is None:
            sectors = (host_offset % 512 + len(stream) - 1) // 512
        self.l2[guest_cluster] = COMPRESSED | sectors << offset_bits | host_offset
        self.put(host_offset, stream)

    def put(self, offset, data):
        self.regions.append((offset, bytes(data)))

    def _header_bytes(self):
        fields = FIELDS[:_VERSION_2_FIELDS] if self.header["version"] == 2 else FIELDS
        data = struct.pack(">" + "".join(code for _, code in fields),
                           *[self.header[name] for name, _ in fields])
        data = data.ljust(72 if self.header["version"] == 2 else 112, b"\0")
        for extension in self.extensions:
            kind, content = extension[:2]
            length = extension[2] if len(extension) > 2 else len(content)
            data += struct.pack(">II", kind, length) + content
            data += b"\0" * (-len(content) % 8)
        if self.end_extensions:
            data += struct.pack(">II", 0, 0)
        return data

    def write(self, path):
        header = self.header
        parts = []
        if self.backing_name is not None:
            # In the second half of the first cluster, unless the case has set a place of its own.
            place = self.cluster_size // 2
            header["backing_offset"] = header["backing_offset"] or place
            header["backing_size"] = header["backing_size"] or len(self.backing_name)
            parts.append((place, self.backing_name))
        cluster = self.cluster_size
        table = bytearray(cluster)
        struct.pack_into(">Q", table, 0, 2 * cluster)
        block = bytearray(cluster)
        for number, count in self.refcounts.items():
            struct.pack_into(">H", block, 2 * number, count)
        entries = bytearray(cluster)
        for index, entry in self.l2.items():
            if self.extended:
                struct.pack_into(">QQ", entries, 16 * index, *entry)
            else:
                struct.pack_into(">Q", entries, 8 * index, entry)
        tables = [(cluster, table), (2 * cluster, block),
                  (3 * cluster, struct.pack(f">{len(self.l1)}Q", *self.l1)),
                  (4 * cluster, entries)]
        with open(path, "wb") as out:
            for offset, data in [*tables, *self.regions, (0, self._header_bytes()), *parts]:
                out.seek(offset)
                out.write(data)
            out.seek(0, 2)
            length = -(-out.tell() // 512) * 512 if self.length is None else self.length
            out.truncate(length)
