"""What standard error says of images that are odd but can be read.

Under its own name hotcell warns. Through a link named qemu-img it is as silent as that program:
services take any line on standard error for a failure.
"""

import os
import shutil
import struct

from support import content, harness, programs

_SIZE = 16 << 20


def _set(path, offset, data):
    with open(path, "r+b") as image:
        image.seek(offset)
        image.write(data)


# Where the formats' specifications have the marks. Each is set in an image that qemu-img made.
_QCOW2_INCOMPATIBLE_FEATURES = 72  # big-endian, 8 bytes
_QED_FEATURES = 16  # little-endian, 8 bytes
_QED_NEEDS_CHECK = 2
_VMDK_UNCLEAN_SHUTDOWN = 72
_PARALLELS_IN_USE = 44
_PARALLELS_IN_USE_MAGIC = 0x746F6E59
_VHDX_HEADERS = (64 << 10, 128 << 10)
_VHDX_SEQUENCE_NUMBER = 8
_VHD_FOOTER = 512


def _dirty(path):
    _set(path, _QCOW2_INCOMPATIBLE_FEATURES, struct.pack(">Q", 1))


def _corrupt(path):
    _set(path, _QCOW2_INCOMPATIBLE_FEATURES, struct.pack(">Q", 2))


def _needs_check(path):
    _set(path, _QED_FEATURES, struct.pack("<Q", _QED_NEEDS_CHECK))


def _unclean_shutdown(path):
    _set(path, _VMDK_UNCLEAN_SHUTDOWN, b"\1")


def _in_use(path):
    _set(path, _PARALLELS_IN_USE, struct.pack("<I", _PARALLELS_IN_USE_MAGIC))


def _damaged_older_header(path):
    with open(path, "rb") as image:
        sequence = []
        for offset in _VHDX_HEADERS:
            image.seek(offset + _VHDX_SEQUENCE_NUMBER)
            sequence += struct.unpack("<Q", image.read(8))
    older = _VHDX_HEADERS[sequence.index(min(sequence))]
    _set(path, older + _VHDX_SEQUENCE_NUMBER, b"\xff" * 8)


def _damaged_footer_at_the_end(path):
    _set(path, os.path.getsize(path) - _VHD_FOOTER + 100, b"\xff" * 8)


# Name of the case: format and the oddity.
_IMAGES = {
    "qcow2-dirty": ("qcow2", _dirty),
    "qcow2-corrupt": ("qcow2", _corrupt),
    "qed-needs-check": ("qed", _needs_check),
    "vmdk-unclean": ("vmdk", _unclean_shutdown),
    "parallels-in-use": ("parallels", _in_use),
    "vhdx-damaged-header": ("vhdx", _damaged_older_header),
    "vhd-damaged-footer": ("vpc", _damaged_footer_at_the_end),
}


def _commands(image_format):
    """Each command of qemu-img that hotcell has, on the image "odd"."""
    return (
        ("info", "odd"),
        ("info", "-f", image_format, "--output=json", "odd"),
        ("info", "--backing-chain", "odd"),
        ("check", "-f", image_format, "odd"),
        ("check", "-f", image_format, "--output=json", "odd"),
        ("compare", "-f", image_format, "-F", "raw", "odd", "plain.raw"),
        # Without JSON, qemu-img has no map of any VHDX.
        *([("map", "-f", image_format, "odd")] if image_format != "vhdx" else []),
        ("map", "-f", image_format, "--output=json", "odd"),
        ("measure", "-f", image_format, "-O", "qcow2", "odd"),
        ("measure", "-f", image_format, "-O", "qcow2", "--output=json", "odd"),
        ("snapshot", "-l", "odd"),
        ("convert", "-f", image_format, "-O", "raw", "odd", "out.raw"),
        ("convert", "-p", "-f", image_format, "-O", "qcow2", "-c", "odd", "out.qcow2"),
        ("dd", "-f", image_format, "-O", "raw", "bs=1M", "count=4", "if=odd", "of=part.raw"),
        ("create", "-f", "qcow2", "-b", "odd", "-F", image_format, "overlay.qcow2"),
        ("convert", "-f", "qcow2", "-O", "raw", "overlay.qcow2", "above.raw"),
    )


def _make(directory, image_format, damage):
    raw = os.path.join(directory, "plain.raw")
    with open(content.pattern(), "rb") as source, open(raw, "wb") as target:
        shutil.copyfileobj(source, target)
        target.truncate(_SIZE)
    odd = os.path.join(directory, "odd")
    programs.qemu_img("convert", "-f", "raw", "-O", image_format, raw, odd)
    damage(odd)


def _check_silence(directory, image_format, damage):
    programs.require_kvm()
    programs.require_program("qemu-img")
    theirs, ours = os.path.join(directory, "theirs"), os.path.join(directory, "ours")
    os.mkdir(theirs)
    _make(theirs, image_format, damage)
    shutil.copytree(theirs, ours)
    link = os.path.join(directory, "qemu-img")
    os.symlink(programs.HOTCELL, link)
    policy = os.path.join(directory, "hotcell.conf")
    with open(policy, "w", encoding="utf-8") as config:
        config.write(f"follow-references={ours}\n")
    environment = {**os.environ, "HOTCELL_CONFIG": policy}

    own = programs.run([programs.HOTCELL, "digest", "odd"], cwd=ours, env=environment)
    harness.check(own.stderr.startswith(b"hotcell: digest: warning: "),
                  f"hotcell does not warn: {own.stderr!r}")
    for arguments in _commands(image_format):
        expected = programs.run(["qemu-img", *arguments], cwd=theirs)
        got = programs.run([link, *arguments], cwd=ours, env=environment)
        where = " ".join(arguments)
        if arguments[0] == "check" and got.returncode != expected.returncode:
            continue  # hotcell looks at more than qemu-img does, and says what it found
        harness.check_equal(got.returncode, expected.returncode, f"{where}: {got.stderr!r}")
        if not expected.stderr:
            harness.check_equal(got.stderr, b"", where)


def dd_beyond_the_end_says_what_qemu_img_says(directory):
    programs.require_kvm()
    programs.require_program("qemu-img")
    link = os.path.join(directory, "qemu-img")
    os.symlink(programs.HOTCELL, link)
    with open("small.raw", "wb") as image:
        image.truncate(1 << 20)
    arguments = ("dd", "-f", "raw", "-O", "raw", "bs=1M", "skip=5", "if=small.raw", "of=out.raw")
    expected = programs.run(["qemu-img", *arguments])
    got = programs.run([link, *arguments])
    harness.check_equal((got.returncode, got.stderr), (expected.returncode, expected.stderr), "dd")


CASES = {f"link_is_silent.{name}": (lambda directory, image=image:
                                    _check_silence(directory, *image))
         for name, image in _IMAGES.items()}
CASES["dd_beyond_the_end"] = dd_beyond_the_end_says_what_qemu_img_says

if __name__ == "__main__":
    harness.main(CASES)
