"""L1, L2 and refcount tables and compressed clusters that lie."""

import struct

from hostile.images import qcow2file as q
from hostile.images.case import CLUSTER, MIB, case, either, refused, same


# ---- L1 and L2 tables ---------------------------------------------------------------------------

def l1_case(name, verdict, entry):
    @case(f"l1-entry-{name}", verdict)
    def _change(image):
        image.l1[0] = entry


def l2_case(name, verdict, entry, **layout):
    @case(f"l2-entry-{name}", verdict, **layout)
    def _change(image):
        image.l2[1] = entry


l1_case("unaligned", refused("L2"), (4 * CLUSTER + 512) | q.COPIED)
l1_case("beyond-file", refused("L2"), (1 << 40) | q.COPIED)
l1_case("at-the-largest-offset", refused("L2"), ((1 << 56) - CLUSTER) | q.COPIED)
l1_case("to-itself", refused("L1|L2|overlap|claim|cluster"), 3 * CLUSTER | q.COPIED)
l1_case("to-refcount-table", refused("L1|L2|overlap|claim|cluster"), CLUSTER | q.COPIED)
l1_case("reserved-bits", either("L1|L2|reserved"), 4 * CLUSTER | q.COPIED | 0x1FF)
l1_case("copied-but-nowhere", either("L1|L2"), q.COPIED)
l2_case("unaligned", refused("cluster|aligned"), (6 * CLUSTER + 512) | q.COPIED)
l2_case("beyond-file", either("cluster|end|past|beyond"), (1 << 40) | q.COPIED)
l2_case("multiple-of-4-GiB", either("cluster|end|past|beyond"), (1 << 32) | q.COPIED)
l2_case("at-the-largest-offset", either("cluster|end|past|beyond"),
        ((1 << 56) - CLUSTER) | q.COPIED)
l2_case("to-its-own-table", either("L2|overlap|claim|cluster"), 4 * CLUSTER | q.COPIED)
l2_case("to-l1", either("L1|overlap|claim|cluster"), 3 * CLUSTER | q.COPIED)
l2_case("to-refcount-block", either("refcount|overlap|claim|cluster"), 2 * CLUSTER | q.COPIED)
l2_case("shared-cluster", refused("claim the same data"), 5 * CLUSTER | q.COPIED)
l2_case("reserved-bits", either("reserved|L2|cluster"), (6 * CLUSTER) | q.COPIED | 0x1FE)
l2_case("zero-in-version-2", either("zero|reserved|cluster"), (6 * CLUSTER) | q.COPIED | q.ZERO,
        version=2)
l2_case("zero-beyond-file", either("cluster|end|past|beyond"), (1 << 45) | q.ZERO)


@case("l2-table-shared", refused("L2|claim|overlap|shared|twice"), size=1 << 30)
def _l2_shared(image):
    image.l1[1] = image.l1[0]


@case("l1-of-32-MiB-to-one-table", refused("L2|claim|overlap|twice|limit"), size=2 << 50)
def _l1_of_one_table(image):
    """2 PiB of virtual disk, every 512 MiB of which is the same table."""
    count = (32 << 20) // 8
    image.header["l1_size"] = count
    image.header["l1_offset"] = 16 * CLUSTER
    image.put(16 * CLUSTER, struct.pack(">Q", 4 * CLUSTER | q.COPIED) * count)


@case("l1-of-32-MiB-empty", same(), size=128 << 30, cluster_bits=9, data_clusters=0)
def _l1_empty(image):
    count = (32 << 20) // 8
    image.header["l1_offset"] = 64 * 512
    image.header["l1_size"] = count
    image.l1 = []
    image.length = 64 * 512 + (32 << 20)


@case("petabyte-in-a-kilobyte", refused("virtual|size|limit"), info="answers", size=1 << 50,
      cluster_bits=21, data_clusters=0)
def _petabyte(image):
    image.l1[0] = 0


@case("60-TiB-of-nothing", same(), info="answers", size=60 << 40, cluster_bits=21,
      data_clusters=0, target_format="qcow2")
def _sixty_tebibytes(image):
    image.l1[0] = 0


# ---- Refcounts ----------------------------------------------------------------------------------

@case("refcounts-all-zero", same())
def _refcounts_zero(image):
    image.refcounts = {}


@case("refcounts-lie", same())
def _refcounts_lie(image):
    image.refcounts = {number: 0xFFFF for number in range(64)}


@case("refcount-block-is-the-table", either("refcount"))
def _refcount_loop(image):
    image.put(CLUSTER, struct.pack(">Q", CLUSTER))


# ---- Subclusters --------------------------------------------------------------------------------

@case("subcluster-both-allocated-and-zero", refused("subcluster|bitmap"), extended=True)
def _subcluster_both(image):
    image.l2[1] = (6 * CLUSTER | q.COPIED, 1 << 32 | 1)


@case("subcluster-allocated-nowhere", either("subcluster|bitmap|cluster"), extended=True)
def _subcluster_nowhere(image):
    image.l2[1] = (0, 1)


@case("subcluster-of-compressed", either("subcluster|bitmap|compressed"), extended=True)
def _subcluster_compressed(image):
    image.set_compressed(1, 9 * CLUSTER, q.deflate(q.pattern(1, CLUSTER)))
    image.l2[1] = (image.l2[1], 0x0000FFFF0000FFFF)


@case("subclusters-of-16-bytes", refused("cluster|extended|subcluster"), extended=True,
      cluster_bits=9)
def _subclusters_small(image):
    pass


# ---- Compressed clusters ------------------------------------------------------------------------

def compressed_case(name, verdict, stream, sectors=None, zstd=False, host=9 * CLUSTER, **layout):
    @case(f"compressed-{name}", verdict, **layout)
    def _change(image):
        if zstd:
            image.header["incompatible"] |= q.INCOMPATIBLE_COMPRESSION
            image.header["compression_type"] = 1
        image.set_compressed(2, host, stream, sectors)


_GARBAGE = q.pattern(99, 3000)
_GOOD = q.deflate(q.pattern(1, CLUSTER))
compressed_case("garbage-zlib", refused("compress|inflate|deflate|zlib"), _GARBAGE)
compressed_case("garbage-zstd", refused("compress|zstd"), _GARBAGE, zstd=True)
compressed_case("zlib-read-as-zstd", refused("compress|zstd"), _GOOD, zstd=True)
compressed_case("zstd-read-as-zlib", refused("compress|zlib|deflate"), q.zstd_run(65, CLUSTER))
compressed_case("empty-stream", refused("compress|cluster"), bytes(512))
compressed_case("sectors-too-few", refused("compress|cluster"),
                q.deflate(bytes(range(256)) * 16 + q.noise(CLUSTER - 4096)), sectors=3)
compressed_case("unpacks-to-too-little", refused("compress|cluster"),
                q.deflate(q.pattern(1, CLUSTER - 1)))
compressed_case("unpacks-to-too-much", either("compress|cluster"),
                q.deflate(q.pattern(1, CLUSTER + 1)))
compressed_case("unpacks-to-a-gigabyte", either("compress|cluster"),
                q.zstd_run(0, 1 << 30), zstd=True)
compressed_case("zstd-too-little", refused("compress|cluster"), q.zstd_run(7, CLUSTER - 512),
                zstd=True)
compressed_case("zstd-good", same(), q.zstd_run(7, CLUSTER), zstd=True)
compressed_case("window-of-32-KiB", same(),
                q.deflate(q.noise(20 << 10) * 3 + bytes(4 << 10), window_bits=15))
compressed_case("last-byte-of-sectors", same(), _GOOD, host=9 * CLUSTER + 511)
compressed_case("in-version-2", same(), _GOOD, version=2)


@case("compressed-beyond-file", refused("compress|cluster|end|past|beyond"))
def _compressed_beyond(image):
    image.set_compressed(2, 9 * CLUSTER, _GOOD)
    image.l2[2] = (image.l2[2] & ~((1 << 54) - 1)) | 1 << 45


@case("compressed-on-header", refused("compress|cluster|overlap|claim"))
def _compressed_on_header(image):
    image.l2[2] = q.COMPRESSED | 0


@case("compressed-shared-stream", refused("claim the same data"))
def _compressed_shared(image):
    image.set_compressed(2, 9 * CLUSTER, _GOOD)
    for number in range(3, 16):
        image.l2[number] = image.l2[2]


@case("compressed-overlapping-streams", refused("compress|overlap|claim|cluster"))
def _compressed_overlapping(image):
    image.set_compressed(2, 9 * CLUSTER, _GOOD)
    image.l2[3] = image.l2[2] + 20


def bomb_case(name, clusters, zstd):
    """Many clusters of 2 MiB that unpack from the same few bytes."""
    @case(f"bomb-{name}", refused("claim the same data"), size=clusters << 21, cluster_bits=21,
          data_clusters=0)
    def _change(image):
        place = 5 << 21
        stream = q.zstd_run(0, 2 * MIB) if zstd else q.deflate(bytes(2 * MIB))
        if zstd:
            image.header["incompatible"] |= q.INCOMPATIBLE_COMPRESSION
            image.header["compression_type"] = 1
        image.set_compressed(0, place, stream)
        for number in range(1, clusters):
            image.l2[number] = image.l2[0]


for _name, _clusters in (("1-GiB", 512), ("512-GiB", 1 << 18)):
    bomb_case(f"{_name}-zlib", _clusters, zstd=False)
    bomb_case(f"{_name}-zstd", _clusters, zstd=True)
