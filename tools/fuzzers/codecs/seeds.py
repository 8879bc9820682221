"""Streams that are in order: seeds.py TARGET DIRECTORY."""

import bz2
import lzma
import os
import random
import struct
import sys
import zlib

_DEFLATE, _ZLIB, _ZSTD, _BZIP2, _ADC, _GRAIN, _XZ = range(7)


def _texts():
    source = random.Random(1)
    words = [bytes(source.choices(range(97, 123), k=source.randint(2, 9))) for _ in range(60)]
    yield b"\0" * 512
    yield b"".join(source.choices(words, k=400))[:1024]
    yield source.randbytes(512)
    yield b"abcd" * 1000 + bytes(range(256))


def _deflate(data, level=9, strategy=zlib.Z_DEFAULT_STRATEGY):
    packer = zlib.compressobj(level, zlib.DEFLATED, -15, 9, strategy)
    return packer.compress(data) + packer.flush()


def _zstd(data):
    """A frame of one stored block and one of a repeated byte."""
    blocks = (struct.pack("<I", len(data) << 3)[:3] + data
              + struct.pack("<I", 64 << 3 | 1 << 1 | 1)[:3] + b"z")
    return struct.pack("<IBBB", 0xFD2FB528, 0x20, 0, 0)[:5] + b"\xff" + blocks


def _adc(data):
    """Runs of plain bytes, then a two-byte and a three-byte match."""
    out = b""
    for start in range(0, len(data), 128):
        part = data[start:start + 128]
        out += bytes([0x80 | (len(part) - 1)]) + part
    return out + bytes([0x04, 0x00, 0x40, 0x00, 0x00])


def decompress_seeds():
    for data in _texts():
        size = struct.pack("<H", len(data) - 1)
        for level in (0, 1, 9):
            yield bytes([_DEFLATE]) + size + _deflate(data, level)
        yield bytes([_DEFLATE]) + size + _deflate(data, 9, zlib.Z_FIXED)
        yield bytes([_ZLIB]) + size + zlib.compress(data)
        packed = zlib.compress(data, 1)
        yield bytes([_GRAIN]) + size + struct.pack("<QI", 0, len(packed)) + packed
        yield bytes([_BZIP2]) + size + bz2.compress(data)
        yield bytes([_ADC]) + size + _adc(data)
        yield bytes([_ZSTD]) + size + _zstd(data)
        yield bytes([_XZ]) + size + lzma.compress(data, check=lzma.CHECK_CRC32)
        yield bytes([_XZ]) + size + lzma.compress(data, check=lzma.CHECK_NONE, filters=[
            {"id": lzma.FILTER_DELTA}, {"id": lzma.FILTER_X86}, {"id": lzma.FILTER_LZMA2}])


def compress_seeds():
    for data in _texts():
        for repeats in (0, 3, 100):
            for space in (0, 200):
                for compressor in range(3):
                    yield bytes([repeats, space, compressor]) + data


def main():
    target, directory = sys.argv[1:]
    seeds = {"codec_decompress": decompress_seeds, "codec_compress": compress_seeds}[target]
    for number, data in enumerate(seeds()):
        with open(os.path.join(directory, f"{number:03}"), "wb") as out:
            out.write(data)


if __name__ == "__main__":
    main()
