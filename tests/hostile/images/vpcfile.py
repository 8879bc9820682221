"""Builds VHDs field by field, so that any of them can lie.

    image = VpcFile()                     # dynamic, 1 MiB disk, blocks of 256 KiB, two of them there
    image.header["block_size"] = 128
    image.write(path)

Layout before anything is changed: 0 the footer's copy, 512 the dynamic disk header, 1536 the block
allocation table, 2048 parent locators, 4096 the blocks, then the footer. Fields are those of
Microsoft's Virtual Hard Disk Image Format Specification 1.0.
"""

import struct

SECTOR = 512
BLOCK = 256 << 10
BITMAP = 512
HEADER = 512
TABLE = 1536
LOCATORS = 2048
BLOCKS = 4096
UNALLOCATED = 0xFFFFFFFF
NOWHERE = (1 << 64) - 1

FIXED, DYNAMIC, DIFFERENCING = 2, 3, 4

# (name, struct code) in the order of the file.
FOOTER_FIELDS = [("cookie", "8s"), ("features", "I"), ("version", "I"), ("data_offset", "Q"),
           ("time_stamp", "I"), ("creator", "4s"), ("creator_version", "I"), ("creator_os", "4s"),
           ("original_size", "Q"), ("current_size", "Q"), ("cylinders", "H"), ("heads", "B"),
           ("sectors", "B"), ("type", "I"), ("checksum", "I"), ("unique_id", "16s"),
           ("saved_state", "B")]
HEADER_FIELDS = [("cookie", "8s"), ("data_offset", "Q"), ("table_offset", "Q"), ("version", "I"),
           ("max_table_entries", "I"), ("block_size", "I"), ("checksum", "I"),
           ("parent_id", "16s"), ("parent_time", "I"), ("reserved", "I"), ("parent_name", "512s")]


def _pack(fields, values, size, checksum):
    """`checksum`: None is the right one."""
    def pack(total):
        data = struct.pack(">" + "".join(code for _, code in fields),
                           *[total if name == "checksum" else values[name] for name, _ in fields])
        return data + values.get("rest", b"").ljust(size - len(data), b"\0")
    return pack(~sum(pack(0)) & 0xFFFFFFFF if checksum is None else checksum)


def pattern(block):
    line = f"block {block:8d} of a test image\n".encode()
    return (line * (BLOCK // len(line) + 1))[:BLOCK]


class VpcFile:
    def __init__(self, blocks=4, present=(0, 2), unique_id=b"\x11" * 16):
        self.footer = {
            "cookie": b"conectix", "features": 2, "version": 0x10000, "data_offset": HEADER,
            "time_stamp": 0, "creator": b"qem2", "creator_version": 0x50003,
            "creator_os": b"Wi2k", "original_size": blocks * BLOCK,
            "current_size": blocks * BLOCK, "cylinders": 65535, "heads": 16, "sectors": 255,
            "type": DYNAMIC, "unique_id": unique_id, "saved_state": 0,
        }
        self.header = {
            "cookie": b"cxsparse", "data_offset": NOWHERE, "table_offset": TABLE,
            "version": 0x10000, "max_table_entries": blocks, "block_size": BLOCK,
            "parent_id": b"\0" * 16, "parent_time": 0, "reserved": 0, "parent_name": b"",
            "rest": b"",
        }
        self.footer_checksum = None  # the right one
        self.header_checksum = None
        self.first = {}  # what the copy at the start says instead; None: there is no copy
        self.last = {}   # the same of the footer at the end
        self.table = [UNALLOCATED] * blocks
        self.regions = []  # (offset, bytes), written last, in order
        self.end = BLOCKS
        self.length = None  # of the file; None: as far as its parts reach
        for block in present:
            self.add_block(block, pattern(block))

    def add_block(self, block, data, bitmap=b"\xff" * BITMAP):
        self.table[block] = self.end // SECTOR
        self.regions.append((self.end, bitmap + data))
        self.end += BITMAP + BLOCK

    def put(self, offset, data):
        self.regions.append((offset, bytes(data)))

    def make_fixed(self, data):
        """Nothing is left but the disk and the footer after it."""
        self.footer.update(type=FIXED, data_offset=NOWHERE, original_size=len(data),
                           current_size=len(data))
        self.first = None
        self.regions = [(0, data)]
        self.table = None
        self.end = len(data)

    def set_parent(self, *locators, parent_id=b"\x11" * 16):
        """`locators`: (platform code, bytes) or (platform code, bytes, offset, length)."""
        self.footer["type"] = DIFFERENCING
        self.header["parent_id"] = parent_id
        entries = b""
        place = LOCATORS
        for code, data, *rest in locators:
            offset, length = rest or (place, len(data))
            entries += struct.pack(">4sIIIQ", code, SECTOR, length, 0, offset)
            self.put(place, data)
            place += SECTOR
        self.header["rest"] = entries

    def _footer(self, changes):
        return _pack(FOOTER_FIELDS, self.footer | changes, SECTOR,
                     changes.get("checksum", self.footer_checksum))

    def write(self, path):
        with open(path, "wb") as out:
            if self.table is not None:
                out.seek(TABLE)
                out.write(struct.pack(f">{len(self.table)}I", *self.table))
                out.seek(HEADER)
                out.write(_pack(HEADER_FIELDS, self.header, 1024, self.header_checksum))
            for offset, data in self.regions:
                out.seek(offset)
                out.write(data)
            if self.first is not None:
                out.seek(0)
                out.write(self._footer(self.first))
            out.truncate(self.end)
            if self.last is not None:
                out.seek(self.end)
                out.write(self._footer(self.last))
            if self.length is not None:
                out.truncate(self.length)
