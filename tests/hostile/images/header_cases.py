"""Files cut short, and headers, extensions and snapshot tables that lie."""

import struct

from hostile.images import qcow2file as q
from hostile.images.case import CLUSTER, MIB, case, either, header_case, refused, same


# ---- Cut short ----------------------------------------------------------------------------------

for _length, _verdict in [
        (0, refused("header|short|magic|qcow2")), (4, refused("header|short|ends")),
        (71, refused("header|short|ends")), (72, refused("header|short|ends")),
        (103, refused("header|short|ends")), (CLUSTER, refused("L1")),
        (3 * CLUSTER + 4, refused("L1")), (4 * CLUSTER, refused("L2")),
        (4 * CLUSTER + 4096, refused("L2")), (5 * CLUSTER, either("end|past|beyond")),
        (7 * CLUSTER + 100, either("end|past|beyond"))]:
    @case(f"cut-at-{_length}", _verdict)
    def _cut(image, length=_length):
        image.length = length


@case("cut-in-compressed-stream", refused("compressed|end|cluster"))
def _cut_stream(image):
    stream = q.deflate(q.noise(32 << 10) + bytes(32 << 10))
    image.set_compressed(4, 9 * CLUSTER, stream)
    image.length = 9 * CLUSTER + len(stream) // 2


# ---- Header fields ------------------------------------------------------------------------------

header_case("magic-wrong", refused("qcow2|magic"), magic=0x514649FC)
for _number in (0, 1, 4, 9, 0xFFFFFFFF):
    header_case(f"version-{_number}", refused("version"), info="version", version=_number)
for _number in (0, 8, 22, 63, 64, 0xFFFFFFFF):
    header_case(f"cluster-bits-{_number}", refused("cluster"), info="cluster",
                cluster_bits=_number)
header_case("size-8-EiB", refused("size|L1"), size=1 << 63)
header_case("size-all-ones", refused("size|L1"), size=(1 << 64) - 1)
header_case("size-beyond-l1", refused("L1"), size=1 << 40)
header_case("encrypted-aes", refused("encrypt"), crypt_method=1)
header_case("encrypted-luks", refused("encrypt|crypto"), crypt_method=2)
header_case("encrypted-99", refused("encrypt"), crypt_method=99)
header_case("l1-size-0", refused("L1"), l1_size=0)
header_case("l1-size-all-ones", refused("L1"), l1_size=0xFFFFFFFF)
header_case("l1-size-32-MiB-and-one", refused("L1"), l1_size=(32 << 20) // 8 + 1)
header_case("l1-beyond-file", refused("L1"), l1_offset=1 << 40)
header_case("l1-unaligned", refused("L1"), l1_offset=3 * CLUSTER + 8)
header_case("l1-offset-overflows", refused("L1"), l1_offset=(1 << 64) - CLUSTER)
header_case("l1-on-header", refused("L1|header|overlap|claim"), l1_offset=0)
header_case("l1-on-refcount-table", refused("L1|L2|overlap|claim"), l1_offset=CLUSTER)
header_case("l1-on-l2", refused("L1|L2|overlap|claim|past"), l1_offset=4 * CLUSTER)
header_case("refcount-order-7", refused("refcount"), info="refcount", refcount_order=7)
header_case("refcount-order-255", refused("refcount"), info="refcount", refcount_order=255)
header_case("refcount-table-missing", either("refcount"), refcount_table_clusters=0)
header_case("refcount-table-at-0", either("refcount"), refcount_table_offset=0)
header_case("refcount-table-unaligned", either("refcount"), refcount_table_offset=CLUSTER + 1)
header_case("refcount-table-beyond-file", either("refcount"), refcount_table_offset=1 << 50)
header_case("refcount-table-huge", either("refcount"), refcount_table_clusters=0xFFFFFFFF)
header_case("header-length-0", refused("header"), header_length=0)
header_case("header-length-72", refused("header"), header_length=72)
header_case("header-length-unaligned", either("header"), header_length=109)
header_case("header-length-beyond-cluster", refused("header"), header_length=CLUSTER + 8)
header_case("header-length-all-ones", refused("header"), header_length=0xFFFFFFFF)
header_case("feature-unknown-5", refused("feature|incompatible"), incompatible=1 << 5)
header_case("feature-unknown-63", refused("feature|incompatible"), incompatible=1 << 63)
header_case("feature-compatible-unknown", same(), compatible=1 << 40)
header_case("feature-autoclear-unknown", same(), autoclear=1 << 40)
header_case("feature-dirty", same(), info="answers", incompatible=q.INCOMPATIBLE_DIRTY)
header_case("feature-corrupt", either("corrupt"), info="answers",
            incompatible=q.INCOMPATIBLE_CORRUPT)
header_case("compression-type-unknown", refused("compression"), compression_type=7,
            incompatible=q.INCOMPATIBLE_COMPRESSION)
header_case("compression-type-unannounced", refused("compression"), compression_type=1)
header_case("compression-type-needlessly-announced", either("compression"),
            incompatible=q.INCOMPATIBLE_COMPRESSION)
header_case("data-file-unnamed", refused("data file|another file"), incompatible=q.INCOMPATIBLE_DATA_FILE)


@case("feature-unknown-with-a-name", refused(r"\\x1b|\\033|\\e|\?"))
def _named_feature(image):
    """The error may quote the name, and must not pass the terminal's control characters on."""
    image.header["incompatible"] = 1 << 6
    entry = bytes([0, 6]) + b"\x1b[31m\x07red\n".ljust(46, b"\0")
    image.extensions.append((q.EXTENSION_FEATURE_NAMES, entry))


# ---- Header extensions --------------------------------------------------------------------------

@case("extension-longer-than-its-area", refused("extension"))
def _extension_long(image):
    image.extensions.append((0x12345678, b"", CLUSTER))


@case("extension-length-all-ones", refused("extension"))
def _extension_huge(image):
    image.extensions.append((0x12345678, b"", 0xFFFFFFFF))


@case("extension-unknown", same(), info="answers")
def _extension_unknown(image):
    image.extensions += [(0x12345678, b"who knows"), (0x7FFFFFFF, b"")]


@case("extensions-without-end", either("extension"))
def _extensions_no_end(image):
    image.extensions = [(0x11111111, b"")] * ((CLUSTER - 112) // 8)
    image.end_extensions = False


@case("extension-backing-format-long", refused("backing|extension|format"))
def _extension_backing_format(image):
    image.backing_name = b"base"
    image.extensions.append((q.EXTENSION_BACKING_FORMAT, b"q" * 300))


@case("extension-bitmaps-lie", either("bitmap"))
def _extension_bitmaps(image):
    image.header["autoclear"] = 1
    image.extensions.append(
        (q.EXTENSION_BITMAPS, struct.pack(">IIQQ", 0xFFFFFFFF, 0, 1 << 62, 1 << 60)))


@case("extension-crypto-lies", refused("encrypt|crypto|LUKS"))
def _extension_crypto(image):
    image.header["crypt_method"] = 2
    image.extensions.append((q.EXTENSION_CRYPTO, struct.pack(">QQ", 1 << 62, 1 << 62)))


# ---- Internal snapshots -------------------------------------------------------------------------

def _snapshot(l1_offset=3 * CLUSTER, l1_size=1, identifier=b"1", name=b"one", extra=16,
              identifier_size=None, name_size=None):
    data = struct.pack(
        ">QIHHIIQII", l1_offset, l1_size,
        len(identifier) if identifier_size is None else identifier_size,
        len(name) if name_size is None else name_size, 1700000000, 0, 0, 0, extra)
    data += struct.pack(">QQ", 0, MIB) + identifier + name
    return data + b"\0" * (-len(data) % 8)


def snapshot_case(title, verdict, info=None, count=1, offset=10 * CLUSTER, arguments=(), **fields):
    @case(f"snapshot-{title}", verdict, info=info, arguments=arguments)
    def _change(image):
        image.header["snapshot_count"] = count
        image.header["snapshots_offset"] = offset
        image.put(10 * CLUSTER, _snapshot(**fields))


snapshot_case("good", same(), info="answers")
snapshot_case("count-all-ones", either("snapshot"), count=0xFFFFFFFF)
snapshot_case("count-too-high", either("snapshot"), count=65536)
snapshot_case("table-unaligned", either("snapshot"), offset=10 * CLUSTER + 8)
snapshot_case("table-beyond-file", either("snapshot"), offset=1 << 50)
snapshot_case("table-on-header", either("snapshot"), offset=0)
snapshot_case("extra-data-all-ones", either("snapshot"), extra=0xFFFFFFFF)
snapshot_case("name-too-long", either("snapshot"), name_size=0xFFFF, identifier_size=0xFFFF)
snapshot_case("name-escapes", same(), info="answers", name=b"\x1b]0;owned\x07\n\x9b31m")
snapshot_case("l1-beyond-file", either("snapshot|L1"), l1_offset=1 << 48)
snapshot_case("l1-beyond-file-selected", refused("snapshot|L1"), l1_offset=1 << 48,
              arguments=("-l", "one"))
snapshot_case("l1-unaligned-selected", refused("snapshot|L1"), l1_offset=3 * CLUSTER + 1,
              arguments=("-l", "one"))
snapshot_case("l1-huge-selected", refused("snapshot|L1"), l1_size=0xFFFFFFFF,
              arguments=("-l", "one"))
snapshot_case("not-there", refused("snapshot"), arguments=("-l", "two"))
