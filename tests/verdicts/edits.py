"""What can be done to an image of any format: fields at limits, cuts, additions, stretching."""

import os
import struct

SECTOR = 512
KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30
TIB = 1 << 40

_BITS = {"B": 8, "H": 16, "I": 32, "Q": 64}

# What an image says where it can name a file: below and beside it, above, anywhere, a protocol.
NAMES = (b"canary.raw", b"../canary.raw", b"/canary.raw", b"canary.vmdk", b"nbd:127.0.0.1:9",
         b"nbd://127.0.0.1:9/x", b"file:canary.raw",
         b'json:{"driver":"file","filename":"/canary.raw"}', b"fat:/canary", b"./x:y", b"/s.r")


def number(chance, true, bits):
    """A value of a field of so many bits: one of its limits, a power of two, near to the truth."""
    most = (1 << bits) - 1
    power = 1 << chance.randrange(bits)
    return chance.choice([
        0, 1, most, most - 1, most >> 1, (most >> 1) + 1, power, power - 1, power + 1,
        true + 1, true - 1, true * 2, true // 2, true + SECTOR, true * 1024, true ^ power,
        chance.randrange(most + 1)]) & most


def text(chance, true, size):
    """Bytes of a field of text."""
    return chance.choice([
        bytes(size), b"\xff" * size, bytes(true).upper(), bytes(true).lower(),
        chance.randbytes(size), bytes(true)[:chance.randrange(size + 1)],
        chance.choice(NAMES)])[:size]


def change_fields(chance, header, fields, count=None, only=None):
    """Sets one or two fields of the dict `header`, whose layout is `fields`: (name, code) pairs."""
    choices = [(name, code) for name, code in fields
               if name in header and (only is None or name in only)]
    for name, code in chance.sample(choices, min(len(choices), count or chance.choice([1, 1, 2]))):
        if code.endswith("s"):
            header[name] = text(chance, header[name], int(code[:-1] or 1))
        else:
            header[name] = number(chance, header[name], _BITS[code])


def size_of_disk(chance):
    """Bytes of a disk, of all magnitudes."""
    return chance.choice([MIB, 4 * MIB, 64 * MIB, GIB, TIB, 8 * TIB, 63 * TIB, MIB + SECTOR,
                          MIB + chance.randrange(SECTOR), chance.randrange(1, 64) * MIB])


def read(path):
    with open(path, "rb") as image:
        return image.read()


def write(path, data):
    with open(path, "wb") as image:
        image.write(data)


def patch(path, offset, data):
    """Overwrites bytes; beyond the end as well."""
    with open(path, "r+b") as image:
        image.seek(offset)
        image.write(data)


def cut_head(chance, path):
    """Leaves the first 4 to 511 bytes."""
    lengths = [4, 8, 20, 40, 47, 48, 56, 64, 72, 76, 80, 96, 100, 104, 112, 128, 200, 256, 300, 456,
               511]
    os.truncate(path, min(os.path.getsize(path),
                          chance.choice([chance.choice(lengths), chance.randrange(4, 512)])))


def cut_tail(chance, path):
    """Takes away some of the end."""
    size = os.path.getsize(path)
    left = chance.choice([size - chance.randrange(1, 1025), size - SECTOR, size - 1, size // 2,
                          chance.randrange(size), size - chance.randrange(1, 129) * SECTOR,
                          chance.choice([512, 1024, 1536, 4096, 65536])])
    os.truncate(path, max(0, min(size, left)))


def stretch(chance, path):
    """Makes the file long enough for tables of any size, in holes."""
    size = os.path.getsize(path)
    os.truncate(path, max(size, chance.choice([64 * MIB, GIB, 8 * GIB, TIB])))


def gpt_header(own, other, last):
    """The sector of a GPT header."""
    return struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, own, other, 34,
                       max(34, last - 33), bytes(16), 2, 128, 128, 0).ljust(SECTOR, b"\0")


def mbr(chance, sectors):
    """A boot sector with one partition, perhaps a protective one."""
    entry = struct.pack("<BBBBBBBBII", 0, 0, 2, 0, chance.choice([0x83, 7, 0x0C, 0xEE]), 0xFF, 0xFF,
                        0xFF, 1, max(1, sectors - 1))
    return bytes(446) + entry + bytes(48) + b"\x55\xaa"
