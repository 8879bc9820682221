"""QED files cut short, and with headers and tables that lie."""

import os

from hostile.images.case import image_case, refused, same
from hostile.images.names import HOSTILE, REFUSAL
from hostile.images.qedfile import (BACKING_FILE, CLUSTER, DATA, L1, L2, NEED_CHECK,
                                    RAW_BACKING_FILE, ZERO, QedFile)

MIB = 1 << 20
TIB = 1 << 40


def _build(image, directory):
    path = os.path.join(directory, "image.qed")
    image.write(path)
    return path


def case(name, verdict, info=None, **layout):
    """Registers a function that changes a QedFile made with `layout`."""
    def add(change):
        @image_case("qed", name, verdict, info=info,
                    undamaged=lambda directory: _build(QedFile(**layout), directory))
        def _changed(directory):
            image = QedFile(**layout)
            change(image)
            return _build(image, directory)
        return change
    return add


def header_case(name, verdict, info=None, **fields):
    @case(name, verdict, info=info)
    def _change(image):
        image.header.update(fields)


def l1_case(name, verdict, entries, **layout):
    @case(f"l1-{name}", verdict, info="answers", **layout)
    def _change(image):
        image.l1.update(entries)


def l2_case(name, verdict, entries):
    @case(f"l2-{name}", verdict, info="answers")
    def _change(image):
        image.l2.update(entries)


for _length in (0, 63, 64, L1, L2, DATA, DATA + 4 * CLUSTER - 1):
    @case(f"cut-at-{_length}", refused("header|past the end"))
    def _cut(image, length=_length):
        image.length = length


# ---- Header fields ------------------------------------------------------------------------------

header_case("magic-wrong", refused("magic"), info="magic", magic=0x00444552)
for _size in (0, 1, 2048, 4097, 12288, 128 * MIB, 0x80000000, 0xFFFFFFFF):
    header_case(f"cluster-size-{_size:x}", refused("cluster_size"), info="cluster_size",
                cluster_size=_size)
for _size in (0, 3, 32, 0x80000000, 0xFFFFFFFF):
    header_case(f"table-size-{_size:x}", refused("table_size"), info="table_size",
                table_size=_size)
header_case("header-size-0", refused("header_size"), info="header_size", header_size=0)
header_case("header-over-l1", refused("header"), info="answers", header_size=2)
header_case("header-size-all-ones", refused("header"), info="answers", header_size=0xFFFFFFFF)
header_case("features-unknown", refused("features"), info="features", features=1 << 63)
header_case("features-need-check", same(), info="answers", features=NEED_CHECK)
header_case("features-compatible-unknown", same(), info="answers",
            compat_features=(1 << 64) - 1, autoclear_features=(1 << 64) - 1)
header_case("image-size-odd", refused("disk"), info="disk", image_size=MIB + 1)
header_case("image-size-all-ones", refused("disk"), info="disk", image_size=(1 << 64) - 1)
header_case("image-size-over-tables", refused("disk"), info="disk",
            image_size=1024 * 1024 * CLUSTER + 512)
header_case("image-size-0", same(), info="answers", image_size=0)
header_case("l1-at-0", refused("header"), info="answers", l1_table_offset=0)
header_case("l1-unaligned", refused("boundary"), info="boundary", l1_table_offset=L1 + 8)
header_case("l1-past-end", refused("past the end"), info="answers", l1_table_offset=TIB)
header_case("l1-offset-overflows", refused("past the end"), info="answers",
            l1_table_offset=(1 << 64) - CLUSTER)


@case("exabyte-in-a-kilobyte", refused("limit|past the end"), info="answers")
def _exabyte(image):
    image.header.update(cluster_size=64 * MIB, table_size=16, image_size=1 << 60,
                        l1_table_offset=64 * MIB)
    image.length = 1024


# ---- Tables -------------------------------------------------------------------------------------

l1_case("unaligned", refused("boundary"), {0: L2 + 8})
l1_case("zero-flag", refused("boundary"), {0: ZERO})
l1_case("in-header", refused("past the end|L1 table|boundary|header"), {0: 1 << 63})
l1_case("on-l1", refused("L1 table"), {0: L1})
l1_case("half-on-l1", refused("L1 table"), {0: L1 + CLUSTER})
l1_case("past-end", refused("past the end"), {0: DATA + 3 * CLUSTER})
l1_case("overflows", refused("past the end"), {0: (1 << 64) - CLUSTER})
l1_case("same-table-twice", refused("claim"), {1: L2}, size=8 * MIB)
l1_case("tables-overlap", refused("claim"), {1: L2 + CLUSTER}, size=8 * MIB)
l1_case("beyond-the-disk", same(), {9: 5})

l2_case("data-unaligned", refused("boundary"), {5: DATA + 2})
l2_case("data-in-header", refused("boundary"), {5: 64})
l2_case("data-on-l1", refused("L1 table"), {5: L1})
l2_case("data-past-end", refused("past the end"), {5: DATA + 4 * CLUSTER})
l2_case("data-overflows", refused("past the end"), {5: (1 << 64) - CLUSTER})
l2_case("data-twice", refused("claim"), {9: DATA})
l2_case("all-entries-one-cluster", refused("claim"), {number: DATA for number in range(1024)})
l2_case("beyond-the-disk", same(), {1000: 5})


@case("l2-zero-clusters", same(), info="answers")
def _zero(image):
    image.l2.update({number: ZERO for number in range(10, 300)})


# ---- Names of other files -----------------------------------------------------------------------

def backing_case(name, verdict, text, info="answers", features=BACKING_FILE, **fields):
    @case(f"backing-{name}", verdict, info=info)
    def _change(image):
        image.header.update(features=features, backing_filename_offset=64,
                            backing_filename_size=len(text), **fields)
        image.regions.append((64, text))


for _name, _text in HOSTILE.items():
    backing_case(_name, refused(REFUSAL), _text)
backing_case("raw", refused(REFUSAL), b"/etc/passwd", features=BACKING_FILE | RAW_BACKING_FILE)
backing_case("itself", refused(REFUSAL), b"image.qed")
backing_case("nul-inside", refused(REFUSAL + "|NUL|name"), b"/etc/passwd\0.qed", info=None)
backing_case("of-1024-bytes", refused("name"), b"x" * 1024, info="name")
backing_case("without-feature", same(), b"/etc/passwd", features=0)


@case("backing-size-all-ones", refused("name"), info="name")
def _size_all_ones(image):
    image.header.update(features=BACKING_FILE, backing_filename_offset=64,
                        backing_filename_size=0xFFFFFFFF)


@case("backing-outside-header", refused("name"), info="name")
def _outside_header(image):
    image.header.update(features=BACKING_FILE, backing_filename_offset=CLUSTER - 2,
                        backing_filename_size=4)


@case("backing-offset-overflows", refused("name"), info="name")
def _offset_overflows(image):
    image.header.update(features=BACKING_FILE, backing_filename_offset=0xFFFFFFFF,
                        backing_filename_size=4)


@case("backing-in-header", refused("name"), info="name")
def _in_header(image):
    image.header.update(features=BACKING_FILE, backing_filename_offset=8,
                        backing_filename_size=4)
