"""What may be followed below a directory (--follow-references), and what lies there and may not."""

import hashlib
import os
import shutil

from support import harness, namespaces, programs


def _make_images(backing):
    programs.require_kvm()
    os.makedirs("images/mounted")
    with open("base.raw", "wb") as base:
        base.write(os.urandom(1 << 20))
    programs.must_hotcell("create", "-q", "-f", "qcow2", "-b", backing, "-F", "raw", "-u",
                          "top.qcow2", "1M")


def _digest(*directories):
    options = [f"--follow-references={directory}" for directory in directories]
    return programs.hotcell("digest", *options, "top.qcow2")


def _check_mount(kind):
    """`images/mounted/base.raw` is there, and refused until that mount is named."""
    for name in ("mounted/base.raw", os.path.abspath("images/mounted/base.raw")):
        programs.must_hotcell("create", "-q", "-f", "qcow2", "-b", name, "-F", "raw", "-u",
                              "top.qcow2", "1M")
        result = _digest("images")
        harness.check_equal(result.returncode, 1, f"{kind}: exit status")
        harness.check(b"its name leads into another mount below 'images'" in result.stderr and
                      b"--backing" in result.stderr, result.stderr)
    harness.check_equal(_digest("images", "images/mounted").returncode, 0, f"{kind}: both named")
    harness.check_equal(_digest("images/mounted").returncode, 0, f"{kind}: the mount named")


def _mounts(_):
    _make_images("base.raw")
    namespaces.enter()
    namespaces.mount_tmpfs("images/mounted", 4096)
    shutil.copy("base.raw", "images/mounted")
    _check_mount("another file system")
    namespaces.unmount("images/mounted")
    # A bind mount, which has one file system in two places, is a mount as well.
    os.makedirs("elsewhere")
    shutil.copy("base.raw", "elsewhere")
    programs.must(["mount", "--bind", "elsewhere", "images/mounted"])
    _check_mount("a bind mount")
    namespaces.unmount("images/mounted")
    # A file that is mounted over its name.
    shutil.copy("base.raw", "images/mounted")
    harness.check_equal(_digest("images").returncode, 0, "no mount")
    programs.must(["mount", "--bind", "base.raw", "images/mounted/base.raw"])
    result = _digest("images")
    harness.check(result.returncode == 1 and b"into another mount" in result.stderr, result.stderr)
    namespaces.unmount("images/mounted/base.raw")


def _outside(_):
    """What leads out of the directory is told as that."""
    _make_images("../base.raw")
    result = _digest("images")
    harness.check(result.returncode == 1 and b"leads out of 'images'" in result.stderr,
                  result.stderr)


def _beside(_):
    """A file beside the image that may not be opened is not replaced by another of its name."""
    _make_images("base.raw")
    namespaces.enter()
    namespaces.mount_tmpfs("images/mounted", 4096)
    for name in ("base.raw", "top.qcow2"):
        shutil.copy(name, "images/mounted")
    os.remove("base.raw")
    with open("images/base.raw", "wb") as other:
        other.write(os.urandom(1 << 20))

    def digest(*directories):
        options = [f"--follow-references={directory}" for directory in directories]
        return programs.hotcell("digest", *options, "images/mounted/top.qcow2")

    result = digest("images")
    harness.check_equal(result.returncode, 1, f"exit status ({result.stdout!r})")
    harness.check(b"into another mount below 'images'" in result.stderr, result.stderr)
    with open("images/mounted/base.raw", "rb") as base:
        disk = hashlib.sha256(base.read()).hexdigest().encode()
    for directories in (("images", "images/mounted"), ("images/mounted", "images")):
        result = digest(*directories)
        harness.check(result.returncode == 0 and disk in result.stdout, f"{directories}: {result}")
    result = digest("/")
    harness.check(result.returncode == 1 and b"another mount below '/'" in result.stderr,
                  result.stderr)
    os.remove("images/mounted/base.raw")
    harness.check_equal(digest("images").returncode, 0, "nothing beside the image")


def _root(_):
    """The directory may be the root of the file system."""
    _make_images("base.raw")
    if os.stat("/").st_dev != os.stat(".").st_dev:
        raise harness.Skip("the test's directory is in another mount than /")
    for name in ("base.raw", os.path.abspath("base.raw"), "/" + os.path.abspath("base.raw")):
        programs.must_hotcell("create", "-q", "-f", "qcow2", "-b", name, "-F", "raw", "-u",
                              "top.qcow2", "1M")
        result = _digest("/")
        harness.check_equal((result.returncode, result.stderr), (0, b""), name)


harness.main({"mounts": _mounts, "outside": _outside, "beside": _beside, "root": _root})
