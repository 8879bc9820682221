"""Builds cloop files field by field, so that any of them can lie.

    image = CloopFile()           # a disk of eight blocks of 4 KiB
    image.offsets[3] = 0
    image.write(path)

Layout before anything is changed: script, header at 128, offsets at 136, the blocks' streams.
"""

import struct
import zlib

from hostile.images.qcow2file import pattern

BLOCK = 4096
SCRIPT = (b"#!/bin/sh\n#V2.0 Format\n"
          b"modprobe cloop file=$0 && mount -r -t iso9660 /dev/cloop $1\n")
OFFSETS = 136


class CloopFile:
    def __init__(self, blocks=8, block_size=BLOCK):
        self.script = SCRIPT
        self.block_size = block_size
        self.num_blocks = blocks
        self.streams = [zlib.compress(pattern(number, block_size)) for number in range(blocks)]
        self.offsets = None  # None: those of the streams
        self.length = None  # of the file; None: as far as its parts reach

    def true_offsets(self):
        offsets = [OFFSETS + 8 * (len(self.streams) + 1)]
        for stream in self.streams:
            offsets.append(offsets[-1] + len(stream))
        return offsets

    def write(self, path):
        offsets = self.offsets or self.true_offsets()
        with open(path, "wb") as out:
            out.write(self.script.ljust(128, b"\0")[:128])
            out.write(struct.pack(">II", self.block_size, self.num_blocks))
            out.write(struct.pack(f">{len(offsets)}Q", *offsets))
            out.seek(self.true_offsets()[0])
            out.write(b"".join(self.streams))
            if self.length is not None:
                out.truncate(self.length)
