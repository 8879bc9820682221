"""VHDs with two footers, geometries, tables and bitmaps of which readers take different ones."""

import os
import struct

from hostile.images import vpcfile as v
from verdicts import edits, trailers
from verdicts.kind import kind

_CREATORS = (b"vpc ", b"win ", b"qemu", b"qem2", b"vbox", b"vs  ", b"d2v ", b"tap\0", b"CTXS",
             b"evil", b"\0\0\0\0")


def _fixed(blocks=4):
    image = v.VpcFile()
    image.make_fixed(b"".join(v.pattern(block) for block in range(blocks)))
    return image


@kind("vpc", "fixed-first-footer", weight=3)
def _fixed_first_footer(chance, path):
    """A fixed disk that begins with a footer of its own."""
    image = _fixed()
    data = bytearray(image.regions[0][1])
    size = chance.choice([edits.TIB, edits.MIB, len(data), len(data) // 2, 1 << 45])
    changes = {"type": chance.choice([2, 2, 2, 3, 4])}
    if chance.random() < 0.7:
        changes["data_offset"] = 512
    if chance.random() < 0.2:
        changes["checksum"] = 0
    data[:512] = trailers.vhd_footer(chance, size, **changes).ljust(512, b"\0")
    if chance.random() < 0.7:
        block_size = chance.choice([2 << 20, 1 << 18])
        header = v.VpcFile()
        header.header.update(table_offset=1536, block_size=block_size,
                             max_table_entries=-(-size // block_size) & 0xFFFFFFFF)
        holder = path + ".header"
        header.write(holder)
        data[512:1536] = edits.read(holder)[512:1536]
        data[1536:3 << 19] = b"\xff" * ((3 << 19) - 1536)
        os.unlink(holder)
    image.regions = [(0, bytes(data[:4 * v.BLOCK]))]
    image.write(path)


@kind("vpc", "footers-disagree", weight=3)
def _footers_disagree(chance, path):
    """The copy at the start of a dynamic disk says else than the footer."""
    image = v.VpcFile()
    fields = ["type", "current_size", "original_size", "data_offset", "creator", "cylinders",
              "heads", "sectors", "features", "saved_state", "unique_id", "checksum"]
    for changes in chance.sample([image.first, image.last], chance.choice([1, 1, 2])):
        for field in chance.sample(fields, chance.choice([1, 2])):
            changes[field] = {
                "type": chance.choice([2, 3, 4, 0, 1, 5]),
                "current_size": chance.choice([2 * edits.MIB, 4 * edits.MIB, edits.TIB, 512, 0]),
                "original_size": edits.TIB, "data_offset": chance.choice([512, 1024, v.NOWHERE, 0]),
                "creator": chance.choice(_CREATORS), "cylinders": chance.choice([0, 1, 65535]),
                "heads": chance.choice([0, 1, 255]), "sectors": chance.choice([0, 1, 255]),
                "features": chance.choice([0, 1, 0xFFFFFFFF]), "saved_state": 1,
                "unique_id": b"\x77" * 16, "checksum": 0}[field]
    if chance.random() < 0.2:
        image.last = None
    if image.last is not None and chance.random() < 0.3:
        image.set_parent((b"W2ku", "C:\\secret\\base.vhd".encode("utf-16-le")),
                         parent_id=b"\x07" * 16)
        image.footer["type"] = 3
        (image.last or {})["type"] = chance.choice([3, 4])
    if chance.random() < 0.3:
        image.first["type"] = image.last["type"] if image.last and "type" in image.last else 3
    image.write(path)


@kind("vpc", "geometry", weight=3)
def _geometry(chance, path):
    """Cylinders, heads and sectors that make another disk than the size does."""
    image = _fixed() if chance.random() < 0.4 else v.VpcFile()
    cylinders, heads, sectors = chance.choice([
        (2000, 16, 63), (65535, 16, 255), (65535, 16, 63), (30, 4, 17), (31, 4, 17), (1, 1, 1),
        (0, 0, 0), (120, 1, 17), (128, 1, 16), (65535, 255, 255), (2, 4, 17)])
    image.footer.update(creator=chance.choice(_CREATORS), cylinders=cylinders, heads=heads,
                        sectors=sectors)
    if chance.random() < 0.3:
        image.footer["current_size"] = chance.choice([0, edits.MIB + 512, edits.MIB * 2, 1000,
                                                      cylinders * heads * sectors * 512])
        blocks = -(-image.footer["current_size"] // v.BLOCK)
        if image.table is not None:
            image.header["max_table_entries"] = max(4, min(blocks, 1 << 20))
            image.table = (image.table + [v.UNALLOCATED] * blocks)[:max(4, min(blocks, 100))]
    if image.header["max_table_entries"] == 4 and chance.random() < 0.4:
        image.header["max_table_entries"] = 100
        image.table = image.table and image.table + [v.UNALLOCATED] * 96
    image.write(path)


@kind("vpc", "table-memory", weight=2)
def _table_memory(chance, path):
    """A table of more entries than the disk has blocks."""
    image = v.VpcFile(present=())
    image.header["max_table_entries"] = chance.choice([0x1FFFFF00, 0x1FFFFFFF, 0x20000000,
                                                       0x3FFFFFFF, 1 << 20, 1 << 22, 1 << 26,
                                                       0xFFFFFFFF])
    image.header["block_size"] = chance.choice([512, 4096, v.BLOCK, 2 << 20, 1 << 30])
    if chance.random() < 0.3:
        image.footer["current_size"] = chance.choice([edits.GIB, edits.TIB, 2040 * edits.GIB])
    image.write(path)
    if chance.random() < 0.4:
        edits.stretch(chance, path)
        edits.patch(path, os.path.getsize(path), trailers.vhd_footer(
            chance, image.footer["current_size"], type=3, data_offset=512))


@kind("vpc", "sector-bitmaps", tables=True, weight=2)
def _sector_bitmaps(chance, path):
    """Blocks whose bitmaps say that some of their sectors are not there."""
    image = v.VpcFile(present=())
    for block in (0, 2):
        bits = chance.choice([bytes(512), b"\xff" * 512, b"\xff" * 64 + bytes(448),
                              b"\x7f" + b"\xff" * 511, b"\xfe" * 512, bytes(64) + b"\xff" * 448])
        data = v.pattern(block) if chance.random() < 0.8 else bytes(v.BLOCK)
        image.add_block(block, data, bits)
    image.footer["type"] = chance.choice([3, 3, 3, 4])
    image.write(path)


@kind("vpc", "parents", weight=2)
def _parents(chance, path):
    """Names of a parent in disks that are or are not differencing."""
    image = v.VpcFile()
    name = chance.choice(["C:\\secret\\base.vhd", "canary.raw", "..\\canary.raw", "/canary.raw"])
    code = chance.choice([b"W2ku", b"W2ru", b"MacX", b"Wi2r", b"\0\0\0\0"])
    if chance.random() < 0.7:
        image.set_parent((code, name.encode(chance.choice(["utf-16-le", "utf-8"]))))
    image.header["parent_name"] = name.encode("utf-16-be") if chance.random() < 0.7 else b""
    image.header["parent_id"] = chance.choice([bytes(16), b"\x07" * 16])
    image.footer["type"] = chance.choice([3, 3, 4, 2])
    image.write(path)


@kind("vpc", "tables", tables=True)
def _tables(chance, path):
    image = v.VpcFile()
    image.table[chance.randrange(4)] = chance.choice([0, 1, 8, image.table[0], image.table[2],
                                                      0xFFFFFFFE, 0x7FFFFFFF, image.table[2] + 1])
    if chance.random() < 0.3:
        image.header["table_offset"] = chance.choice([512, 0, 2048, 1536, 4096])
    image.write(path)


@kind("vpc", "tail", weight=2)
def _tail(chance, path):
    """A footer of 511 bytes, none, two, or one that something follows."""
    image = _fixed() if chance.random() < 0.5 else v.VpcFile()
    image.write(path)
    data = edits.read(path)
    edits.write(path, chance.choice([
        data[:-1], data[:-512], data + data[-512:], data + bytes(512), data + bytes(1),
        data[:-512] + bytes(512) + data[-512:], data[:-512] + data[-512:-1],
        data[:-512] + bytes(chance.choice([1, 100, 511])) + data[-512:],
        data[:-512] + struct.pack(">8s", b"conectix").ljust(512, b"\0")]))
