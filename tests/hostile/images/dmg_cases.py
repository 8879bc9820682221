"""Disk images of macOS cut short, and with trailers, property lists and block tables that lie."""

import bz2
import lzma
import os
import struct
import zlib

from hostile.images import dmgfile as d
from hostile.images.case import either, image_case, refused, same
from hostile.images.dmgfile import SECTOR, DmgFile

MIB = 1 << 20


def _write(image, directory):
    path = os.path.join(directory, "image.dmg")
    image.write(path)
    return path


def case(name, verdict, info=None, chunks=True, resource_fork=False, **fields):
    """Registers a function that changes a DmgFile. What qemu-img reads without its module for bzip2
    is compared with it; with that chunk, the image has to be refused, or `undamaged` named."""
    def add(change):
        @image_case("dmg", name, verdict, info=info, **fields)
        def _build(directory):
            image = DmgFile(chunks=chunks, resource_fork=resource_fork)
            change(image)
            return _write(image, directory)
        return change
    return add


def trailer_case(name, verdict, info=None, **fields):
    @case(f"trailer-{name}", verdict, info=info)
    def _change(image):
        image.trailer.update(fields)


def entry_case(name, verdict, index=1, info=None, **fields):
    """One chunk of the table says something else: type, sector, count, offset or length."""
    places = {"type": 0, "sector": 2, "count": 3, "offset": 4, "length": 5}

    @case(f"chunk-{name}", verdict, info=info)
    def _change(image):
        for field, value in fields.items():
            image.tables[0].entries[index][places[field]] = value


def stream_case(name, verdict, kind, stored, size=512 * SECTOR):
    """An image of one chunk that stores `stored`."""
    @case(f"stream-{name}", verdict, info="answers", chunks=False)
    def _change(image):
        image.add(kind, bytes(size), stored=stored)


# ---- Cut short ----------------------------------------------------------------------------------

for _cut in (1, 511, 512, 513, 4096):
    @case(f"cut-by-{_cut}", refused("trailer|past"), info="trailer|past")
    def _cut_short(image, missing=_cut):
        image.cut = missing


@case("cut-to-nothing", refused("trailer"), info="trailer")
def _empty(image):
    image.cut = 1 << 30
    image.data = b""


@case("grown", refused("trailer"), info="trailer")
def _grown(image):
    image.trailer["reserved2"] = b""
    image.before_trailer = b"koly" + bytes(600)
    image.cut = 512


# ---- Trailer ------------------------------------------------------------------------------------

_ALL_ONES = (1 << 64) - 1
trailer_case("magic-wrong", refused("trailer"), signature=b"kolz")
for _version in (0, 3, 5, 0xFFFFFFFF):
    trailer_case(f"version-{_version:x}", refused("version"), version=_version)
for _size in (0, 511, 0xFFFFFFFF):
    trailer_case(f"header-size-{_size:x}", refused("bytes"), header_size=_size)
trailer_case("segments-2", refused("segment"), segment_count=2)
trailer_case("segments-all-ones", refused("segment"), segment_count=0xFFFFFFFF)
trailer_case("data-fork-past-end", refused("data fork"), data_fork_offset=1 << 40)
trailer_case("data-fork-overflows", refused("data fork"), data_fork_offset=_ALL_ONES)
trailer_case("data-fork-length-all-ones", refused("data fork"), data_fork_length=_ALL_ONES)
trailer_case("data-fork-moved", refused("past|stream|damaged|claim"), data_fork_offset=1)
trailer_case("resource-fork-past-end", refused("resource fork"), rsrc_fork_offset=1 << 40,
             rsrc_fork_length=1)
trailer_case("resource-fork-length-all-ones", refused("resource fork"),
             rsrc_fork_length=_ALL_ONES)
trailer_case("resource-fork-on-data", refused("resource fork"), rsrc_fork_offset=0,
             rsrc_fork_length=4096)
trailer_case("xml-past-end", refused("property list"), xml_offset=1 << 40)
trailer_case("xml-overflows", refused("property list"), xml_offset=_ALL_ONES)
trailer_case("xml-length-0", refused("property list"), xml_length=0)
trailer_case("xml-length-all-ones", refused("property list"), xml_length=_ALL_ONES)
trailer_case("xml-cut", refused("property list|table|chunk"), xml_length=700)
trailer_case("xml-is-data", refused("chunk|table|list"), xml_offset=0, xml_length=4096)
trailer_case("sectors-all-ones", refused("sectors|limit"), sector_count=_ALL_ONES)
trailer_case("sectors-2-to-the-54", refused("sectors|limit"), sector_count=1 << 54)
trailer_case("sectors-petabyte", refused("limit"), info="answers", sector_count=1 << 41)
trailer_case("sectors-more-than-chunks", refused("no chunk"), info="answers", sector_count=2049)
trailer_case("sectors-fewer-than-chunks", refused("not on the disk"), sector_count=2047)

# ---- Chunks -------------------------------------------------------------------------------------

entry_case("offset-past-end", refused("past"), offset=1 << 40)
entry_case("offset-overflows", refused("past"), offset=_ALL_ONES)
entry_case("length-past-end", refused("past"), length=1 << 40)
entry_case("length-all-ones", refused("past"), length=_ALL_ONES)
entry_case("length-64-MiB", refused("past"), length=64 * MIB)
entry_case("length-0", refused("0 bytes"), length=0)
entry_case("raw-length-short", refused("sectors"), index=0, length=512)
entry_case("raw-length-long", refused("sectors|claim"), index=0, length=512 * SECTOR + 1)
entry_case("count-0", refused("no chunk"), info="answers", count=0)
entry_case("count-all-ones", refused("not on the disk"), count=_ALL_ONES)
entry_case("count-2-to-the-55", refused("not on the disk"), count=1 << 55)
entry_case("count-one-too-many", refused("two chunks"), count=513)
entry_case("count-one-too-few", refused("no chunk|unpacks"), count=511)
entry_case("sector-all-ones", refused("not on the disk"), sector=_ALL_ONES)
entry_case("sector-of-another", refused("two chunks"), sector=0)
entry_case("zero-too-long", refused("not on the disk"), index=3, count=1 << 60)
entry_case("data-of-another", refused("claim|damaged"), index=2, offset=0)
entry_case("type-unknown", refused("unknown type"), info="answers", type=0x80000009)
entry_case("type-3", refused("unknown type"), info="answers", type=3)
entry_case("type-lzfse", refused("LZFSE"), info="answers", type=d.LZFSE)
entry_case("type-end", refused("no chunk"), info="answers", type=d.END)
entry_case("type-comment", refused("no chunk"), info="answers", type=d.COMMENT)
entry_case("type-bzip2-for-zlib", refused("bzip2"), info="answers", type=d.BZIP2)
entry_case("type-zlib-for-bzip2", refused("deflate"), index=2, info="answers", type=d.ZLIB)


@case("chunk-of-4-MiB", refused("supported"), info="answers", chunks=False)
def _big_chunk(image):
    image.add(d.ZLIB, bytes(4 * MIB))


@case("chunk-of-2-MiB", same(), info="answers", chunks=False)
def _largest_chunk(image):
    image.add(d.ZLIB, d.pattern(1, 2 * MIB))


@case("raw-chunk-of-8-MiB", same(), info="answers", chunks=False)
def _raw_chunk(image):
    image.add(d.RAW, d.pattern(1, 8 * MIB))


@case("all-chunks-in-one", refused("claim"), chunks=False)
def _bomb(image):
    """32 GiB of disk that are the same stream."""
    image.trailer["sector_count"] = 2048 * 32768
    image.add(d.ZLIB, bytes(MIB))
    entries = image.tables[0].entries
    entries += [[d.ZLIB, 0, 2048 * number, 2048, 0, entries[0][5]] for number in range(1, 32768)]


@case("chunks-overlap-in-the-file", refused("claim"), chunks=False)
def _overlap(image):
    image.trailer["sector_count"] = 4096
    image.add(d.ZLIB, bytes(MIB))
    length = image.tables[0].entries[0][5]
    image.tables[0].entries.append([d.ZLIB, 0, 2048, 2048, 1, length - 1])


@case("too-many-chunks", refused("chunks"), chunks=False, resource_fork=True)
def _many_chunks(image):
    image.trailer["sector_count"] = 300000
    image.tables[0].entries = [[d.ZERO, 0, number, 1, 0, 0] for number in range(300000)]


# ---- Block tables and property list -------------------------------------------------------------

@case("table-count-all-ones", refused("block table"), info="block table")
def _count_high(image):
    image.tables[0].chunk_count = 0xFFFFFFFF


@case("table-count-low", refused("no chunk"), info="answers")
def _count_low(image):
    image.tables[0].chunk_count = 2


@case("table-magic-wrong", refused("no chunk"), info="answers")
def _table_magic(image):
    image.tables[0].header["signature"] = b"mysh"


@case("table-sector-overflows", refused("not on the disk"))
def _table_sector(image):
    image.tables[0].header["sector_number"] = _ALL_ONES


@case("table-offset-overflows", refused("past"))
def _table_offset(image):
    image.tables[0].header["data_offset"] = _ALL_ONES


@case("table-twice", refused("two chunks"))
def _table_twice(image):
    image.tables.append(image.tables[0])


def plist_case(name, verdict, text):
    @case(f"plist-{name}", verdict)
    def _change(image):
        image.trailer["sector_count"] = 2048
        image.plist = text


_DATA = b"<key>blkx</key><array><dict><key>Data</key><data>"
plist_case("empty", refused("neither"), b"")
plist_case("no-xml", refused("no chunk"), bytes(1000))
plist_case("never-ends", refused("ends within"), _DATA + b"bWlzaA" + b"A" * 100000)
plist_case("no-base64", refused("base64"), _DATA + b"\xff\x00\x1b[31m</data>")
plist_case("entity", refused("base64"), _DATA + b"&bomb;</data>")
plist_case("entities-of-entities", refused("no chunk"),
           b'<!DOCTYPE plist [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;">]><plist>&b;</plist>')
plist_case("external-entity", refused("no chunk"),
           b'<!DOCTYPE plist [<!ENTITY x SYSTEM "file:///etc/passwd">]><plist>&x;</plist>')
plist_case("deep", refused("no chunk"), b"<key>blkx</key>" + b"<array>" * 500000)
plist_case("long-tag", refused("no chunk"), b"<" + b"a" * (8 * MIB))
plist_case("of-15-MiB", refused("no chunk"), b" " * (15 * MIB))
plist_case("of-17-MiB", refused("property list"), b" " * (17 * MIB))


@case("fork-cut", refused("resource fork"), resource_fork=True)
def _fork_cut(image):
    image.trailer["rsrc_fork_length"] = 300


@case("fork-resource-too-long", refused("resource fork"), resource_fork=True)
def _fork_resource(image):
    image.plist = struct.pack(">4I", 256, 256, 8, 0) + bytes(240) + struct.pack(">I", 0xFFFFFFFF)


@case("fork-of-empty-resources", refused("no chunk"), resource_fork=True)
def _fork_empty(image):
    image.trailer["sector_count"] = 2048
    image.plist = struct.pack(">4I", 256, 256, 4 * MIB, 0) + bytes(240 + 4 * MIB)


@case("fork-of-17-MiB", refused("resource fork"), resource_fork=True)
def _fork_large(image):
    image.plist = bytes(17 * MIB)


@case("encrypted", refused("encrypted"), info="encrypted")
def _encrypted(image):
    image.data = b"encrcdsa" + image.data[8:]


# ---- Compressed data ----------------------------------------------------------------------------

_ZEROES = bytes(512 * SECTOR)
stream_case("zlib-noise", refused("deflate"), d.ZLIB, bytes(range(256)) * 16)
stream_case("zlib-cut", refused("deflate"), d.ZLIB, zlib.compress(d.pattern(1, 1 << 18))[:-9])
stream_case("zlib-checksum-wrong", either("deflate"), d.ZLIB,
            zlib.compress(_ZEROES)[:-1] + b"\xee")
stream_case("zlib-too-long", refused("more"), d.ZLIB, zlib.compress(bytes(4 * MIB)))
stream_case("zlib-too-short", refused("less"), d.ZLIB, zlib.compress(_ZEROES[:-1]))
stream_case("zlib-with-dictionary", refused("deflate"), d.ZLIB, b"\x78\xbb" + bytes(20))
stream_case("bzip2-noise", refused("bzip2"), d.BZIP2, bytes(range(256)) * 16)
stream_case("bzip2-cut", refused("bzip2"), d.BZIP2, bz2.compress(d.pattern(1, 1 << 18))[:-9])
stream_case("bzip2-too-long", refused("more"), d.BZIP2, bz2.compress(bytes(4 * MIB)))
stream_case("bzip2-too-short", refused("less"), d.BZIP2, bz2.compress(_ZEROES[:-1]))
stream_case("bzip2-checksum-wrong", refused("bzip2"), d.BZIP2,
            bz2.compress(_ZEROES)[:10] + b"\x00\x01" + bz2.compress(_ZEROES)[12:])
stream_case("bzip2-of-nothing", refused("less|bzip2"), d.BZIP2, bz2.compress(b""))
_XZ = lzma.compress(_ZEROES)
stream_case("xz-noise", refused("no xz stream"), d.LZMA, bytes(range(256)) * 16)
stream_case("xz-cut", refused("xz"), d.LZMA, lzma.compress(d.pattern(1, 1 << 18))[:-9])
stream_case("xz-of-header-only", refused("xz"), d.LZMA, _XZ[:12])
stream_case("xz-too-long", refused("more"), d.LZMA, lzma.compress(bytes(64 * MIB), preset=0))
stream_case("xz-too-short", refused("less"), d.LZMA, lzma.compress(_ZEROES[:-1]))
stream_case("xz-of-nothing", refused("less"), d.LZMA, lzma.compress(b""))
stream_case("xz-in-two-streams", refused("less"), d.LZMA,
            lzma.compress(_ZEROES[:SECTOR]) + lzma.compress(_ZEROES[SECTOR:]))
stream_case("xz-checksum-wrong", refused("damaged"), d.LZMA,
            _XZ[:-28] + bytes([_XZ[-28] ^ 1]) + _XZ[-27:])
stream_case("xz-filter-unknown", refused("not known"), d.LZMA,
            _XZ[:12] + struct.pack("<4BI", 1, 0, 0x3f, 0, zlib.crc32(b"\1\0\x3f\0")) + _XZ[24:])
stream_case("xz-as-lzma-alone", refused("no xz stream"), d.LZMA,
            lzma.compress(_ZEROES, lzma.FORMAT_ALONE))


def _sound_xz(directory):
    """What qemu-img can read in place of an image of one LZMA chunk."""
    image = DmgFile(chunks=False)
    image.add(d.ZLIB, d.pattern(1, 512 * SECTOR))
    return _write(image, directory)


def xz_case(name, stored):
    """A stream that is in order, of one chunk."""
    @image_case("dmg", f"stream-xz-{name}", same(), info="answers", undamaged=_sound_xz)
    def _build(directory):
        image = DmgFile(chunks=False)
        image.add(d.LZMA, d.pattern(1, 512 * SECTOR), stored=stored(d.pattern(1, 512 * SECTOR)))
        return _write(image, directory)


def _of_dictionary(code):
    """A stream whose block says that it needs a dictionary of 4 GiB (code 40), more memory than there
    is."""
    def stored(data):
        stream = lzma.compress(data, preset=1)
        header = stream[12:16] + bytes([code]) + stream[17:20]
        return stream[:12] + header + struct.pack("<I", zlib.crc32(header)) + stream[24:]
    return stored


def _filtered(*names):
    filters = [{"id": getattr(lzma, f"FILTER_{name}")} for name in names]
    return lambda data: lzma.compress(data, filters=filters)


xz_case("plain", lzma.compress)
xz_case("dictionary-of-64-MiB", _of_dictionary(28))
xz_case("dictionary-of-4-GiB", _of_dictionary(40))
xz_case("without-check", lambda data: lzma.compress(data, check=lzma.CHECK_NONE))
xz_case("sha256", lambda data: lzma.compress(data, check=lzma.CHECK_SHA256))
xz_case("all-filters", _filtered("DELTA", "X86", "ARM", "LZMA2"))
xz_case("before-padding", lambda data: lzma.compress(data) + b"\xff" * 999)
xz_case("before-a-stream", lambda data: lzma.compress(data) * 2)
stream_case("adc-reference-before-start", refused("ADC"), d.ADC, b"\x00\x00" * 100)
stream_case("adc-too-long", refused("more"), d.ADC, b"\x80a" + b"\x7f\x00\x00" * 100000)
stream_case("adc-cut", refused("less"), d.ADC, b"\x80a\x7f\x00")
