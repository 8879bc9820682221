"""create beside qemu-img: what is printed, and what qemu-img says of the file."""

import os

from support import files, harness, programs

MIB = 1 << 20
_VARYING = ("actual-size", "filename", "format-specific", "full-backing-filename")


def _both(arguments, size=()):
    """Runs both programs; both texts and the descriptions of both files have to be alike."""
    ours = programs.must_hotcell("create", *arguments, "ours", *size)
    theirs = programs.qemu_img("create", *arguments, "theirs", *size)
    harness.check_equal(ours, theirs.replace(b"'theirs'", b"'ours'"), f"text of {arguments}")
    found = programs.qemu_info("ours", "-U")
    wanted = programs.qemu_info("theirs", "-U")
    for key in wanted:
        if key not in _VARYING:
            harness.check_equal(found.get(key), wanted[key], f"{key} of {arguments}")
    if found["format"] not in ("raw", "qcow"):  # have no check
        programs.qemu_img("check", "-f", found["format"], "ours")


def _formats(_):
    programs.require_kvm()
    for arguments in (["-f", "raw"], [], ["-f", "qcow2"],
                      ["-f", "qcow2", "-o", "cluster_size=4k,lazy_refcounts=on"],
                      ["-f", "qcow2", "-o", "compat=0.10"],
                      ["-f", "qcow2", "-o", "refcount_bits=64,preallocation=metadata"],
                      ["-f", "qcow2", "-o", "lazy_refcounts=yes,cluster_size=0x8000,nocow=off"],
                      ["-f", "qcow2", "-o", "cluster_size=+64k,refcount_bits=+0x20"],
                      ["-f", "qcow2", "-o", "cluster_size= 65536.0,extended_l2=y,compat=1.1"],
                      ["-f", "qcow2", "-o", "extent_size_hint=1M,nocow=no"],
                      ["-f", "raw", "-o", "extent_size_hint=+64.k"],
                      ["-f", "vhdx"], ["-f", "vhdx", "-o", "subformat=fixed,block_size=1M"],
                      ["-f", "qed"], ["-f", "qed", "-o", "cluster_size=1M"]):
        for size in ("10M", "0", "3000", "1.5G"):
            _both(arguments, [size])
        _both([*arguments, "-o", "size=5M"])


def _quiet(_):
    programs.require_kvm()
    harness.check_equal(programs.must_hotcell("create", "-q", "x", "1M"), b"", "text")
    harness.check_equal(os.stat("x").st_size, MIB, "size")


def _backing(directory):
    """The size of a backing file counts, which is found beside the new image."""
    programs.require_kvm()
    os.mkdir("sub")
    programs.qemu_img("create", "-q", "-f", "qcow2", "sub/base", "7M")
    programs.qemu_io("sub/base", "write -P 1 1M 64k")
    for image_format in ("qcow2", "qed", "qcow"):
        arguments = ["-f", image_format, "-b", "base", "-F", "qcow2"]
        text = programs.must_hotcell("create", *arguments, "sub/ours")
        harness.check_equal(text, programs.qemu_img("create", *arguments, "sub/theirs").replace(
            b"sub/theirs", b"sub/ours"), "text")
        ours, theirs = (programs.qemu_info(f"sub/{name}") for name in ("ours", "theirs"))
        for key in ("virtual-size", "backing-filename", "backing-filename-format"):
            harness.check_equal(ours.get(key), theirs.get(key), f"{image_format}: {key}")
        harness.check_equal(ours["virtual-size"], 7 * MIB, f"{image_format}: size")
        programs.qemu_img("compare", "sub/ours", "sub/base")
        if image_format != "qcow":
            programs.qemu_img("check", "sub/ours")

        # Larger than what it stands on, and without a look at it.
        _both(["-f", image_format, "-b", os.path.join(directory, "sub/base"), "-F", "qcow2"],
              ["9M"])
        os.unlink("ours")
        programs.must_hotcell("create", "-u", "-f", image_format, "-b", "nosuch", "-F", "raw",
                              "ours", "1M")
        harness.check_equal(programs.qemu_info("ours")["backing-filename"], "nosuch",
                            f"{image_format}: backing file")
    _both(["-f", "qcow", "-o", "encryption=off"], ["1M"])


def _refused(_):
    programs.require_kvm()
    programs.qemu_img("create", "-q", "-f", "qcow2", "base", "1M")
    for arguments, said in (
            (["-f", "qcow2", "x"], b"Image creation needs a size parameter"),
            (["-f", "qcow2", "-b", "base", "x"], b"Backing file specified without backing format"),
            (["-f", "qcow2", "-F", "raw", "x", "1M"],
             b"Backing format cannot be used without backing file"),
            (["-f", "raw", "-b", "base", "-F", "qcow2", "x"],
             b"Backing file not supported for file format 'raw'"),
            (["-f", "qcow2", "-b", "nosuch", "-F", "raw", "x"], b"nosuch"),
            (["-f", "qcow2", "-b", "x", "-F", "raw", "x"], b"same filename as the backing file"),
            (["-f", "qcow2", "-b", "base", "-F", "qcow2", "-u", "x"], b"needs a size parameter"),
            (["-f", "qcow2", "-o", "size=1M", "x", "1M"], b"must be specified only once"),
            (["-f", "qcow2", "-o", "nosuch=1", "x", "1M"], b"nosuch"),
            (["-f", "qcow2", "-o", "cluster_size=3", "x", "1M"], b"cluster"),
            (["-f", "qcow2", "-o", "refcount_bits=16b", "x", "1M"], b"'16b' is not a number"),
            (["-f", "qcow2", "-o", "cluster_size=64k,", "x", "1M"],
             b"Invalid option list: cluster_size=64k,\n"),
            (["-f", "qcow2", "-o", ",cluster_size=64k", "x", "1M"],
             b"Invalid option list: ,cluster_size=64k\n"),
            (["-f", "raw", "-o", "", "x", "1M"], b"Invalid option list: \n"),
            (["-f", "raw", "-o", "extent_size_hint=5G", "x", "1M"], b"extent_size_hint"),
            (["-f", "qed", "-b", "base", "-F", "qcow2", "-o", "cluster_size=4M,table_size=2",
              "x"],
             b"no more than 2M"),
            (["-f", "nosuch", "x", "1M"], b"nosuch"),
            (["x", "1x"], b"1x"), (["x", "1M", "1M"], b"unexpected operand")):
        result = programs.hotcell("create", *arguments)
        harness.check_equal(result.returncode, 1, f"{arguments}: exit status")
        harness.check(said in result.stderr, f"{arguments}: {result.stderr!r}")
        harness.check_equal(result.stdout, b"", f"{arguments}: standard output")
    harness.check_equal(os.listdir("."), ["base"], "files")


def _replaces(_):
    """An old file is replaced whole, or stays when the image cannot be made."""
    programs.require_kvm()
    with open("x", "wb") as old:
        old.write(b"old")
    programs.hotcell("create", "-f", "qcow2", "-o", "cluster_size=3", "x", "1M")
    harness.check_equal(os.stat("x").st_size, 3, "size")
    programs.must_hotcell("create", "x", "1M")
    harness.check(files.first_difference("x", os.devnull) in (None, 0), "not empty")
    harness.check_equal(os.stat("x").st_size, MIB, "size")


CASES = {
    "formats": _formats,
    "quiet": _quiet,
    "backing": _backing,
    "refused": _refused,
    "replaces": _replaces,
}

if __name__ == "__main__":
    harness.main(CASES)
