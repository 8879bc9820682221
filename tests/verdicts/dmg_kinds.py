"""Disk images of macOS with two descriptions of the same disk, and chunks that need much memory."""

import os

from hostile.images import dmgfile as d
from verdicts import edits
from verdicts.kind import kind


def _two_disks(chance):
    """Two images of different contents and the same size."""
    kinds = chance.choice([[d.RAW], [d.ZLIB], [d.BZIP2], [d.LZMA], [d.RAW, d.ZLIB]])
    return [d.from_disk(line * (1 << 16), kinds) for line in (b"AAAAAAA\n", b"EVIL!!!\n")]


@kind("dmg", "both-descriptions", weight=3)
def _both_descriptions(chance, path):
    """A resource fork and a property list, of the same tables or of others."""
    one, two = _two_disks(chance)
    if chance.random() < 0.3:
        two.tables = one.tables
    for entry in two.tables[0].entries:
        if entry[5]:
            entry[4] += len(one.data)
    one.data += two.data if two.tables is not one.tables else b""
    fork = one._resource_fork()  # pylint: disable=protected-access
    plist = two._property_list()  # pylint: disable=protected-access
    image = d.DmgFile(chunks=False)
    image.data = one.data + fork
    image.plist = plist
    image.trailer.update(rsrc_fork_offset=len(one.data), rsrc_fork_length=len(fork),
                         xml_offset=len(image.data), xml_length=len(plist),
                         data_fork_length=len(one.data), sector_count=one.sectors)
    if chance.random() < 0.2:
        image.trailer["rsrc_fork_length"] = 0
    image.write(path)


@kind("dmg", "chunks", weight=3)
def _chunks(chance, path):
    """Chunks that are long, overlap, leave gaps, are of kinds that not all readers know."""
    image = d.DmgFile(resource_fork=chance.random() < 0.2)
    entries = image.tables[0].entries
    entry = chance.choice(entries)
    which = chance.randrange(6)
    entry[which] = {
        0: chance.choice([d.ZERO, d.RAW, d.IGNORE, d.COMMENT, d.ADC, d.ZLIB, d.BZIP2, d.LZFSE,
                          d.LZMA, 0x80000003, 3]),
        1: 0xFFFFFFFF, 2: chance.choice([0, entry[2] + 1, max(0, entry[2] - 1), 1 << 40]),
        3: chance.choice([0, 1, entry[3] * 2, entry[3] - 1, 131072, 131073, 1 << 31]),
        4: chance.choice([0, 1, entry[4] + 1, 1 << 40]),
        5: chance.choice([0, 1, entry[5] + 1, 64 << 20, 1 << 31])}[which]
    if chance.random() < 0.3:
        image.tables.append(d.Table(chance.choice([0, 2048, 1 << 20])))
        image.add(chance.choice([d.RAW, d.ZERO]), d.pattern(5, 4096))
    if chance.random() < 0.3:
        image.trailer["sector_count"] = chance.choice([0, 1, 1024, 2048, 4096, 1 << 31])
    if chance.random() < 0.2:
        image.trailer["data_fork_offset"] = chance.choice([512, 1, 1 << 20])
    image.write(path)


@kind("dmg", "many-chunks")
def _many_chunks(chance, path):
    """The image has as many chunks as a reader may be made to remember."""
    image = d.DmgFile(chunks=False)
    count = chance.choice([1000, 50000])
    image.tables[0].entries = [[chance.choice([d.ZERO, d.RAW]), 0, number, 1, 0, 512]
                               for number in range(count)]
    image.data = d.pattern(0, 512)
    image.sectors = count
    image.write(path)


@kind("dmg", "stretched-chunk")
def _stretched_chunk(chance, path):
    """A chunk of the greatest length, stored in a hole."""
    image = d.DmgFile(chunks=False)
    length = chance.choice([16 << 20, 64 << 20, (64 << 20) + 512])
    image.tables[0].entries = [[chance.choice([d.RAW, d.ZLIB, d.BZIP2]), 0, 0, length // 512, 0,
                                chance.choice([length, 64 << 20])]]
    image.sectors = length // 512
    image.write(path)
    data = edits.read(path)
    os.truncate(path, 0)
    hole = 64 << 20
    image.trailer.update(xml_offset=hole, data_fork_length=hole, sector_count=image.sectors,
                         xml_length=len(data) - 512)
    image.plist = image._property_list()  # pylint: disable=protected-access
    image.write(path)
    ending = edits.read(path)
    os.truncate(path, 0)
    edits.patch(path, hole, ending)
