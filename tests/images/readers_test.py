"""Our zlib-compressed qcow2, read by everything that reads qcow2.

The streams must inflate with a window of 12 bits, whatever the size of the reader's output buffer:
qemu inflates a cluster in one call, for which zlib forgives matches that reach farther; readers in
Python do not, because their buffer grows while they inflate.
"""

import os
import struct
import zlib

from support import content, files, harness, programs

_COMPRESSED = 1 << 62
_OFFSET = 0x00fffffffffffe00
_SECTOR = 512

_CLUSTER_BITS = {"64k": 16, "2M": 21, "4k": 12}


def _convert(directory, cluster_size="64k"):
    programs.require_kvm()
    image = os.path.join(directory, "ours.qcow2")
    programs.must_hotcell("convert", "-f", "raw", "-O", "qcow2", "-c",
                          "-o", f"cluster_size={cluster_size}", content.file_system(), image)
    return image


def _check_same(path):
    difference = files.first_difference(path, content.file_system())
    harness.check(difference is None, f"differs from the source at byte {difference}")


def _compressed_clusters(path, cluster_bits):
    """Yields (offset on the disk, bytes from the stream's start to its last sector's end)."""
    with open(path, "rb") as image:
        header = image.read(72)
        harness.check_equal(struct.unpack_from(">I", header, 20)[0], cluster_bits, "cluster_bits")
        l1_size, l1_offset = struct.unpack_from(">IQ", header, 36)
        image.seek(l1_offset)
        l1 = struct.unpack(f">{l1_size}Q", image.read(8 * l1_size))
        entries = (1 << cluster_bits) // 8
        shift = 62 - (cluster_bits - 8)
        for l1_index, l2_offset in enumerate(l1):
            if l2_offset & _OFFSET == 0:
                continue
            image.seek(l2_offset & _OFFSET)
            l2 = struct.unpack(f">{entries}Q", image.read(8 * entries))
            for index, entry in enumerate(l2):
                if entry & _COMPRESSED == 0:
                    continue
                offset = entry & ((1 << shift) - 1)
                sectors = ((entry & (_COMPRESSED - 1)) >> shift) + 1
                image.seek(offset)
                stream = image.read(sectors * _SECTOR - offset % _SECTOR)
                yield (l1_index * entries + index) << cluster_bits, stream


def _inflate_in_one_call(stream, size):
    """Inflates as dissect.hypervisor does; the buffer grows by zlib.DEF_BUF_SIZE and more."""
    return zlib.decompressobj(-12).decompress(stream, size)


def _inflate_in_pieces(stream, size):
    """The strictest reader there can be: each match must lie in the window."""
    inflater = zlib.decompressobj(-12)
    pieces = []
    while (piece := inflater.decompress(stream, 1)):
        pieces.append(piece)
        stream = inflater.unconsumed_tail
    data = b"".join(pieces)
    harness.check_equal(len(data), size, "size of a cluster")
    return data


def _zlib(directory, inflate, cluster_size, most):
    image = _convert(directory, cluster_size)
    bits = _CLUSTER_BITS[cluster_size]
    size = 1 << bits
    count = 0
    with open(content.file_system(), "rb") as source:
        for offset, stream in _compressed_clusters(image, bits):
            source.seek(offset)
            harness.check(inflate(stream, size) == source.read(size),
                          f"the cluster at {offset} reads differently")
            count += 1
            if count == most:
                break
    harness.check(count >= min(most, 8), f"only {count} clusters are compressed")


def _qemu(directory):
    image = _convert(directory)
    programs.qemu_img("compare", "-f", "qcow2", "-F", "raw", image, content.file_system())


def _seven_zip(directory):
    programs.require_program(programs.SEVEN_ZIP)
    back = os.path.join(directory, "back.raw")
    with open(back, "wb") as out:
        programs.must([programs.SEVEN_ZIP, "e", "-tqcow", "-so", _convert(directory)], stdout=out)
    _check_same(back)


def _libqcow(directory):
    try:
        import pyqcow  # pylint: disable=import-outside-toplevel
    except ImportError as error:
        raise harness.Skip("python3-libqcow is not installed") from error
    image = pyqcow.file()
    image.open(_convert(directory))
    back = os.path.join(directory, "back.raw")
    with open(back, "wb") as out:
        out.write(image.read_buffer_at_offset(image.get_media_size(), 0))
    image.close()
    _check_same(back)


_ALL = 1 << 30  # clusters

CASES = {
    "qemu-img": _qemu,
    "7zip": _seven_zip,
    "libqcow": _libqcow,
    "zlib-in-one-call": lambda directory: _zlib(directory, _inflate_in_one_call, "64k", _ALL),
    "zlib-in-one-call-2M": lambda directory: _zlib(directory, _inflate_in_one_call, "2M", _ALL),
    "zlib-in-one-call-4k": lambda directory: _zlib(directory, _inflate_in_one_call, "4k", _ALL),
    "zlib-by-the-byte": lambda directory: _zlib(directory, _inflate_in_pieces, "64k", 32),
}

if __name__ == "__main__":
    harness.main(CASES)
