"""VMDKs whose descriptor hides from a strict reader what a permissive one finds: whatever makes
qemu-img or libvmdk see another file, another parent or another size, `hotcell inspect` must not
call safe, with and without --no-check."""

import json
import os
import re

from hostile.images import vmdkfile as v
from support import harness, programs, trace

try:
    import pyvmdk
except ImportError:  # the other readers are still asked
    pyvmdk = None

_AREA = 20 * v.SECTOR
_SECTORS = 2048
_NO_PARENT = 0xFFFFFFFF

# What is hidden: text that means something where a reader takes it for a line.
_HINT = b'parentFileNameHint="parent.vmdk"'
_PARENT = b"parentCID=11112222"
_MENTIONS = {
    "hint": _HINT,
    "type": b'createType="monolithicFlat"',
    "cid": b"CID=11112222",
    "parent-cid": _PARENT,
    "extent": b'RW 2048 FLAT "secret.bin" 0',
    "sparse-extent": b'RW 2048 SPARSE "parent.vmdk"',
}
_SPELLINGS = {"": bytes, "-lower": bytes.lower, "-upper": bytes.upper}
_VERSION = b"version=1\n"


def _after_version(line):
    return lambda _image, text: text.replace(_VERSION, _VERSION + line + b"\n")


def _at_end(line):
    return lambda _image, text: text + line


def _in_name(mention):
    return lambda _image, text: text.replace(b"image.vmdk", mention.replace(b'"', b""))


def _elsewhere(mention):
    """The header names a sound descriptor; readers that do not go by it find another one."""
    def change(image, text):
        image.header["descriptor_offset"] = 40
        image.put(40, text)
        return text.replace(_VERSION, _VERSION + mention + b"\n")
    return change


def _behind_full_area(mention):
    """The descriptor fills the sectors that the header gives it."""
    def change(image, text):
        image.header["descriptor_size"] = 2
        return text.ljust(2 * v.SECTOR, b"\n") + mention + b"\n"
    return change


def _behind_short_area(mention):
    def change(image, text):
        image.header["descriptor_size"] = 2
        image.put(10, mention + b"\n")
        return text
    return change


# Where it is hidden: mention -> function (image, sound descriptor) -> descriptor.
_PLACES = {
    "comment": lambda m: _after_version(b"# " + m),
    "tight-comment": lambda m: _after_version(b"#" + m),
    "comment-at-end": lambda m: _at_end(b"# " + m + b"\n"),
    "middle-of-line": lambda m: _after_version(b"x " + m),
    "other-key": lambda m: _after_version(b"x" + m),
    "ddb-line": lambda m: _at_end(b'ddb.x = "1" ' + m + b"\n"),
    "ddb-key": lambda m: _at_end(b"ddb." + m + b"\n"),
    "ddb-value": lambda m: _at_end(b'ddb.comment = "' + m.replace(b'"', b"") + b'"\n'),
    "encoding": lambda m: _after_version(b'encoding="' + m.replace(b'"', b"") + b'"'),
    "extent-name": _in_name,
    "vertical-tab": lambda m: _after_version(b"\v" + m),
    "form-feed": lambda m: _after_version(b"\f" + m),
    "carriage-return": lambda m: _after_version(b"#\r" + m),
    "unit-separator": lambda m: _after_version(b"\x1f" + m),
    "next-line-of-latin-1": lambda m: _after_version(b"\x85" + m),
    "behind-nul": lambda m: _at_end(b"\0" + m + b"\n"),
    "nul-in-comment": lambda m: _after_version(b"#\0\n" + m),
    "nul-in-mention": lambda m: _at_end(m.replace(b"=", b"\0", 1) + b"\n"),
    "nul-in-comments-mention": lambda m: _at_end(b"#" + m.replace(b"=", b"\0", 1) + b"\n"),
    "second-descriptor": lambda m: _at_end(b"# Disk DescriptorFile\nversion=1\n" + m + b"\n"),
    "elsewhere": _elsewhere,
    "behind-full-area": _behind_full_area,
    "behind-short-area": _behind_short_area,
}


def _write_image(path, change, parent_cid=b"ffffffff", **header):
    image = v.VmdkFile()
    image.header.update(header)
    image.descriptor = change(image, v.descriptor(parent_cid=parent_cid))
    if image.header["descriptor_size"] < 20:  # no tables may lie in the way
        image.header["flags"] = v.FLAG_NEWLINES
        image.rgd = []
        image.header["rgd_offset"] = 0
    image.write(path)


def _write_others():
    with open("secret.bin", "wb") as out:
        out.write(b"TOP SECRET\n".ljust(_SECTORS * v.SECTOR, b"\0"))
    with open("parent.vmdk", "wb") as out:
        out.write(v.descriptor(b"monolithicFlat", b'RW 2048 FLAT "secret.bin" 0\n',
                               cid=b"11112222"))


# ---- What others see ----------------------------------------------------------------------------

def _qemu_sees(path):
    """What qemu-img finds that the sound image does not have; empty: nothing."""
    result, entries = trace.run(["qemu-img", "info", "--output=json", path], "trace.log")
    here = os.getcwd()
    own = {os.path.join(here, name) for name in (path, "trace.log")} | {here}
    seen = sorted({entry.path for entry in entries if entry.path.startswith(here + "/")} - own)
    if result.returncode == 0:
        info = json.loads(result.stdout)
        seen += [info[key] for key in ("backing-filename", "full-backing-filename") if key in info]
        if info["format"] != "vmdk" or info["virtual-size"] != _SECTORS * v.SECTOR:
            seen.append(f"{info['format']} of {info['virtual-size']} bytes")
        details = info.get("format-specific", {}).get("data", {})
        if details.get("parent-cid", _NO_PARENT) != _NO_PARENT:
            seen.append("a parent's content ID")
    return seen


def _libvmdk_sees(path):
    if pyvmdk is None:
        return []
    handle = pyvmdk.handle()
    try:
        handle.open(path)
        seen = []
        if handle.get_parent_content_identifier() != _NO_PARENT:
            seen.append("libvmdk: a parent's content ID")
        if handle.get_media_size() != _SECTORS * v.SECTOR:
            seen.append(f"libvmdk: {handle.get_media_size()} bytes")
        names = [handle.get_extent_descriptor(number).get_filename()
                 for number in range(handle.get_number_of_extents())]
        return seen + [f"libvmdk: {name}" for name in names if name != "image.vmdk"]
    except (OSError, RuntimeError):
        return []
    finally:
        try:
            handle.close()
        except OSError:
            pass


def _is_safe(path, *arguments):
    result = programs.hotcell("inspect", "-q", *arguments, path)
    harness.check(result.returncode in (0, 2), f"{path}: exit {result.returncode}, "
                  f"{result.stderr!r}")
    return result.returncode == 0


def _check_unsafe(path):
    """Returns what others see."""
    seen = _qemu_sees(path) + _libvmdk_sees(path)
    for arguments in ((), ("--no-check",)):
        harness.check(not _is_safe(path, *arguments),
                      f"{path}: safe {' '.join(arguments)}, but others see {seen}")
    return seen


def _require():
    programs.require_kvm()
    programs.require_program("qemu-img")
    _write_others()


# ---- The cases ----------------------------------------------------------------------------------

# Where qemu-img 7.2 follows the hint, which shows that its eyes are open.
_FOLLOWED = ("comment", "middle-of-line", "ddb-value", "vertical-tab", "nul-in-comments-mention",
             "elsewhere", "behind-full-area")


def _hidden(place):
    def run(_directory):
        _require()
        followed = False
        for name, mention in _MENTIONS.items():
            for suffix, spell in _SPELLINGS.items():
                path = f"{name}{suffix}.vmdk"
                _write_image(path, _PLACES[place](spell(mention)))
                seen = _check_unsafe(path)
                print(f"{place}/{path}: {seen}")
                followed |= any("arent.vmdk" in text for text in seen)
        harness.check(followed or place not in _FOLLOWED, f"{place}: nobody is led astray")
    return run


# A capacity of 0 makes the extents those of the descriptor.
def _capacity_0(_directory):
    _require()
    followed = False
    for place, hide in _PLACES.items():
        for name in ("type", "extent", "sparse-extent"):
            path = f"{place}-{name}.vmdk"

            def change(image, text, hide=hide, name=name):
                # Readers that take the hidden one find the other in the open.
                if name != "type":
                    text = text.replace(b"monolithicSparse", b"monolithicFlat")
                    text = text.replace(b"RW 2048 SPARSE", b"# RW 2048 SPARSE")
                return hide(_MENTIONS[name])(image, text)
            _write_image(path, change, capacity=0)
            seen = _check_unsafe(path)
            print(f"{path}: {seen}")
            followed |= any("secret.bin" in text for text in seen)
    harness.check(followed, "nobody is led astray")


def _parents(_directory):
    _require()
    plain = lambda _image, text: text  # pylint: disable=unnecessary-lambda-assignment
    _write_image("cid-alone.vmdk", plain, parent_cid=b"11112222")
    _write_image("named.vmdk", _after_version(_HINT), parent_cid=b"11112222")
    _write_image("track.vmdk", _at_end(b'changeTrackPath="parent.vmdk"\n'))
    _write_image("uuid.vmdk", _at_end(b'ddb.uuid.parent="a23f3c5b-6d7e-4f80-91a2-b3c4d5e6f708"\n'))
    for path in ("cid-alone.vmdk", "named.vmdk", "track.vmdk", "uuid.vmdk"):
        _check_unsafe(path)


def _sizes(_directory):
    _require()
    for sectors in (0, 1, 2047, 2049, 1 << 30):
        path = f"{sectors}.vmdk"
        _write_image(path, lambda _image, text, sectors=sectors:
                     text.replace(b"RW 2048", b"RW %d" % sectors))
        _check_unsafe(path)
    _write_image("two.vmdk", _at_end(b'RW 2048 SPARSE "parent.vmdk"\n'))
    _write_image("none.vmdk", lambda _image, text: text.replace(b"RW 2048", b"# RW x"))
    for path in ("two.vmdk", "none.vmdk"):
        _check_unsafe(path)


def _footers(_directory):
    _require()
    for field, value in (("version", 1), ("flags", v.FLAG_NEWLINES | v.FLAG_COMPRESSED),
                         ("descriptor_offset", 40), ("descriptor_size", 10),
                         ("overhead", v.DATA - 4)):
        image = v.VmdkFile(stream=True, footer=True)
        image.footer[field] = value
        image.write(f"{field}.vmdk")
        _check_unsafe(f"{field}.vmdk")


# VirtualBox's import of appliances and VMware's read a stream in its order, by its markers.
def _streams(_directory):
    _require()
    stream = v.zlib.compress(v.pattern(7))
    grain = v.marker(7 * 128, len(stream)) + stream

    def at_end(image):
        image.add(grain)

    def in_the_middle(image):
        image.add(grain)
        image.add_grain(9)

    def behind_metadata(image):
        image.add(v.metadata_marker(4, 1) + bytes(4 * v.SECTOR) + grain)

    def before_the_begin(image):
        image.header["overhead"] = v.DATA + 1
    for change in (at_end, in_the_middle, behind_metadata, before_the_begin):
        image = v.VmdkFile(stream=True)
        change(image)
        path = f"{change.__name__}.vmdk"
        image.write(path)
        harness.check(not _is_safe(path), f"{path}: safe")


# Files that no probe takes for a descriptor, and that some program reads as one all the same.
def _texts(_directory):
    _require()
    text = v.descriptor(b"monolithicFlat", b'RW 2048 FLAT "secret.bin" 0\n')
    for name, data in {"mark": b"\xef\xbb\xbf" + text, "returns": text.replace(b"\n", b"\r"),
                       "spaced": text.replace(b"version=1", b"version = 1"),
                       "upper": text.replace(b"version=1", b"VERSION=1"),
                       "blanks": b" " + text, "lines": b"\n\n" + text,
                       "no-mark": text.split(b"\n", 1)[1].replace(b"version=1", b" version=1"),
                       "sound": text, "zero": v.descriptor(b"vmfs", b"RW 2048 ZERO\n"),
                       "tab": v.descriptor(
                           b"vmfs", b'RW 2048 ZERO\n\vRW 2048 FLAT "secret.bin" 0\n')
                       }.items():
        path = f"{name}.vmdk"
        with open(path, "wb") as out:
            out.write(data)
        print(f"{name}: {_check_unsafe(path)}")
        if json.loads(programs.must_hotcell("info", "--output=json", path))["format"] == "raw":
            for command in (["info", path], ["convert", "-O", "raw", path, "out.raw"]):
                result = programs.hotcell(*command)
                harness.check(re.search(rb"warning: the disk begins .*vmdk", result.stderr, re.I),
                              f"{command}: {result.stderr}")


def _honest(_directory):
    _require()
    lines = (b'ddb.uuid.image="a23f3c5b-6d7e-4f80-91a2-b3c4d5e6f708"\n'
             b'ddb.uuid.parent="00000000-0000-0000-0000-000000000000"\n'
             b'ddb.longContentID = "0123456789abcdef0123456789abcdef"\n'
             b'ddb.toolsInstallType = "4"\nddb.comment=""')
    changes = {
        "plain": lambda _image, text: text,
        "lines": _at_end(lines),  # the last without an end
        "vmware": lambda _image, text: text.replace(
            b"CID=", b'encoding="windows-1252"\nCID=', 1).replace(
                b"createType", b'isNativeSnapshot="no"\ncreateType'),
        "windows": lambda _image, text: text.replace(b"\n", b"\r\n"),
        "name": lambda _image, text: text.replace(b"image.vmdk", b"Acid RW 7 \xfc.vmdk"),
        # QEMU leaves this when it has written a shorter content ID.
        "leftover": lambda _image, text: text.replace(b"CID=fffffffe", b"CID=fffe", 1) + b"\0" +
                    text[-4:],
    }
    for name, change in changes.items():
        _write_image(f"{name}.vmdk", change)
    for footer in (False, True):
        image = v.VmdkFile(stream=True, footer=footer)
        if footer:
            image.header["descriptor_size"] = 2
            image.footer["descriptor_size"] = 2
        image.write(f"stream-{footer}.vmdk")
    for options in ([], ["-o", "subformat=streamOptimized"], ["-o", "zeroed_grain=on"],
                    ["-o", "adapter_type=lsilogic,hwversion=11"]):
        path = f"qemu{len(options)}{options[-1:]}.vmdk"
        programs.qemu_img("convert", "-O", "vmdk", *options, "secret.bin", path)
        programs.must_hotcell("convert", "-f", "raw", "-O", "vmdk", *options, "secret.bin",
                              "own-" + path)
    images = sorted(name for name in os.listdir(".")
                    if name.endswith(".vmdk") and name != "parent.vmdk")
    for path in images:
        for arguments in ((), ("--no-check",)):
            harness.check(_is_safe(path, *arguments), f"{path}: unsafe {' '.join(arguments)}")


CASES = {f"hidden-{place}": _hidden(place) for place in _PLACES}
CASES |= {"capacity-0": _capacity_0, "parents": _parents, "sizes": _sizes, "footers": _footers,
          "streams": _streams, "texts": _texts, "honest": _honest}

if __name__ == "__main__":
    harness.main(CASES)
