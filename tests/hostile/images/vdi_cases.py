"""VDI files cut short, and with headers and block maps that lie."""

import os

from hostile.images.case import either, image_case, refused, same
from hostile.images.vdifile import DISCARDED, MIB, UNALLOCATED, VdiFile


def case(name, verdict, info=None, blocks=4, **fields):
    """Registers a function that changes a VdiFile."""
    def add(change):
        @image_case("vdi", name, verdict, info=info, **fields)
        def _build(directory):
            image = VdiFile(blocks)
            change(image)
            path = os.path.join(directory, "image.vdi")
            image.write(path)
            return path
        return change
    return add


def header_case(name, verdict, info=None, **fields):
    @case(name, verdict, info=info)
    def _change(image):
        image.header.update(fields)


def map_case(name, verdict, entries):
    @case(f"map-{name}", verdict, info="answers")
    def _change(image):
        image.map = entries


for _length, _verdict in [
        (0, refused("header")), (64, refused("header")), (511, refused("header")),
        (512, refused("block map")), (527, refused("block map")), (1024, refused("past the end")),
        (1024 + MIB - 1, refused("past the end")), (1024 + 2 * MIB - 512, refused("past the end"))]:
    @case(f"cut-at-{_length}", _verdict)
    def _cut(image, length=_length):
        image.length = length


# ---- Header fields ------------------------------------------------------------------------------

header_case("signature-wrong", refused("magic"), info="magic", signature=0xBEDA107E)
for _version in (0, 0x00010000, 0x00020001, 0xFFFFFFFF):
    header_case(f"version-{_version:x}", refused("version"), info="version", version=_version)
header_case("header-size-0", same(), header_size=0)
header_case("header-size-all-ones", either("header"), header_size=0xFFFFFFFF)
for _type in (0, 5, 0xFFFFFFFF):
    header_case(f"type-{_type:x}", refused("type"), info="type", image_type=_type)
header_case("type-undo", refused("undo"), info="undo", image_type=3)
header_case("type-differencing", refused("differ"), info="differ", image_type=4)
header_case("link-uuid", refused("UUID"), info="UUID", uuid_link=b"\1" * 16)
header_case("parent-uuid", refused("UUID"), info="UUID", uuid_parent=b"\0" * 15 + b"\1")
header_case("flags-all-ones", same(), image_flags=0xFFFFFFFF)
header_case("text-escapes", same(), text=b"\x1b]0;owned\x07\x1b[2J", description=b"\xff\x9b31m" * 50)
header_case("map-at-0", refused("header"), offset_bmap=0)
header_case("map-unaligned", refused("boundary"), offset_bmap=513)
header_case("map-offset-past-end", refused("past the end"), offset_bmap=0xFFFFFE00)
header_case("data-at-0", refused("map"), offset_data=0)
header_case("data-on-map", refused("map"), offset_data=512)
header_case("data-unaligned", refused("boundary"), offset_data=1025)
header_case("data-past-end", refused("past the end"), offset_data=0xFFFFFE00)
for _size in (0, 1, 4096, 0xFFFFFFFF):
    header_case(f"sector-size-{_size:x}", refused("sector"), sector_size=_size)
for _size in (0, 1, 512, MIB - 1, 2 * MIB, 0x80000000, 0xFFFFFFFF):
    header_case(f"block-size-{_size:x}", refused("block"), block_size=_size)
header_case("block-extra", refused("extra"), block_extra=0xFFFFF000)
header_case("disk-size-all-ones", refused("disk"), disk_size=(1 << 64) - 1)
header_case("disk-size-8-EiB", refused("disk"), disk_size=1 << 63)
header_case("disk-size-beyond-map", refused("block map"), disk_size=4 * MIB + 1)
header_case("disk-size-0", same(), disk_size=0)
header_case("disk-size-odd", same(), disk_size=3 * MIB + 1)
header_case("blocks-0", refused("block"), blocks_in_image=0)
header_case("blocks-overflow", refused("block"), blocks_in_image=0x40000001)
header_case("blocks-all-ones", refused("block"), blocks_in_image=0xFFFFFFFF)
header_case("blocks-at-limit", refused("past the end|map"), blocks_in_image=0x1FFFFF80)
header_case("blocks-allocated-lies", same(), blocks_allocated=0xFFFFFFFF)

# ---- Block map ----------------------------------------------------------------------------------

map_case("block-twice", refused("claim"), [0, 0, UNALLOCATED, UNALLOCATED])
map_case("block-twice-apart", refused("claim"), [1, 0, UNALLOCATED, 1])
map_case("past-end", refused("past the end"), [0, 1, 2, UNALLOCATED])
map_case("far-past-end", refused("past the end"), [0, 1, UNALLOCATED, 0xFFFFFFFD])
map_case("discarded", same(), [DISCARDED, 1, 0, DISCARDED])


@case("map-all-to-one-block", refused("claim"), blocks=1 << 20)
def _bomb(image):
    """1 TiB of disk that is the same MiB."""
    image.map = [0] * (1 << 20)
    image.header["offset_data"] = 8 * MIB
    image.regions = []
    image.length = 9 * MIB


@case("petabyte-in-a-kilobyte", refused("limit|supported|disk"), blocks=1 << 30)
def _petabyte(image):
    image.length = 4096


@case("sparse-map-of-256-TiB", refused("limit"), info="answers", blocks=1 << 28)
def _big_map(image):
    """A map of 1 GiB, all of it a hole: each of its entries claims block 0."""
    image.map = []
    image.header["offset_data"] = (1 << 30) + 1024
    image.regions = []
    image.length = (1 << 30) + 1024 + MIB


@case("map-of-a-terabyte-empty", same(), info="answers", blocks=1 << 20,
      target_format="qcow2")
def _empty_terabyte(image):
    image.map = [UNALLOCATED] * (1 << 20)
    image.header["offset_data"] = 8 * MIB
    image.header["blocks_allocated"] = 0
    image.regions = []
    image.length = 8 * MIB
