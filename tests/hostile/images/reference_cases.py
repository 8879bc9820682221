"""Names of other files: what an image must not reach, and chains that are allowed."""

import os

from hostile.images import qcow2file as q
from hostile.images.case import (CLUSTER, IMAGE_NAME, Case, case, custom_case, either, refused,
                                 same)


# ---- Names of other files -----------------------------------------------------------------------

_REFUSAL = "--backing|--follow-references"


def backing_case(name, verdict, text, backing_format=b"raw", info="answers", **header):
    @case(f"backing-{name}", verdict, info=info)
    def _change(image):
        image.backing_name = text
        image.header.update(header)
        if backing_format:
            image.extensions.append((q.EXTENSION_BACKING_FORMAT, backing_format))


backing_case("etc-passwd", refused(_REFUSAL), b"/etc/passwd")
backing_case("etc-passwd-unformatted", refused(_REFUSAL), b"/etc/passwd", backing_format=None)
backing_case("parent-directory", refused(_REFUSAL), b"../../../../../../etc/passwd")
backing_case("json", refused(_REFUSAL),
             b'json:{"driver":"raw","file":{"driver":"file","filename":"/etc/passwd"}}')
backing_case("nbd", refused(_REFUSAL), b"nbd://127.0.0.1:10809/export")
backing_case("nbd-unix", refused(_REFUSAL), b"nbd+unix:///?socket=/run/docker.sock")
backing_case("https", refused(_REFUSAL), b"https://127.0.0.1/metadata")
backing_case("proc-self-fd", refused(_REFUSAL), b"/proc/self/fd/0")
backing_case("dev-stdin", refused(_REFUSAL), b"/dev/stdin")
backing_case("dev-zero", refused(_REFUSAL), b"/dev/zero")
backing_case("file-protocol", refused(_REFUSAL), b"file:///etc/passwd")
backing_case("fd-protocol", refused(_REFUSAL), b"fd:3")
backing_case("blkdebug", refused(_REFUSAL), b"blkdebug::/etc/passwd")
backing_case("terminal-escapes", refused(_REFUSAL), b"\x1b]0;owned\x07\x1b[2Jbase\r\n\x9b")
backing_case("not-utf-8", refused(_REFUSAL), b"\xff\xfe\xc3\x28base")
backing_case("itself", refused(_REFUSAL), IMAGE_NAME.encode(), backing_format=b"qcow2")
backing_case("nul-inside", refused(_REFUSAL + "|NUL|name"), b"/etc/passwd\0.qcow2", info=None)
backing_case("of-1023-bytes", refused(_REFUSAL), b"x" * 1023)
backing_case("of-1024-bytes", refused("backing|name"), b"x" * 1024, info=None)
backing_case("size-all-ones", refused("backing|name"), b"base", info=None,
             backing_size=0xFFFFFFFF)
backing_case("past-first-cluster", refused("backing|name"), b"base", info=None,
             backing_offset=CLUSTER - 2)
backing_case("offset-overflows", refused("backing|name"), b"base", info=None,
             backing_offset=(1 << 64) - 2)
backing_case("on-header", either(_REFUSAL + "|backing|name"), b"base", info=None,
             backing_offset=8)
backing_case("format-unknown", refused(_REFUSAL + "|format"), b"base", backing_format=b"nbd",
             info=None)
backing_case("format-escapes", refused(_REFUSAL + "|format"), b"base",
             backing_format=b"\x1b[31m\n", info=None)


def data_file_case(name, text):
    @case(f"data-file-{name}", refused(_REFUSAL + "|--data-file"), info="answers")
    def _change(image):
        image.header["incompatible"] = q.INCOMPATIBLE_DATA_FILE
        image.extensions.append((q.EXTENSION_DATA_FILE, text))


data_file_case("etc-shadow", b"/etc/shadow")
data_file_case("parent-directory", b"../../../etc/shadow")
data_file_case("json", b'json:{"driver":"file","filename":"/etc/shadow"}')
data_file_case("dev-sda", b"/dev/sda")


# ---- Chains that are allowed --------------------------------------------------------------------

def _follow(directory):
    return ("--follow-references=" + directory,)


def _overlay(directory, name, backing, backing_format=b"qcow2", data_clusters=1):
    image = q.Qcow2File(data_clusters=data_clusters)
    image.backing_name = backing
    image.extensions.append((q.EXTENSION_BACKING_FORMAT, backing_format))
    path = os.path.join(directory, name)
    image.write(path)
    return path


def followed_case(name, verdict, refused_by_kernel=False):
    """Registers a function directory -> the files that may be opened besides the image, or be asked
    for and refused by openat2."""
    def add(function):
        @custom_case(f"followed-{name}")
        def _make(directory):
            paths = tuple(os.path.normpath(os.path.join(directory, entry))
                          for entry in function(directory))
            reached = {"attempted" if refused_by_kernel else "allowed": paths}
            return Case(os.path.join(directory, IMAGE_NAME), verdict, arguments=_follow(directory),
                        **reached)
        return function
    return add


@followed_case("self-cycle", refused("cycle|itself|already|chain"))
def _self_cycle(directory):
    _overlay(directory, IMAGE_NAME, IMAGE_NAME.encode())
    return [IMAGE_NAME]


@followed_case("two-file-cycle", refused("cycle|itself|already|chain"))
def _two_cycle(directory):
    _overlay(directory, IMAGE_NAME, b"other.qcow2")
    _overlay(directory, "other.qcow2", IMAGE_NAME.encode())
    return [IMAGE_NAME, "other.qcow2"]


@followed_case("hard-link-cycle", refused("cycle|itself|already|chain"))
def _link_cycle(directory):
    path = _overlay(directory, IMAGE_NAME, b"other-name.qcow2")
    os.link(path, os.path.join(directory, "other-name.qcow2"))
    return [IMAGE_NAME, "other-name.qcow2"]


def _chain(directory, depth):
    names = [IMAGE_NAME] + [f"layer{number}.qcow2" for number in range(1, depth)]
    for name, backing in zip(names, names[1:]):
        _overlay(directory, name, backing.encode())
    q.Qcow2File().write(os.path.join(directory, names[-1]))
    return names


@followed_case("depth-16", same())
def _depth_16(directory):
    return _chain(directory, 16)


@followed_case("depth-17", refused("depth|chain|limit"))
def _depth_17(directory):
    return _chain(directory, 17)


@followed_case("raw-declared-qcow2-inside", same())
def _raw_declared(directory):
    """The inner image names /etc/passwd; declared raw, it is bytes and nothing else."""
    _overlay(directory, IMAGE_NAME, b"inner.raw", b"raw")
    _overlay(directory, "inner.raw", b"/etc/passwd", b"raw")
    return ["inner.raw"]


@followed_case("parent-directory", refused("outside|beneath|below|not allowed|refuse|--backing"),
               refused_by_kernel=True)
def _above(directory):
    inner = os.path.join(directory, "inner")
    os.mkdir(inner)
    _overlay(directory, IMAGE_NAME, b"inner/../../secret.raw", b"raw")
    return ["../secret.raw"]


@followed_case("absolute", refused("outside|beneath|below|not allowed|refuse|--backing"),
               refused_by_kernel=True)
def _absolute(directory):
    _overlay(directory, IMAGE_NAME, b"/etc/passwd", b"raw")
    return ["/etc/passwd"]


@followed_case("symbolic-link", refused("link|not allowed|refuse|--backing"))
def _symlink(directory):
    """The link itself may be looked at (O_PATH), what it leads to may not."""
    os.symlink("/etc/passwd", os.path.join(directory, "base.raw"))
    _overlay(directory, IMAGE_NAME, b"base.raw", b"raw")
    return ["base.raw"]


@followed_case("symbolic-link-directory", refused("link|not allowed|refuse|--backing"),
               refused_by_kernel=True)
def _symlink_directory(directory):
    os.symlink("/etc", os.path.join(directory, "etc"))
    _overlay(directory, IMAGE_NAME, b"etc/passwd", b"raw")
    return ["etc/passwd"]


@followed_case("fifo", refused("regular|not allowed|refuse"))
def _fifo(directory):
    os.mkfifo(os.path.join(directory, "base.raw"))
    _overlay(directory, IMAGE_NAME, b"base.raw", b"raw")
    return ["base.raw"]


@followed_case("directory", refused("regular|directory|not allowed|refuse"))
def _directory(directory):
    os.mkdir(os.path.join(directory, "base.raw"))
    _overlay(directory, IMAGE_NAME, b"base.raw", b"raw")
    return ["base.raw"]


@followed_case("missing", refused("base.raw"))
def _missing(directory):
    _overlay(directory, IMAGE_NAME, b"base.raw", b"raw")
    return ["base.raw"]


@followed_case("damaged-base", refused("L2|cluster"))
def _damaged_base(directory):
    _overlay(directory, IMAGE_NAME, b"base.qcow2")
    base = q.Qcow2File()
    base.l2[3] |= 512
    base.write(os.path.join(directory, "base.qcow2"))
    return ["base.qcow2"]
