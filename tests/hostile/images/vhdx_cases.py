"""Damaged and malicious VHDX images, and sound ones whose log has to be replayed."""

import os
import shutil

from hostile.images import vhdxfile as v
from hostile.images.case import CASES, Case, image_case, refused, same
from support import programs

_REFUSAL = "--backing|--follow-references"


def _write(directory, image):
    path = os.path.join(directory, "image.vhdx")
    image.write(path)
    return path


def sound(directory):
    return _write(directory, v.VhdxFile())


def vhdx_case(name, verdict, info=None, undamaged=sound, **fields):
    """Registers a function that changes a VhdxFile."""
    def add(change):
        @image_case("vhdx", name, verdict, info=info, undamaged=undamaged, **fields)
        def _build(directory):
            image = v.VhdxFile()
            change(image)
            return _write(directory, image)
        return change
    return add


def header_case(name, verdict, info=None, **values):
    """Both headers say it."""
    @vhdx_case(f"header-{name}", verdict, info=info)
    def _change(image):
        image.header.update(values)


def metadata_case(name, verdict, info=None, **values):
    @vhdx_case(f"metadata-{name}", verdict, info=info)
    def _change(image):
        image.metadata.update(values)


def item_case(name, verdict, change, info=None):
    """`change`: of the list of items, each [guid, offset, length, flags]."""
    @vhdx_case(f"metadata-{name}", verdict, info=info)
    def _change(image):
        def apply(items):
            change(items)
            return items
        image.items = apply


def region_case(name, verdict, *regions, info=None):
    """Regions in place of the two that there are; None: as it is."""
    @vhdx_case(f"region-{name}", verdict, info=info)
    def _change(image):
        image.regions = [entry or image.regions[i] for i, entry in enumerate(regions)]


def bat_case(name, verdict, entries):
    @vhdx_case(f"bat-{name}", verdict)
    def _change(image):
        for index, entry in entries.items():
            image.bat[index] = entry


def parent_case(name, verdict, info="answers", keys=None, **values):
    @vhdx_case(f"parent-{name}", verdict, info=info)
    def _change(image):
        image.set_parent(keys or {}, **values)


# ---- Headers -------------------------------------------------------------------------------------

@vhdx_case("signature", refused("vhdxfile"))
def _signature(image):
    image.signature = b"vhdxfilE"


header_case("checksums", refused("neither of the two headers"), change=1)
header_case("signatures", refused("neither of the two headers"), signature=b"heaD")
header_case("version-2", refused("version 2"), version=2)
header_case("log-offset-unaligned", refused("whole MiB"), log_offset=v.LOG + 512)
header_case("log-on-the-headers", refused("overlaps the header section"), log_offset=0)
header_case("log-past-the-end", refused("past the end"), log_offset=1 << 50)
header_case("log-overflows", refused("past the end|whole MiB"), log_offset=(1 << 64) - v.MIB)
header_case("log-length-all-ones", refused("whole MiB"), log_length=0xFFFFFFFF)
header_case("log-of-4-gib", refused("past the end"), log_length=0xFFF00000)
header_case("log-on-the-metadata", refused("overlaps"), log_offset=v.METADATA)
header_case("log-version-1", same(), info="answers", log_version=1)


@vhdx_case("header-first-damaged", same(), info="answers")
def _first_damaged(image):
    image.header["change"] = 1
    image.second["change"] = 0


@vhdx_case("headers-of-one-number", refused("which counts is not sure"))
def _same_number(image):
    image.second = {"log_offset": v.BAT}


@vhdx_case("header-of-lower-number-ignored", same(), info="answers")
def _lower_number(image):
    image.second = {"sequence": 6, "version": 9}


@vhdx_case("truncated-in-the-header-section", refused("fewer than the header section"))
def _short(image):
    image.length = 200 << 10


@vhdx_case("truncated-in-a-block", refused("past the end"))
def _truncated(image):
    image.length = v.BLOCKS + v.MIB + 4096


# ---- Region tables -------------------------------------------------------------------------------

region_case("none", refused("no block allocation table|no metadata"))
region_case("no-metadata", refused("no metadata"), None)
region_case("twice", refused("twice"), None, None, [v.BAT_REGION, 8 * v.MIB, v.MIB, 1])
region_case("unknown-required", refused("which is unknown"), None, None,
            [b"\x77" * 16, 5 * v.MIB, 0, 1])
region_case("unknown-optional", same(), None, None, [b"\x77" * 16, 5 * v.MIB, 0, 0],
            info="answers")
region_case("overlapping", refused("overlaps"), [v.BAT_REGION, v.METADATA, v.MIB, 1], None)
region_case("on-the-headers", refused("overlaps the header section"),
            [v.BAT_REGION, 0, v.MIB, 1], None)
region_case("on-the-log", refused("overlaps"), [v.BAT_REGION, v.LOG, v.MIB, 1], None)
region_case("unaligned", refused("whole MiB"), [v.BAT_REGION, v.BAT + 512, v.MIB, 1], None)
region_case("past-the-end", refused("past the end"), [v.BAT_REGION, 1 << 40, v.MIB, 1], None)
region_case("overflows", refused("past the end"),
            [v.BAT_REGION, (1 << 64) - v.MIB, 2 * v.MIB, 1], None)
region_case("of-4-gib", refused("past the end"), [v.BAT_REGION, v.BAT, 0xFFF00000, 1], None)


@vhdx_case("region-count-all-ones", refused("neither of the two region tables"))
def _region_count(image):
    image.region_count = 0xFFFFFFFF


@vhdx_case("region-tables-damaged", refused("neither of the two region tables"))
def _region_checksums(image):
    image.region_changes = [1, 1]


@vhdx_case("region-table-first-damaged", same(), info="answers")
def _region_checksum(image):
    image.region_changes = [1, 0]


@vhdx_case("region-tables-differ", same(), info="answers")
def _region_tables_differ(image):
    image.second_regions = [[v.BAT_REGION, v.BLOCKS, v.MIB, 1], image.regions[1]]


# ---- Metadata ------------------------------------------------------------------------------------

metadata_case("block-size-0", refused("block size 0"), block_size=0)
metadata_case("block-size-3-mib", refused("block size 3145728"), block_size=3 * v.MIB)
metadata_case("block-size-64k", refused("block size 65536"), block_size=64 << 10)
metadata_case("block-size-512-mib", refused("block size 536870912"), block_size=512 * v.MIB)
metadata_case("sectors-of-0", refused("sectors of 0"), logical=0)
metadata_case("sectors-of-1024", refused("sectors of 1024"), logical=1024)
metadata_case("size-all-ones", refused("64 TiB"), size=(1 << 64) - 1)
metadata_case("size-65-tib", refused("64 TiB"), size=65 << 40)
metadata_case("size-odd", refused("whole number of sectors"), size=1000)
metadata_case("size-more-than-the-table", refused("too small"), size=1 << 40)
item_case("item-in-the-table", refused("within the table"),
          lambda items: items[1].__setitem__(1, 32))
item_case("item-past-the-region", refused("past the end of the metadata"),
          lambda items: items[1].__setitem__(1, v.MIB - 4))
item_case("item-offset-all-ones", refused("past the end of the metadata"),
          lambda items: items[1].__setitem__(1, 0xFFFFFFFF))
item_case("item-length", refused("does not have the 8 bytes"),
          lambda items: items[1].__setitem__(2, 0xFFFFFFFF))
item_case("item-twice", refused("twice"), lambda items: items.append(list(items[0])))
item_case("item-missing", refused("lacks the virtual disk size"), lambda items: items.pop(1))
item_case("item-unknown-required", refused("which is unknown"),
          lambda items: items.append([b"\x77" * 16, 64 << 10, 8, 4]))
item_case("item-unknown-optional", same(),
          lambda items: items.append([b"\x77" * 16, 64 << 10, 8, 0]), info="answers")


@vhdx_case("metadata-signature", refused("start with 'metadata'"))
def _metadata_signature(image):
    image.metadata_signature = b"metadatA"


@vhdx_case("metadata-count", refused("more than the 2047"))
def _metadata_count(image):
    image.item_count = 0xFFFF


# ---- The block allocation table ------------------------------------------------------------------

bat_case("state-4", refused("state 4"), {1: v.RESERVED})
bat_case("partly-in-no-parent", refused("has none"), {1: 4 * v.MIB | v.PARTIALLY_PRESENT})
bat_case("block-in-the-headers", refused("overlaps the header section"), {1: v.FULLY_PRESENT})
bat_case("block-in-the-log", refused("overlaps the log"), {1: v.LOG | v.FULLY_PRESENT})
bat_case("block-in-the-table", refused("overlaps the block"), {1: v.BAT | v.FULLY_PRESENT})
bat_case("block-past-the-end", refused("past the end"), {1: 1 << 50 | v.FULLY_PRESENT})
bat_case("block-at-all-ones", refused("past the end"),
         {1: (1 << 64) - v.MIB | v.FULLY_PRESENT})
bat_case("block-twice", refused("claim the same data"), {1: 4 * v.MIB | v.FULLY_PRESENT})


@vhdx_case("one-block-for-a-terabyte", refused("claim the same data|too small"))
def _bomb(image):
    blocks = 120 << 10
    image.metadata["size"] = blocks * v.MIB
    image.bat = [v.BLOCKS | v.FULLY_PRESENT] * (v.MIB // 8)


# ---- Parents -------------------------------------------------------------------------------------

parent_case("etc-passwd", refused(_REFUSAL), keys={"absolute_win32_path": "/etc/passwd"})
parent_case("parent-directory", refused(_REFUSAL),
            keys={"relative_path": "..\\..\\..\\etc\\passwd"})
parent_case("unc", refused(_REFUSAL), keys={"volume_path": "\\\\server\\share\\base.vhdx"})
parent_case("json", refused(_REFUSAL),
            keys={"relative_path": 'json:{"file.filename":"/etc/passwd"}'})
parent_case("terminal-escapes", refused(_REFUSAL), keys={"relative_path": "\x1b]0;x\x07\r\nbase"})
parent_case("half-surrogates", refused(_REFUSAL), keys={"relative_path": "\udc00base\ud800"})
parent_case("nul-inside", refused(_REFUSAL), keys={"relative_path": "base\0/etc/passwd"})
parent_case("itself", refused(_REFUSAL), keys={"relative_path": ".\\image.vhdx"})
parent_case("no-name", refused("does not name its parent"), info="does not name", keys={})
parent_case("no-linkage", refused("parent_linkage"), info="parent_linkage",
            keys={"relative_path": "base"}, linkage=None)
parent_case("of-another-type", refused("type that is unknown"), info="unknown",
            keys={"relative_path": "base"}, locator=b"\x77" * 16)
parent_case("count-all-ones", refused("more than its"), info="more than its",
            keys={"relative_path": "base"}, count=0xFFFF)
parent_case("text-past-the-end", refused("past its end"), info="past its end",
            keys={"relative_path": "base"}, shift=1 << 20)
parent_case("name-of-12000-bytes", refused("12000 bytes"), info="12000 bytes",
            keys={"relative_path": "\u20ac" * 4000})


@vhdx_case("parent-without-locator", refused("no parent locator"), info="no parent locator")
def _no_locator(image):
    image.metadata["flags"] = 2


def chain_case(name, verdict, parent_name, make_parent, change=lambda image: None,
               undamaged=None):
    """Registers a differencing disk beside a parent that may be opened. `undamaged`: directory ->
    path of a disk of the same contents that has no parent, which QEMU needs."""
    def make(directory):
        child = v.VhdxFile(present=(0,))
        child.bat = [v.BLOCKS | v.FULLY_PRESENT, 0, 0, 0]
        child.set_parent({"relative_path": ".\\" + parent_name})
        change(child)
        path = _write(directory, child)
        parent = os.path.join(directory, parent_name)
        make_parent(parent)
        return Case(path, verdict, format="vhdx", info="answers",
                    arguments=(f"--follow-references={directory}",), allowed=(parent,),
                    undamaged=undamaged and undamaged(directory))
    CASES[f"vhdx-{name}"] = make


def _partial_without_bitmap(image):
    image.metadata["size"] = 4 * v.MIB
    image.bat[1] = v.BLOCKS | v.PARTIALLY_PRESENT
    image.regions[0][2] = v.MIB


chain_case("parent-of-another-id", refused("not the image that the one above"), "parent.vhdx",
           lambda path: v.VhdxFile(data_write=b"\x22" * 16).write(path))
chain_case("parent-is-itself", refused("more than|cycle|itself"), "image.vhdx",
           lambda path: None)
chain_case("partly-there-without-bitmap", refused("too small|sector bitmap is not there"),
           "parent.vhdx", lambda path: v.VhdxFile().write(path), _partial_without_bitmap)


# The sectors of the first block that are the child's: one in three.
_CHILDS = [sector for sector in range(v.MIB // 512) if sector % 3 == 0]


def _partial(image):
    """A chunk has 4096 blocks, after whose entries comes that of its sector bitmap."""
    image.bat[0] = v.BLOCKS | v.PARTIALLY_PRESENT
    image.bat[3] = v.ZERO
    image.put(v.BAT + 8 * 4096, (image.end | v.FULLY_PRESENT).to_bytes(8, "little"))
    bits = bytearray(v.MIB)
    for sector in _CHILDS:
        bits[sector // 8] |= 1 << sector % 8
    image.put(image.end, bits)
    image.put(v.BLOCKS, v.pattern(77))
    image.end += v.MIB


def _joined(directory):
    image = v.VhdxFile(present=(1, 2))
    block = bytearray(v.pattern(0))
    for sector in _CHILDS:
        block[sector * 512:(sector + 1) * 512] = v.pattern(77)[sector * 512:(sector + 1) * 512]
    image.add_block(0, block)
    path = os.path.join(directory, "joined.vhdx")
    image.write(path)
    return path


chain_case("partly-there", same(), "parent.vhdx",
           lambda path: v.VhdxFile(present=(0, 1, 2, 3)).write(path), _partial, _joined)


# ---- The log -------------------------------------------------------------------------------------

def _replayed(change):
    """What QEMU makes of the image when it may write to it."""
    def make(directory):
        image = v.VhdxFile()
        change(image)
        path = _write(directory, image)
        copy = os.path.join(directory, "replayed.vhdx")
        shutil.copy(path, copy)
        programs.run(["qemu-img", "check", "-q", "-f", "vhdx", "-r", "all", copy])
        return copy
    return make


def log_case(name, verdict=None, info="answers"):
    """Registers a function that puts a log into a VhdxFile; the verdict is the same bytes as after
    QEMU has replayed it."""
    def add(change):
        image_case("vhdx", f"log-{name}", verdict or same(), info=info,
                   undamaged=_replayed(change))(
                       lambda directory: _write(directory, _changed(change)))
        return change
    return add


def _changed(change):
    image = v.VhdxFile()
    change(image)
    return image


def _moved_block(image, block=1):
    """The table's sector after block `block` was written where nothing was."""
    place = image.end
    image.put(place, v.pattern(block + 10))
    image.end += v.MIB
    return image.bat_sector({block: place | v.FULLY_PRESENT})


@log_case("of-one-entry")
def _one_entry(image):
    sector = _moved_block(image)
    image.set_log(v.LogEntry(1, flushed=image.end, last=image.end).data(v.BAT, sector))


@log_case("later-entry-wins")
def _two_entries(image):
    first, second = _moved_block(image), _moved_block(image, 3)
    image.set_log(v.LogEntry(5, flushed=image.end, last=image.end).data(v.BAT, first),
                  v.LogEntry(6, flushed=image.end, last=image.end).data(v.BAT, second))


@log_case("around-the-end")
def _wrapped(image):
    sector = _moved_block(image)
    start = v.MIB - v.SECTOR
    image.set_log(v.LogEntry(5, tail=start, flushed=image.end, last=image.end).data(v.BAT, sector),
                  v.LogEntry(6, tail=start, flushed=image.end, last=image.end)
                  .data(v.BAT, image.bat_sector({3: image.end - v.MIB | v.FULLY_PRESENT})),
                  start=start)


@log_case("zeroes-the-table")
def _zeroed(image):
    image.set_log(v.LogEntry(3, flushed=image.end, last=image.end).zero(v.BAT, v.SECTOR))


@log_case("old-entries-remain")
def _old_entries(image):
    old = v.LogEntry(90, log_guid=b"\x88" * 16, flushed=image.end).data(v.BAT, bytes(v.SECTOR))
    sector = _moved_block(image)
    image.set_log(old, v.LogEntry(3, tail=2 * v.SECTOR, flushed=image.end, last=image.end)
                  .data(v.BAT, sector))


@log_case("without-updates")
def _no_updates(image):
    image.set_log(v.LogEntry(3, flushed=image.end, last=image.end))


# QEMU applies what entries say without asking where.
def bad_log_case(name, pattern):
    def add(change):
        vhdx_case(f"log-{name}", refused(pattern), info=pattern)(change)
        return change
    return add


_NO_SEQUENCE = "no valid sequence"


@bad_log_case("empty", _NO_SEQUENCE)
def _empty_log(image):
    image.set_log()


@bad_log_case("checksum", _NO_SEQUENCE)
def _log_checksum(image):
    entry = v.LogEntry(1, flushed=image.end).data(v.BAT, bytes(v.SECTOR))
    entry.change = 1
    image.set_log(entry)


@bad_log_case("of-another-guid", _NO_SEQUENCE)
def _log_guid(image):
    image.set_log(v.LogEntry(1, flushed=image.end, log_guid=b"\x88" * 16)
                  .data(v.BAT, bytes(v.SECTOR)))


@bad_log_case("sequence-0", _NO_SEQUENCE)
def _log_sequence(image):
    image.set_log(v.LogEntry(0, flushed=image.end).data(v.BAT, bytes(v.SECTOR)))


@bad_log_case("torn-sector", _NO_SEQUENCE)
def _torn(image):
    image.set_log(v.LogEntry(9, flushed=image.end).data(v.BAT, bytes(v.SECTOR), data_sequence=8))


@bad_log_case("descriptor-of-another-entry", _NO_SEQUENCE)
def _other_descriptor(image):
    image.set_log(v.LogEntry(9, flushed=image.end).data(v.BAT, bytes(v.SECTOR), sequence=8))


@bad_log_case("descriptors-all-ones", _NO_SEQUENCE)
def _descriptors(image):
    entry = v.LogEntry(9, flushed=image.end).zero(v.BAT, v.SECTOR)
    entry.count = 0xFFFFFFFF
    image.set_log(entry)


@bad_log_case("entry-length-0", _NO_SEQUENCE)
def _entry_length(image):
    entry = v.LogEntry(9, flushed=image.end).zero(v.BAT, v.SECTOR)
    entry.length = 512
    image.set_log(entry)


@bad_log_case("tail-elsewhere", _NO_SEQUENCE)
def _tail(image):
    image.set_log(v.LogEntry(9, tail=v.SECTOR * 20, flushed=image.end).zero(v.BAT, v.SECTOR))


@bad_log_case("of-a-file-since-truncated", "it is truncated")
def _flushed(image):
    image.set_log(v.LogEntry(9, flushed=1 << 40).zero(v.BAT, v.SECTOR))


@bad_log_case("overwrites-the-headers", "would overwrite the headers")
def _over_headers(image):
    image.set_log(v.LogEntry(9, flushed=image.end).data(v.HEADERS[0], bytes(v.SECTOR)))


@bad_log_case("overwrites-itself", "would overwrite the log itself")
def _over_log(image):
    image.set_log(v.LogEntry(9, flushed=image.end).zero(0xC0000, v.MIB))


@bad_log_case("offset-unaligned", "no whole sectors")
def _log_unaligned(image):
    image.set_log(v.LogEntry(9, flushed=image.end).data(v.BAT + 512, bytes(v.SECTOR)))


@bad_log_case("offset-overflows", "no whole sectors|would make")
def _log_overflow(image):
    image.set_log(v.LogEntry(9, flushed=image.end).zero((1 << 64) - v.SECTOR, v.SECTOR))


@bad_log_case("makes-the-file-huge", "would make the file")
def _log_last(image):
    image.set_log(v.LogEntry(9, flushed=image.end, last=(1 << 63)).zero(v.BAT, v.SECTOR))


@bad_log_case("of-version-1", "version 1")
def _log_version(image):
    image.set_log(v.LogEntry(9, flushed=image.end).zero(v.BAT, v.SECTOR))
    image.header["log_version"] = 1


@vhdx_case("log-breaks-the-region-tables", refused("neither of the two region tables"))
def _log_regions(image):
    image.set_log(v.LogEntry(9, flushed=image.end).zero(v.REGION_TABLES[0], 128 << 10))


@vhdx_case("log-points-past-the-end", refused("past the end"))
def _log_past(image):
    sector = image.bat_sector({1: 1 << 44 | v.FULLY_PRESENT})
    image.set_log(v.LogEntry(9, flushed=image.end, last=image.end).data(v.BAT, sector))


@log_case("changes-a-block")
def _payload(image):
    """The specification forbids it, QEMU does it."""
    image.set_log(v.LogEntry(9, flushed=image.end, last=image.end)
                  .data(v.BLOCKS + v.SECTOR, bytes(range(256)) * 16)
                  .zero(v.BLOCKS + 5 * v.SECTOR, 3 * v.SECTOR))
