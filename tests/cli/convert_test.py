"""convert's options about several files and about the target, beside qemu-img."""

import json
import os
import struct

from support import content, files, harness, programs

MIB = 1 << 20


def _same(ours, theirs):
    difference = files.first_difference(ours, theirs)
    harness.check(difference is None, f"{ours} differs from {theirs} at byte {difference}")


def _several_inputs(_):
    programs.require_kvm()
    programs.qemu_img("convert", "-f", "raw", "-O", "vmdk", content.pattern(), "a.vmdk")
    with open("b.raw", "wb") as second:
        second.write(b"second" * 1000)
    programs.qemu_img("convert", "-f", "raw", "-O", "qcow2", "-c", content.pattern(), "c.qcow2")
    inputs = ["a.vmdk", "b.raw", "c.qcow2"]
    programs.qemu_img("convert", "-O", "raw", *inputs, "theirs")
    programs.must_hotcell("convert", "-O", "raw", *inputs, "ours")
    _same("ours", "theirs")
    result = programs.hotcell("convert", "-O", "raw", "a.vmdk", "nosuch", "c.qcow2", "none")
    harness.check_equal(result.returncode, 1, "exit status")
    harness.check(b"'nosuch'" in result.stderr, f"{result.stderr!r}")
    harness.check(not os.path.exists("none"), "a target is left")


def _backing_file(_):
    programs.require_kvm()
    programs.qemu_img("convert", "-f", "raw", "-O", "qcow2", content.pattern(), "base.qcow2")
    programs.qemu_img("create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", "top.qcow2")
    programs.qemu_io("top.qcow2", "write -P 7 1M 128k", "write -z 2M 64k")
    programs.must_hotcell("convert", "-O", "qcow2", "-B", "base.qcow2", "-F", "qcow2",
                          "top.qcow2", "ours.qcow2")
    programs.qemu_img("compare", "-s", "top.qcow2", "ours.qcow2")
    programs.qemu_img("check", "-q", "ours.qcow2")
    info = programs.qemu_info("ours.qcow2")
    harness.check_equal((info["backing-filename"], info["backing-filename-format"]),
                        ("base.qcow2", "qcow2"), "backing file")
    harness.check(os.path.getsize("ours.qcow2") < MIB, "what the backing file holds was copied")
    result = programs.hotcell("convert", "-O", "qcow2", "-B", "base.qcow2", "top.qcow2", "none")
    harness.check_equal(result.returncode, 1, "exit status without -F")
    harness.check(b"backing format" in result.stderr, f"{result.stderr!r}")


def _snapshots(_):
    """By id, by name, or by both, of which qemu-img's forms ask for nothing else."""
    programs.require_kvm()
    programs.qemu_img("create", "-q", "-f", "qcow2", "image", "1M")
    programs.qemu_img("snapshot", "-c", "2", "image")  # id 1
    programs.qemu_io("image", "write -P 0x22 0 64k")
    programs.qemu_img("snapshot", "-c", "1", "image")  # id 2
    programs.qemu_io("image", "write -P 0x33 0 64k")
    for snapshot in ("1", "2", "nosuch", "snapshot.name=1", "snapshot.name=2", "snapshot.id=1",
                     "snapshot.id=2", "snapshot.id=1,snapshot.name=2",
                     "snapshot.id=1,snapshot.name=1", "snapshot.name=", "snapshot.id=",
                     "snapshot.id=,snapshot.name=1", "snapshot.name=nosuch"):
        arguments = ("convert", "-l", snapshot, "-O", "raw", "image")
        ours = programs.hotcell(*arguments, "ours")
        theirs = programs.run(["qemu-img", *arguments, "theirs"])
        harness.check_equal(ours.returncode, theirs.returncode, f"{snapshot}: exit status")
        measured = programs.hotcell("measure", "-l", snapshot, "-O", "qcow2", "image")
        harness.check_equal(measured.returncode, theirs.returncode, f"{snapshot}: measure")
        if ours.returncode == 0:
            _same("ours", "theirs")


def _sector_sizes(_):
    """A VHDX keeps the sectors of 4096 bytes that its partition table counts in."""
    programs.require_kvm()
    with open(content.pattern(), "rb") as source, open("disk.raw", "wb") as disk:
        disk.write(source.read(4 * MIB))
    programs.must_hotcell("convert", "-f", "raw", "-O", "vhdx", "disk.raw", "disk.vhdx")
    sizes = (2 << 20) + (64 << 10) + 32  # of logical and of physical sectors, in the metadata
    with open("disk.vhdx", "r+b") as file:
        file.seek(sizes)
        harness.check_equal(file.read(8), struct.pack("<II", 512, 512), "sector sizes")
        file.seek(sizes)
        file.write(struct.pack("<II", 4096, 4096))
    for arguments in (["info", "disk.vhdx"], ["convert", "-O", "qcow2", "disk.vhdx", "out.qcow2"]):
        result = programs.hotcell(*arguments)
        harness.check_equal(result.returncode, 0, f"{arguments}: {result.stderr!r}")
        harness.check(b"sectors of 4096 bytes" in result.stderr, f"{result.stderr!r}")
    result = programs.hotcell("convert", "-O", "vhdx", "disk.vhdx", "out.vhdx")
    harness.check_equal((result.returncode, result.stderr), (0, b""), "VHDX to VHDX")
    with open("out.vhdx", "rb") as file:
        file.seek(sizes)
        harness.check_equal(file.read(8), struct.pack("<II", 4096, 4096), "sector sizes")
    programs.must_hotcell("convert", "-O", "raw", "out.vhdx", "out.raw")
    _same("out.raw", "disk.raw")


def _names_in_no_encoding(_):
    """Nothing but what is asked for is on standard error."""
    programs.require_kvm()
    name = os.fsdecode(b"bad\xff")
    programs.qemu_img("create", "-q", "-f", "qcow2", name, "1M")
    programs.qemu_img("snapshot", "-c", name, name)
    for arguments in (["create", "-q", "-f", "qcow2", "-b", name, "-F", "qcow2", "overlay"],
                      ["convert", "-l", name, "-O", "raw", name, "out"],
                      ["measure", "-l", name, "-O", "qcow2", name],
                      ["convert", "-O", "vmdk", "-o", f"hwversion={name}", name, "out"]):
        result = programs.hotcell(*arguments)
        harness.check(b"libprotobuf" not in result.stderr, f"{arguments}: {result.stderr!r}")
    with open("overlay", "rb") as file:
        harness.check(b"bad\xff" in file.read(), "the backing file's name")


def _target_is_zero(_):
    programs.require_kvm()
    with open("target", "wb") as target:
        target.truncate(os.path.getsize(content.pattern()))
    programs.must_hotcell("convert", "-n", "--target-is-zero", "-f", "raw", "-O", "raw",
                          content.pattern(), "target")
    _same("target", content.pattern())
    result = programs.hotcell("convert", "--target-is-zero", "-O", "raw", content.pattern(), "x")
    harness.check_equal(result.returncode, 1, "exit status without -n")
    harness.check(b"-n" in result.stderr, f"{result.stderr!r}")


def _rate_limit(_):
    """The data come out the same; broker.OutputPaceTest is about the time."""
    programs.require_kvm()
    programs.must_hotcell("convert", "-r", "64M", "-f", "raw", "-O", "raw", content.pattern(), "ours")
    _same("ours", content.pattern())
    result = programs.hotcell("convert", "-r", "fast", "-O", "raw", content.pattern(), "x")
    harness.check_equal(result.returncode, 1, "exit status")
    harness.check(b"'fast'" in result.stderr, f"{result.stderr!r}")


def _json_output(_):
    programs.require_kvm()
    text = programs.must_hotcell("convert", "--output=json", "-f", "raw", "-O", "vdi",
                                 content.pattern(), "out.vdi")
    harness.check(isinstance(json.loads(text), dict), f"{text!r}")


def _into_an_image(_):
    """-n makes a qcow2 image anew, with the options that it has, where nothing is lost by it."""
    programs.require_kvm()
    disk = content.pattern()
    size = str(os.path.getsize(disk))
    for options in ("cluster_size=4k", "compat=0.10", "cluster_size=128k,extended_l2=on",
                    "compression_type=zstd,lazy_refcounts=on", "refcount_bits=64",
                    "preallocation=metadata"):
        programs.qemu_img("create", "-q", "-f", "qcow2", "-o", options, "made.qcow2", size)
        programs.qemu_io("made.qcow2", "write -P 9 0 1M")
        before = programs.qemu_info("made.qcow2")
        programs.must_hotcell("convert", "-n", "-f", "raw", "-O", "qcow2", disk, "made.qcow2")
        programs.qemu_img("compare", "-F", "raw", "made.qcow2", disk)
        programs.qemu_img("check", "-q", "made.qcow2")
        after = programs.qemu_info("made.qcow2")
        for key in ("virtual-size", "cluster-size", "format-specific"):
            harness.check_equal(after[key], before[key], f"{options}: {key}")


def _into_no_image(_):
    """What would be lost, or is no image of that size, is refused and stays."""
    programs.require_kvm()
    disk = content.pattern()
    size = os.path.getsize(disk)
    for name, make, said in (
            ("small.qcow2", lambda name: programs.qemu_img(
                "create", "-q", "-f", "qcow2", name, str(size - MIB)), b"is smaller than input"),
            ("large.qcow2", lambda name: programs.qemu_img(
                "create", "-q", "-f", "qcow2", name, str(size + MIB)), b"is larger than input"),
            ("snapshot.qcow2", lambda name: (
                programs.qemu_img("create", "-q", "-f", "qcow2", name, str(size)),
                programs.qemu_img("snapshot", "-c", "before", name)), b"has snapshots"),
            ("over.qcow2", lambda name: programs.qemu_img(
                "create", "-q", "-f", "qcow2", "-b", disk, "-F", "raw", name), b"a backing file"),
            ("raw.qcow2", lambda name: programs.must(["cp", disk, name]), b"magic"),
            ("vdi", lambda name: programs.qemu_img("create", "-q", "-f", "vdi", name, str(size)),
             b"without -n the image is made anew")):
        make(name)
        with open(name, "rb") as file:
            before = file.read()
        result = programs.hotcell("convert", "-n", "-f", "raw", "-O",
                                  "vdi" if name == "vdi" else "qcow2", disk, name)
        harness.check_equal(result.returncode, 1, f"{name}: exit status")
        harness.check(said in result.stderr, f"{name}: {result.stderr!r}")
        with open(name, "rb") as file:
            harness.check(file.read() == before, f"{name} was changed")


CASES = {
    "into-an-image": _into_an_image,
    "into-no-image": _into_no_image,
    "several-inputs": _several_inputs,
    "backing-file": _backing_file,
    "snapshots": _snapshots,
    "sector-sizes": _sector_sizes,
    "names-in-no-encoding": _names_in_no_encoding,
    "target-is-zero": _target_is_zero,
    "rate-limit": _rate_limit,
    "json-output": _json_output,
}

if __name__ == "__main__":
    harness.main(CASES)
