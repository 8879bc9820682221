"""Block devices get images of every format, whatever they held before."""

import contextlib
import os

from support import harness, programs

MIB = 1 << 20
_SIZE = 64 * MIB
_DISK = 8 * MIB
# Formats, with options of convert.
_IMAGES = (
    ("qcow2",), ("qcow2", "-c"), ("qcow2", "-o", "cluster_size=4k,preallocation=metadata"),
    ("qcow2", "-o", "extended_l2=on"), ("qcow",), ("qed",), ("vmdk",), ("vdi",),
    ("vdi", "-o", "static=on"), ("vpc", "-o", "force_size=on"), ("vhdx",), ("parallels",),
)


def _fill(path, size):
    with open(path, "wb") as file:
        for _ in range(size // MIB):
            file.write(b"\xff" * MIB)


@contextlib.contextmanager
def _device(name, size=_SIZE):
    """A device that was full of something else."""
    programs.require_root()
    programs.require_program("losetup")
    _fill(name, size)
    attached = programs.run(["losetup", "-f", "--show", name])
    if attached.returncode != 0:
        raise harness.Skip(f"no loop device: {attached.stderr.decode(errors='replace')}")
    device = attached.stdout.decode().strip()
    try:
        yield device
    finally:
        programs.must(["losetup", "-d", device])


def _disk(path):
    """Data, holes and data again."""
    with open(path, "wb") as file:
        for offset in (0, 3 * MIB + 512, _DISK - 4096):
            file.seek(offset)
            file.write(bytes(range(1, 256)) * 12)
        file.truncate(_DISK)


def _convert(_):
    programs.require_kvm()
    _disk("disk.raw")
    for image_format, *options in _IMAGES:
        what = f"{image_format} {options}"
        with _device("device") as device:
            programs.must_hotcell("convert", "-f", "raw", "-O", image_format, *options, "disk.raw",
                                  device)
            programs.qemu_img("compare", "-f", image_format, "-F", "raw", device, "disk.raw")
            if image_format in ("qcow2", "vdi", "vmdk", "vhdx"):
                programs.qemu_img("check", "-f", image_format, device)
            text = programs.must_hotcell("compare", "-f", image_format, "-F", "raw", device,
                                         "disk.raw")
            harness.check_equal(text, b"Images are identical.\n", what)


def _create(_):
    """Nothing is left of what was there, with create and dd."""
    programs.require_kvm()
    with open("empty.raw", "wb") as file:
        file.truncate(_DISK)
    with _device("device") as device:
        for image_format, *_ in _IMAGES:
            programs.must_hotcell("create", "-q", "-f", image_format, device, str(_DISK))
            programs.must_hotcell("compare", "-f", image_format, "-F", "raw", device, "empty.raw")
        programs.must_hotcell("dd", "-f", "raw", "-O", "qcow2", "if=empty.raw", f"of={device}")
        programs.qemu_img("check", "-f", "qcow2", device)
        # Proxmox fills logical volumes so, whose images it has made before.
        _disk("disk.raw")
        programs.must_hotcell("create", "-q", "-f", "qcow2", "-o", "cluster_size=128k", device,
                              str(_DISK))
        programs.must_hotcell("convert", "-n", "-f", "raw", "-O", "qcow2", "disk.raw", device)
        programs.qemu_img("compare", "-f", "qcow2", "-F", "raw", device, "disk.raw")
        harness.check_equal(programs.qemu_info(device)["cluster-size"], 128 << 10, "cluster size")


def _space_behind(_):
    """What lies behind an image is lost in a file, and on a device no part of it."""
    programs.require_kvm()
    _disk("disk.raw")
    for image_format, *options in _IMAGES:
        if image_format == "qcow":
            continue  # has no check
        what = f"{image_format} {options}"
        with _device("device") as device:
            programs.must_hotcell("convert", "-f", "raw", "-O", image_format, *options, "disk.raw",
                                  device)
            checked = programs.hotcell("check", "-f", image_format, device)
            # The footer of a VHD is missed at the end, which is all that is wrong.
            harness.check_equal(checked.returncode, 2 if image_format == "vpc" else 0,
                                f"{what}: device")
            harness.check(b"leaked" not in checked.stdout, f"{what}: {checked.stdout!r}")
            with open(device, "rb") as source, open("copy", "wb") as file:
                file.write(source.read())
        checked = programs.hotcell("check", "-f", image_format, "copy")
        is_lost = image_format in ("qed", "vmdk", "vhdx", "parallels", "vpc")
        harness.check_equal(b"leaked" in checked.stdout, is_lost, f"{what}: {checked.stdout!r}")


def _an_image_before(_):
    """An old image's header goes before anything of the new one comes."""
    programs.require_kvm()
    programs.require_program("qemu-img")
    with open("random.raw", "wb") as file:
        file.write(os.urandom(_DISK))
    with _device("device", 4 * MIB) as device:
        programs.qemu_img("create", "-q", "-f", "qcow2", device, "1M")
        result = programs.hotcell("convert", "-f", "raw", "-O", "qcow2", "random.raw", device)
        harness.check_equal(result.returncode, 1, "a device that is too small: exit status")
        harness.check(b"has 4194304 bytes" in result.stderr and device.encode() in result.stderr,
                      result.stderr)
        with open(device, "rb") as file:
            harness.check_equal(file.read(4), b"\0" * 4, "the old header")


def _refused(_):
    """What cannot be an image on a device leaves it as it was."""
    programs.require_kvm()
    _disk("disk.raw")
    with _device("device") as device:
        for arguments, said in (
                (("-O", "vpc", "-o", "subformat=fixed,force_size=on"), b"ends with its footer"),
                (("-O", "vmdk", "-o", "subformat=streamOptimized"), b"ends with its footer"),
                (("-O", "vmdk", "-o", "subformat=monolithicFlat"), b"several files"),
                (("-n", "-O", "vdi"), b"without -n the image is made anew"),
                (("-n", "-O", "qcow2"), b"does not start with the magic bytes")):
            result = programs.hotcell("convert", "-f", "raw", *arguments, "disk.raw", device)
            harness.check_equal(result.returncode, 1, f"{arguments}: exit status")
            harness.check(said in result.stderr, f"{arguments}: {result.stderr!r}")
        harness.check(not os.path.exists(f"{device}-flat"), "a file beside the device")
        with open(device, "rb") as file:
            harness.check(file.read(MIB) == b"\xff" * MIB, "the device was changed")


def _raw(_):
    """What a raw disk has is written, zeroes included, and nothing behind it."""
    programs.require_kvm()
    _disk("disk.raw")
    with _device("device") as device:
        programs.must_hotcell("convert", "-f", "raw", "-O", "raw", "disk.raw", device)
        with open(device, "rb") as file, open("disk.raw", "rb") as disk:
            harness.check(file.read(_DISK) == disk.read(), "the disk")
            harness.check(file.read(MIB) == b"\xff" * MIB, "what lies behind it")


harness.main({
    "an_image_before": _an_image_before,
    "convert": _convert,
    "create": _create,
    "raw": _raw,
    "space-behind": _space_behind,
    "refused": _refused,
})
