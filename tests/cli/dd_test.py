"""dd beside qemu-img: the same bytes for the same operands."""

import os

from support import harness, programs


def _bytes(path):
    with open(path, "rb") as file:
        return file.read()


def _pattern(size):
    return b"".join(b"%7d\n" % number for number in range(0, size, 8))[:size]


def _windows(_):
    programs.require_kvm()
    with open("in.raw", "wb") as file:
        file.write(_pattern(3_000_003))
    programs.qemu_img("convert", "-f", "raw", "-O", "qcow2", "-c", "in.raw", "in.qcow2")
    for image, image_format in (("in.raw", "raw"), ("in.qcow2", "qcow2")):
        for operands in ([], ["bs=1000"], ["bs=1000", "count=3"], ["bs=1000", "skip=2"],
                         ["bs=1000", "skip=2", "count=5"], ["bs=1000", "skip=5", "count=2"],
                         ["bs=1M", "skip=1", "count=2"], ["bs=64k", "count=100"], ["count=0"],
                         ["bs=1M", "skip=100"], ["skip=5859"], ["bs=2147483647"]):
            both = ["-f", image_format, "-O", "raw", f"if={image}", *operands]
            programs.qemu_img("dd", *both, "of=theirs")
            programs.must_hotcell("dd", *both, "of=ours")
            harness.check(_bytes("ours") == _bytes("theirs"), f"{both}: other bytes")


def _to_qcow2(_):
    programs.require_kvm()
    with open("in.raw", "wb") as file:
        file.write(_pattern(1_000_000))
    arguments = ["-f", "raw", "-O", "qcow2", "if=in.raw", "bs=4k", "skip=3", "count=100"]
    programs.must_hotcell("dd", *arguments, "of=ours")
    programs.qemu_img("dd", *arguments, "of=theirs")
    programs.qemu_img("check", "ours")
    programs.qemu_img("compare", "-s", "-f", "qcow2", "-F", "qcow2", "ours", "theirs")


def _in_place(_):
    """-n writes over what is there and leaves the rest."""
    programs.require_kvm()
    with open("in.raw", "wb") as file:
        file.write(_pattern(8192))
    with open("out", "wb") as file:
        file.write(b"o" * 10000)
    programs.must_hotcell("dd", "-n", "-f", "raw", "if=in.raw", "of=out", "count=2")
    harness.check(_bytes("out") == _pattern(1024) + b"o" * 8976, "other bytes")


def _refused(_):
    programs.require_kvm()
    with open("in.raw", "wb") as file:
        file.write(b"x" * 1024)
    for arguments, said in ((["if=in.raw"], b"Must specify both input and output files"),
                            (["of=x"], b"Must specify both input and output files"),
                            (["in.raw", "x"], b"unrecognized operand in.raw"),
                            (["if=in.raw", "of=x", "conv=notrunc"], b"unrecognized operand conv"),
                            (["if=in.raw", "of=x", "bs=0"], b"between 1 and 2147483647"),
                            (["if=in.raw", "of=x", "bs=3G"], b"between 1 and 2147483647"),
                            (["if=in.raw", "of=x", "count=many"], b"many"),
                            (["if=in.raw", "of=in.raw"], b"same file"),
                            (["if=nosuch", "of=x"], b"nosuch")):
        result = programs.hotcell("dd", *arguments)
        harness.check_equal(result.returncode, 1, f"{arguments}: exit status")
        harness.check(said in result.stderr, f"{arguments}: {result.stderr!r}")
    harness.check_equal((os.listdir("."), os.stat("in.raw").st_size), (["in.raw"], 1024), "files")


CASES = {
    "windows": _windows,
    "to-qcow2": _to_qcow2,
    "in-place": _in_place,
    "refused": _refused,
}

if __name__ == "__main__":
    harness.main(CASES)
