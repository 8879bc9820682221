"""Bochs growing images cut short, and with headers, catalogs and bitmaps that lie."""

import os

from hostile.images.bochsfile import CATALOG, ENTRIES, EXTENT, NO_EXTENT, BochsFile
from hostile.images.case import image_case, refused, same

GIB = 1 << 30


def case(name, verdict, info=None, **layout):
    """Registers a function that changes a BochsFile made with `layout`."""
    def add(change):
        @image_case("bochs", name, verdict, info=info)
        def _build(directory):
            image = BochsFile(**layout)
            change(image)
            path = os.path.join(directory, "image.bochs")
            image.write(path)
            return path
        return change
    return add


def header_case(name, verdict, info=None, **fields):
    @case(name, verdict, info=info)
    def _change(image):
        image.header.update(fields)


def catalog_case(name, verdict, entries):
    @case(f"catalog-{name}", verdict, info="answers")
    def _change(image):
        for index, extent in entries.items():
            image.catalog[index] = extent


def bitmap_case(name, verdict, bitmap):
    @case(f"bitmap-{name}", verdict, info="answers")
    def _change(image):
        image.bitmaps[0] = bitmap


for _length in (0, 511, 512, CATALOG + 4 * ENTRIES - 1, CATALOG + 4 * ENTRIES,
                CATALOG + 4 * ENTRIES + 512, CATALOG + 4 * ENTRIES + 2 * (EXTENT + 512) - 1):
    @case(f"cut-at-{_length}", refused("header|past the end"))
    def _cut(image, length=_length):
        image.length = length


# ---- Header fields ------------------------------------------------------------------------------

header_case("magic-wrong", refused("start with"), info="start with", magic=b"bochs Virtual HD Image")
header_case("magic-goes-on", refused("start with"), info="start with",
            magic=b"Bochs Virtual HD Image!")
header_case("type-wrong", refused("type"), info="type", type=b"Sparse")
for _subtype in (b"Undoable", b"Volatile", b"", b"Growing\1", b"x" * 16, b"\x1b[2J\xff\n"):
    header_case(f"subtype-{_subtype.hex()[:16] or 'empty'}", refused("type"), info="type",
                subtype=_subtype)
for _version in (0, 0x00030000, 0xFFFFFFFF):
    header_case(f"version-{_version:x}", refused("version"), info="version", version=_version)
header_case("version-1", same(), info="answers", version=0x00010000)
header_case("timestamp-all-ones", same(), info="answers", timestamp=0xFFFFFFFF)
for _offset in (0, 64, 511):
    header_case(f"catalog-at-{_offset}", refused("catalog"), info="catalog", header=_offset)
header_case("catalog-past-end", refused("past the end"), info="past the end", header=0xFFFFFFFF)
header_case("catalog-empty", refused("catalog"), info="catalog", catalog=0)
header_case("catalog-too-small", refused("catalog"), info="catalog", catalog=ENTRIES - 1)
for _entries in ((1 << 20) + 1, 0x40000000, 0x80000000, 0xFFFFFFFF):
    header_case(f"catalog-of-{_entries:x}", refused("catalog"), info="catalog", catalog=_entries)
for _size in (0, 1, 256, EXTENT + 512, 16 << 20, 0x80000000, 0xFFFFFFFF):
    header_case(f"extent-size-{_size:x}", refused("extents"), info="extents", extent=_size)
for _size in (0, 15, 16385, 0x80000000, 0xFFFFFFFF):
    header_case(f"bitmap-size-{_size:x}", refused("bitmaps"), info="bitmaps", bitmap=_size)
header_case("disk-all-ones", refused("disk"), info="disk", disk=(1 << 64) - 1)
header_case("disk-over-catalog", refused("disk"), info="disk", disk=ENTRIES * EXTENT + 512)
header_case("disk-0", same(), info="answers", disk=0)
header_case("disk-smaller", same(), info="answers", disk=EXTENT + 512)

# ---- Catalog and bitmaps ------------------------------------------------------------------------

catalog_case("extent-twice", refused("claim"), {1: 1})
catalog_case("extent-twice-apart", refused("claim"), {15: 0})
catalog_case("past-end", refused("past the end"), {5: 2})
catalog_case("far-past-end", refused("past the end"), {5: NO_EXTENT - 1})
catalog_case("half-of-all-ones", refused("past the end"), {5: 0x7FFFFFFF})
catalog_case("all-one-extent", refused("claim"), {index: 0 for index in range(ENTRIES)})
catalog_case("empty", same(), {0: NO_EXTENT, 1: NO_EXTENT})

bitmap_case("empty", same(), b"\0" * 16)
bitmap_case("every-other-sector", same(), b"\x55" * 16)
bitmap_case("bits-past-the-extent", same(), b"\xff" * 512)


@case("every-other-sector-of-a-gigabyte", same(), info="answers", entries=1 << 14)
def _scattered(image):
    """Small pieces: 64 KiB of them in front of a long hole."""
    image.bitmaps = [b"\xaa" * 16, b"\x55" * 16]


@case("catalog-of-4-MiB-to-one-extent", refused("claim"), info="answers", entries=1 << 16)
def _bomb(image):
    image.catalog = [0] * (1 << 16)


@case("last-extent-without-data", refused("past the end"), info="answers")
def _no_data(image):
    image.length -= EXTENT


@case("catalog-in-a-sparse-file", refused("past the end|limit"), info="answers")
def _sparse(image):
    image.header.update(catalog=1 << 20, disk=(1 << 20) * EXTENT)
    image.catalog = [3] * ENTRIES
    image.length = CATALOG + (4 << 20)
