"""Images as inputs of the image targets: seeds.py TARGET DIRECTORY.

They are small images that qemu-img makes, one of each way a format can look, and the damaged ones
of tests/hostile/images; tests/ is on the Python path. tools/fuzzers/images/fuzz_input.h says what an
input is.
"""

import hashlib
import os
import struct
import subprocess
import sys
import tempfile

from hostile.images import cases

_MAGIC = b"\x89HCI"
_REFUSE, _SELF, _OTHERS = range(3)
_OPERATIONS = 7
_BLOCK = 4096
_PIECE = 64  # zeroes in such pieces are left out
_MOST_FILES = 4
_LARGEST_INPUT = 48 << 10
_LARGEST_FILE = 64 << 20  # of which the bytes are looked at
# What is kept of a run of bytes when all would be too much: data, which no reader looks into.
_KEPT = (4096, 1024, 256)


def _segments(path):
    """[(offset, bytes)] of what is not zero in a file."""
    found = []
    with open(path, "rb") as file:
        at = 0
        while at < _LARGEST_FILE and (block := file.read(_BLOCK)):
            if block.count(0) != len(block):
                for start in range(0, len(block), _PIECE):
                    piece = block[start:start + _PIECE]
                    if piece.count(0) == len(piece):
                        continue
                    if found and found[-1][0] + len(found[-1][1]) == at + start:
                        found[-1][1].extend(piece)
                    else:
                        found.append((at + start, bytearray(piece)))
            at += len(block)
    return found


def _pack(paths, operation, references, kept=None):
    out = bytearray(_MAGIC + bytes([references, operation]))
    for path in paths:
        out += b"F" + struct.pack("<Q", os.path.getsize(path))
        for offset, data in _segments(path)[:256]:
            data = bytes(data[:kept]).rstrip(b"\0") or b"\0"
            out += b"S" + struct.pack("<QI", offset, len(data)) + data
    return bytes(out)


def encode(paths, operation):
    """The first file is the image, the others are what it refers to. None: it is too large."""
    references = _OTHERS if len(paths) > 1 else _SELF
    for kept in (None, *_KEPT):
        packed = _pack(paths, operation, references, kept)
        if len(packed) <= _LARGEST_INPUT:
            return packed
    return None


# ---- Damaged images -----------------------------------------------------------------------------

_FORMATS = ("bochs", "cloop", "dmg", "parallels", "qcow", "qed", "vdi", "vhdx", "vmdk", "vpc")


def _format_of(case_name):
    for name in _FORMATS:
        if case_name.startswith(name + "-"):
            return name
    return "probe" if case_name.startswith("probed-") else "qcow2"


def damaged(image_format, directory):
    cases.load()
    for name, make in cases.CASES.items():
        if image_format != _format_of(name):
            continue
        place = os.path.join(directory, name)
        os.mkdir(place)
        image = make(place).path
        others = sorted(os.path.join(place, entry) for entry in os.listdir(place))
        others = [path for path in others if path != image and os.path.isfile(path)]
        yield name, [image, *others][:_MOST_FILES]


# ---- Images that are in order -------------------------------------------------------------------

def _run(*command, check=True):
    subprocess.run(command, check=check, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _disk(path, size=1 << 20):
    with open(path, "wb") as out:
        out.write(b"hotcell " * 640)
        out.seek(size // 2)
        out.write(bytes(range(256)) * 8)
        out.truncate(size)
    return path


# {format: options of `qemu-img convert`}, a word each.
_CONVERTED = {
    "qcow2": ["cluster_size=512", "cluster_size=512,refcount_bits=1",
              "cluster_size=512,refcount_bits=64", "cluster_size=4k,compat=0.10",
              "cluster_size=16k,extended_l2=on", "cluster_size=64k,lazy_refcounts=on",
              "cluster_size=4k,preallocation=metadata", "-c cluster_size=512",
              "-c cluster_size=4k,compression_type=zstd", "-c cluster_size=16k,extended_l2=on"],
    "qcow": ["", "-c"],
    "qed": ["cluster_size=4k,table_size=2", "cluster_size=4k,table_size=16"],
    "vdi": ["", "static=on"],
    "vmdk": ["subformat=monolithicSparse", "subformat=monolithicSparse,zeroed_grain=on",
             "subformat=monolithicFlat", "subformat=twoGbMaxExtentSparse",
             "subformat=twoGbMaxExtentFlat", "-c subformat=streamOptimized"],
    "vhdx": ["block_size=1M", "block_size=2M,log_size=1M", "subformat=fixed"],
    "vpc": ["", "subformat=fixed", "force_size=on"],
    "parallels": ["cluster_size=4k", "cluster_size=64k"],
    "raw": [""],
}
_BACKED = {
    "qcow2": "cluster_size=512", "qcow": "", "qed": "cluster_size=4k,table_size=2",
    "vmdk": "subformat=monolithicSparse",
}


def _snapshots(directory):
    path = os.path.join(directory, "image")
    _run("qemu-img", "create", "-f", "qcow2", "-o", "cluster_size=512", path, "256k")
    _run("qemu-io", "-c", "write -P 1 0 4k", path)
    _run("qemu-img", "snapshot", "-c", "first", path)
    _run("qemu-io", "-c", "write -P 2 2k 4k", "-c", "write -z 64k 8k", "-c", "discard 0 1k", path)
    _run("qemu-img", "snapshot", "-c", "second", path)
    _run("qemu-img", "bitmap", "--add", path, "daily")
    return path


def _data_file(directory):
    path = os.path.join(directory, "image")
    data = os.path.join(directory, "data")
    _run("qemu-img", "create", "-f", "qcow2", "-o", f"cluster_size=4k,data_file={data}", path,
         "256k")
    _run("qemu-io", "-c", "write -P 1 0 8k", "-c", "write -z 64k 8k", path)
    return [path, data]


def sound(image_format, directory):
    disk = _disk(os.path.join(directory, "disk"))
    for number, words in enumerate(_CONVERTED.get(image_format, ())):
        place = os.path.join(directory, f"sound{number}")
        os.mkdir(place)
        path = os.path.join(place, "image")
        flags = ["-c"] if words.startswith("-c") else []
        options = words.removeprefix("-c").strip()
        # qemu-img writes all of a compressed qcow, and then ends with an error.
        _run("qemu-img", "convert", "-f", "raw", "-O", image_format, *flags,
             *(["-o", options] if options else []), disk, path, check=image_format != "qcow")
        others = sorted(entry for entry in os.listdir(place) if entry != "image")
        yield f"sound{number}", [path, *(os.path.join(place, entry) for entry in others)]
    if image_format in _BACKED:
        path = os.path.join(directory, "backed")
        options = _BACKED[image_format]
        base = os.path.join(directory, "base")
        _run("qemu-img", "convert", "-f", "raw", "-O", image_format,
             *(["-o", options] if options else []), disk, base)
        _run("qemu-img", "create", "-f", image_format, "-b", base, "-F", image_format,
             *(["-o", options] if options else []), path)
        _run("qemu-io", "-f", image_format, "-c", "write -P 7 1k 4k", path)
        yield "backed", [path, base]
    if image_format == "qcow2":
        yield "snapshots", [_snapshots(directory)]
        yield "data-file", _data_file(directory)
    if image_format == "probe":
        for other in _CONVERTED:
            place = os.path.join(directory, other)
            os.mkdir(place)
            yield other, next(sound(other, place))[1]


def main():
    target, out = sys.argv[1:]
    image_format = target.removeprefix("image_")
    with tempfile.TemporaryDirectory() as directory:
        for make in (sound, damaged):
            place = os.path.join(directory, make.__name__)
            os.mkdir(place)
            for name, paths in make(image_format, place):
                # What is in order is worth every operation, damage one.
                first = hashlib.sha256(name.encode()).digest()[0]
                for operation in range(_OPERATIONS if make is sound else 1):
                    packed = encode(paths, (first + operation) % _OPERATIONS)
                    if packed:
                        with open(os.path.join(out, f"{name}.{operation}"), "wb") as file:
                            file.write(packed)


if __name__ == "__main__":
    main()
