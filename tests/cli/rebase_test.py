"""rebase -u beside qemu-img, called by its name: the same text, the same header."""

import os
import shutil

from support import harness, programs, reference

_LONG = "n" * 1023
_CASES = (
    ["-u", "-b", "new.raw", "-F", "raw", "image"],
    ["-u", "-b", "new.raw", "image"],
    ["-u", "-b", "", "image"],
    ["-u", "-b", "new.qcow2", "-F", "qcow2", "-f", "qcow2", "image"],
    ["-u", "image"],
    ["-u", "-b", "x", "-F", "nosuch", "image"],
    ["-u", "-b", _LONG, "-F", "raw", "image"],
    ["-u", "-b", _LONG + "n", "-F", "raw", "image"],
    ["-p", "-u", "-b", "a", "-F", "raw", "image"],
    ["-q", "-p", "-u", "-b", "a", "-F", "raw", "-t", "writethrough", "-T", "none", "-U", "image"],
    ["-u", "-b", b"not utf-8: \xff", "-F", "raw", "image"],
    ["-u", "-b", "nbd://host", "-F", "raw", "image"],
    ["-u", "-b", "image", "-F", "qcow2", "image"],
    ["-u", "--image-opts", "-b", "b", "-F", "raw", "driver=qcow2,file.filename=image"],
    ["-u", "-b", "a", "-F", "raw", "nosuch"],
    ["-u", "-b", "a", "-F", "raw", "raw"], ["-u", "-b", "a", "-F", "raw", "-f", "raw", "raw"],
    ["-u", "-b", "", "raw"], ["-u", "-b", "a", "-F", "raw", "vdi"],
    ["-u", "-b", "a", "-F", "raw"], ["-u", "-b", "a", "-F", "raw", "image", "raw"],
    ["-u", "-b", "n" * 300, "-F", "raw", "small"],
)


def _prepare(directory):
    programs.require_program("qemu-img")
    place = lambda name: os.path.join(directory, name)  # pylint: disable=unnecessary-lambda-assignment
    os.mkdir(directory)
    programs.qemu_img("create", "-q", "-u", "-f", "qcow2", "-b", "old", "-F", "raw",
                      place("image"), "1M")
    programs.qemu_img("create", "-q", "-f", "qcow2", "-o", "cluster_size=512", place("small"), "1M")
    programs.qemu_img("create", "-q", "-f", "vdi", place("vdi"), "1M")
    with open(place("raw"), "wb") as file:
        file.truncate(1 << 20)


def _header_only(_):
    programs.require_kvm()
    _prepare("theirs")
    shutil.copytree("theirs", "ours")
    os.symlink(programs.HOTCELL, "qemu-img")
    link = os.path.join(os.getcwd(), "qemu-img")
    for arguments in _CASES:
        wanted = programs.run(["qemu-img", "rebase", *arguments], cwd="theirs")
        found = programs.run([link, "rebase", *arguments], cwd="ours")
        harness.check_equal(found.returncode, wanted.returncode, f"{arguments}: {found.stderr!r}")
        harness.check_equal(found.stdout, wanted.stdout, f"{arguments}")
        reference.check_words(found.stderr, wanted.stderr, f"{arguments}: stderr")
        for name in ("image", "small"):
            infos = [programs.must(["qemu-img", "info", "-f", "qcow2", name], cwd=directory)
                     for directory in ("theirs", "ours")]
            harness.check_equal(infos[1], infos[0], f"{name} after {arguments}")
            programs.must_hotcell("check", "-q", "-f", "qcow2", f"ours/{name}")


def _refused(_):
    programs.require_kvm()
    _prepare("images")
    with open("images/image", "rb") as file:
        before = file.read()
    for arguments, said in ((["-b", "new", "-F", "raw"], b"-u"), (["-u", "-c"], b"-c"),
                            (["-u", "-b", "new"], b"backing format"),
                            (["-u", "-b", "new", "-F", "rwa"], b"did you mean 'raw'")):
        result = programs.hotcell("rebase", *arguments, "images/image")
        harness.check_equal(result.returncode, 1, f"{arguments}: exit status")
        harness.check(said in result.stderr, f"{arguments}: {result.stderr!r}")
    with open("images/image", "rb") as file:
        harness.check(file.read() == before, "the image was changed")


def _long_names(_):
    """Those of QEMU 11. --backing is hotcell's own where it has an equals sign."""
    programs.require_kvm()
    _prepare("images")
    os.symlink(programs.HOTCELL, "qemu-img")
    for arguments, wanted in (
            (["--backing=new", "--backing-format=qcow2"], ("new", "qcow2")),
            (["--backing", "other", "-B", "raw", "--cache=none"], ("other", "raw")),
            (["-b", "third", "--backing-format", "raw", "--backing-cache=none",
              "--backing=third=images/raw"], ("third", "raw")),
            (["--backing="], (None, None))):
        for program in (programs.HOTCELL, "./qemu-img"):
            programs.must([program, "rebase", "--backing-unsafe", "--quiet", *arguments,
                           "images/image"])
            info = programs.qemu_info("images/image", "-f", "qcow2", "-U")
            harness.check_equal((info.get("backing-filename"),
                                 info.get("backing-filename-format")), wanted, f"{arguments}")


harness.main({
    "header-only": _header_only,
    "long-names": _long_names,
    "refused": _refused,
})
