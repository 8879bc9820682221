"""Legitimate images, written by qemu-img and qemu-io: one of each way qcow2 can look.

    VARIANTS["name"](directory) -> Image

Run as a program it makes all of them: variants.py DIRECTORY
"""

import dataclasses
import os
import shutil
import sys

from support import content, programs

MIB = 1 << 20


@dataclasses.dataclass
class Image:
    path: str
    format: str = "qcow2"
    # Files it refers to, by the name that stands in the image (or in one of its backing files).
    references: dict = dataclasses.field(default_factory=dict)
    snapshots: tuple = ()
    # Size of the disk as it was at the snapshots, bytes, where that is not its size now.
    snapshot_size: int | None = None
    # The virtual disk is too big to be written out as qcow2 at each cluster size.
    huge: bool = False


VARIANTS = {}


def variant(function):
    VARIANTS[function.__name__.replace("_", "-")] = function
    return function


def _variant_named(name):
    def add(function):
        VARIANTS[name] = function
        return function
    return add


def _from(source, directory, *arguments, options=""):
    """An image of the contents `source`, converted by qemu-img."""
    path = os.path.join(directory, "image.qcow2")
    create = ["-o", options] if options else []
    programs.qemu_img("convert", "-f", "raw", "-O", "qcow2", *arguments, *create, source, path)
    return path


def _empty(directory, size, options="", name="image.qcow2", backing=None):
    path = os.path.join(directory, name)
    arguments = ["-o", options] if options else []
    if backing:
        arguments += ["-b", backing[0], "-F", backing[1]]
    programs.qemu_img("create", "-q", "-f", "qcow2", *arguments, path,
                      *([str(size)] if size is not None else []))
    return path


# ---- Cluster sizes ------------------------------------------------------------------------------

for _size in ("1k", "4k", "16k", "64k", "256k", "1M", "2M"):
    @_variant_named(f"cluster-{_size}")
    def _clusters(directory, size=_size):
        return Image(_from(content.file_system(), directory, options=f"cluster_size={size}"))


@variant
def cluster_512(directory):
    return Image(_from(content.pattern(), directory, options="cluster_size=512"))


# ---- Versions and refcounts ---------------------------------------------------------------------

@variant
def version_2(directory):
    return Image(_from(content.file_system(), directory, options="compat=0.10"))


@variant
def version_2_compressed(directory):
    return Image(_from(content.file_system(), directory, "-c", options="compat=0.10"))


for _bits in (1, 2, 4, 8, 32, 64):
    @_variant_named(f"refcount-bits-{_bits}")
    def _refcounts(directory, bits=_bits):
        return Image(_from(content.pattern(), directory, options=f"refcount_bits={bits}"))


@variant
def lazy_refcounts(directory):
    return Image(_from(content.pattern(), directory, options="lazy_refcounts=on"))


@variant
def dirty(directory):
    """Refcounts were never written back: the dirty bit is set."""
    path = _empty(directory, 8 * MIB, "lazy_refcounts=on")
    programs.qemu_io(path, "write -P 0x5a 64k 1M", "write -P 0xa5 5M 64k", "abort",
                     check_exit=False)
    return Image(path)


# ---- Compression --------------------------------------------------------------------------------

for _type in ("zlib", "zstd"):
    for _size in ("4k", "64k", "2M"):
        @_variant_named(f"compressed-{_type}-{_size}")
        def _compressed(directory, kind=_type, size=_size):
            return Image(_from(content.file_system(), directory, "-c",
                               options=f"compression_type={kind},cluster_size={size}"))

    @_variant_named(f"compressed-{_type}-512")
    def _compressed_small(directory, kind=_type):
        return Image(_from(content.pattern(), directory, "-c",
                           options=f"compression_type={kind},cluster_size=512"))

    @_variant_named(f"mixed-{_type}")
    def _mixed(directory, kind=_type):
        """Compressed clusters, some of which were written again uncompressed, zeroed, discarded."""
        path = _from(content.file_system(), directory, "-c", options=f"compression_type={kind}")
        programs.qemu_io(path, "write -P 0x11 100k 300k", "write -P 0x22 8M 1M", "write -z 4M 512k",
                         "discard 6M 256k", "write -P 0x33 16777000 1000")
        return Image(path)

    @_variant_named(f"incompressible-{_type}")
    def _incompressible(directory, kind=_type):
        """Compression that stored most clusters as they are."""
        random = os.path.join(directory, "random.raw")
        with open(content.pattern(), "rb") as source, open(random, "wb") as out:
            out.write(source.read(MIB) * 4)
        return Image(_from(random, directory, "-c", options=f"compression_type={kind}"))


# ---- Extended L2 entries ------------------------------------------------------------------------

@variant
def subclusters(directory):
    return Image(_from(content.file_system(), directory, options="extended_l2=on"))


@variant
def subclusters_sparse(directory):
    """Single subclusters of 4 KiB written, zeroed and discarded in clusters of 128 KiB."""
    path = _empty(directory, 16 * MIB, "extended_l2=on,cluster_size=128k")
    programs.qemu_io(path, "write -P 1 0 4k", "write -P 2 136k 4k", "write -P 3 300k 200k",
                     "write -z 312k 8k", "write -P 4 1M 128k", "discard 1064k 16k",
                     "write -P 5 5000000 70000", "write -z 2M 1M", "write -P 6 2100k 4k")
    return Image(path)


@variant
def subclusters_compressed(directory):
    path = _from(content.file_system(), directory, "-c", options="extended_l2=on")
    programs.qemu_io(path, "write -P 9 1M 2k", "write -z 3M 4k")
    return Image(path)


@variant
def subclusters_backed(directory):
    base = _from(content.pattern(), directory, options="cluster_size=4k")
    os.rename(base, os.path.join(directory, "base.qcow2"))
    path = _empty(directory, None, "extended_l2=on", backing=("base.qcow2", "qcow2"))
    programs.qemu_io(path, "write -P 7 10k 2k", "write -z 1M 6k", "write -P 8 3M 200k",
                     "discard 3100k 8k")
    return Image(path, references={"base.qcow2": os.path.join(directory, "base.qcow2")})


# ---- Backing chains -----------------------------------------------------------------------------

def _chain(directory, sizes, base_options="", overlay_options="", absolute=False):
    """layer0 <- layer1 <- ...; each overlay writes, zeroes and discards something of its own."""
    layers = []
    references = {}
    for number, size in enumerate(sizes):
        name = f"layer{number}.qcow2"
        path = os.path.join(directory, name)
        if number == 0:
            arguments = ["-o", base_options] if base_options else []
            programs.qemu_img("convert", "-f", "raw", "-O", "qcow2", *arguments,
                              content.pattern(), path)
        else:
            backing = os.path.join(directory, layers[-1]) if absolute else layers[-1]
            references[backing] = os.path.join(directory, layers[-1])
            _empty(directory, size, overlay_options, name, backing=(backing, "qcow2"))
            programs.qemu_io(path, f"write -P {16 + number} {number * 700}k 300k",
                             f"write -z {number * 900 + 2000}k 200k",
                             f"write -P {32 + number} {number}M 512")
        layers.append(name)
    return Image(os.path.join(directory, layers[-1]), references=references)


@variant
def backing_2(directory):
    return _chain(directory, [None, None])


@variant
def backing_3(directory):
    return _chain(directory, [None, None, None])


@variant
def backing_absolute_name(directory):
    return _chain(directory, [None, None], absolute=True)


@variant
def backing_overlay_longer(directory):
    return _chain(directory, [None, 21 * MIB, 32 * MIB])


@variant
def backing_overlay_shorter(directory):
    return _chain(directory, [None, 5 * MIB, 6 * MIB + 512])


@variant
def backing_mixed_clusters(directory):
    return _chain(directory, [None, None, 9 * MIB], "cluster_size=512", "cluster_size=2M")


@variant
def backing_version_2(directory):
    return _chain(directory, [None, None], "compat=0.10", "compat=0.10")


@variant
def backing_raw(directory):
    shutil.copyfile(content.pattern(), os.path.join(directory, "base.raw"))
    path = _empty(directory, 12 * MIB, backing=("base.raw", "raw"))
    programs.qemu_io(path, "write -P 0x77 123k 77k", "write -z 2M 100k")
    return Image(path, references={"base.raw": os.path.join(directory, "base.raw")})


@variant
def backing_compressed(directory):
    image = _chain(directory, [None, None])
    layer = os.path.join(directory, "layer0.qcow2")
    packed = os.path.join(directory, "packed.qcow2")
    programs.qemu_img("convert", "-c", "-O", "qcow2", "-o", "compression_type=zstd", layer, packed)
    os.rename(packed, layer)
    return image


# ---- Internal snapshots -------------------------------------------------------------------------

@variant
def snapshots(directory):
    path = _from(content.pattern(), directory)
    programs.qemu_img("snapshot", "-c", "first", path)
    programs.qemu_io(path, "write -P 0x41 1M 3M")
    programs.qemu_img("snapshot", "-c", "second one", path)
    programs.qemu_io(path, "write -P 0x42 0 2M", "write -z 5M 1M")
    return Image(path, snapshots=("first", "second one"))


@variant
def snapshots_resized(directory):
    path = _empty(directory, 4 * MIB)
    programs.qemu_io(path, "write -P 0x51 0 4M")
    programs.qemu_img("snapshot", "-c", "small", path)
    programs.qemu_img("resize", "-q", path, str(700 * MIB))
    programs.qemu_io(path, "write -P 0x52 600M 1M", "write -P 0x53 1M 1M")
    return Image(path, snapshots=("small",), snapshot_size=4 * MIB)


@variant
def snapshots_version_2(directory):
    path = _empty(directory, 4 * MIB, "compat=0.10")
    programs.qemu_io(path, "write -P 0x61 0 1M")
    programs.qemu_img("snapshot", "-c", "old", path)
    programs.qemu_io(path, "write -P 0x62 512k 1M")
    return Image(path, snapshots=("old",))


@variant
def snapshots_compressed(directory):
    path = _from(content.pattern(), directory, "-c")
    programs.qemu_img("snapshot", "-c", "packed", path)
    programs.qemu_io(path, "write -P 0x63 512k 1M")
    return Image(path, snapshots=("packed",))


# ---- Sizes --------------------------------------------------------------------------------------

@variant
def size_0(directory):
    return Image(_empty(directory, 0))


@variant
def size_512(directory):
    path = _empty(directory, 512)
    programs.qemu_io(path, "write -P 0xcc 0 512")
    return Image(path)


@variant
def size_odd(directory):
    path = _empty(directory, 10 * MIB + 3 * 512)
    programs.qemu_io(path, f"write -P 0xcd {10 * MIB - 4096} {4096 + 3 * 512}")
    return Image(path)


@variant
def size_odd_2M_clusters(directory):
    path = _empty(directory, 5 * MIB + 512, "cluster_size=2M")
    programs.qemu_io(path, f"write -P 0xce {5 * MIB} 512", "write -P 0xcf 1M 10k")
    return Image(path)


@variant
def size_odd_compressed(directory):
    return Image(_from(content.pattern(), directory, "-c"))


@variant
def size_above_4_GiB(directory):
    path = _empty(directory, (6 << 30) + 512)
    programs.qemu_io(path, "write -P 0x71 0 64k", f"write -P 0x72 {(4 << 30) - 4096} 8k",
                     f"write -P 0x73 {(6 << 30) - 65536} {65536 + 512}")
    return Image(path)


@variant
def sparse_1_TiB(directory):
    path = _empty(directory, 1 << 40, "cluster_size=2M")
    programs.qemu_io(path, "write -P 0x74 700G 1M", f"write -P 0x75 {(1 << 40) - 512} 512")
    return Image(path, huge=True)


@variant
def never_written(directory):
    return Image(_empty(directory, 3 << 30))


# ---- Zero, discarded and preallocated clusters --------------------------------------------------

@variant
def zero_clusters(directory):
    """Zero clusters without and with a place in the file."""
    path = _empty(directory, 16 * MIB)
    programs.qemu_io(path, "write -z 0 2M", "write -P 0x31 4M 4M", "write -z 5M 1M",
                     "write -z -u 6M 1M", "write -P 0x32 6500k 10k")
    return Image(path)


@variant
def discarded_clusters(directory):
    path = _empty(directory, 16 * MIB)
    programs.qemu_io(path, "write -P 0x33 0 8M", "discard 1M 2M", "discard 5M 64k",
                     "write -P 0x34 1500k 64k")
    return Image(path)


@variant
def discarded_clusters_version_2(directory):
    path = _empty(directory, 16 * MIB, "compat=0.10")
    programs.qemu_io(path, "write -P 0x35 0 8M", "discard 1M 2M")
    return Image(path)


@variant
def zeroes_stored(directory):
    """Clusters that hold nothing but zeroes, and that a sparse output leaves out."""
    path = _empty(directory, 16 * MIB)
    programs.qemu_io(path, "write -P 0 0 8M", "write -P 0x36 3M 4k")
    return Image(path)


for _mode in ("metadata", "falloc", "full"):
    @_variant_named(f"preallocated-{_mode}")
    def _preallocated(directory, mode=_mode):
        path = _empty(directory, 16 * MIB, f"preallocation={mode}")
        programs.qemu_io(path, "write -P 0x37 3M 1M")
        return Image(path)


@variant
def written_backwards(directory):
    """Clusters in the file in another order than on the disk."""
    path = _empty(directory, 8 * MIB, "cluster_size=32k")
    programs.qemu_io(path, *[f"write -P {number + 1} {number * 128}k 100k"
                             for number in reversed(range(64))])
    return Image(path)


@variant
def bitmaps(directory):
    path = _from(content.pattern(), directory)
    programs.qemu_img("bitmap", "--add", path, "daily")
    programs.qemu_img("bitmap", "--add", "--disable", "-g", "128k", path, "weekly")
    return Image(path)


# ---- External data files ------------------------------------------------------------------------

def _with_data_file(directory, options):
    path = _empty(directory, 8 * MIB, f"data_file=data.bin,{options}")
    programs.qemu_io(path, "write -P 0x81 0 1M", "write -P 0x82 3M 100k", "write -z 512k 128k")
    return Image(path, references={"data.bin": os.path.join(directory, "data.bin")})


@variant
def data_file(directory):
    return _with_data_file(directory, "data_file_raw=off")


@variant
def data_file_raw(directory):
    return _with_data_file(directory, "data_file_raw=on")


# ---- Raw ----------------------------------------------------------------------------------------

def _raw(directory, size, writes=()):
    path = os.path.join(directory, "image.raw")
    with open(path, "wb") as out:
        for offset, data in writes:
            out.seek(offset)
            out.write(data)
        out.truncate(size)
    return Image(path, format="raw")


@variant
def raw_file_system(directory):
    path = os.path.join(directory, "image.raw")
    shutil.copyfile(content.file_system(), path)
    return Image(path, format="raw")


@variant
def raw_pattern(directory):
    path = os.path.join(directory, "image.raw")
    shutil.copyfile(content.pattern(), path)
    return Image(path, format="raw")


@variant
def raw_empty(directory):
    return _raw(directory, 0)


@variant
def raw_sparse(directory):
    return _raw(directory, 5 << 30, [(0, b"first"), (3 << 30, b"middle" * 5000),
                                     ((5 << 30) - 4, b"last")])


@variant
def raw_that_looks_like_qcow2(directory):
    return _raw(directory, MIB, [(0, b"QFI\xfb\0\0\0\3" + b"\xff" * 500)])


def main():
    target = sys.argv[1]
    for name, make in VARIANTS.items():
        directory = os.path.join(target, name)
        os.makedirs(directory)
        previous = os.getcwd()
        os.chdir(directory)
        image = make(os.path.abspath("."))
        os.chdir(previous)
        print(f"{name}: {os.path.getsize(image.path)} bytes")


if __name__ == "__main__":
    main()
