"""Edits that fit any format: header fields at their limits, files cut short, lengthened, stretched,
and disks that are images themselves.

Each format gives a function (chance, path, change) that writes a sound image of some size to which
`change(chance, header fields)` was applied.
"""

import os

from hostile.images import bochsfile, cloopfile, dmgfile, parallelsfile, qcow2file, qcowfile
from hostile.images import qedfile, vdifile, vmdkfile, vpcfile
from support import programs
from verdicts import edits, trailers, vhdx_base
from verdicts.kind import kind


def _qcow2(chance, path, change):
    image = qcow2file.Qcow2File(
        cluster_bits=chance.choice([9, 12, 16, 16, 16]), version=chance.choice([2, 3, 3]),
        extended=False)
    change(image.header, qcow2file.FIELDS)
    image.write(path)


def _qcow(_, path, change):
    image = qcowfile.QcowFile()
    change(image.header, qcowfile.FIELDS)
    image.write(path)


def _vmdk(chance, path, change):
    stream = chance.random() < 0.4
    image = vmdkfile.VmdkFile(stream=stream, footer=stream and chance.random() < 0.5)
    change(image.header, vmdkfile.FIELDS)
    image.write(path)


def _vpc(chance, path, change):
    image = vpcfile.VpcFile()
    if chance.random() < 0.3:
        image.make_fixed(vpcfile.pattern(0) * 4)
    both = {**image.footer, **{f"header {key}": value for key, value in image.header.items()}}
    fields = vpcfile.FOOTER_FIELDS + [(f"header {key}", code)
                                      for key, code in vpcfile.HEADER_FIELDS]
    change(both, [field for field in fields if field[0] in both])
    image.footer = {key: both[key] for key in image.footer}
    image.header = {key: both[f"header {key}"] for key in image.header}
    image.write(path)


def _vhdx(chance, path, change):
    image = vhdx_base.image(chance)
    vhdx_base.change_fields(image, change)
    image.write(path)


def _vdi(_, path, change):
    image = vdifile.VdiFile()
    change(image.header, vdifile.FIELDS)
    image.write(path)


def _parallels(chance, path, change):
    image = parallelsfile.ParallelsFile()
    if chance.random() < 0.3:
        image.make_old()
    change(image.header, parallelsfile.FIELDS)
    image.write(path)


def _qed(_, path, change):
    image = qedfile.QedFile()
    change(image.header, qedfile.FIELDS)
    image.write(path)


def _bochs(_, path, change):
    image = bochsfile.BochsFile()
    change(image.header, bochsfile.FIELDS)
    image.write(path)


def _cloop(_, path, change):
    image = cloopfile.CloopFile()
    header = {"block_size": image.block_size, "num_blocks": image.num_blocks}
    change(header, [("block_size", "I"), ("num_blocks", "I")])
    image.block_size, image.num_blocks = header["block_size"], header["num_blocks"]
    image.write(path)


def _dmg(chance, path, change):
    image = dmgfile.DmgFile(resource_fork=chance.random() < 0.3)
    # pylint: disable=protected-access
    description = len(image._resource_fork() if image.resource_fork else image._property_list())
    which = "rsrc_fork" if image.resource_fork else "xml"
    image.trailer.update({f"{which}_offset": len(image.data), f"{which}_length": description,
                          "data_fork_length": len(image.data), "sector_count": image.sectors})
    change(image.trailer, dmgfile.TRAILER)
    image.write(path)


SOUND = {"qcow2": _qcow2, "qcow": _qcow, "vmdk": _vmdk, "vpc": _vpc, "vhdx": _vhdx, "vdi": _vdi,
         "parallels": _parallels, "qed": _qed, "bochs": _bochs, "cloop": _cloop, "dmg": _dmg}


def _unchanged(*_):
    pass


def write_sound(image_format, chance, path):
    SOUND[image_format](chance, path, _unchanged)


def _register(image_format, write):
    @kind(image_format, "fields", tables=True, weight=3)
    def _fields(chance, path):
        write(chance, path, lambda header, fields: edits.change_fields(chance, header, fields))

    @kind(image_format, "fields-stretched", tables=True)
    def _fields_stretched(chance, path):
        write(chance, path, lambda header, fields: edits.change_fields(chance, header, fields))
        edits.stretch(chance, path)

    @kind(image_format, "head", weight=2)
    def _head(chance, path):
        def change(header, fields):
            if chance.random() < 0.7:
                edits.change_fields(chance, header, fields)
        write(chance, path, change)
        edits.cut_head(chance, path)

    @kind(image_format, "cut", tables=True)
    def _cut(chance, path):
        write(chance, path, _unchanged)
        edits.cut_tail(chance, path)

    @kind(image_format, "trailer", weight=2)
    def _trailer(chance, path):
        write(chance, path, _unchanged)
        trailers.add(chance, path)

    @kind(image_format, "in-front", tables=True)
    def _in_front(chance, path):
        """Something before the image: what finds trailers finds it all the same."""
        write(chance, path, _unchanged)
        data = edits.read(path)
        front = chance.choice([bytes(512), bytes(1024), edits.mbr(chance, 2048), b"\n", b"\0",
                               b"#!/bin/sh\n".ljust(512, b"\0")])
        edits.write(path, front + data)


for _format, _write in SOUND.items():
    _register(_format, _write)


# ---- A disk that is itself an image -------------------------------------------------------------

def _disk_of_an_image(chance, path):
    """A raw disk that begins with an image, or ends with one."""
    inner_format = chance.choice([*SOUND, "qcow2", "qcow2", "vmdk"])
    inner = path + ".inner"
    write_sound(inner_format, chance, inner)
    data = edits.read(inner)
    os.unlink(inner)
    size = max(4 * edits.MIB, -(-len(data) // edits.MIB) * edits.MIB)
    at = 0 if chance.random() < 0.7 else size - len(data)
    disk = bytearray(size)
    disk[at:at + len(data)] = data
    if chance.random() < 0.2:
        disk[at:at + 512] = data[:chance.randrange(4, 512)].ljust(512, b"\0")
    edits.write(path, disk[:size])


_WRITERS = {"qcow2": ["", "cluster_size=4k", "compat=0.10"], "qcow": [""],
            "vmdk": ["", "subformat=streamOptimized"], "vdi": ["", "static=on"],
            "vpc": ["force_size=on", "force_size=on,subformat=fixed"],
            "vhdx": ["", "subformat=fixed"], "parallels": [""]}


def _register_nested(image_format, options):
    @kind(image_format, "nested")
    def _nested(chance, path):
        disk = path + ".disk"
        _disk_of_an_image(chance, disk)
        option = chance.choice(options)
        compress = ["-c"] if image_format == "qcow2" and chance.random() < 0.3 else []
        programs.qemu_img("convert", "-f", "raw", "-O", image_format, *compress,
                          *(["-o", option] if option else []), disk, path)
        os.unlink(disk)


for _format, _options in _WRITERS.items():
    _register_nested(_format, _options)


@kind("dmg", "nested")
def _nested_dmg(chance, path):
    _disk_of_an_image(chance, path)
    disk = edits.read(path)
    dmgfile.from_disk(disk, [chance.choice([dmgfile.RAW, dmgfile.ZLIB, dmgfile.BZIP2])]).write(path)
