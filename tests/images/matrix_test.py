"""Every format that is read times every format that is written, judged by programs of others.

A case is one source, made by qemu-img or another program of its format's, with one kind of contents;
it is converted to every target. qemu-img compares each with the contents and checks it where it
can; of conversions from raw, 7-Zip and libyal's readers have to read the same bytes.
"""

import dataclasses
import os
import shutil

from support import content, files, harness, programs

MIB = 1 << 20


# ---- Contents -----------------------------------------------------------------------------------

def _empty(directory):
    path = os.path.join(directory, "empty.raw")
    with open(path, "wb") as out:
        out.truncate(24 * MIB)
    return path


def _sparse(directory):
    """Data at the first and last sector, at cluster boundaries, and little between."""
    path = os.path.join(directory, "sparse.raw")
    size = 96 * MIB
    with open(path, "wb") as out:
        for position in (0, 64 * 1024 - 512, 2 * MIB, 33 * MIB + 4096, 64 * MIB - 512, size - 512):
            out.seek(position)
            out.write(bytes((position >> shift) & 0xFF for shift in range(64)) * 8)
    return path


CONTENTS = {
    "file-system": lambda directory: content.file_system(),
    "odd-size": lambda directory: content.pattern(),
    "empty": _empty,
    "sparse": _sparse,
}


# ---- Sources ------------------------------------------------------------------------------------

def _by_qemu_img(image_format, *arguments):
    def make(raw, directory):
        path = os.path.join(directory, "source." + image_format)
        programs.qemu_img("convert", "-f", "raw", "-O", image_format, *arguments, raw, path)
        return path
    return image_format, make


def _by_bximage(mode):
    def make(raw, directory):
        programs.require_program("bximage")
        # Its disks are whole cylinders of 16 heads and 63 sectors.
        cylinder = 16 * 63 * 512
        flat = os.path.join(directory, "flat.raw")
        shutil.copyfile(raw, flat)
        os.truncate(flat, -(-os.path.getsize(raw) // cylinder) * cylinder)
        path = os.path.join(directory, "source." + mode)
        programs.must(["bximage", "-q", "-func=convert", f"-imgmode={mode}", flat, path])
        return path
    return {"growing": "bochs", "vmware4": "vmdk", "vpc": "vpc"}[mode], make


def _compressed_qcow(raw, directory):
    """qemu-img 7.2 writes the image, then fails without a word."""
    path = os.path.join(directory, "source.qcow")
    programs.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow", "-c", raw, path])
    programs.qemu_img("compare", "-f", "raw", "-F", "qcow", raw, path)
    return path


def _by_cloop(raw, directory):
    programs.require_program("create_compressed_fs")
    path = os.path.join(directory, "source.cloop")
    programs.must(["create_compressed_fs", "-q", "-B", "65536", raw, path])
    return path


SOURCES = {
    "raw": ("raw", lambda raw, directory: raw),
    "qcow2": _by_qemu_img("qcow2"),
    "qcow2-zstd": _by_qemu_img("qcow2", "-c", "-o", "compression_type=zstd"),
    "qcow2-extended-l2": _by_qemu_img("qcow2", "-o", "extended_l2=on,cluster_size=128k"),
    "qcow": _by_qemu_img("qcow"),
    "qcow-compressed": ("qcow", _compressed_qcow),
    "vmdk": _by_qemu_img("vmdk"),
    "vmdk-stream": _by_qemu_img("vmdk", "-o", "subformat=streamOptimized"),
    "vmdk-two-gb-sparse": _by_qemu_img("vmdk", "-o", "subformat=twoGbMaxExtentSparse"),
    "vmdk-flat": _by_qemu_img("vmdk", "-o", "subformat=monolithicFlat"),
    "vpc": _by_qemu_img("vpc", "-o", "force_size=on"),
    "vpc-fixed": _by_qemu_img("vpc", "-o", "subformat=fixed,force_size=on"),
    "vhdx": _by_qemu_img("vhdx"),
    "vhdx-fixed": _by_qemu_img("vhdx", "-o", "subformat=fixed"),
    "vdi": _by_qemu_img("vdi"),
    "vdi-static": _by_qemu_img("vdi", "-o", "static=on"),
    "qed": _by_qemu_img("qed"),
    "parallels": _by_qemu_img("parallels"),
    "bochs": _by_bximage("growing"),
    "vmdk-of-bochs": _by_bximage("vmware4"),
    "vpc-of-bochs": _by_bximage("vpc"),
    "cloop": ("cloop", _by_cloop),
}


# ---- Targets ------------------------------------------------------------------------------------

@dataclasses.dataclass
class Target:
    format: str
    arguments: tuple = ()
    checked: bool = False  # qemu-img can check it
    seven_zip: str = ""  # what 7-Zip calls it; empty: it cannot read it


TARGETS = {
    "raw": Target("raw"),
    "qcow2": Target("qcow2", checked=True, seven_zip="qcow"),
    "qcow2-0.10": Target("qcow2", ("-o", "compat=0.10"), checked=True, seven_zip="qcow"),
    "qcow2-zlib": Target("qcow2", ("-c",), checked=True, seven_zip="qcow"),
    "qcow2-zstd": Target("qcow2", ("-c", "-o", "compression_type=zstd"), checked=True),
    "qcow": Target("qcow", seven_zip="qcow"),
    "qcow-compressed": Target("qcow", ("-c",)),
    "vmdk": Target("vmdk", checked=True, seven_zip="vmdk"),
    "vmdk-stream": Target("vmdk", ("-o", "subformat=streamOptimized"), checked=True,
                          seven_zip="vmdk"),
    "vmdk-flat": Target("vmdk", ("-o", "subformat=monolithicFlat")),
    "vmdk-two-gb-sparse": Target("vmdk", ("-o", "subformat=twoGbMaxExtentSparse")),
    "vmdk-two-gb-flat": Target("vmdk", ("-o", "subformat=twoGbMaxExtentFlat")),
    "vpc": Target("vpc", ("-o", "force_size=on"), seven_zip="vhd"),
    "vpc-chs": Target("vpc"),
    "vpc-fixed": Target("vpc", ("-o", "subformat=fixed,force_size=on"), seven_zip="vhd"),
    "vhdx": Target("vhdx", checked=True, seven_zip="vhdx"),
    "vhdx-fixed": Target("vhdx", ("-o", "subformat=fixed"), checked=True),
    "vdi": Target("vdi", checked=True, seven_zip="vdi"),
    "vdi-static": Target("vdi", ("-o", "static=on"), checked=True),
    "qed": Target("qed", checked=True),
    "parallels": Target("parallels", checked=True),
}


def _check_same_bytes(path, raw, what):
    """`path` may be longer than `raw`, by zeroes."""
    size = os.path.getsize(raw)
    harness.check(os.path.getsize(path) >= size, f"{what}: {os.path.getsize(path)} bytes")
    os.truncate(path, size)
    difference = files.first_difference(path, raw)
    harness.check(difference is None, f"{what}: differs at byte {difference}")


def _seven_zip(target, path, raw, directory):
    if not target.seven_zip or shutil.which(programs.SEVEN_ZIP) is None:
        return
    if target.format == "vhdx" and os.path.getsize(raw) % 4096 != 0:
        return  # 7-Zip does not open such disks, whoever wrote them
    back = os.path.join(directory, "back.raw")
    with open(back, "wb") as out:
        programs.must([programs.SEVEN_ZIP, "e", "-t" + target.seven_zip, "-so", path], stdout=out)
    _check_same_bytes(back, raw, f"7-Zip of {target}")
    os.unlink(back)


def _libyal(target, path, raw, directory):
    module = {"qcow": "pyqcow", "vmdk": "pyvmdk", "vpc": "pyvhdi", "vhdx": "pyvhdi"}.get(
        target.format)
    try:
        library = __import__(module) if module else None
    except ImportError:
        library = None
    if library is None:
        return
    back = os.path.join(directory, "back.raw")
    image = library.handle() if module == "pyvmdk" else library.file()
    image.open(path)
    if module == "pyvmdk":
        image.open_extent_data_files()
    with open(back, "wb") as out:
        left = image.get_media_size()
        while left > 0:
            piece = image.read_buffer(min(left, MIB))
            harness.check(piece, f"{module} ends {left} bytes early")
            out.write(piece)
            left -= len(piece)
    image.close()
    _check_same_bytes(back, raw, f"{module} of {target}")
    os.unlink(back)


def _matrix(content_name, source_name, directory):
    programs.require_kvm()
    programs.require_program("qemu-img")
    raw = CONTENTS[content_name](directory)
    source_format, make = SOURCES[source_name]
    inputs = os.path.join(directory, "inputs")
    os.mkdir(inputs)
    source = make(raw, inputs)
    for name, target in TARGETS.items():
        outputs = os.path.join(directory, "outputs")
        os.mkdir(outputs)
        path = os.path.join(outputs, "target." + target.format)
        programs.must_hotcell("convert", "-f", source_format, "-O", target.format,
                              *target.arguments, f"--follow-references={inputs}", source, path)
        programs.qemu_img("compare", "-f", "raw", "-F", target.format, raw, path)
        if target.checked:
            programs.qemu_img("check", "-q", "-f", target.format, path)
        if source_name == "raw":
            _seven_zip(target, path, raw, directory)
            if content_name != "empty":
                _libyal(target, path, raw, directory)
        shutil.rmtree(outputs)
        print(f"{source_name} to {name}: same")


CASES = {
    f"{source}.{contents}": (lambda directory, contents=contents, source=source:
                             _matrix(contents, source, directory))
    for source in SOURCES for contents in CONTENTS
}

if __name__ == "__main__":
    harness.main(CASES)
