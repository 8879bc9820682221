"""hotcell check beside qemu-img check: findings, summary, JSON, exit status."""

import os
import struct

from support import content, harness, programs


def _both(path, *arguments):
    """Checks that both programs say the same. Returns the exit status."""
    ours = programs.hotcell("check", *arguments, path)
    theirs = programs.run(["qemu-img", "check", *arguments, path])
    harness.check_equal(ours.stdout, theirs.stdout, f"{path} {arguments}: standard output")
    harness.check_equal(ours.returncode, theirs.returncode, f"{path} {arguments}: exit status "
                        f"({ours.stderr!r})")
    if theirs.returncode != 63:  # the error line names the program
        harness.check_equal(ours.stderr, theirs.stderr, f"{path} {arguments}: standard error")
    return ours.returncode


def _all_ways(path):
    statuses = {_both(path, *arguments) for arguments in
                ([], ["--output=human"], ["--output=json"], ["-q"], ["-U", "-T", "writeback"])}
    harness.check_equal(len(statuses), 1, f"{path}: different exit statuses")
    return statuses.pop()


def _l2_table(image):
    """Offset of the first L2 table, and the image's bytes."""
    with open(image, "rb") as file:
        data = bytearray(file.read())
    l1_table = struct.unpack_from(">Q", data, 40)[0]
    return struct.unpack_from(">Q", data, l1_table)[0] & 0x00fffffffffffe00, data


def _damaged(name, change):
    programs.qemu_img("create", "-q", "-f", "qcow2", name, "10M")
    programs.qemu_io(name, "write 0 1M")
    table, data = _l2_table(name)
    change(data, table)
    with open(name, "wb") as file:
        file.write(data)
    return name


def _clean(_):
    programs.require_kvm()
    programs.require_program("qemu-img")
    for number, options in enumerate(([], ["-c"], ["-o", "cluster_size=512"],
                                      ["-o", "extended_l2=on"], ["-o", "compat=0.10"])):
        image = f"image{number}.qcow2"
        programs.qemu_img("convert", "-O", "qcow2", *options, content.pattern(), image)
        harness.check_equal(_all_ways(image), 0, f"{options}")


def _leaks(_):
    programs.require_kvm()
    programs.require_program("qemu-img")
    image = _damaged("leak.qcow2", lambda data, table: struct.pack_into(">Q", data, table, 0))
    harness.check_equal(_all_ways(image), 3, "exit status")


def _corruptions(_):
    programs.require_kvm()
    programs.require_program("qemu-img")

    def alias(data, table):
        struct.pack_into(">Q", data, table, struct.unpack_from(">Q", data, table + 8)[0])

    image = _damaged("alias.qcow2", alias)
    harness.check_equal(_all_ways(image), 2, "exit status")


def _unsupported(_):
    programs.require_kvm()
    programs.require_program("qemu-img")
    with open("disk.raw", "wb") as file:
        file.truncate(1 << 20)
    for arguments in ([], ["-f", "raw"]):
        ours = programs.hotcell("check", *arguments, "disk.raw")
        harness.check_equal(ours.returncode, 63, "exit status")
        harness.check_equal(ours.stderr,
                            b"hotcell: check: This image format does not support checks\n", "error")


def _files_of_a_vmdk(_):
    """Opened where they are allowed, and damage in them is found."""
    programs.require_kvm()
    programs.qemu_img("convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=twoGbMaxExtentSparse",
                      content.pattern(), "disk.vmdk")
    extent = "disk-s001.vmdk"
    harness.check_equal(programs.hotcell("check", "disk.vmdk").returncode, 1, "not allowed")
    for allowed in (["--follow-references=."], ["--backing", f"{extent}={extent}"]):
        result = programs.hotcell("check", *allowed, "disk.vmdk")
        harness.check_equal(result.returncode, 0, f"{allowed}: {result.stderr!r}")
    with open(extent, "r+b") as file:
        header = file.read(512)
        directory = struct.unpack_from("<Q", header, 56)[0] * 512
        file.seek(directory)
        file.seek(struct.unpack("<I", file.read(4))[0] * 512)
        file.write(struct.pack("<I", 0x7fffffff))
    result = programs.hotcell("check", "--follow-references=.", "disk.vmdk")
    harness.check_equal(result.returncode, 2, f"damaged: {result.stderr!r}")
    harness.check(extent.encode() in result.stdout + result.stderr, f"{result.stdout!r}")


def _new_vhdx(_):
    """Space before the first block is the writer's choice."""
    programs.require_kvm()
    for size in ("1M", "2M", "4M", "8M", "32M"):
        programs.qemu_img("create", "-q", "-f", "vhdx", "-o", f"block_size={size}", "new.vhdx",
                          "64M")
        result = programs.hotcell("check", "new.vhdx")
        harness.check_equal(result.returncode, 0, f"{size}: {result.stdout!r}")
    with open("new.vhdx", "ab") as file:
        file.truncate(os.path.getsize("new.vhdx") + (64 << 20))
    harness.check_equal(programs.hotcell("check", "-q", "new.vhdx").returncode, 3, "lost space")


def _link(_):
    """Through a link named qemu-img, what it does not look for or only counts is not told."""
    programs.require_kvm()
    programs.require_program("qemu-img")
    os.mkdir("link")
    os.symlink(programs.HOTCELL, "link/qemu-img")
    for image_format in ("qed", "vdi", "vhdx", "vmdk"):
        image = f"trailing.{image_format}"
        programs.qemu_img("convert", "-f", "raw", "-O", image_format, content.pattern(), image)
        with open(image, "ab") as file:
            file.write(bytes(2000000))
        for arguments in ([], ["--output=json"], ["-q"]):
            command = ["check", *arguments, image]
            ours = programs.run(["link/qemu-img", *command])
            theirs = programs.run(["qemu-img", *command])
            for name in ("stdout", "stderr", "returncode"):
                harness.check_equal(getattr(ours, name), getattr(theirs, name),
                                    f"{command}: {name}")
    harness.check(b"qed: " in programs.hotcell("check", "trailing.qed").stderr, "own name")


def _errors(_):
    programs.require_kvm()
    image = _damaged("image.qcow2", lambda data, table: None)
    for arguments, pattern in (
            (["-r", "leaks", image], b"-r"), (["--repair=all", image], b"repair"), ([], b"FILE"),
            (["nosuch"], b"nosuch"), (["-f", "qcow3", image], b"qcow3"),
            (["-f", "vdi", image], b"vdi"), (["--object", "x", image], b"object")):
        before = os.stat(image).st_mtime_ns
        result = programs.hotcell("check", *arguments)
        harness.check_equal(result.returncode, 1, f"{arguments}: exit status ({result.stderr!r})")
        harness.check(pattern in result.stderr, result.stderr)
        harness.check_equal(os.stat(image).st_mtime_ns, before, "the image's time")


if __name__ == "__main__":
    harness.main({"clean": _clean, "leaks": _leaks, "corruptions": _corruptions,
                  "unsupported": _unsupported, "files-of-a-vmdk": _files_of_a_vmdk,
                  "new-vhdx": _new_vhdx, "link": _link, "errors": _errors})
