"""What a case of the damaged and malicious images is, and how one is registered.

    case = CASES["l1-unaligned"](directory)   # writes case.path and what it refers to

A verdict is about `convert -f FORMAT -O raw`:
    refused(pattern)   an error whose text matches
    same()             the bytes qemu-img makes of it
    either(pattern)    one or the other: damage that a reader may notice or may not need to
`info` of any of them answers or refuses in the same orderly way; `info=` demands one of the two.
"""

import dataclasses
import os

from hostile.images import qcow2file as q

MIB = 1 << 20
CLUSTER = 1 << 16


@dataclasses.dataclass
class Verdict:
    converts: bool  # may end in the bytes qemu-img makes
    pattern: str | None  # may end in an error that matches; None: must not


def refused(pattern):
    return Verdict(False, pattern)


def same():
    return Verdict(True, None)


def either(pattern="."):
    return Verdict(True, pattern)


@dataclasses.dataclass
class Case:
    path: str
    verdict: Verdict
    arguments: tuple = ()  # of convert
    allowed: tuple = ()  # files besides the image that the arguments permit to be opened
    attempted: tuple = ()  # files that may be asked for if the kernel refuses them
    info: str | None = None  # None: any orderly end; "answers"; or the pattern of an error
    target_format: str = "raw"
    format: str | None = "qcow2"  # None: hotcell finds out
    reads_as: str | None = None  # what it must find then
    # same(): where qemu-img minds the damage, an image it reads that has the same contents.
    undamaged: str | None = None


CASES = {}
IMAGE_NAME = "image.qcow2"


def case(name, verdict, info=None, arguments=(), target_format="raw", **layout):
    """Registers a function that changes a Qcow2File made with `layout`."""
    def add(change):
        def make(directory):
            image = q.Qcow2File(**layout)
            change(image)
            path = os.path.join(directory, IMAGE_NAME)
            image.write(path)
            return Case(path, verdict, arguments=arguments, info=info,
                        target_format=target_format)
        CASES[name] = make
        return change
    return add


def header_case(name, verdict, info=None, **fields):
    """Registers an image whose header alone is wrong."""
    @case(name, verdict, info=info)
    def _change(image):
        image.header.update(fields)


def image_case(image_format, name, verdict, info=None, undamaged=None, **fields):
    """Registers a function directory -> path of a damaged image of `image_format`, under the name
    FORMAT-NAME. `undamaged`: such a function for Case.undamaged. `fields`: of Case."""
    def add(build):
        def make(directory):
            sound = None
            if undamaged:
                sound = os.path.join(directory, "undamaged")
                os.mkdir(sound)
                sound = undamaged(sound)
            return Case(build(directory), verdict, info=info, format=image_format,
                        undamaged=sound, **fields)
        CASES[f"{image_format}-{name}"] = make
        return build
    return add


def custom_case(name):
    """Registers a function directory -> Case."""
    def add(function):
        CASES[name] = function
        return function
    return add
