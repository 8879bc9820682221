"""VMDK files cut short, and with headers, tables, streams and descriptors that lie."""

import os
import struct

from hostile.images import qcow2file as q
from hostile.images import vmdkfile as v
from hostile.images.case import MIB, Case, custom_case, image_case, refused, same

_REFUSAL = "--backing|--follow-references"


def case(name, verdict, info=None, undamaged=None, stream=False, footer=False, **fields):
    """Registers a function that changes a VmdkFile."""
    def add(change):
        @image_case("vmdk", name, verdict, info=info, undamaged=undamaged, **fields)
        def _build(directory):
            image = v.VmdkFile(stream=stream, footer=footer)
            change(image)
            path = os.path.join(directory, "image.vmdk")
            image.write(path)
            return path
        return change
    return add


def header_case(name, verdict, info=None, stream=False, undamaged=None, **fields):
    @case(name, verdict, info=info, stream=stream, undamaged=undamaged)
    def _change(image):
        image.header.update(fields)


def text_case(name, verdict, text, info=None):
    """Registers a descriptor in a file of its own."""
    @image_case("vmdk", name, verdict, info=info)
    def _build(directory):
        path = os.path.join(directory, "image.vmdk")
        with open(path, "wb") as out:
            out.write(text)
        return path


# ---- Cut short ----------------------------------------------------------------------------------

for _length, _verdict in [
        (0, refused("past the end")), (3, refused("past the end")), (4, refused("header")),
        (511, refused("header")), (512, refused("past the end")),
        (22 * v.SECTOR, refused("past the end")), (v.GT * v.SECTOR, refused("past the end")),
        (v.DATA * v.SECTOR - 512, refused("metadata|past the end")),
        (v.DATA * v.SECTOR, refused("past the end")),
        (v.DATA * v.SECTOR + 3 * v.GRAIN + 1000, refused("past the end|ends"))]:
    @case(f"cut-at-{_length}", _verdict)
    def _cut(image, length=_length):
        image.length = length


@case("stream-cut-in-grain", refused("past the end|ends|marker|possible"), stream=True)
def _cut_stream(image):
    image.length = image.gt[3] * v.SECTOR + 100


@case("footer-cut-off", refused("footer"), stream=True, footer=True)
def _cut_footer(image):
    image.length = image.end


@case("footer-followed-by-data", refused("footer"), stream=True, footer=True)
def _append(image):
    image.tail = b"appended".ljust(512, b"\0")


# ---- Header fields ------------------------------------------------------------------------------

header_case("magic-wrong", refused("descriptor|createType"), magic=b"KDMW")
header_case("magic-backwards", refused("descriptor|createType"), magic=b"VMDK")
for _version in (0, 4, 255, 0xFFFFFFFF):
    header_case(f"version-{_version}", refused("version"), info="version", version=_version)
header_case("version-2", same(), version=2)
header_case("newlines-converted", refused("text mode"), info="text mode", newlines=b"\n \n\n")
header_case("newlines-unchecked", same(), newlines=b"\0\0\0\0", flags=v.FLAG_REDUNDANT)
header_case("compression-2", refused("compression"), info="compression", compression=2)
header_case("compression-all-ones", refused("compression"), compression=0xFFFF)
header_case("compressed-without-algorithm", refused("compressed"), stream=True, compression=0)
header_case("plain-said-to-be-compressed", refused("grain|past|marker|deflate"), compression=1)
for _size in (0, 0x200001, (1 << 63) - 1, (1 << 64) - 1):
    header_case(f"grain-size-{_size:x}", refused("grains of"), grain_size=_size)
header_case("grain-size-odd", refused("past the end|end of the file"), grain_size=129)
header_case("grain-size-1-GiB", refused("past the end"), grain_size=0x200000)
header_case("compressed-grain-size-1-GiB", refused("compressed grains"), stream=True,
            grain_size=0x200000)
for _entries in (0, 513, 0xFFFFFFFF):
    header_case(f"gt-entries-{_entries:x}", refused("grain tables of"), gt_entries=_entries)
header_case("gt-entries-1", same(), gt_entries=1)
for _capacity in (1 << 54, 1 << 55, (1 << 63) - 1, (1 << 64) - 1):
    header_case(f"capacity-{_capacity:x}", refused("capacity|grain directory|past the end"),
                capacity=_capacity)
header_case("capacity-0", refused("no sectors"), info="no sectors", capacity=0)
header_case("capacity-0-of-a-stream", refused("no sectors"), info="no sectors", stream=True,
            capacity=0)
header_case("capacity-of-a-petabyte", refused("past the end"), capacity=1 << 41)
header_case("capacity-beyond-gd", refused("claim|past the end|overlaps"), capacity=512 * 128 * 200)
header_case("gd-at-0", refused("overlaps"), gd_offset=0)
header_case("gd-on-descriptor", refused("overlaps"), gd_offset=5)
header_case("gd-past-end", refused("past the end"), gd_offset=1 << 40)
header_case("gd-offset-overflows", refused("past the end"), gd_offset=(1 << 64) - 2)
header_case("gd-at-end-without-footer", refused("footer"), gd_offset=v.AT_END)
header_case("rgd-past-end", refused("past the end"), rgd_offset=1 << 40)
header_case("rgd-on-descriptor", refused("overlaps"), rgd_offset=5)
header_case("rgd-offset-overflows", refused("past the end"), rgd_offset=1 << 55)
header_case("overhead-all-ones", refused("past the end"), overhead=(1 << 64) - 1)
header_case("overhead-past-end", refused("past the end"), overhead=1 << 20)
header_case("descriptor-past-end", refused("past the end"), descriptor_offset=1 << 30)
header_case("descriptor-offset-overflows", refused("past the end"),
            descriptor_offset=(1 << 64) - 1)
header_case("descriptor-of-4-GiB", refused("descriptor"), descriptor_size=8 << 20)
header_case("descriptor-size-all-ones", refused("descriptor"), descriptor_size=(1 << 64) - 1)
header_case("descriptor-missing", refused("descriptor"), descriptor_offset=0, descriptor_size=0)
header_case("descriptor-on-header", refused("CID|createType|overlaps|descriptor"),
            descriptor_offset=0)
header_case("unclean-shutdown", same(), info="answers", unclean=1)
header_case("flags-all-ones", refused("compressed"), flags=0xFFFFFFFF)


# ---- Tables -------------------------------------------------------------------------------------

@case("gt-past-end", refused("past the end"), info="answers")
def _gt_past_end(image):
    image.gd = [0x7FFFFFFF]


@case("gt-on-header", refused("overlaps|past the end"), info="answers")
def _gt_on_header(image):
    image.gd = [1]


@case("gt-claimed-twice", refused("claim grain tables"), info="answers")
def _gt_twice(image):
    image.header["capacity"] = 2 * 512 * 128
    image.header["flags"] = v.FLAG_NEWLINES
    image.gd = [v.GT, v.GT]


@case("gt-overlapping", refused("claim grain tables"), info="answers")
def _gt_overlapping(image):
    image.header["capacity"] = 2 * 512 * 128
    image.header["flags"] = v.FLAG_NEWLINES
    image.gd = [v.GT, v.GT + 1]


@case("expanding-to-64-TiB", refused("claim grain tables"), info="answers")
def _expanding(image):
    tables = (64 << 40) // (32 << 20)
    image.header.update(flags=v.FLAG_NEWLINES, capacity=(64 << 40) // 512, gd_offset=4096)
    image.put(4096, struct.pack("<I", v.GT) * tables)
    image.end = 4096 * 512 + 4 * tables


def grain_case(name, verdict, entries, info="answers", flags=None, undamaged=None):
    @case(name, verdict, info=info, undamaged=undamaged)
    def _change(image):
        image.gt.update(entries)
        if flags is not None:
            image.header["flags"] = flags


grain_case("grain-past-end", refused("past the end"), {3: 0xFFFFFFFF})
grain_case("grain-half-past-end", refused("past the end"), {3: v.DATA + 3 * 128 + 64})
grain_case("grain-on-descriptor", refused("overlaps"), {3: 5})
grain_case("grain-on-gd", refused("overlaps"), {3: v.GD})
grain_case("grain-1-without-flag", refused("overlaps"), {3: 1})
grain_case("grain-1-with-flag", same(), {4: 1},
           flags=v.FLAG_NEWLINES | v.FLAG_REDUNDANT | v.FLAG_ZEROED)
grain_case("grain-claimed-twice", refused("claim the same"), {5: v.DATA})
grain_case("grain-claimed-by-all", refused("claim the same"),
           {number: v.DATA for number in range(16)})


@case("redundant-tables-differ", same(), info="answers")
def _redundant(image):
    image.put(v.RGT, b"\xff" * 512)


# ---- Streams ------------------------------------------------------------------------------------

def stream_case(name, verdict, data, **fields):
    """A fifth grain with these bytes at its place."""
    @case(name, verdict, info="answers", stream=True, **fields)
    def _change(image):
        image.gt[4] = image.add(data)


_STREAM = v.zlib.compress(v.pattern(4))

stream_case("marker-of-another-grain", refused("marker"),
            v.marker(5 * 128, len(_STREAM)) + _STREAM)
stream_case("marker-lba-all-ones", refused("marker"),
            v.marker((1 << 64) - 1, len(_STREAM)) + _STREAM)
stream_case("marker-size-0", refused("marker"), v.marker(4 * 128, 0) + _STREAM)
stream_case("marker-size-all-ones", refused("marker"), v.marker(4 * 128, 0xFFFFFFFF) + _STREAM)
stream_case("marker-size-one-short", refused("damaged|more than"),
            v.marker(4 * 128, len(_STREAM) - 1) + _STREAM)
stream_case("marker-size-past-end", refused("marker"), v.marker(4 * 128, 100000) + _STREAM)
stream_case("stream-without-header", refused("damaged"),
            v.marker(4 * 128, len(_STREAM) - 2) + _STREAM[2:])
stream_case("stream-checksum-wrong", refused("damaged"),
            v.marker(4 * 128, len(_STREAM)) + _STREAM[:-1] + bytes([_STREAM[-1] ^ 1]))
stream_case("stream-of-garbage", refused("damaged"), v.marker(4 * 128, 5000) + b"\xa5" * 5000)
_SHORT = v.zlib.compress(v.pattern(4, v.GRAIN - 1))
stream_case("stream-one-byte-short", refused("less than"), v.marker(4 * 128, len(_SHORT)) + _SHORT)
_BOMB = v.zlib.compress(bytes(4 * MIB), 9)
stream_case("stream-bomb", refused("more than a grain"), v.marker(4 * 128, len(_BOMB)) + _BOMB)


@case("streams-shared", refused("marker|claim"), info="answers", stream=True)
def _shared(image):
    image.gt.update({number: image.gt[0] for number in range(16)})


@case("streams-overlapping", refused("marker|possible"), info="answers", stream=True)
def _overlapping(image):
    stream = v.zlib.compress(q.noise(v.GRAIN))
    image.gt[4] = image.add(v.marker(4 * 128, len(stream)) + stream)
    image.gt[5] = image.gt[4] + 1


@case("stream-on-header", refused("overlaps"), info="answers", stream=True)
def _stream_on_header(image):
    image.gt[3] = 2


# Sound, so that those with a footer that lies are refused for that alone.
@case("footer-sound", same(), info="answers", stream=True, footer=True)
def _footer_sound(_image):
    pass


def footer_case(name, verdict, **fields):
    @case(f"footer-{name}", verdict, stream=True, footer=True)
    def _change(image):
        image.footer.update(fields)


footer_case("capacity-differs", refused("footer"), capacity=1 << 40)


@case("footer-capacity-alone", refused("footer"), info="footer", stream=True, footer=True)
def _footer_alone(image):
    image.footer["capacity"] = image.header["capacity"]
    image.header["capacity"] = 0
    image.descriptor = v.descriptor(b"streamOptimized", b"")


footer_case("grain-size-differs", refused("footer"), grain_size=8)
footer_case("uncompressed", refused("footer|compressed"), compression=0)
footer_case("gd-at-end-again", refused("footer"), gd_offset=v.AT_END)
footer_case("gd-past-end", refused("past the end"), gd_offset=1 << 40)
footer_case("magic-wrong", refused("footer"), magic=b"COWD")
footer_case("version-255", refused("version|footer"), version=255)


# ---- Descriptors --------------------------------------------------------------------------------

def descriptor_case(name, verdict, text, info=None, undamaged=None):
    """In the image."""
    @case(f"embedded-{name}", verdict, info=info, undamaged=undamaged)
    def _change(image):
        image.descriptor = text


descriptor_case("no-cid", refused("CID"), v.descriptor().replace(b"CID=fffffffe\n", b"", 1))
descriptor_case("cid-not-a-number", refused("CID"), v.descriptor(cid=b"xyzzy"))
descriptor_case("cid-of-40-bits", refused("CID"), v.descriptor(cid=b"ffffffffff"))
descriptor_case("cid-twice", refused("twice"), v.descriptor(more=b"CID=1\n"))
descriptor_case("unterminated-quote", refused("quote"), v.descriptor(more=b'encoding="UTF-8\n'))
descriptor_case("without-line-ends", refused("CID|descriptor"),
                v.descriptor().replace(b"\n", b" "))
descriptor_case("of-noise", refused("CID|descriptor"), b"\xff\xfe\x1b" * 3000)
descriptor_case("escapes-in-type", same(), v.descriptor(b"\x1b]0;owned\x07"), info="answers")
descriptor_case("flat-extent", same(),
                v.descriptor(extents=b'RW 2048 FLAT "/etc/passwd" 0\n'), info="answers")
descriptor_case("hidden-behind-nul", same(),
                v.descriptor() + b'\0parentFileNameHint="/etc/passwd"\n', info="answers")


def parent_case(name, verdict, hint, parent_cid=b"12345678", info="answers", **fields):
    @case(f"parent-{name}", verdict, info=info, **fields)
    def _change(image):
        image.descriptor = v.descriptor(
            parent_cid=parent_cid, more=b'parentFileNameHint="' + hint + b'"\n')


parent_case("etc-passwd", refused(_REFUSAL), b"/etc/passwd")
parent_case("parent-directory", refused(_REFUSAL), b"../../../../etc/passwd")
parent_case("json", refused(_REFUSAL), b"json:{'driver':'raw'}")
parent_case("nbd", refused(_REFUSAL), b"nbd://127.0.0.1:10809/export")
parent_case("proc-self-fd", refused(_REFUSAL), b"/proc/self/fd/0")
parent_case("escapes", refused(_REFUSAL), b"\x1b]0;owned\x07\x1b[2J")
parent_case("itself", refused(_REFUSAL), b"image.vmdk")
parent_case("empty", refused("parent"), b"", info=None)
parent_case("of-5000-bytes", refused("parent"), b"x" * 5000, info=None)

@custom_case("vmdk-allowed-parent-itself")
def _own_parent(directory):
    image = v.VmdkFile()
    image.descriptor = v.descriptor(parent_cid=b"fffffffe",
                                    more=b'parentFileNameHint="image.vmdk"\n')
    path = os.path.join(directory, "image.vmdk")
    image.write(path)
    return Case(path, refused("cycle"), arguments=("--follow-references=" + directory,),
                info="answers", format="vmdk")


def extent_case(name, verdict, line, create_type=b"monolithicFlat", info="answers"):
    text_case(f"extent-{name}", verdict, v.descriptor(create_type, line), info=info)


# CVE-2022-47951: a descriptor that names a file of the host.
extent_case("etc-passwd", refused(_REFUSAL), b'RW 2 FLAT "/etc/passwd" 0\n')
extent_case("etc-shadow-vmfs", refused(_REFUSAL), b'RW 2 VMFS "/etc/shadow"\n', b"vmfs")
extent_case("parent-directory", refused(_REFUSAL), b'RW 2 FLAT "../../../etc/passwd" 0\n')
extent_case("dev-sda", refused(_REFUSAL), b'RW 2048 FLAT "/dev/sda" 0\n')
extent_case("dev-stdin", refused(_REFUSAL), b'RW 2048 FLAT "/dev/stdin" 0\n')
extent_case("json", refused(_REFUSAL), b"RW 2048 FLAT \"json:{'driver':'nbd'}\" 0\n")
extent_case("nbd", refused(_REFUSAL), b'RW 2048 FLAT "nbd://127.0.0.1/x" 0\n')
extent_case("sparse-etc-passwd", refused(_REFUSAL), b'RW 2048 SPARSE "/etc/passwd"\n',
            b"twoGbMaxExtentSparse")
extent_case("escapes", refused(_REFUSAL), b'RW 2048 FLAT "\x1b[2J\x9b\xff" 0\n')
extent_case("of-a-device", refused("device"), b'RW 2048 FLAT "/dev/sda" 0\n', b"fullDevice",
            info="device")
extent_case("raw-device-map", refused("device"), b'RW 2048 VMFSRDM "x-rdm.vmdk"\n', b"vmfsRDM",
            info="device")
extent_case("of-unknown-type", refused("type"), b'RW 2048 MAGIC "x.vmdk"\n')
extent_case("no-access", refused("NOACCESS"), b'NOACCESS 2048 FLAT "x.vmdk" 0\n')
for _name, _line in [
        ("no-name", b"RW 2048 FLAT\n"), ("no-size", b'RW FLAT "x" 0\n'),
        ("size-0", b'RW 0 FLAT "x" 0\n'), ("size-negative", b'RW -1 FLAT "x" 0\n'),
        ("size-of-70-bits", b'RW 1180591620717411303424 FLAT "x" 0\n'),
        ("name-unterminated", b'RW 2048 FLAT "x 0\n'), ("name-empty", b'RW 2048 FLAT "" 0\n'),
        ("name-of-5000-bytes", b'RW 2048 FLAT "' + b"x" * 5000 + b'" 0\n'),
        ("offset-missing", b'RW 2048 FLAT "x"\n'), ("offset-negative", b'RW 2048 FLAT "x" -1\n'),
        ("offset-overflows", b'RW 2048 FLAT "x" 18446744073709551615\n')]:
    extent_case(_name, refused("extent line"), _line, info="extent line")
extent_case("sizes-overflow", refused("extents together"),
            b'RW 18014398509481983 FLAT "x" 0\n' * 3, info="extents together")
extent_case("a-thousand", refused("extents"),
            b"".join(b'RW 1 FLAT "x%d" 0\n' % number for number in range(1000)), info="extents")
extent_case("none", refused("no extents"), b"# nothing\n", info="no extents")
extent_case("create-type-unknown", refused("createType"), b'RW 2048 FLAT "x" 0\n', b"magic",
            info="createType")
extent_case("create-type-empty", refused("createType"), b'RW 2048 FLAT "x" 0\n', b"",
            info="createType")

text_case("text-with-nul", refused("NUL"),
          v.descriptor(b"monolithicFlat", b'RW 1 FLAT "x" 0\n') + b"\0\x7fELF", info="NUL")
text_case("text-of-2-MiB", refused("descriptor"),
          v.descriptor(b"monolithicFlat", b'RW 1 FLAT "x" 0\n') + b"#" * (2 << 20))
text_case("text-of-comments", refused("createType|CID"), b"#\n" * 300000)


# ---- Extents that are allowed -------------------------------------------------------------------

def allowed_case(name, verdict, lines, files, create_type=b"monolithicFlat"):
    """Registers a descriptor beside `files` (name, bytes) that may be opened."""
    @custom_case(f"vmdk-allowed-{name}")
    def _make(directory):
        path = os.path.join(directory, "image.vmdk")
        contents = {path: v.descriptor(create_type, lines)}
        contents |= {os.path.join(directory, file_name): data for file_name, data in files}
        for file_path, data in contents.items():
            with open(file_path, "wb") as out:
                out.write(data)
        return Case(path, verdict, arguments=("--follow-references=" + directory,),
                    allowed=tuple(contents), attempted=(os.path.join(directory, "x"),),
                    info="answers", format="vmdk")


allowed_case("flat", same(), b'RW 8 FLAT "x" 1\n', [("x", v.pattern(1, 9 * 512))])
allowed_case("flat-too-short", refused("truncated"), b'RW 8 FLAT "x" 1\n',
             [("x", v.pattern(1, 8 * 512))])
allowed_case("flat-missing", refused("x"), b'RW 8 FLAT "x" 1\n', [])
allowed_case("sparse-of-text", refused("magic"), b'RW 2048 SPARSE "x"\n',
             [("x", v.descriptor(b"monolithicFlat", b'RW 1 FLAT "/etc/passwd" 0\n'))],
             b"twoGbMaxExtentSparse")
allowed_case("sparse-is-itself", refused("cycle"), b'RW 2048 SPARSE "image.vmdk"\n', [],
             b"twoGbMaxExtentSparse")
allowed_case("esx-header-cut", refused("past the end"), b'RW 2048 VMFSSPARSE "x"\n',
             [("x", b"COWD\1\0\0\0")], b"vmfsSparse")


def _cowd(**fields):
    header = {"version": 1, "flags": 3, "sectors": 2048, "grain": 1, "gd": 4, "entries": 1,
              "free": 40} | fields
    return (b"COWD" + struct.pack("<7I", *header.values())).ljust(2048, b"\0") + \
        struct.pack("<I", 5).ljust(512, b"\0") + bytes(32 * 512)


for _name, _pattern, _fields in [
        ("version-9", "version", {"version": 9}), ("grain-0", "grains of", {"grain": 0}),
        ("grain-all-ones", "grains of", {"grain": 0xFFFFFFFF}),
        ("gd-past-end", "past the end", {"gd": 0xFFFFFFFF}), ("gd-at-0", "overlaps", {"gd": 0}),
        ("gd-too-small", "needs", {"entries": 0}), ("capacity-differs", "says", {"sectors": 1000})]:
    allowed_case(f"esx-{_name}", refused(_pattern), b'RW 2048 VMFSSPARSE "x"\n',
                 [("x", _cowd(**_fields))], b"vmfsSparse")


def _se_sparse(**fields):
    header = {
        "magic": 0xCAFEBABE, "version": 0x200000001, "capacity": 2048, "grain": 8, "table": 64,
        "flags": 0, "reserved1": 0, "reserved2": 0, "reserved3": 0, "reserved4": 0,
        "volatile": 1, "volatile_size": 1, "journal_header": 0, "journal_header_size": 0,
        "journal": 0, "journal_size": 0, "gd": 2, "gd_size": 1, "tables": 8, "tables_size": 64,
        "bitmap": 0, "bitmap_size": 0, "backmap": 0, "backmap_size": 0, "grains": 128,
        "grains_size": 2048, "replay": 0, "gde": 0, "gte": 0} | fields
    values = list(header.values())
    return (struct.pack("<26Q", *values[:26]).ljust(512, b"\0") +
            struct.pack("<4Q", 0xCAFECAFE, 0, 0, header["replay"]).ljust(512, b"\0") +
            struct.pack("<Q", header["gde"]).ljust(6 * 512, b"\0") +
            struct.pack("<Q", header["gte"]).ljust(120 * 512, b"\0"))


_GDE = 0x1000000000000000
for _name, _pattern, _fields in [
        ("version", "version", {"version": 0x300000001}), ("grain", "grains of", {"grain": 0}),
        ("flags", "not known", {"flags": 1}), ("reserved", "not known", {"reserved3": 1}),
        ("journal", "journal", {"replay": 1}),
        ("capacity-huge", "capacity|says|grain directory", {"capacity": 1 << 62}),
        ("volatile-past-end", "past the end", {"volatile": 1 << 60}),
        ("gd-past-end", "past the end", {"gd": 1 << 60}),
        ("gd-of-0-sectors", "needs", {"gd_size": 0}),
        ("tables-huge", "believable", {"tables_size": 1 << 63}),
        ("grains-huge", "believable", {"grains": 1 << 63}),
        ("gde-unknown", "damaged", {"gde": 1}), ("gde-past-tables", "damaged", {"gde": _GDE | 1}),
        ("gte-unknown", "damaged", {"gde": _GDE, "gte": 5}),
        ("gte-past-end", "past the end", {"gde": _GDE, "gte": 0x3000000000000001}),
        ("gte-overflows", "damaged", {"gde": _GDE, "gte": 0x3FFFFFFFFFFFFFFF})]:
    allowed_case(f"se-sparse-{_name}", refused(_pattern), b'RW 2048 SESPARSE "x"\n',
                 [("x", _se_sparse(**_fields))], b"seSparse")
