"""Programs that write disk images honestly, each with the options that change how an image looks.

    writers.WRITERS["qemu-img qcow2 -c"](raw disk, path)

Each skips (support.harness.Skip) where its program is not installed or cannot write that.
"""

import dataclasses
import os

from hostile.images import dmgfile
from support import harness, programs, readers
from verdicts import edits

WRITERS = {}


@dataclasses.dataclass
class Writer:
    write: object  # (raw disk, path)
    format: str
    extension: str
    biggest: int = 1 << 30  # disk that it takes in reasonable time, in bytes
    # Whether it comes with tools/setup's own packages, or is of this project.
    default: bool = True
    begins_with_disk: bool = False  # the file


def _writer(name, image_format, write, extension=None, **fields):
    WRITERS[name] = Writer(write, image_format, extension or image_format, **fields)


_writer("cp", "raw", lambda disk, path: programs.must(["cp", "--sparse=always", disk, path]), "img",
        begins_with_disk=True)


# ---- qemu-img, of this system and of later ones -------------------------------------------------

_QEMU = {
    "qcow2": ["", "-c", "cluster_size=512", "cluster_size=4k", "cluster_size=2M", "compat=0.10",
              "compat=0.10 -c", "lazy_refcounts=on", "refcount_bits=1", "refcount_bits=64",
              "extended_l2=on,cluster_size=128k", "preallocation=metadata", "preallocation=falloc",
              "preallocation=full", "compression_type=zstd -c", "compression_type=zstd"],
    "qcow": [""],
    "vdi": ["", "static=on"],
    "vpc": ["", "subformat=fixed", "force_size=on", "subformat=fixed,force_size=on"],
    "vhdx": ["", "subformat=fixed", "block_size=1M", "log_size=4M"],
    "vmdk": ["", "subformat=streamOptimized", "adapter_type=lsilogic", "zeroed_grain=on",
             "compat6=on", "hwversion=10"],
    "parallels": ["", "cluster_size=64k"],
    "qed": ["", "cluster_size=4k"],
}
_EXTENSIONS = {"vpc": "vhd", "parallels": "hdd"}


def _qemu_convert(command, image_format, text, disk, path):
    options = text.split()
    arguments = ["-c"] if "-c" in options else []
    for option in options:
        if option != "-c":
            arguments += ["-o", option]
    result = programs.run([*command, "convert", "-f", "raw", "-O", image_format, *arguments, disk,
                           path], env={**os.environ, "QEMU_MODULE_DIR": "/nonexistent"})
    # One cluster size of Parallels, and what older versions do not know.
    if b"Invalid parameter" in result.stderr or b"Unsupported" in result.stderr:
        raise harness.Skip(result.stderr.decode(errors="replace").strip())
    harness.check(result.returncode == 0, f"{arguments}: {result.stderr!r}")


def _add_qemu(name, command, default):
    for image_format, variants in _QEMU.items():
        for text in variants:
            _writer(f"{name} {image_format} {text}".strip(), image_format,
                    lambda disk, path, image_format=image_format, text=text:
                    _qemu_convert(command, image_format, text, disk, path),
                    _EXTENSIONS.get(image_format),
                    # Fixed and fully allocated ones are as long as the disk.
                    biggest=(16 << 20 if "fixed" in text or "full" in text or "static" in text
                             else 1 << 30), default=default,
                    begins_with_disk=image_format == "vpc" and "fixed" in text)


def _used_qcow2(disk, path):
    """Writes an image with snapshots, a bitmap, and writes since."""
    _qemu_convert(["qemu-img"], "qcow2", "", disk, path)
    programs.qemu_img("snapshot", "-c", "one", path)
    programs.qemu_img("bitmap", "--add", path, "b0")
    programs.qemu_io(path, "write -P 7 64k 256k", "discard 512k 128k")
    programs.qemu_img("resize", "-q", path, "+1M")


_add_qemu("qemu-img", ["qemu-img"], True)
_writer("qemu-img qcow2 used", "qcow2", _used_qcow2)
for _reader in readers.every():
    if (_reader.problem is None and _reader.name.startswith("qemu-img") and
            readers.is_extra(_reader)):
        _add_qemu(_reader.name, _reader.read.args[1], False)


# ---- VirtualBox ---------------------------------------------------------------------------------

def _vbox_convert(command, image_format, variant, disk, path):
    result = programs.run([*command, "convert", "--srcfilename", disk, "--srcformat", "RAW",
                           "--dstfilename", path, "--dstformat", image_format, "--variant",
                           variant])
    harness.check(result.returncode == 0, f"{image_format}: {result.stderr!r}")


def _add_vbox(command):
    for image_format, kind, extension, variants in (
            ("VDI", "vdi", "vdi", ("Standard", "Fixed")),
            ("VHD", "vpc", "vhd", ("Standard", "Fixed")),
            ("VMDK", "vmdk", "vmdk", ("Standard", "Stream")), ("QED", "qed", "qed", ("Standard",)),
            ("QCOW", "qcow2", "qcow2", ("Standard",)),
            ("Parallels", "parallels", "hdd", ("Standard",))):
        for variant in variants:
            _writer(f"vbox-img {image_format} {variant}", kind,
                    lambda disk, path, image_format=image_format, variant=variant:
                    _vbox_convert(command, image_format, variant, disk, path), extension,
                    biggest=16 << 20 if variant == "Fixed" else 1 << 30, default=False,
                    begins_with_disk=kind == "vpc" and variant == "Fixed")


for _reader in readers.every():
    if _reader.problem is None and _reader.name == "vbox-img":
        _add_vbox(_reader.read.args[0])


# ---- Bochs, cloop, macOS ------------------------------------------------------------------------

def _bximage(mode, disk, path):
    programs.require_program("bximage")
    # A VMDK's extent line has the name as it is given, and libvmdk opens a path that stands there.
    result = programs.run(["bximage", "-q", "-func=convert", f"-imgmode={mode}",
                           os.path.abspath(disk), os.path.basename(path)],
                          cwd=os.path.dirname(path))
    if result.returncode != 0:
        raise harness.Skip(f"bximage does not write such a disk as {mode}")


for _mode, _format in (("growing", "bochs"), ("vmware4", "vmdk"), ("vpc", "vpc")):
    _writer(f"bximage {_mode}", _format,
            lambda disk, path, mode=_mode: _bximage(mode, disk, path), biggest=16 << 20)


def _cloop(block_size, disk, path):
    programs.require_program("create_compressed_fs")
    programs.must(["create_compressed_fs", "-q", "-B", str(block_size), disk, path])


for _size in (65536, 524288):
    _writer(f"create_compressed_fs -B {_size}", "cloop",
            lambda disk, path, size=_size: _cloop(size, disk, path), biggest=16 << 20)


def _dmg(kinds, resource_fork, disk, path):
    dmgfile.from_disk(edits.read(disk), kinds, resource_fork=resource_fork).write(path)


for _name, _kinds, _fork in (
        ("UDRO", [dmgfile.RAW], False), ("UDZO", [dmgfile.ZLIB], False),
        ("UDBZ", [dmgfile.BZIP2], False), ("UDCO", [dmgfile.ADC], False),
        ("ULMO", [dmgfile.LZMA], False), ("UDZO-fork", [dmgfile.ZLIB], True)):
    _writer(f"dmg {_name}", "dmg", lambda disk, path, kinds=_kinds, fork=_fork:
            _dmg(kinds, fork, disk, path), biggest=16 << 20,
            begins_with_disk=_name == "UDRO")


# ---- hotcell ------------------------------------------------------------------------------------

def _hotcell(image_format, arguments, disk, path):
    programs.must_hotcell("convert", "-f", "raw", "-O", image_format, *arguments, disk, path)


for _format, _variants in {
        "raw": [[]], "qcow2": [[], ["-c"], ["-o", "cluster_size=512"],
                               ["-c", "-o", "compression_type=zstd"]],
        "qcow": [[], ["-c"]], "vdi": [[]], "vhdx": [[], ["-o", "subformat=fixed"]],
        "vpc": [[], ["-o", "subformat=fixed"]], "vmdk": [[], ["-o", "subformat=streamOptimized"]],
        "parallels": [[]], "qed": [[]]}.items():
    for _arguments in _variants:
        _writer(f"hotcell {_format} {' '.join(_arguments)}".strip(), _format,
                lambda disk, path, image_format=_format, arguments=_arguments:
                _hotcell(image_format, arguments, disk, path), _EXTENSIONS.get(_format),
                biggest=16 << 20 if "fixed" in str(_arguments) else 1 << 30,
                begins_with_disk=(_format == "raw" or
                                  _format == "vpc" and "fixed" in str(_arguments)))
