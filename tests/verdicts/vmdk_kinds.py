"""VMDK images whose text a lenient reader reads otherwise than a strict one: parents, extents and
types in comments, in mid-line, behind NULs and behind the area that the header describes."""

import struct

from hostile.images import vmdkfile as v
from verdicts import edits
from verdicts.kind import CANARY, kind

# What qemu-img looks at, whatever the header says.
_AREA_START = 0x200
_AREA = 20 * 512

_HINTS = (b'parentFileNameHint="%s"', b'parentFileNameHint = "%s"', b"parentFileNameHint=%s",
          b'PARENTFILENAMEHINT="%s"', b'parentFileNameHint="%s', b'parentFileNameHint\t="%s"',
          b'parentFileNameHint="a.vmdk" parentFileNameHint="%s"')
_CIDS = (b"parentCID=11112222", b"parentcid=11112222", b"parentCID = 11112222",
         b"CID=11112222", b"parentCID=fffffffe", b"parentCID=00000000", b"parentCID=0ffffffff",
         b"parentCID=ffffffff\nparentCID=11112222", b"xparentCID=11112222")
_EXTENTS = (b'RW 2048 FLAT "%s" 0', b'RW 2048 VMFS "%s"', b'RW 2048 SPARSE "%s"',
            b'RDONLY 2048 FLAT "%s" 0', b'rw 2048 flat "%s" 0', b'RW 0x800 FLAT "%s" 0',
            b'RW 2048 ZERO', b'NOACCESS 2048 FLAT "%s" 0', b'RW 2048 VMFSSPARSE "%s"',
            b'RW 2048 SESPARSE "%s"', b'RW 2048 FLAT "%s" 5000000')
_TYPES = (b"monolithicFlat", b"twoGbMaxExtentSparse", b"twoGbMaxExtentFlat", b"vmfs", b"vmfsSparse",
          b"streamOptimized", b"monolithicSparse", b"custom", b"fullDevice", b"seSparse", b"")
# What stands before a word that was hidden.
_BEFORE = (b"# ", b"#", b"x ", b"x", b" ", b"\t", b"\v", b"\f", b"\r", b"\0", b"\n", b"",
           b"ddb.x = ", b";", b"# x\r", b"\xff")


def _hidden(chance):
    """A line that means something to a reader who does not look closely."""
    name = chance.choice([b"canary.vmdk", b"../canary.vmdk", b"/canary.vmdk", CANARY.encode(),
                          b"nbd://127.0.0.1:9/x"])
    pattern = chance.choice([chance.choice(_HINTS), chance.choice(_HINTS), chance.choice(_CIDS),
                             chance.choice(_EXTENTS), b'createType="%s"'])
    if pattern.startswith(b"createType"):
        line = pattern.replace(b"%s", chance.choice(_TYPES))
    else:
        line = pattern.replace(b"%s", name)
    return chance.choice(_BEFORE) + line + chance.choice([b"\n", b"\r\n", b"\n", b"", b"\0", b"\r"])


def _insert(chance, text, line):
    """`line` before one of the lines of the text, or in the middle of one."""
    if chance.random() < 0.15:
        at = chance.randrange(len(text))
    else:
        ends = [0] + [index + 1 for index, byte in enumerate(text) if byte == 10]
        at = chance.choice(ends)
    return text[:at] + line + text[at:]


def _both_parents(chance, text):
    """A parent needs its content id beside the name."""
    if chance.random() < 0.6:
        text = text.replace(b"parentCID=ffffffff", b"parentCID=11112222") \
            if chance.random() < 0.5 else _insert(chance, text, chance.choice(_BEFORE) +
                                                  b"parentCID=11112222\n")
    return text


def _image(chance):
    stream = chance.random() < 0.25
    return v.VmdkFile(stream=stream, footer=stream and chance.random() < 0.5)


@kind("vmdk", "hidden-lines", weight=6)
def _hidden_lines(chance, path):
    image = _image(chance)
    for _ in range(chance.choice([1, 1, 2])):
        image.descriptor = _insert(chance, image.descriptor, _hidden(chance))
    image.descriptor = _both_parents(chance, image.descriptor)
    image.write(path)


@kind("vmdk", "behind-the-text", weight=3)
def _behind_the_text(chance, path):
    """In the area that qemu-img reads, behind the text, a NUL, or the size that the header has."""
    image = _image(chance)
    if chance.random() < 0.5:
        image.header["descriptor_size"] = chance.choice([1, 2, 3, 19, 20, 21, 0])
    hidden = _both_parents(chance, image.descriptor) if chance.random() < 0.2 else b""
    hidden += _hidden(chance) + (b"parentCID=11112222\n" if chance.random() < 0.6 else b"")
    room = _AREA - len(hidden)
    place = chance.choice([len(image.descriptor), len(image.descriptor) + 1, 1024, 512, 4096,
                           room, room + 1, 9 * 1024])
    if chance.random() < 0.3:
        image.descriptor = image.descriptor.ljust(place, chance.choice([b"\n", b" ", b"#"]))
    image.regions.append((_AREA_START + max(place, len(image.descriptor)), hidden))
    image.write(path)


@kind("vmdk", "descriptor-elsewhere", weight=2)
def _descriptor_elsewhere(chance, path):
    """Two texts: where the header says, and where readers look anyway."""
    image = _image(chance)
    other = _both_parents(chance, _insert(chance, image.descriptor, _hidden(chance)))
    sector = chance.choice([2, 21, 100, 4096, 0])
    image.header["descriptor_offset"] = sector
    image.header["descriptor_size"] = chance.choice([20, 1, 0])
    texts = [image.descriptor, other]
    chance.shuffle(texts)
    image.descriptor = texts[0]
    if sector:
        image.regions.append((sector * 512, texts[1]))
    if chance.random() < 0.2:
        image.descriptor = b""
    image.write(path)


@kind("vmdk", "text-only", weight=3)
def _text_only(chance, path):
    """Descriptors without an image around them: each of their extents is another file."""
    extent = chance.choice(_EXTENTS).replace(b"%s", chance.choice(
        [CANARY.encode(), b"image.vmdk", b"../canary.raw", b"/canary.raw"]))
    text = v.descriptor(chance.choice(_TYPES), extent + b"\n")
    text = chance.choice([text, text, b"\n" + text, b" " + text, b"#x\n" + text,
                          b"\xef\xbb\xbf" + text,
                          text.replace(b"# Disk DescriptorFile", b"# disk descriptorfile"),
                          text.replace(b"# Disk DescriptorFile\n", b""),
                          text.replace(b"version=1", b"version=2"),
                          text.replace(b"version=1", b"version=3"),
                          text.replace(b"\n", b"\r\n"), text.replace(b"\n", b"\r"),
                          text.replace(b"version=1\n", b"version=1 \n"),
                          b"#\n" * chance.randrange(1, 300) + text])
    if chance.random() < 0.3:
        text = _insert(chance, text, _hidden(chance))
    size = chance.choice([0, 0, 512, 10240, 65536, edits.MIB])
    edits.write(path, text.ljust(size, chance.choice([b"\0", b"\n", b"#"])))


@kind("vmdk", "types", weight=2)
def _types(chance, path):
    """Types and extent lines that are not what the image is."""
    extents = b"".join(chance.choice(_EXTENTS[:7]).replace(b"%s", chance.choice(
        [b"image.vmdk", CANARY.encode(), b""])) + b"\n" for _ in range(chance.choice([0, 1, 1, 2])))
    image = _image(chance)
    image.descriptor = v.descriptor(chance.choice(_TYPES), extents)
    image.write(path)


@kind("vmdk", "sizes", weight=2)
def _sizes(chance, path):
    """Capacity against the extent's line, the grain size, the directory."""
    image = _image(chance)
    sectors = edits.size_of_disk(chance) // 512
    which = chance.choice(["header", "line", "both"])
    if which != "line":
        image.header["capacity"] = sectors
    if which != "header":
        image.descriptor = image.descriptor.replace(b"RW 2048", b"RW %d" % sectors)
    if chance.random() < 0.3:
        image.header["grain_size"] = chance.choice([1, 8, 16, 128, 2048, 1 << 20])
    if chance.random() < 0.3:
        image.header["gt_entries"] = chance.choice([1, 512, 256, 4096, 512 * 1024])
    if image.footer is not None and chance.random() < 0.5:
        image.footer["capacity"] = chance.choice([2048, 4096, 1024, 1 << 31])
    image.write(path)
    if chance.random() < 0.4:
        edits.stretch(chance, path)


@kind("vmdk", "footer")
def _footer(chance, path):
    """A stream whose last header says else than its first."""
    image = v.VmdkFile(stream=True, footer=True)
    footer = dict(image.header) | image.footer
    edits.change_fields(chance, footer, v.FIELDS)
    if chance.random() < 0.4:
        place = image.add(_both_parents(chance, _insert(chance, image.descriptor, _hidden(chance)))
                          .ljust(_AREA, b"\0"))
        footer["descriptor_offset"] = place
    image.footer = footer
    image.tail = chance.choice([b"", b"", bytes(512), bytes(1536)])
    image.write(path)


@kind("vmdk", "tables", tables=True)
def _tables(chance, path):
    """Grain tables that overlap, disagree, reach outside."""
    image = _image(chance)
    index = chance.randrange(4)
    image.gt[index] = chance.choice([0, 1, 2, 0x7FFFFFFF, image.gt[(index + 1) % 4], 26, 27, 1])
    if chance.random() < 0.3:
        image.gd = chance.choice([[0], [v.GD], [1 << 30], [v.RGT]])
    if chance.random() < 0.3 and image.rgd:
        other = [image.gt.get(number, 0) + 128 for number in range(4)]
        image.put(v.RGT, struct.pack("<4I", *other))
    image.write(path)


@kind("vmdk", "embedded-extents", weight=2)
def _embedded_extents(chance, path):
    """Where the header has no capacity, qemu-img takes the disk from the extents of the text."""
    image = _image(chance)
    image.header["capacity"] = chance.choice([0, 0, 0, 1])
    extents = b"".join(chance.choice(_EXTENTS).replace(b"%s", chance.choice(
        [b"canary.vmdk", CANARY.encode(), b"/canary.raw", b"image.vmdk"])) + b"\n"
        for _ in range(chance.choice([1, 2])))
    image.descriptor = v.descriptor(chance.choice(_TYPES), extents)
    if image.footer is not None and chance.random() < 0.5:
        image.footer["capacity"] = 0
    image.write(path)


@kind("vmdk", "esx", weight=2)
def _esx(chance, path):
    """COWD and SEsparse headers, alone and with a text at the place of one."""
    magic = chance.choice([b"COWD", b"COWD", b"\xbe\xba\xfe\xca", b"SPAR"])
    head = magic + struct.pack("<8I", 1, chance.choice([3, 1, 0]), 2048, chance.choice([1, 128]), 4,
                               chance.choice([1, 2, 4096]), 4, 0)
    text = v.descriptor(chance.choice(_TYPES))
    text = _both_parents(chance, _insert(chance, text, _hidden(chance)))
    data = head.ljust(512, b"\0") + (text if chance.random() < 0.7 else b"")
    edits.write(path, data.ljust(chance.choice([2048, 65536, edits.MIB]), b"\0"))
