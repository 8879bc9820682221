"""Damaged and malicious VHDs."""

import os

from hostile.images import vpcfile as v
from hostile.images.case import CASES, Case, image_case, refused, same

_REFUSAL = "--backing|--follow-references"


def _write(directory, image):
    path = os.path.join(directory, "image.vhd")
    image.write(path)
    return path


def sound(directory):
    return _write(directory, v.VpcFile())


def vpc_case(name, verdict, info=None, **fields):
    """Registers a function that changes a VpcFile."""
    def add(change):
        @image_case("vpc", name, verdict, info=info, undamaged=sound, **fields)
        def _build(directory):
            image = v.VpcFile()
            change(image)
            return _write(directory, image)
        return change
    return add


def footer_case(name, verdict, info=None, **values):
    @vpc_case(f"footer-{name}", verdict, info=info)
    def _change(image):
        image.footer.update(values)


def header_case(name, verdict, info=None, **values):
    @vpc_case(f"header-{name}", verdict, info=info)
    def _change(image):
        image.header.update(values)


def table_case(name, verdict, entries):
    @vpc_case(f"table-{name}", verdict)
    def _change(image):
        for block, entry in entries.items():
            image.table[block] = entry


def parent_case(name, verdict, *locators, info="answers"):
    @vpc_case(f"parent-{name}", verdict, info=info)
    def _change(image):
        image.set_parent(*locators)


# ---- Footers -------------------------------------------------------------------------------------

footer_case("type-0", refused("disk type 0"), type=0)
footer_case("type-255", refused("disk type 255"), type=255)
footer_case("version-2", refused("version 2"), version=0x20000)
footer_case("size-all-ones", refused("2040 GiB"), current_size=(1 << 64) - 1)
footer_case("size-petabyte", refused("2040 GiB"), current_size=1 << 50)
footer_case("size-more-than-table", refused("too small"), current_size=64 << 30)
footer_case("size-0", same(), info="answers", current_size=0)
footer_case("geometry-larger", refused("too small"), creator=b"vpc ", cylinders=65535, heads=255,
            sectors=255)
footer_case("data-offset-all-ones", refused("dynamic disk header"), data_offset=v.NOWHERE)
footer_case("data-offset-itself", refused("cxsparse"), data_offset=0)
footer_case("data-offset-past-the-end", refused("past the end"), data_offset=1 << 40)
footer_case("saved-state", same(), info="answers", saved_state=1)


@vpc_case("footer-checksums-wrong", refused("checksum"))
def _checksums(image):
    image.footer_checksum = 1


@vpc_case("footer-copy-damaged", same(), info="answers")
def _copy_damaged(image):
    image.first = {"checksum": 1}


@vpc_case("footer-at-end-damaged", same(), info="answers")
def _end_damaged(image):
    image.last = {"checksum": 1}


@vpc_case("footer-at-end-missing", same(), info="answers")
def _end_missing(image):
    image.last = None


@vpc_case("footers-missing", refused("footer neither"))
def _both_missing(image):
    image.first = image.last = None


@vpc_case("footers-of-two-disks", refused("not sure"))
def _two_disks(image):
    image.last = {"type": v.FIXED, "current_size": 512}


@vpc_case("footer-larger-than-the-file", refused("fewer than the footer"))
def _short(image):
    image.length = 511


@vpc_case("empty-file", refused("0 bytes"))
def _empty(image):
    image.length = 0


@vpc_case("footer-alone", refused("dynamic disk header"))
def _alone(image):
    image.length = 512


@vpc_case("truncated-in-a-block", refused("past the end"))
def _truncated(image):
    image.length = v.BLOCKS + v.BITMAP + v.BLOCK + 1000


# ---- The dynamic disk header ---------------------------------------------------------------------

header_case("cookie", refused("cxsparse"), cookie=b"cxsparsE")
header_case("version-2", refused("version 2"), version=0x20000)
header_case("block-size-0", refused("block size 0"), block_size=0)
header_case("block-size-128", refused("block size 128"), block_size=128)
header_case("block-size-all-ones", refused("block size 4294967295"), block_size=0xFFFFFFFF)
header_case("block-size-2g", refused("past the end|overlaps"), block_size=1 << 31)
header_case("entries-0", refused("too small"), max_table_entries=0)
header_case("entries-too-few", refused("too small"), max_table_entries=3)
header_case("entries-all-ones", same(), info="answers", max_table_entries=0xFFFFFFFF)
header_case("table-past-the-end", refused("past the end"), table_offset=1 << 50)
header_case("table-overflows", refused("past the end"), table_offset=(1 << 64) - 8)
header_case("table-on-the-header", refused("overlaps"), table_offset=v.HEADER + 512)
header_case("table-on-the-footer", refused("overlaps"), table_offset=0)


@vpc_case("header-checksum", refused("checksum"))
def _header_checksum(image):
    image.header_checksum = 1


@vpc_case("many-tiny-blocks", refused("past the end"))
def _tiny_blocks(image):
    # 2 TB in blocks of a sector: a table of 16 GiB.
    image.header.update(block_size=512, max_table_entries=0xFFFFFFFF)
    image.footer["current_size"] = 2000 << 30


# ---- The block allocation table ------------------------------------------------------------------

table_case("block-past-the-end", refused("past the end"), {1: 0xFFFFFFFE})
table_case("block-at-the-end", refused("past the end"), {1: 2000})
table_case("block-on-the-header", refused("overlaps"), {1: 1})
table_case("block-on-the-table", refused("overlaps"), {1: 3})
table_case("block-on-the-footer", refused("overlaps"), {1: 0})
table_case("block-twice", refused("claim the same data"), {1: 8})


@vpc_case("one-block-for-a-terabyte", refused("claim the same data"))
def _bomb(image):
    blocks = (1 << 40) // v.BLOCK
    image.footer["current_size"] = blocks * v.BLOCK
    image.header.update(max_table_entries=blocks, table_offset=image.end)
    image.put(image.end, (8).to_bytes(4, "big") * blocks)
    image.end += 4 * blocks


@vpc_case("nothing-of-16-gib", same(), info="answers")
def _sparse(image):
    blocks = (16 << 30) // v.BLOCK
    image.footer["current_size"] = blocks * v.BLOCK
    image.header.update(max_table_entries=blocks, table_offset=image.end)
    image.put(image.end, b"\xff" * (4 * blocks))
    image.end += 4 * blocks


# ---- Parents -------------------------------------------------------------------------------------

def _utf16(text):
    return text.encode("utf-16-le", "surrogatepass")


parent_case("etc-passwd", refused(_REFUSAL), (b"W2ku", _utf16("/etc/passwd")))
parent_case("parent-directory", refused(_REFUSAL), (b"W2ru", _utf16("..\\..\\..\\etc\\passwd")))
parent_case("file-url", refused(_REFUSAL), (b"MacX", b"file:///etc/passwd"))
parent_case("json", refused(_REFUSAL), (b"Wi2k", b'json:{"file.filename":"/etc/passwd"}'))
parent_case("nbd", refused(_REFUSAL), (b"W2ku", _utf16("nbd://127.0.0.1:10809/export")))
parent_case("proc-self-fd", refused(_REFUSAL), (b"MacX", b"/proc/self/fd/0"))
parent_case("terminal-escapes", refused(_REFUSAL), (b"W2ku", _utf16("\x1b]0;owned\x07\r\nbase")))
parent_case("half-surrogates", refused(_REFUSAL), (b"W2ku", _utf16("\udc00base\ud800")))
parent_case("nul-inside", refused(_REFUSAL), (b"W2ru", _utf16("base.vhd\0/etc/passwd")))
parent_case("many-names", refused(_REFUSAL),
            *[(code, _utf16(f"name{i}.vhd")) for i, code in enumerate([b"W2ru", b"W2ku"] * 2)])
parent_case("itself", refused(_REFUSAL), (b"W2ru", _utf16(".\\image.vhd")))
parent_case("no-name", refused("does not name its parent"), info="does not name")
parent_case("alias-only", refused("does not name its parent"), (b"Mac ", b"alias"),
            info="does not name")
parent_case("name-of-4-gib", refused("4294967295 bytes"),
            (b"W2ru", b"p", v.LOCATORS, 0xFFFFFFFF), info="4294967295 bytes")
parent_case("name-past-the-end", refused("past the end"),
            (b"W2ru", b"p", 1 << 60, 8), info="past the end")
parent_case("name-offset-overflows", refused("past the end"),
            (b"W2ru", b"p", (1 << 64) - 4, 8), info="past the end")
parent_case("name-on-the-table", refused("overlaps"),
            (b"W2ru", b"p", v.TABLE + 2, 8), info="overlaps")


def chain_case(name, verdict, parent_name, make_parent, arguments):
    """Registers a differencing disk beside a parent that may be opened."""
    def make(directory):
        child = v.VpcFile(present=(0,))
        child.set_parent((b"W2ru", _utf16(".\\" + parent_name)))
        path = _write(directory, child)
        parent = os.path.join(directory, parent_name)
        make_parent(parent)
        return Case(path, verdict, format="vpc", info="answers",
                    arguments=tuple(argument.format(directory=directory)
                                    for argument in arguments),
                    allowed=(parent,))
    CASES[f"vpc-{name}"] = make


def _flat(path):
    with open(path, "wb") as out:
        out.write(b"root:x:0:0\n" * 1000)


_FOLLOW = ("--follow-references={directory}",)
chain_case("parent-of-another-id", refused("not the image that the one above"), "parent.vhd",
           lambda path: v.VpcFile(unique_id=b"\x22" * 16).write(path), _FOLLOW)
chain_case("parent-is-no-vhd", refused("footer neither"), "parent.vhd", _flat, _FOLLOW)
chain_case("parent-is-itself", refused("more than|cycle|itself"), "image.vhd",
           lambda path: None, _FOLLOW)


# ---- Fixed disks ---------------------------------------------------------------------------------

@vpc_case("fixed-shorter-than-it-says", refused("holds only"))
def _fixed_short(image):
    image.make_fixed(bytes(4096))
    image.footer["current_size"] = 8192


@vpc_case("fixed-size-all-ones", refused("2040 GiB"))
def _fixed_huge(image):
    image.make_fixed(bytes(4096))
    image.footer["current_size"] = (1 << 64) - 1


@vpc_case("fixed-footer-at-the-start", refused("not at the end"))
def _fixed_first(image):
    image.footer["type"] = v.FIXED
    image.last = None


@vpc_case("fixed-that-starts-like-another", refused("checksum|sure"))
def _fixed_confused(image):
    image.make_fixed(b"conectix" + bytes(4088))
    image.last = {"checksum": 7}
