"""Where the peers are: unpacked by `tools/setup --peers`, or installed."""

import os
import shutil

from support import harness

ROOT = os.path.abspath(os.environ.get("HOTCELL_PEERS", "build/peers/root"))
_MODULES = "usr/lib/python3/dist-packages"
_LIBRARIES = ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu")

# Set where the peers are what is asked for: then a peer that is not there is a failure.
_REQUIRED = os.environ.get("HOTCELL_REQUIRE_PEERS") == "1"


def _find(path, what):
    for root in (ROOT, "/"):
        full = os.path.join(root, path)
        if os.path.exists(full):
            return full
    message = f"{what} is not there; run tools/setup --peers"
    raise harness.Failure(message) if _REQUIRED else harness.Skip(message)


def program(path):
    """The full path of a peer's program, as "usr/bin/guestfish", or of what it comes with."""
    return _find(path, path)


def require_module(name):
    _find(os.path.join(_MODULES, name), f"the Python module {name}")


def file_in_module(path):
    """The full path of a file among Python's modules that is no module."""
    return _find(os.path.join(_MODULES, path), path)


def _correct_oslo_utils(directory):
    """Makes a copy of oslo.utils without the typo of Debian's 6.0.1-2, which breaks str() of what
    `qemu-img info` says, whatever that is."""
    copy = os.path.join(directory, "oslo_utils")
    shutil.copytree(_find(os.path.join(_MODULES, "oslo_utils"), "the Python module oslo_utils"), copy)
    path = os.path.join(copy, "imageutils.py")
    if not os.path.exists(path):  # in later versions a package, without the typo
        return
    with open(path, encoding="utf-8") as source:
        text = source.read()
    with open(path, "w", encoding="utf-8") as corrected:
        corrected.write(text.replace("lines.appened(", "lines.append("))


def python_path(directory):
    """$PYTHONPATH of the peers. What is corrected of their modules is in `directory`."""
    corrected = os.path.join(directory, "corrected")
    os.mkdir(corrected)
    _correct_oslo_utils(corrected)
    return os.pathsep.join([corrected, os.path.join(ROOT, _MODULES)])


def library_path():
    """$LD_LIBRARY_PATH of the peers' programs."""
    return os.pathsep.join(os.path.join(ROOT, path) for path in _LIBRARIES)
