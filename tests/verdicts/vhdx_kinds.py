"""VHDX images with logs to replay, parents, and copies of headers and tables that disagree."""

import struct

from hostile.images import vhdxfile as x
from verdicts import edits, vhdx_base
from verdicts.kind import kind


def _metadata_sector(image):
    """The first 4 KiB of the items of the metadata region."""
    metadata = image._metadata()  # pylint: disable=protected-access
    return metadata[64 * x.KIB:][:x.SECTOR].ljust(x.SECTOR, b"\0")


@kind("vhdx", "log", weight=4)
def _log(chance, path):
    """A log that changes the table, the metadata, the region table or the data."""
    image = vhdx_base.image(chance)
    entry = x.LogEntry(1, flushed=0, last=0)
    what = chance.choice(["bat", "size", "parent", "data", "zero", "nothing"])
    if what == "bat":
        image.put(8 * x.MIB, x.pattern(9))
        image.end = 9 * x.MIB
        entry.data(x.BAT, image.bat_sector({0: 8 * x.MIB | x.FULLY_PRESENT}))
    elif what in ("size", "parent"):
        other = vhdx_base.image(chance)
        other.metadata = dict(image.metadata)
        if what == "size":
            other.metadata["size"] = 2 * image.metadata["size"]
        else:
            other.metadata["flags"] = 2
        entry.data(x.METADATA + 64 * x.KIB, _metadata_sector(other))
    elif what == "data":
        entry.data(x.BLOCKS, x.pattern(7, x.SECTOR))
    elif what == "zero":
        entry.zero(x.BLOCKS, x.SECTOR)
    entry.fields["flushed"] = entry.fields["last"] = chance.choice([9 * x.MIB, 0, 6 * x.MIB,
                                                                    8 * x.MIB])
    if chance.random() < 0.2:
        entry.change = 1
    guid = chance.choice([x.LOG_GUID] * 4 + [bytes(16)])
    image.set_log(entry, start=chance.choice([0, 0, 4096]))
    image.header["log_guid"] = guid
    image.header["log_version"] = chance.choice([0] * 8 + [1])
    image.length = max(image.end, 9 * x.MIB)
    image.write(path)


@kind("vhdx", "headers", weight=2)
def _headers(chance, path):
    """Headers of which one is damaged, older, the same, or points at another log."""
    image = vhdx_base.image(chance)
    image.header["sequence"] = chance.choice([7, 8, 9, 0, (1 << 64) - 1])
    image.second = {"sequence": chance.choice([7, 8, 0, (1 << 64) - 1])}
    for changes in chance.sample([image.header, image.second], 1):
        changes.update(chance.choice([
            {}, {"change": 1}, {"signature": b"xxxx"}, {"log_guid": x.LOG_GUID}, {"log_offset": 0},
            {"log_length": 0}, {"version": 2}, {"log_offset": x.BAT}, {"log_length": 512 * x.MIB}]))
    image.write(path)


@kind("vhdx", "regions", weight=3)
def _regions(chance, path):
    """Two tables of regions that differ in a table's place, or in more regions."""
    image = vhdx_base.image(chance)
    second = [list(region) for region in image.regions]
    changed = chance.choice([second, image.regions])
    choice = chance.randrange(6)
    if choice == 0:
        changed[0][1] = 6 * x.MIB
        image.put(6 * x.MIB, struct.pack("<4Q", *[x.BLOCKS | x.FULLY_PRESENT, 0, 0, 0]))
    elif choice == 1:
        changed[1][1] = 6 * x.MIB
        other = vhdx_base.image(chance)
        other.metadata["size"] = 8 * x.MIB
        image.put(6 * x.MIB, other._metadata())  # pylint: disable=protected-access
    elif choice == 2:
        changed.append([bytes(range(16)), 6 * x.MIB, x.MIB, chance.randrange(2)])
    elif choice == 3:
        changed[chance.randrange(2)][3] = 0
    elif choice == 4:
        image.region_changes[chance.randrange(2)] = 1
        changed[0][1] = 6 * x.MIB
    else:
        changed[chance.randrange(2)][2] = chance.choice([0, 4096, 64 * x.MIB, 1 << 31])
    image.second_regions = second
    image.length = 8 * x.MIB
    image.write(path)


@kind("vhdx", "parents", weight=2)
def _parents(chance, path):
    """A parent's locator with and without the flag that says that there is one."""
    image = vhdx_base.image(chance)
    name = chance.choice(["C:\\secret\\base.vhdx", "canary.raw", "..\\canary.raw"])
    image.set_parent({chance.choice(["relative_path", "absolute_win32_path", "volume_path"]): name},
                     locator=chance.choice([x.VHDX_LOCATOR, x.VHDX_LOCATOR, bytes(16)]))
    image.metadata["flags"] = chance.choice([0, 2, 2, 1, 3])
    if chance.random() < 0.3:
        image.more_items = []
    image.write(path)


@kind("vhdx", "sizes", weight=2)
def _sizes(chance, path):
    image = vhdx_base.image(chance)
    image.metadata["size"] = edits.size_of_disk(chance)
    image.metadata["block_size"] = chance.choice([x.MIB, x.MIB, 2 * x.MIB, 32 * x.MIB, 256 * x.MIB,
                                                  512 * x.MIB, x.MIB // 2])
    image.metadata["logical"] = chance.choice([512, 4096, 512, 1024])
    image.metadata["physical"] = chance.choice([512, 4096])
    image.regions[0][2] = chance.choice([x.MIB, x.MIB, 64 * x.MIB, 512 * x.MIB, 1 << 31])
    if image.regions[0][2] > x.MIB:
        image.regions[0][1] = 16 * x.MIB
        image.put(16 * x.MIB, struct.pack(f"<{len(image.bat)}Q", *image.bat))
    image.write(path)
    if image.regions[0][2] > x.MIB or chance.random() < 0.3:
        edits.stretch(chance, path)


@kind("vhdx", "block-states", tables=True, weight=2)
def _block_states(chance, path):
    image = vhdx_base.image(chance)
    block = chance.randrange(4)
    entry = image.bat[block]
    image.bat[block] = chance.choice([entry & ~7 | chance.randrange(8), entry | 1 << 5,
                                      entry ^ x.MIB, image.bat[0], 1 << 50 | 6, x.BAT | 6, 6, 7])
    image.write(path)


@kind("vhdx", "items", weight=2)
def _items(chance, path):
    """Metadata items twice, unknown, outside, empty."""
    image = vhdx_base.image(chance)
    item = chance.choice([x.FILE_PARAMETERS, x.VIRTUAL_DISK_SIZE, x.LOGICAL_SECTOR_SIZE,
                          x.PARENT_LOCATOR, x.VIRTUAL_DISK_ID, bytes(range(16))])
    data = chance.choice([bytes(8), struct.pack("<Q", 8 * x.MIB), struct.pack("<II", 2 * x.MIB, 2),
                          struct.pack("<I", 4096)])
    image.more_items.append((item, data, chance.choice([0, 2, 4, 6, 7])))
    if chance.random() < 0.3:
        def move(items):
            items[chance.randrange(len(items))][1] = chance.choice([0, 64 * x.KIB, x.MIB, 1 << 30])
            return items
        image.items = move
    image.write(path)
