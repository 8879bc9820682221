"""Builds VHDX images field by field, so that any of them can lie.

    image = VhdxFile()                       # 4 MiB disk, blocks of 1 MiB, two of them there
    image.metadata["block_size"] = 3
    image.write(path)

Layout before anything is changed, in MiB: 0 the header section, 1 the log, 2 the metadata, 3 the
block allocation table, 4 and up the blocks. Names and values are those of [MS-VHDX].
"""

import struct
import uuid

KIB = 1 << 10
MIB = 1 << 20
LOG = MIB
METADATA = 2 * MIB
BAT = 3 * MIB
BLOCKS = 4 * MIB
SECTOR = 4096

NOT_PRESENT, UNDEFINED, ZERO, UNMAPPED, RESERVED = range(5)
FULLY_PRESENT, PARTIALLY_PRESENT = 6, 7

HEADERS = (64 * KIB, 128 * KIB)
REGION_TABLES = (192 * KIB, 256 * KIB)


def guid(text):
    return uuid.UUID(text).bytes_le


BAT_REGION = guid("2dc27766-f623-4200-9d64-115e9bfd4a08")
METADATA_REGION = guid("8b7ca206-4790-4b9a-b8fe-575f050f886e")
FILE_PARAMETERS = guid("caa16737-fa36-4d43-b3b6-33f0aa44e76b")
VIRTUAL_DISK_SIZE = guid("2fa54224-cd1b-4876-b211-5dbed83bf4b8")
VIRTUAL_DISK_ID = guid("beca12ab-b2e6-4523-93ef-c309e000c746")
LOGICAL_SECTOR_SIZE = guid("8141bf1d-a96f-4709-ba47-f233a8faab5f")
PHYSICAL_SECTOR_SIZE = guid("cda348c7-445d-4471-9cc9-e9885251c556")
PARENT_LOCATOR = guid("a8d35f2d-b30b-454d-abf7-d3d84834ab0c")
VHDX_LOCATOR = guid("b04aefb7-d19e-4a81-b789-25b8e9445913")
DATA_WRITE = guid("11111111-2222-3333-4444-555555555555")
LOG_GUID = guid("99999999-2222-3333-4444-555555555555")


def _crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_CRC = _crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def with_checksum(data, change=0):
    """`data` with its CRC-32C, which every structure has at 4; `change`: how it is wrong."""
    data = data[:4] + bytes(4) + data[8:]
    return data[:4] + struct.pack("<I", crc32c(data) ^ change) + data[8:]


def pattern(block, size=MIB):
    line = f"block {block:8d} of a test image\n".encode()
    return (line * (size // len(line) + 1))[:size]


class LogEntry:
    """Updates that an entry of the log describes."""

    def __init__(self, sequence, tail=0, flushed=0, last=0, log_guid=LOG_GUID):
        self.fields = {"signature": b"loge", "tail": tail, "sequence": sequence,
                       "guid": log_guid, "flushed": flushed, "last": last}
        self.descriptors = []
        self.sectors = []
        self.change = 0  # of the checksum
        self.count = None  # of descriptors; None: the truth
        self.length = None

    def data(self, offset, sector, sequence=None, data_sequence=None):
        sequence = self.fields["sequence"] if sequence is None else sequence
        data_sequence = sequence if data_sequence is None else data_sequence
        self.descriptors.append(struct.pack("<4s4s8sQQ", b"desc", sector[-4:], sector[:8], offset,
                                            sequence))
        self.sectors.append(struct.pack("<4sI4084sI", b"data", data_sequence >> 32, sector[8:-4],
                                        data_sequence & 0xFFFFFFFF))
        return self

    def zero(self, offset, length):
        self.descriptors.append(struct.pack("<4sIQQQ", b"zero", 0, length, offset,
                                            self.fields["sequence"]))
        return self

    def pack(self):
        size = 64 + 32 * len(self.descriptors)
        padding = bytes(-size % SECTOR)
        length = size + len(padding) + SECTOR * len(self.sectors)
        fields = self.fields
        header = struct.pack("<4sIIIQII16sQQ", fields["signature"], 0, self.length or length,
                             fields["tail"], fields["sequence"],
                             len(self.descriptors) if self.count is None else self.count, 0,
                             fields["guid"], fields["flushed"], fields["last"])
        return with_checksum(header + b"".join(self.descriptors) + padding +
                             b"".join(self.sectors), self.change)


class VhdxFile:
    def __init__(self, blocks=4, present=(0, 2), data_write=DATA_WRITE):
        self.signature = b"vhdxfile"
        self.header = {"signature": b"head", "sequence": 7, "data_write": data_write,
                       "log_guid": bytes(16), "log_version": 0, "version": 1, "log_length": MIB,
                       "log_offset": LOG, "change": 0}
        self.second = {"sequence": 8}  # what the second header says instead
        self.regions = [[BAT_REGION, BAT, MIB, 1], [METADATA_REGION, METADATA, MIB, 1]]
        self.region_count = None  # None: the truth
        self.region_changes = [0, 0]  # of the tables' checksums
        self.second_regions = None  # None: those of the first table
        self.metadata = {"block_size": MIB, "flags": 0, "size": blocks * MIB, "logical": 512,
                         "physical": 512}
        self.metadata_signature = b"metadata"
        self.item_count = None
        self.items = None  # [guid, offset, length, flags]; None: those of `metadata`
        self.more_items = []  # (guid, data, flags)
        self.bat = [ZERO] * blocks
        self.parts = []  # (offset, bytes), written last, in order
        self.end = BLOCKS
        self.length = None  # of the file; None: whole MiB
        for block in present:
            self.add_block(block, pattern(block))

    def add_block(self, block, data, state=FULLY_PRESENT):
        self.bat[block] = self.end | state
        self.put(self.end, data)
        self.end += MIB

    def put(self, offset, data):
        self.parts.append((offset, bytes(data)))

    def set_log(self, *entries, start=0, log_guid=LOG_GUID):
        """Puts entries one after another into the log, from `start` on, around its end."""
        self.header["log_guid"] = log_guid
        ring = bytearray(self.header["log_length"])
        for entry in entries:
            data = entry if isinstance(entry, bytes) else entry.pack()
            for i in range(0, len(data), SECTOR):
                place = (start + i) % len(ring)
                ring[place:place + SECTOR] = data[i:i + SECTOR]
            start += len(data)
        self.put(self.header["log_offset"], ring)

    def bat_sector(self, changes):
        """The first sector of the table with some entries changed."""
        entries = (self.bat + [0] * 512)[:512]
        for index, entry in changes.items():
            entries[index] = entry
        return struct.pack("<512Q", *entries)

    def set_parent(self, keys, linkage="{11111111-2222-3333-4444-555555555555}",
                   locator=VHDX_LOCATOR, count=None, shift=0):
        """`shift`: by how much the offsets in the locator are wrong."""
        self.metadata["flags"] |= 2
        pairs = list(keys.items())
        if linkage:
            pairs.insert(0, ("parent_linkage", linkage))
        place = 20 + 12 * len(pairs)
        table = struct.pack("<16sHH", locator, 0, len(pairs) if count is None else count)
        texts = b""
        for key, value in pairs:
            key = key.encode("utf-16-le")
            value = value.encode("utf-16-le", "surrogatepass")
            table += struct.pack("<IIHH", place + len(texts) + shift,
                                 place + len(texts) + len(key) + shift, len(key), len(value))
            texts += key + value
        self.more_items.append((PARENT_LOCATOR, table + texts, 4))

    def _header(self, changes):
        fields = self.header | changes
        data = struct.pack("<4sIQ16s16s16sHHIQ", fields["signature"], 0, fields["sequence"],
                           bytes(16), fields["data_write"], fields["log_guid"],
                           fields["log_version"], fields["version"], fields["log_length"],
                           fields["log_offset"])
        return with_checksum(data.ljust(SECTOR, b"\0"), fields["change"])

    def region_table(self, regions, change=0):
        count = len(regions) if self.region_count is None else self.region_count
        data = struct.pack("<4sIII", b"regi", 0, count, 0)
        for entry in regions:
            data += struct.pack("<16sQII", *entry)
        return with_checksum(data.ljust(64 * KIB, b"\0"), change)

    def _metadata(self):
        values = self.metadata
        content = [
            (FILE_PARAMETERS, struct.pack("<II", values["block_size"], values["flags"]), 4),
            (VIRTUAL_DISK_SIZE, struct.pack("<Q", values["size"]), 6),
            (VIRTUAL_DISK_ID, b"\x33" * 16, 6),
            (LOGICAL_SECTOR_SIZE, struct.pack("<I", values["logical"]), 6),
            (PHYSICAL_SECTOR_SIZE, struct.pack("<I", values["physical"]), 6), *self.more_items]
        items = []
        data = b""
        for item, value, flags in content:
            items.append([item, 64 * KIB + len(data), len(value), flags])
            data += value
        if self.items is not None:
            items = self.items(items)
        count = len(items) if self.item_count is None else self.item_count
        table = struct.pack("<8sHH20s", self.metadata_signature, 0, count, bytes(20))
        for item in items:
            table += struct.pack("<16sIIII", *item, 0)
        return table.ljust(64 * KIB, b"\0") + data

    def write(self, path):
        second = self.regions if self.second_regions is None else self.second_regions
        parts = [(0, self.signature), (HEADERS[0], self._header({})),
                 (HEADERS[1], self._header(self.second)),
                 (REGION_TABLES[0], self.region_table(self.regions, self.region_changes[0])),
                 (REGION_TABLES[1], self.region_table(second, self.region_changes[1])),
                 (METADATA, self._metadata()),
                 (BAT, struct.pack(f"<{len(self.bat)}Q", *self.bat)), *self.parts]
        with open(path, "wb") as out:
            for offset, data in parts:
                out.seek(offset)
                out.write(data)
            out.truncate(self.end if self.length is None else self.length)
