"""Builds UDIF disk images (.dmg) field by field, so that any of them can lie.

    image = DmgFile()             # 1 MiB disk: a raw, a zlib, a bzip2 and a zero chunk
    image.trailer["sector_count"] = 0
    image.write(path)

Layout before anything is changed: the data of the chunks one after the other, the property list
with the block tables (or a resource fork), the trailer.
"""

import bz2
import lzma
import plistlib
import struct
import zlib

SECTOR = 512
ZERO, RAW, IGNORE, COMMENT, END = 0, 1, 2, 0x7FFFFFFE, 0xFFFFFFFF
ADC, ZLIB, BZIP2, LZFSE, LZMA = range(0x80000004, 0x80000009)

# (name, struct code) in the order of the file.
TRAILER = [
    ("signature", "4s"), ("version", "I"), ("header_size", "I"), ("flags", "I"),
    ("running_data_fork_offset", "Q"), ("data_fork_offset", "Q"), ("data_fork_length", "Q"),
    ("rsrc_fork_offset", "Q"), ("rsrc_fork_length", "Q"), ("segment_number", "I"),
    ("segment_count", "I"), ("segment_id", "16s"), ("data_checksum", "136s"),
    ("xml_offset", "Q"), ("xml_length", "Q"), ("reserved1", "120s"), ("checksum", "136s"),
    ("image_variant", "I"), ("sector_count", "Q"), ("reserved2", "12s"),
]
_TABLE = [
    ("signature", "4s"), ("version", "I"), ("sector_number", "Q"), ("sector_count", "Q"),
    ("data_offset", "Q"), ("buffers_needed", "I"), ("block_descriptors", "I"),
    ("reserved", "24s"), ("checksum", "136s"), ("chunk_count", "I"),
]


def _pack(fields, values):
    return struct.pack(">" + "".join(code for _, code in fields),
                       *[values.get(name, b"" if code.endswith("s") else 0)
                         for name, code in fields])


def pack(kind, data):
    """What a chunk of a kind stores of its data."""
    if kind == ZLIB:
        return zlib.compress(data)
    if kind == BZIP2:
        return bz2.compress(data)
    if kind == LZMA:
        return lzma.compress(data, lzma.FORMAT_XZ)
    if kind == ADC:
        return adc_literals(data)
    return b"" if kind in (ZERO, IGNORE) else data


def adc_literals(data):
    """An ADC stream without any reference to what came before."""
    return b"".join(bytes([0x80 | len(data[at:at + 128]) - 1]) + data[at:at + 128]
                    for at in range(0, len(data), 128))


class Table:
    """A block table: one partition. Entries are lists [type, comment, sector, count, offset,
    length], sectors and offsets relative to the table's."""

    def __init__(self, sector=0):
        self.header = {"signature": b"mish", "version": 1, "sector_number": sector,
                       "buffers_needed": 0x808}
        self.entries = []
        self.chunk_count = None  # None: as many as there are

    def pack(self):
        header = dict(self.header)
        header["chunk_count"] = len(self.entries) if self.chunk_count is None else self.chunk_count
        header.setdefault("sector_count", sum(entry[3] for entry in self.entries) & 0xFFFFFFFF)
        return _pack(_TABLE, header) + b"".join(struct.pack(">IIQQQQ", *entry)
                                                for entry in self.entries)


class DmgFile:
    def __init__(self, chunks=True, resource_fork=False):
        self.trailer = {"signature": b"koly", "version": 4, "header_size": 512, "flags": 1,
                        "segment_number": 1, "segment_count": 1, "image_variant": 1}
        self.data = b""
        self.sectors = 0  # of what was added
        self.tables = [Table()]
        self.resource_fork = resource_fork
        self.plist = None  # bytes instead of what the tables make
        self.before_trailer = b""
        self.cut = 0  # bytes missing at the end
        if chunks:
            for number, kind in enumerate((RAW, ZLIB, BZIP2, ZERO)):
                self.add(kind, pattern(number, 512 * SECTOR))

    def add(self, kind, data, stored=None, table=-1):
        """Appends a chunk, after the last one of its table; `stored` instead of the packed data."""
        entries = self.tables[table].entries
        sector = entries[-1][2] + entries[-1][3] if entries else 0
        stored = pack(kind, data) if stored is None else stored
        entries.append([kind, 0, sector, len(data) // SECTOR,
                        len(self.data) if stored else 0, len(stored)])
        self.data += stored
        self.sectors += len(data) // SECTOR

    def _property_list(self):
        tables = [{"Attributes": "0x0050", "CFName": f"part {number}", "Data": table.pack(),
                   "ID": str(number - 1), "Name": f"part {number}"}
                  for number, table in enumerate(self.tables)]
        return plistlib.dumps({"resource-fork": {
            "blkx": tables,
            "plst": [{"Attributes": "0x0050", "Data": bytes(1032), "ID": "0", "Name": ""}]}})

    def _resource_fork(self):
        data = b"".join(struct.pack(">I", len(table)) + table
                        for table in [table.pack() for table in self.tables] + [bytes(1032)])
        return struct.pack(">4I", 256, 256 + len(data), len(data), 0) + bytes(240) + data

    def write(self, path):
        description = self.plist
        if description is None:
            description = self._resource_fork() if self.resource_fork else self._property_list()
        which = "rsrc_fork" if self.resource_fork else "xml"
        trailer = {f"{which}_offset": len(self.data), f"{which}_length": len(description),
                   "data_fork_length": len(self.data), "sector_count": self.sectors}
        trailer.update(self.trailer)
        content = self.data + description + self.before_trailer + _pack(TRAILER, trailer)
        with open(path, "wb") as out:
            out.write(content[:max(0, len(content) - self.cut)])


def pattern(number, size):
    """Bytes of chunk `number`; that of a zero chunk is its length only."""
    line = f"chunk {number:8d} of a test image\n".encode()
    return (line * (size // len(line) + 1))[:size]


def from_disk(disk, kinds, chunk_sectors=1024, resource_fork=False, partitions=1):
    """An image of the bytes `disk`: chunks of the kinds in turn, zero ones where there is nothing."""
    image = DmgFile(chunks=False, resource_fork=resource_fork)
    sectors = len(disk) // SECTOR
    share = -(-sectors // partitions)
    image.tables = [Table(sector) for sector in range(0, sectors, share)]
    number = 0
    for index, start in enumerate(range(0, sectors, share)):
        end = min(sectors, start + share)
        for sector in range(start, end, chunk_sectors):
            data = disk[sector * SECTOR:min(end, sector + chunk_sectors) * SECTOR]
            kind = kinds[number % len(kinds)] if any(data) else (ZERO, IGNORE)[number % 2]
            image.add(kind, data, table=index)
            number += 1
        image.tables[index].entries.append([END, 0, end - start, 0, 0, 0])
    return image
