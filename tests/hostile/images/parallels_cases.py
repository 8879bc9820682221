"""Parallels images cut short, and with headers, tables and extensions that lie."""

import os

from hostile.images import parallelsfile as p
from hostile.images.case import either, image_case, refused, same
from hostile.images.parallelsfile import CLUSTER, TRACKS, ParallelsFile


def _write(image, directory):
    path = os.path.join(directory, "image.hdd")
    image.write(path)
    return path


def _undamaged(directory):
    return _write(ParallelsFile(), directory)


def case(name, verdict, info=None, clusters=4, **fields):
    """Registers a function that changes a ParallelsFile."""
    def add(change):
        @image_case("parallels", name, verdict, info=info, undamaged=_undamaged, **fields)
        def _build(directory):
            image = ParallelsFile(clusters)
            change(image)
            return _write(image, directory)
        return change
    return add


def header_case(name, verdict, info=None, old=False, **fields):
    @case(name, verdict, info=info)
    def _change(image):
        if old:
            image.make_old()
        image.header.update(fields)


def bat_case(name, verdict, entries, old=False):
    @case(f"bat-{name}", verdict, info="answers")
    def _change(image):
        if old:
            image.make_old()
        image.bat = entries


for _length, _verdict in [
        (0, refused("header")), (16, refused("header")), (63, refused("header")),
        (64, refused("BAT")), (79, refused("BAT")), (CLUSTER, refused("past the end")),
        (3 * CLUSTER - 1, refused("past the end"))]:
    @case(f"cut-at-{_length}", _verdict)
    def _cut(image, length=_length):
        image.length = length


# ---- Header fields ------------------------------------------------------------------------------

header_case("magic-wrong", refused("magic"), info="magic", magic=b"WithoutFreeSpacE")
for _version in (0, 1, 3, 0xFFFFFFFF):
    header_case(f"version-{_version:x}", refused("version"), info="version", version=_version)
header_case("tracks-0", refused("zero"), info="zero", tracks=0)
for _tracks in (0x3FE010, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
    header_case(f"tracks-{_tracks:x}", refused("cluster"), info="cluster", tracks=_tracks)
header_case("tracks-odd", refused("past the end|BAT|claim"), tracks=TRACKS + 1)
header_case("catalog-0", refused("BAT"), nb_bat_entries=0)
header_case("catalog-too-small", refused("BAT"), nb_bat_entries=3)
header_case("catalog-past-end", refused("BAT"), nb_bat_entries=CLUSTER)
header_case("catalog-overflows", refused("BAT"), nb_bat_entries=0x40000000)
header_case("catalog-negative", refused("BAT"), nb_bat_entries=0x80000000)
header_case("catalog-all-ones", refused("BAT"), nb_bat_entries=0xFFFFFFFF)
header_case("sectors-all-ones", refused("sectors"), nb_sectors=(1 << 64) - 1)
header_case("sectors-overflow", refused("sectors"), nb_sectors=1 << 55)
header_case("sectors-upper-half-of-old", same(), old=True,
            nb_sectors=(1 << 40) + 4 * TRACKS)
header_case("sectors-0", same(), nb_sectors=0)
header_case("sectors-partial-cluster", same(), nb_sectors=3 * TRACKS + 5)
header_case("in-use", same(), info="answers", in_use=p.IN_USE)
header_case("in-use-unknown", same(), info="answers", in_use=0x12345678)
header_case("data-off-0", either("data"), data_off=0)
header_case("data-off-0-old", same(), old=True, data_off=0)
header_case("data-off-all-ones", either("data"), data_off=0xFFFFFFFF)
header_case("flags-all-ones", either("flag"), flags=0xFFFFFFFF)
header_case("geometry-all-ones", same(), heads=0xFFFFFFFF, cylinders=0xFFFFFFFF)

# ---- BAT ----------------------------------------------------------------------------------------

bat_case("cluster-twice", refused("claim"), [1, 1, 0, 0])
bat_case("cluster-twice-apart", refused("claim"), [1, 2, 0, 1])
bat_case("clusters-overlap", refused("claim"), [TRACKS, TRACKS + 1, 0, 0], old=True)
bat_case("past-end", refused("past the end"), [1, 2, 3, 0])
bat_case("all-ones", refused("past the end"), [0xFFFFFFFF, 0, 0, 0])
bat_case("all-ones-old", refused("past the end"), [0xFFFFFFFF, 0, 0, 0], old=True)
bat_case("holes", same(), [0, 0, 0, 2])


@case("bat-on-itself", refused("header or the BAT"), clusters=200)
def _bat_on_itself(image):
    image.make_old()
    image.bat = [1] * 200


@case("bat-all-to-one-cluster", refused("claim"), clusters=1 << 20)
def _bomb(image):
    """64 GiB of disk that is the same 64 KiB."""
    image.bat = [80] * (1 << 20)
    image.header["data_off"] = 80 * TRACKS
    image.regions = []
    image.length = 81 * CLUSTER


@case("bat-of-sectors-in-a-row", refused("claim"), clusters=4096)
def _overlapping_bomb(image):
    """256 MiB of disk in clusters that overlap all but their first sector."""
    image.make_old()
    image.bat = [TRACKS + number for number in range(4096)]
    image.length = (2 * TRACKS + 4096) * 512


@case("petabyte-in-a-kilobyte", refused("BAT|limit"))
def _petabyte(image):
    image.header.update(nb_sectors=1 << 41, nb_bat_entries=0x1FFFFFFF, tracks=0x1000)
    image.length = 4096


@case("sparse-bat-of-2-GiB", refused("limit"), info="answers")
def _big_bat(image):
    """1 PiB of nothing, described by a hole."""
    image.bat = []
    image.header.update(nb_bat_entries=0x1FFFFFFF, tracks=0x1000, nb_sectors=0x1FFFFFFF * 0x1000,
                        data_off=0x401000)
    image.regions = []
    image.length = 0x401000 * 512


# ---- Format extension ---------------------------------------------------------------------------

def extension_case(name, verdict, *features, info=None, **fields):
    @case(f"extension-{name}", verdict, info=info)
    def _change(image):
        image.set_extension(*features, **fields)


_END = p.feature(0)
extension_case("empty", same(), _END, info="answers")
extension_case("dirty-bitmap", same(), p.feature(p.DIRTY_BITMAP, 0, bytes(32)), _END,
               info="answers")
extension_case("dirty-bitmap-cut", same(), p.feature(p.DIRTY_BITMAP, 0, bytes(3)), _END)
extension_case("unknown", same(), p.feature(0x1234, 0, b"who knows"), _END, info="answers")
extension_case("unknown-necessary", refused("extension"), p.feature(0x1234, p.NECESSARY), _END,
               info="extension")
extension_case("magic-wrong", refused("extension"), _END, magic=1)
extension_case("longer-than-its-cluster", refused("extension"), p.feature(0x1234, 0, b"", CLUSTER))
extension_case("length-all-ones", refused("extension"), p.feature(0x1234, 0, b"", 0xFFFFFFFF))
extension_case("without-end", refused("extension"),
               p.feature(0x1234) * ((CLUSTER - 24) // 24))
header_case("extension-past-end", refused("extension"), ext_off=1 << 40)
header_case("extension-overflows", refused("extension"), ext_off=(1 << 64) - 1)
header_case("extension-wraps-to-1", refused("extension"), ext_off=(1 << 55) + 3 * TRACKS)
header_case("extension-on-header", refused("extension"), ext_off=(1 << 63))
