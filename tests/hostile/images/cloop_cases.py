"""cloop files cut short, and with headers, offsets and streams that lie."""

import os
import zlib

from hostile.images.case import image_case, refused, same
from hostile.images.cloopfile import BLOCK, OFFSETS, CloopFile
from hostile.images.qcow2file import noise

MIB = 1 << 20


def case(name, verdict, info=None, **layout):
    """Registers a function that changes a CloopFile made with `layout`."""
    def add(change):
        @image_case("cloop", name, verdict, info=info)
        def _build(directory):
            image = CloopFile(**layout)
            change(image)
            path = os.path.join(directory, "image.cloop")
            image.write(path)
            return path
        return change
    return add


def field_case(name, verdict, info=None, **fields):
    @case(name, verdict, info=info)
    def _change(image):
        for field, value in fields.items():
            setattr(image, field, value)


def offset_case(name, verdict, choose):
    """`choose` maps the true offsets to those that are written."""
    @case(f"offset-{name}", verdict, info="answers")
    def _change(image):
        image.offsets = choose(image.true_offsets())


def stream_case(name, verdict, stream):
    @case(f"stream-{name}", verdict, info="answers")
    def _change(image):
        image.streams[5] = stream


def _replace(index, value):
    def choose(offsets):
        offsets[index] = value
        return offsets
    return choose


for _length in (0, 127, 128, 135):
    field_case(f"cut-at-{_length}", refused("header"), info="header", length=_length)
for _length in (136, OFFSETS + 8 * 9 - 1):
    field_case(f"cut-at-{_length}", refused("table of offsets"), info="table of offsets",
               length=_length)
for _length in (OFFSETS + 8 * 9, OFFSETS + 8 * 9 + 100):
    field_case(f"cut-at-{_length}", refused("past the end"), info="answers", length=_length)


@case("cut-by-a-byte", refused("past the end"), info="answers")
def _cut_by_a_byte(image):
    image.length = image.true_offsets()[-1] - 1


# ---- Header fields ------------------------------------------------------------------------------

field_case("script-of-version-3", refused("version"), info="version",
           script=b"#!/bin/sh\n#V3.0 Format\n")
field_case("script-empty", same(), info="answers", script=b"")
field_case("script-runs", same(), info="answers", script=b"#!/bin/sh\ntouch /tmp/owned\n#\n")
field_case("block-size-0", refused("blocks"), info="blocks", block_size=0)
for _size in (1, 511, 513, 0xFFFFFFFF):
    field_case(f"block-size-{_size:x}", refused("blocks"), info="blocks", block_size=_size)
for _size in (2 * MIB + 512, 64 * MIB, 0xFFFFFE00):
    field_case(f"block-size-{_size:x}", refused("more than the 2097152"), block_size=_size)
field_case("block-size-too-small", refused("more than"), info="answers", block_size=512)
field_case("block-size-too-large", refused("less than"), info="answers", block_size=8192)
field_case("blocks-0", same(), info="answers", num_blocks=0)
for _blocks in (9, 1000):
    field_case(f"blocks-{_blocks}", refused("offsets|stream|past the end"), num_blocks=_blocks)
for _blocks in (0x1FFFFFFF, 0x20000000, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF):
    field_case(f"blocks-{_blocks:x}", refused("table of offsets"), info="table of offsets",
               num_blocks=_blocks)

# ---- Offsets ------------------------------------------------------------------------------------

offset_case("0", refused("table of offsets"), _replace(0, 0))
offset_case("in-the-table", refused("table of offsets"), _replace(0, OFFSETS + 8 * 9 - 1))
offset_case("goes-back", refused("ascend|table of offsets"), _replace(4, 0))
offset_case("goes-back-by-a-byte", refused("ascend"),
            lambda offsets: _replace(4, offsets[3] - 1)(offsets))
offset_case("stays", refused("ascend"), lambda offsets: _replace(4, offsets[3])(offsets))
offset_case("past-end", refused("past the end"), _replace(4, 1 << 40))
offset_case("all-ones", refused("past the end"), _replace(4, (1 << 64) - 1))
offset_case("last-past-end", refused("past the end"),
            lambda offsets: _replace(8, offsets[8] + 1)(offsets))
offset_case("last-0", refused("ascend"), _replace(8, 0))
offset_case("all-descend", refused("past the end|ascend"), lambda offsets: offsets[::-1])
offset_case("all-one-stream", refused("ascend"), lambda offsets: [offsets[0]] * len(offsets))

# ---- Streams ------------------------------------------------------------------------------------

_SOUND = zlib.compress(b"stream!!" * (BLOCK // 8))

stream_case("sound", same(), _SOUND)
stream_case("followed-by-padding", same(), _SOUND + b"x" * 99)
stream_case("not-compressed", same(), zlib.compress(noise(BLOCK), 0))
stream_case("noise", refused("damaged"), noise(500))
stream_case("of-one-byte", refused("damaged"), b"\x78")
stream_case("cut", refused("damaged"), _SOUND[:-6])
stream_case("checksum-wrong", refused("damaged"), _SOUND[:-1] + bytes([_SOUND[-1] ^ 1]))
stream_case("wants-a-dictionary", refused("damaged"), b"\x78\xbb" + _SOUND[2:])
stream_case("unpacks-to-less", refused("less than"), zlib.compress(b"x" * (BLOCK - 1)))
stream_case("unpacks-to-more", refused("more than"), zlib.compress(b"x" * (BLOCK + 1)))
stream_case("bomb", refused("more than"), zlib.compress(b"\0" * (4 * MIB)))
stream_case("larger-than-a-buffer", refused("unpacked at once"), _SOUND + b"\0" * (4 * MIB))


@case("blocks-of-2-MiB", same(), info="answers", blocks=3, block_size=2 * MIB)
def _large_blocks(_):
    pass


@case("offsets-in-a-sparse-file", refused("table of offsets"), info="answers")
def _sparse(image):
    """A table of 64 MiB that is a hole."""
    image.num_blocks = (64 * MIB - OFFSETS) // 8 - 1
    image.length = 65 * MIB
