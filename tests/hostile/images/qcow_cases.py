"""qcow version 1 files cut short, and with headers and tables that lie."""

import os

from hostile.images.case import image_case, refused, same
from hostile.images.names import HOSTILE, REFUSAL
from hostile.images.qcow2file import deflate
from hostile.images.qcowfile import CLUSTER, COMPRESSED, DATA, L1, L2, QcowFile, compressed

MIB = 1 << 20
TIB = 1 << 40


def case(name, verdict, info=None, **layout):
    """Registers a function that changes a QcowFile made with `layout`."""
    def add(change):
        @image_case("qcow", name, verdict, info=info)
        def _build(directory):
            image = QcowFile(**layout)
            change(image)
            path = os.path.join(directory, "image.qcow")
            image.write(path)
            return path
        return change
    return add


def header_case(name, verdict, info=None, **fields):
    @case(name, verdict, info=info)
    def _change(image):
        image.header.update(fields)


def l1_case(name, verdict, *entries, **layout):
    @case(f"l1-{name}", verdict, info="answers", **layout)
    def _change(image):
        image.l1 = list(entries)


def l2_case(name, verdict, **layout):
    """`change` gets the L2 table and the image."""
    def add(change):
        @case(f"l2-{name}", verdict, info="answers", **layout)
        def _change(image):
            change(image.l2, image)
        return change
    return add


for _length in (0, 47, 48, L1 + 7, L2 + 4095, DATA + 4 * CLUSTER - 1):
    @case(f"cut-at-{_length}", refused("header|past the end"))
    def _cut(image, length=_length):
        image.length = length


# ---- Header fields ------------------------------------------------------------------------------

header_case("version-0", refused("version"), info="version", version=0)
header_case("version-2", refused("version"), info="version", version=2)
header_case("magic-wrong", refused("magic"), info="magic", magic=0x514649FA)
for _bits in (0, 8, 17, 63, 255):
    header_case(f"cluster-bits-{_bits}", refused("cluster_bits"), info="cluster_bits",
                cluster_bits=_bits)
for _bits in (0, 5, 14, 61, 255):
    header_case(f"l2-bits-{_bits}", refused("l2_bits"), info="l2_bits", l2_bits=_bits)
header_case("size-0", refused("disk"), info="disk", size=0)
header_case("size-1", refused("disk"), info="disk", size=1)
header_case("size-all-ones", refused("L1 table"), info="L1 table", size=(1 << 64) - 1)
header_case("size-overflows-with-clusters", refused("L1 table"), size=(1 << 64) - (1 << 21) + 1)
header_case("size-needs-l1-of-2-GiB", refused("L1 table"), size=((1 << 31) // 8) << 21)
header_case("size-beyond-l1-in-file", refused("past the end"), info="answers", size=TIB)
header_case("petabyte", refused("L1 table"), size=1 << 50)
header_case("encrypted", refused("encrypted"), info="answers", crypt_method=1)
header_case("crypt-method-2", refused("encryption"), info="encryption", crypt_method=2)
header_case("padding-and-mtime", same(), padding=0xFFFF, mtime=0xFFFFFFFF)
header_case("l1-at-0", refused("header"), info="answers", l1_offset=0)
header_case("l1-in-header", refused("header"), info="answers", l1_offset=47)
header_case("l1-past-end", refused("past the end"), info="answers", l1_offset=TIB)
header_case("l1-offset-overflows", refused("past the end"), info="answers",
            l1_offset=(1 << 64) - 4)

# ---- Tables -------------------------------------------------------------------------------------

l1_case("in-header", refused("header"), 8)
l1_case("on-l1", refused("L1 table"), L1)
l1_case("past-end", refused("past the end"), DATA + 4 * CLUSTER - 8)
l1_case("overflows", refused("past the end"), (1 << 64) - 8)
l1_case("same-table-twice", refused("claim"), L2, L2, size=4 * MIB)
l1_case("tables-overlap", refused("claim"), L2, L2 + 8, size=4 * MIB)


@l2_case("data-in-header", refused("boundary"))
def _in_header(table, _):
    table[0] = 1


@l2_case("data-on-l1", refused("L1 table"))
def _on_l1(table, image):
    image.header["l1_offset"] = table[0] + 512
    image.regions.append((table[0] + 512, L2.to_bytes(8, "big")))


@l2_case("data-past-end", refused("past the end"))
def _past_end(table, _):
    table[5] = DATA + 4 * CLUSTER


@l2_case("data-overflows", refused("past the end"))
def _overflows(table, _):
    table[5] = COMPRESSED - 512


@l2_case("data-twice", refused("claim"))
def _twice(table, _):
    table[9] = table[0]


@l2_case("data-unaligned", refused("boundary"))
def _unaligned(table, _):
    table[0] += 8


@l2_case("data-at-a-sector", same())
def _at_a_sector(table, image):
    table[9] = image.length + 512
    image.regions.append((image.length + 512, b"data" * 1024))
    image.length += CLUSTER + 512


@l2_case("all-entries-one-cluster", refused("claim"))
def _bomb(table, _):
    table.update({number: DATA for number in range(512)})


# ---- Compressed clusters ------------------------------------------------------------------------

_STREAM = deflate(b"compressed " * 372 + b"end.")


def stream_case(name, verdict, stream=_STREAM, size=None, offset=DATA + 4 * CLUSTER):
    @l2_case(f"stream-{name}", verdict)
    def _change(table, image):
        table[7] = compressed(offset, len(stream) if size is None else size)
        image.regions.append((image.length, stream))
        image.length += len(stream)


stream_case("sound", same())
stream_case("followed-by-padding", same(), stream=_STREAM + b"x" * 99)
stream_case("of-no-bytes", refused("0 bytes"), size=0)
stream_case("cut", refused("damaged|less than|more than"), size=len(_STREAM) - 3)
stream_case("past-end", refused("past the end"), size=4095)
stream_case("far-away", refused("past the end"), offset=(1 << 51) - 1)
stream_case("in-header", refused("header"), offset=0)
stream_case("noise", refused("damaged"), stream=b"\xff" * 99)
stream_case("unpacks-to-less", refused("less than"), stream=deflate(b"x" * 4095))
stream_case("unpacks-to-more", refused("more than"), stream=deflate(b"x" * 4097))
stream_case("bomb", refused("more than"), stream=deflate(b"\0" * (3 * MIB)))


@l2_case("streams-shared", refused("claim"))
def _shared(table, image):
    stream = deflate(b"\1" * CLUSTER)
    image.regions.append((image.length, stream))
    table.update({number: compressed(image.length, len(stream)) for number in range(8, 512)})
    image.length += len(stream)


# ---- Names of other files -----------------------------------------------------------------------

def backing_case(name, verdict, text, info="answers", **fields):
    @case(f"backing-{name}", verdict, info=info)
    def _change(image):
        image.header.update({"backing_offset": image.length, "backing_size": len(text)})
        image.header.update(fields)
        image.regions.append((image.length, text))
        image.length += len(text)


for _name, _text in HOSTILE.items():
    backing_case(_name, refused(REFUSAL), _text)
backing_case("itself", refused(REFUSAL), b"image.qcow")
backing_case("nul-inside", refused(REFUSAL + "|NUL|name"), b"/etc/passwd\0.qcow", info=None)
backing_case("of-1024-bytes", refused("name"), b"x" * 1024, info="name")
backing_case("size-all-ones", refused("name"), b"base", info="name", backing_size=0xFFFFFFFF)
backing_case("in-header", refused("name"), b"base", info="name", backing_offset=8)
backing_case("past-end", refused("name"), b"base", info="name", backing_offset=TIB)
backing_case("offset-overflows", refused("name"), b"base", info="name",
             backing_offset=(1 << 64) - 2)
