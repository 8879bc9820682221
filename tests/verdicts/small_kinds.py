"""VDI, Parallels, QED, Bochs, cloop: sizes, tables, parents and extensions that readers take
differently."""

import hashlib
import struct

from hostile.images import bochsfile, cloopfile, parallelsfile, qedfile, vdifile
from verdicts import edits
from verdicts.kind import kind


# ---- VDI ----------------------------------------------------------------------------------------

@kind("vdi", "types", weight=2)
def _vdi_types(chance, path):
    image = vdifile.VdiFile()
    image.header["image_type"] = chance.choice([1, 2, 3, 4, 0, 5])
    image.header["uuid_link"] = chance.choice([bytes(16), b"\x05" * 16])
    image.header["uuid_parent"] = chance.choice([bytes(16), b"\x06" * 16])
    image.header["version"] = chance.choice([0x00010001] * 4 + [0x00010000, 0x00000001])
    image.header["image_flags"] = chance.choice([0, 0, 1, 0x100])
    image.write(path)


@kind("vdi", "layout", weight=2)
def _vdi_layout(chance, path):
    """Where the map and the data are, how long the header is, what precedes each block."""
    image = vdifile.VdiFile()
    image.header["header_size"] = chance.choice([0x190, 0x190, 0, 384, 0x1000, 0x180])
    image.header["block_extra"] = chance.choice([0, 0, 512, 1, 0xFFFFFFFF])
    image.header["offset_data"] = chance.choice([1024, 1024, 512, 0, 2048, 1 << 20, 1025])
    image.header["offset_bmap"] = chance.choice([512, 512, 0, 1024, 513])
    image.header["sector_size"] = chance.choice([512, 512, 0, 4096])
    image.header["block_size"] = chance.choice([edits.MIB] * 4 +
                                               [edits.MIB // 2, 2 * edits.MIB, 4096])
    image.header["disk_size"] = chance.choice([4 * edits.MIB] * 2 + [
        4 * edits.MIB - 512, 4 * edits.MIB - 1, 3 * edits.MIB + 1, edits.MIB, 5 * edits.MIB])
    image.write(path)


@kind("vdi", "map-memory")
def _vdi_map_memory(chance, path):
    """A map of more blocks than the disk has, in a hole."""
    image = vdifile.VdiFile()
    image.header["blocks_in_image"] = chance.choice([1000, 1 << 20, 1 << 24, 1 << 28, 0x3FFFFFFF])
    if chance.random() < 0.5:
        image.header["disk_size"] = min(image.header["blocks_in_image"], 1 << 26) * edits.MIB
    image.header["offset_data"] = chance.choice([1024, 0xFFFFFE00, 1 << 24])
    image.write(path)
    edits.stretch(chance, path)


@kind("vdi", "map", tables=True, weight=2)
def _vdi_map(chance, path):
    image = vdifile.VdiFile()
    image.map[chance.randrange(4)] = chance.choice([0, 1, 2, 3, vdifile.DISCARDED, 0x7FFFFFFF,
                                                         1000])
    image.header["blocks_allocated"] = chance.choice([2, 2, 0, 3, 1000])
    image.write(path)


# ---- Parallels ----------------------------------------------------------------------------------

@kind("parallels", "bitmaps", weight=3)
def _parallels_bitmaps(chance, path):
    """Dirty bitmaps, which qemu-img loads to open the image."""
    sectors = chance.choice([2048, 1 << 28, 1 << 31, 1 << 34, 1 << 37])
    image = parallelsfile.ParallelsFile()
    tracks = parallelsfile.TRACKS
    if sectors > 2048:
        tracks = chance.choice([1 << 11, 1 << 11, 1 << 15, 1 << 20])
        image.header.update(tracks=tracks, nb_sectors=sectors,
                            nb_bat_entries=min(-(-sectors // tracks), 1 << 26), data_off=0)
        image.bat = [0]
        image.regions = []
    cluster = tracks * 512
    granularity = chance.choice([1, 1, 8, 128])
    features = []
    for number in range(chance.choice([1, 2, 8])):
        need = -(-sectors // granularity // 8)
        count = chance.choice([max(1, -(-need // cluster)), 1])
        table = [chance.choice([0, 1, 1]) for _ in range(min(count, 4096))]
        data = struct.pack("<Q16sII", sectors, bytes([number]) * 16, granularity, len(table))
        data += struct.pack(f"<{len(table)}Q", *table)
        features.append(parallelsfile.feature(
            parallelsfile.DIRTY_BITMAP, chance.choice([0, 1]), data))
    features.append(parallelsfile.feature(0))
    image.set_extension(*features)
    place = max(3 * parallelsfile.CLUSTER, -(-(64 + 4 * image.header["nb_bat_entries"]) // cluster)
                * cluster)
    body = image.regions.pop()[1]
    # The sum is over the whole cluster; such as are too big for that go without, as some files do.
    if cluster <= edits.MIB and chance.random() < 0.9:
        padded = body.ljust(cluster, b"\0")
        body = body[:8] + hashlib.md5(padded[24:]).digest() + body[24:]
    image.header["ext_off"] = place // 512
    image.regions.append((place, body))
    image.length = place + cluster
    image.write(path)


@kind("parallels", "layout", weight=2)
def _parallels_layout(chance, path):
    image = parallelsfile.ParallelsFile()
    if chance.random() < 0.4:
        image.make_old()
    fields = ["data_off", "in_use", "tracks", "nb_bat_entries", "nb_sectors", "heads", "cylinders",
              "version", "flags"]
    for field in chance.sample(fields, chance.choice([1, 2])):
        image.header[field] = {
            "data_off": chance.choice([0, 1, 64, 128, 256, 1 << 20, 0xFFFFFFFF]),
            "in_use": chance.choice([parallelsfile.IN_USE, 0x312E3276, 1]),
            "tracks": chance.choice([0, 1, 8, 63, 64, 256, 1 << 20, (1 << 23) - 1]),
            "nb_bat_entries": chance.choice([0, 1, 3, 5, 1 << 20, 0x1FFFFF00, 0x3FFFFFFF]),
            "nb_sectors": chance.choice([0, 1, 511, 513, 1 << 31, 1 << 32, 1 << 40]),
            "heads": chance.choice([0, 1, 255]), "cylinders": chance.choice([0, 1, 1 << 20]),
            "version": chance.choice([0, 1, 3]),
            "flags": chance.choice([1, 2, 4, 0xFFFFFFFF])}[field]
    image.write(path)
    if chance.random() < 0.3:
        edits.stretch(chance, path)


@kind("parallels", "table", tables=True)
def _parallels_table(chance, path):
    image = parallelsfile.ParallelsFile()
    image.bat[chance.randrange(4)] = chance.choice([0, 1, 2, 3, 1 << 31, 0xFFFFFFFF, 1000])
    image.write(path)


# ---- QED ----------------------------------------------------------------------------------------

@kind("qed", "backing-file")
def _qed_backing_file(chance, path):
    image = qedfile.QedFile()
    name = chance.choice(edits.NAMES)
    place = chance.choice([64, 100, 4096 - len(name), 4090, 4096, 0])
    image.header.update(features=chance.choice([0, 1, 1, 4, 5, 2, 8]),
                        backing_filename_offset=place,
                        backing_filename_size=chance.choice([len(name), len(name), 0, 1, 1024]))
    image.regions.append((place or 64, name))
    image.write(path)


@kind("qed", "sizes")
def _qed_sizes(chance, path):
    image = qedfile.QedFile(size=edits.size_of_disk(chance))
    image.header["table_size"] = chance.choice([2, 2, 1, 4, 16])
    image.header["header_size"] = chance.choice([1, 1, 2, 0])
    image.write(path)
    if chance.random() < 0.5:
        edits.stretch(chance, path)


# ---- Bochs and cloop ----------------------------------------------------------------------------

@kind("bochs", "catalog", weight=2)
def _bochs_catalog(chance, path):
    entries = chance.choice([16, 1 << 16, 1 << 20, 1 << 22])
    image = bochsfile.BochsFile(entries)
    image.header["version"] = chance.choice([0x00020000, 0x00010000])
    image.header["disk"] = chance.choice([entries * bochsfile.EXTENT] * 2 +
                                         [edits.MIB, 1000, 1 << 40])
    image.header["subtype"] = chance.choice([b"Growing"] * 3 +
                                            [b"Undoable", b"Volatile", b"growing"])
    image.catalog[chance.randrange(8)] = chance.choice([0, 1, 2, 3, bochsfile.NO_EXTENT, 1 << 30])
    image.write(path)


@kind("cloop", "blocks", weight=2)
def _cloop_blocks(chance, path):
    blocks = chance.choice([1, 8, 100])
    image = cloopfile.CloopFile(blocks, chance.choice([512, 4096, 65536]))
    image.script = chance.choice([image.script] * 3 +
                                 [b"#!/bin/sh\n#V2.0 Format\n", b"#!/bin/sh\n"])
    image.num_blocks = chance.choice([blocks, blocks, blocks - 1, blocks + 1, 0, 1 << 24, 1 << 26])
    image.block_size = chance.choice([image.block_size] * 3 +
                                     [64 << 20, 512, 1000, (64 << 20) + 512])
    image.write(path)
    if chance.random() < 0.4:
        edits.stretch(chance, path)
