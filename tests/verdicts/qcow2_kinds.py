"""qcow2 and qcow images that name files where not every reader looks, or need much memory."""

import os
import struct

from hostile.images import qcow2file as q
from hostile.images import qcowfile
from verdicts import edits
from verdicts.kind import kind

_MAGIC_OF_FILLER = 0x12345678
_BITMAPS_BIT = 1
_DATA_FILE_RAW_BIT = 2


def _extension(kind_of, data):
    return struct.pack(">II", kind_of, len(data)) + data + bytes(-len(data) % 8)


@kind("qcow2", "backing-file", weight=2)
def _backing_file(chance, path):
    """A backing file's name of any length, at any place, with and without bytes that end it."""
    image = q.Qcow2File(cluster_bits=chance.choice([9, 12, 16]), version=chance.choice([2, 3]))
    name = chance.choice(edits.NAMES)
    place = chance.choice([0, 8, 72, 104, 112, 120, 256, image.cluster_size - len(name),
                           image.cluster_size, 5 * image.cluster_size])
    name = chance.choice([name, b"\0" + name, name + b"\0x", b""])
    image.header["backing_offset"] = place
    image.header["backing_size"] = chance.choice([len(name), len(name), 0, 1, 1023, 1024,
                                                  len(name) + 1])
    if chance.random() < 0.3:
        image.extensions.append((q.EXTENSION_BACKING_FORMAT,
                                 chance.choice([b"raw", b"", b"qcow2", b"raw\0"])))
    image.write(path)
    if place > 112 or chance.random() < 0.5:
        edits.patch(path, place, name)


@kind("qcow2", "data-file", weight=3)
def _data_file(chance, path):
    """A data file named with or without its bit, in all places that an extension can have."""
    bits = chance.choice([9, 12, 16, 17, 20, 21])
    image = q.Qcow2File(cluster_bits=bits, data_clusters=chance.choice([0, 1]))
    if chance.random() < 0.7:
        image.header["incompatible"] |= q.INCOMPATIBLE_DATA_FILE
    if chance.random() < 0.3:
        image.header["autoclear"] |= _DATA_FILE_RAW_BIT
    name = chance.choice(edits.NAMES)
    extension = (q.EXTENSION_DATA_FILE, chance.choice([name, b"\0" + name, name + b"\0", b""]))
    # The extension may come behind another that fills the space up to a power of two, or nearly.
    limit = 1 << chance.choice([9, 10, 12, 16, 16, 16, bits])
    filler = limit - 112 - 8 - chance.choice([0, 0, 1, 7, 8, 16])
    if 0 <= filler < image.cluster_size - 256 and chance.random() < 0.7:
        image.extensions.append((_MAGIC_OF_FILLER, bytes(filler)))
    if chance.random() < 0.1:
        image.extensions.append((0, b""))
    if chance.random() < 0.8:
        image.extensions.append(extension)
    if chance.random() < 0.5:
        image.l2 = {0: q.COPIED}  # the data file's first byte
        image.regions = []
    image.write(path)


@kind("qcow2", "extensions")
def _extensions(chance, path):
    """Extensions known and unknown, double, without an end, cut off by the header's length."""
    image = q.Qcow2File(cluster_bits=chance.choice([9, 12, 16]))
    for _ in range(chance.randrange(1, 4)):
        code = chance.choice([q.EXTENSION_BACKING_FORMAT, q.EXTENSION_FEATURE_NAMES,
                              q.EXTENSION_BITMAPS, q.EXTENSION_CRYPTO, q.EXTENSION_DATA_FILE,
                              _MAGIC_OF_FILLER])
        data = chance.choice([b"", b"raw", bytes(16), bytes(24), bytes(48), b"qcow2",
                              chance.choice(edits.NAMES)])
        length = chance.choice([len(data)] * 4 + [len(data) + 1, 0xFFFFFFFF, 0])
        image.extensions.append((code, data, length))
    image.end_extensions = chance.random() < 0.7
    image.header["header_length"] = chance.choice([112, 112, 104, 72, 120, 128, image.cluster_size,
                                                   1 << 16, 0])
    image.write(path)


@kind("qcow2", "bitmaps", weight=3)
def _bitmaps(chance, path):
    """Dirty bitmaps, which qemu-img loads into memory to open the image at all."""
    size = chance.choice([edits.MIB, 64 * edits.GIB, edits.TIB, 2 * edits.TIB, 64 * edits.TIB])
    cluster_bits = 16
    cluster = 1 << cluster_bits
    image = q.Qcow2File(size=size, data_clusters=0)
    image.header["l1_size"] = 1
    image.l1 = image.l1[:1]
    image.header["size"] = size
    # The L1 table has to be as long as the disk wants it; it lies in a hole.
    entries = -(-size // (cluster * cluster // 8))
    image.header["l1_size"] = entries
    image.header["l1_offset"] = 64 * cluster
    granularity = chance.choice([9, 9, 12, 16, 31])
    need = -(-size // (1 << granularity) // 8 // cluster) or 1
    table_size = chance.choice([need, need, need, 1, need + 1])
    table_size = min(table_size, 1 << 16)
    count = chance.choice([1, 2, 8, 40, 200])
    flags = chance.choice([0, 0, 1, 1, 2, 3])
    entry = chance.choice([0, 1, 1])  # all zero, all ones
    directory = b""
    table_offset = 4096 * cluster
    shared = chance.random() < 0.3
    for number in range(count):
        name = f"bitmap{number}".encode()
        place = table_offset + (0 if shared else number * -(-8 * table_size // cluster) * cluster)
        header = struct.pack(">QIIBBHI", place, table_size, flags, 1, granularity, len(name), 0)
        directory += header + name + bytes(-(len(header) + len(name)) % 8)
        if entry:
            image.put(place, struct.pack(">Q", entry) * table_size)
    image.put(2048 * cluster, directory)
    image.extensions.append((q.EXTENSION_BITMAPS, struct.pack(
        ">IIQQ", chance.choice([count, count, count, count + 1]), 0, len(directory),
        2048 * cluster)))
    image.header["autoclear"] = _BITMAPS_BIT if chance.random() < 0.9 else 0
    image.length = 1 << 30
    _count_all(image, path)


def _count_all(image, path):
    """Writes the image with refcounts for all clusters that it has: tables of them, one after the
    other."""
    cluster = image.cluster_size
    clusters = image.length // cluster
    blocks = -(-clusters // (cluster // 2))
    table = 3 * cluster
    first = 16 * cluster
    image.header["refcount_table_offset"] = table
    image.regions.append((table, struct.pack(f">{blocks}Q", *[first + index * cluster
                                                              for index in range(blocks)])))
    image.regions.append((first, struct.pack(">H", 1) * clusters))
    image.header["l1_offset"] = max(image.header["l1_offset"], 64 * cluster)
    if image.l1:
        image.l1 = [0]
    image.write(path)


@kind("qcow2", "snapshots")
def _snapshots(chance, path):
    """Snapshots, all of whose L1 tables and names a reader may load."""
    image = q.Qcow2File()
    count = chance.choice([1, 10, 1000, 65536, 65537])
    entry = b""
    for _ in range(min(count, 1000)):
        l1_size = chance.choice([0, 1, 1, 4096, 1 << 22, (1 << 22) + 1])
        extra = struct.pack(">QQ", 0, chance.choice([1 << 20, 0, 1 << 50]))
        name = chance.choice([b"s", bytes(65535 if count <= 10 else 255), b"../x"])
        head = struct.pack(">QIHHIIQII", chance.choice([3 << 16, 1 << 30, 0]), l1_size, 1,
                           len(name), 0, 0, 0, 0, len(extra))
        data = head + extra + b"1" + name
        entry += data + bytes(-len(data) % 8)
    image.header["snapshot_count"] = count
    image.header["snapshots_offset"] = 16 << 16
    image.put(16 << 16, entry)
    image.write(path)
    if chance.random() < 0.5:
        edits.stretch(chance, path)


@kind("qcow2", "tables-memory")
def _tables_memory(chance, path):
    """L1 and refcount tables as big as they may be, in holes."""
    image = q.Qcow2File(data_clusters=0)
    if chance.random() < 0.5:
        image.header["l1_size"] = chance.choice([1 << 22, (1 << 22) + 1, 1 << 25, 1 << 20])
        image.header["l1_offset"] = 1 << 24
    else:
        image.header["refcount_table_clusters"] = chance.choice([127, 128, 129, 1 << 16])
        image.header["refcount_table_offset"] = 1 << 24
    if chance.random() < 0.5:
        image.header["size"] = edits.size_of_disk(chance)
    image.write(path)
    edits.stretch(chance, path)


@kind("qcow2", "sizes")
def _sizes(chance, path):
    """Disks whose size is no multiple of a sector, or is far from what the tables hold."""
    image = q.Qcow2File(data_clusters=chance.choice([0, 1, 4]))
    image.header["size"] = edits.size_of_disk(chance)
    image.header["l1_size"] = chance.choice([1, 1, 2, 2048,
                                             max(1, -(-image.header["size"] >> 29))])
    image.write(path)


@kind("qcow2", "features", weight=2)
def _features(chance, path):
    """Feature bits, alone and together, in images that do and do not use them."""
    image = q.Qcow2File(version=chance.choice([2, 3, 3, 3]), extended=chance.random() < 0.2)
    for field in chance.sample(["incompatible", "compatible", "autoclear"], chance.choice([1, 2])):
        image.header[field] |= 1 << chance.choice([0, 1, 2, 3, 4, 5, 6, 63])
    image.header["compression_type"] = chance.choice([0, 0, 1, 2])
    image.header["crypt_method"] = chance.choice([0] * 8 + [1, 2, 3])
    image.header["refcount_order"] = chance.choice([4, 4, 0, 3, 6, 7])
    image.write(path)


@kind("qcow2", "entries", tables=True, weight=2)
def _entries(chance, path):
    """L1 and L2 entries with reserved bits, shared clusters, compressed data that is not."""
    image = q.Qcow2File(version=chance.choice([2, 3, 3]))
    index = chance.randrange(4)
    entry = image.l2[index]
    image.l2[index] = chance.choice([
        entry | 1, entry | 2, entry | 1 << 56, entry | 1 << 61, entry ^ q.COPIED, entry + 512,
        image.l2[(index + 1) % 4], 1, q.ZERO | q.COPIED, 1 << 40, entry | q.COMPRESSED])
    if chance.random() < 0.3:
        image.l1[0] = chance.choice([image.l1[0] | 1, image.l1[0] | 1 << 56, 0, 1 << 40,
                                     image.l1[0] ^ q.COPIED, image.l1[0] + 512])
    if chance.random() < 0.3:
        stream = q.deflate(q.pattern(9, image.cluster_size))
        image.set_compressed(8, 12 * image.cluster_size + chance.randrange(512), stream,
                             sectors=chance.choice([None, 0, 1, 255]))
    image.write(path)


# ---- qcow ---------------------------------------------------------------------------------------

def _short_qcow(chance, name):
    """A header of 48 bytes, in the last field of which a backing file's name has room."""
    place = chance.choice([40, 40, 16, 36])
    header = bytearray(struct.pack(">4sIQIIQBBHIQ", b"QFI\xfb", 1, place, len(name), 0, 1 << 20, 12,
                                   9, 0, 0, 48))
    header[place:place + len(name)] = name
    return bytes(header)


@kind("qcow", "short", weight=3)
def _short(chance, path):
    name = chance.choice([b"../s.rw", b"nbd:0:9", b"/s.raw\0", b"s.raw", b"canary.raw", b"/s", b""])
    data = _short_qcow(chance, name)
    edits.write(path, data[:chance.choice([47, 48, len(data), 40, 46])])


@kind("qcow", "backing-file", weight=2)
def _qcow_backing_file(chance, path):
    image = qcowfile.QcowFile()
    name = chance.choice(edits.NAMES)
    name = chance.choice([name, name, b"\0" + name, name + b"\0", b""])
    place = chance.choice([8, 40, 48, 56, 64, 512, 4096 - len(name), 8192, 1 << 20])
    image.header["backing_offset"] = place
    image.header["backing_size"] = chance.choice([len(name)] * 4 + [0, 1, 1023, 1024])
    image.regions.append((place, name))
    image.length = max(image.length, place + len(name)) if chance.random() < 0.8 else image.length
    image.write(path)


@kind("qcow", "sizes")
def _qcow_sizes(chance, path):
    image = qcowfile.QcowFile(size=edits.size_of_disk(chance))
    if chance.random() < 0.3:
        image.header["cluster_bits"] = chance.choice([9, 10, 12, 16])
        image.header["l2_bits"] = chance.choice([6, 9, 13])
    image.write(path)
    if chance.random() < 0.5:
        edits.stretch(chance, path)


@kind("qcow", "entries", tables=True)
def _qcow_entries(chance, path):
    image = qcowfile.QcowFile()
    index = chance.randrange(4)
    image.l2[index] = chance.choice([
        1 << 40, image.l2[(index + 1) % 4], image.l2[index] + 1, qcowfile.compressed(8192, 4096),
        qcowfile.compressed(8192, 0), 0, os.sysconf("SC_PAGE_SIZE") // 2])
    if chance.random() < 0.3:
        image.l1[0] = chance.choice([0, 1 << 40, 48, 8192])
    image.write(path)
