"""Reads an image with libqcow, libvhdi or libvmdk: IMAGE DISK WHOLE HEAD. Prints what it is as
JSON, then writes the disk to the file DISK, or its first HEAD bytes where it has more than WHOLE.

A program of its own, because the libraries may crash or take all memory.
"""

import json
import sys

sys.path.append("/usr/lib/python3/dist-packages")

# pylint: disable=wrong-import-position
import pyqcow
import pyvhdi
import pyvmdk

_CHUNK = 1 << 20


def _text(value):
    return str(value) if value else None


def _qcow(path):
    with open(path, "rb") as image:
        version = int.from_bytes(image.read(8)[4:], "big")
    image = pyqcow.file()
    image.open(path)
    return image, "qcow" if version == 1 else "qcow2", [image.get_backing_filename()]


def _vhdi(path):
    with open(path, "rb") as image:
        vhdx = image.read(8) == b"vhdxfile"
    image = pyvhdi.file()
    image.open(path)
    names = [image.get_parent_filename()]
    if image.get_disk_type() == pyvhdi.disk_types.DIFFERENTIAL:
        names.append("a parent")
    return image, "vhdx" if vhdx else "vpc", names


def _vmdk(path):
    image = pyvmdk.handle()
    image.open(path)
    image.open_extent_data_files()
    return image, "vmdk", [image.get_parent_filename()]


def _open(path):
    for module, opener in ((pyqcow, _qcow), (pyvhdi, _vhdi), (pyvmdk, _vmdk)):
        if module.check_file_signature(path):
            return opener(path)
    return sys.exit("no signature is known")


def main():
    path, disk, whole, head = sys.argv[1:]
    image, kind, names = _open(path)
    size = image.get_media_size()
    print(json.dumps({"format": kind, "size": size,
                      "names": [text for text in map(_text, names) if text]}), flush=True)
    left = size if size <= int(whole) else int(head)
    with open(disk, "wb") as out:
        offset = 0
        while offset < left:
            data = image.read_buffer_at_offset(min(_CHUNK, left - offset), offset)
            if not data:
                sys.exit(f"nothing is read at {offset}")
            out.write(data)
            offset += len(data)


if __name__ == "__main__":
    main()
