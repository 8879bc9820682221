"""Targets of several files: VMDKs that keep their data beside the descriptor."""

import os
import pathlib

from support import content, files, harness, programs

_NAMES = {
    "monolithicFlat": "disk-flat.vmdk",
    "twoGbMaxExtentFlat": "disk-f001.vmdk",
    "twoGbMaxExtentSparse": "disk-s001.vmdk",
}


def _convert(subformat, source, target="disk.vmdk"):
    return programs.hotcell("convert", "-O", "vmdk", "-o", f"subformat={subformat}", source, target)


def _check_fails(result, pattern):
    harness.check_equal(result.returncode, 1, "exit status")
    harness.check(pattern in result.stderr, f"no {pattern!r}: {result.stderr!r}")


def _names(_):
    """The files are named as qemu-img names them, and it reads them."""
    programs.require_kvm()
    source = content.pattern()
    for folder in ("", "sub.dir/"):
        for subformat, name in _NAMES.items():
            os.makedirs(folder or ".", exist_ok=True)
            before = set(os.listdir(folder or "."))
            result = _convert(subformat, source, folder + "disk.vmdk")
            harness.check_equal(result.returncode, 0, f"{subformat}: {result.stderr!r}")
            harness.check_equal(set(os.listdir(folder or ".")) - before, {"disk.vmdk", name},
                                f"files of {subformat}")
            programs.qemu_img("compare", "-f", "raw", "-F", "vmdk", source, folder + "disk.vmdk")
            os.unlink(folder + "disk.vmdk")


def _no_extension(_):
    programs.require_kvm()
    source = content.pattern()
    programs.must_hotcell("convert", "-O", "vmdk", "-o", "subformat=monolithicFlat", source, "disk")
    harness.check_equal(sorted(os.listdir(".")), ["disk", "disk-flat"], "files")
    programs.qemu_img("compare", "-f", "raw", "-F", "vmdk", source, "disk")


def _create(_):
    programs.require_kvm()
    programs.must_hotcell("create", "-q", "-f", "vmdk", "-o", "subformat=twoGbMaxExtentSparse",
                          "disk.vmdk", "5G")
    harness.check_equal(sorted(os.listdir(".")), [
        "disk-s001.vmdk", "disk-s002.vmdk", "disk-s003.vmdk", "disk.vmdk"], "files")
    harness.check_equal(programs.qemu_info("disk.vmdk")["virtual-size"], 5 << 30, "size")


def _replaced(_):
    """Files that are there already are replaced as a target is: whole, with their permissions."""
    programs.require_kvm()
    source = content.pattern()
    for subformat, name in _NAMES.items():
        pathlib.Path("disk.vmdk").write_bytes(b"old")
        pathlib.Path(name).write_bytes(b"old")
        os.chmod(name, 0o640)
        harness.check_equal(_convert(subformat, source).returncode, 0, subformat)
        harness.check_equal(os.stat(name).st_mode & 0o777, 0o640, f"mode of {name}")
        programs.qemu_img("compare", "-f", "raw", "-F", "vmdk", source, "disk.vmdk")


def _failure(_):
    """A conversion that fails leaves neither new files nor changed ones."""
    programs.require_kvm()
    programs.qemu_img("convert", "-O", "qcow2", content.pattern(), "source.qcow2")
    os.truncate("source.qcow2", os.path.getsize("source.qcow2") // 2 & ~0xffff)
    for subformat, name in _NAMES.items():
        _check_fails(_convert(subformat, "source.qcow2"), b"qcow2")
        harness.check_equal(os.listdir("."), ["source.qcow2"], f"files after {subformat}")
        pathlib.Path(name).write_bytes(b"old")
        _check_fails(_convert(subformat, "source.qcow2"), b"qcow2")
        with open(name, "rb") as old:
            harness.check_equal(old.read(), b"old", name)
        os.unlink(name)


def _in_the_way(_):
    programs.require_kvm()
    source = content.pattern()
    for subformat, name in _NAMES.items():
        os.mkdir(name)
        _check_fails(_convert(subformat, source), name.encode())
        os.rmdir(name)
        harness.check_equal(os.listdir("."), [], f"files after {subformat}")


def _source_is_extent(_):
    """The file that would be replaced may not be the one that is read."""
    programs.require_kvm()
    with open(content.pattern(), "rb") as source:
        pathlib.Path("disk-flat.vmdk").write_bytes(source.read())
    _check_fails(_convert("monolithicFlat", "disk-flat.vmdk"), b"are the same file")
    harness.check_equal(files.first_difference("disk-flat.vmdk", content.pattern()), None,
                        "difference")


CASES = {
    "names": _names,
    "no-extension": _no_extension,
    "create": _create,
    "replaced": _replaced,
    "failure": _failure,
    "in-the-way": _in_the_way,
    "source-is-extent": _source_is_extent,
}

if __name__ == "__main__":
    harness.main(CASES)
