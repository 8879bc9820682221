"""Runs something twice, with a `qemu-img` that is found in PATH: the real one, then a link to hotcell.

Both runs see the same files at the same paths, so that what they say can be compared as it is.
"""

import os
import shutil

from support import content, programs

_SIZE = 64 << 20
_QCOW2_INCOMPATIBLE_FEATURES = 72  # offset in the header; big-endian, 8 bytes
_DIRTY = 1


class Twice:
    """`work` is where both runs have a directory of each call's name, with the inputs in it. What they
    left is moved to `theirs` and `ours`."""

    def __init__(self, directory, calls):
        self.directory = directory
        self._calls = calls
        self.work, self.theirs, self.ours, self._inputs = (
            os.path.join(directory, name) for name in ("work", "theirs", "ours", "inputs"))
        os.mkdir(self._inputs)
        _make_inputs(self._inputs)
        # Images that stand on others in the directory are what the machine allows.
        self._policy = os.path.join(directory, "hotcell.conf")
        with open(self._policy, "w", encoding="utf-8") as config:
            config.write(f"follow-references={self.work}\n")

    def _fill_work(self):
        os.mkdir(self.work)
        for call in self._calls:
            programs.must(["cp", "--recursive", "--sparse=always", self._inputs,
                           os.path.join(self.work, call)])

    def _run(self, name, qemu_img, kept, function):
        bin_directory = os.path.join(self.directory, name)
        os.mkdir(bin_directory)
        os.symlink(qemu_img, os.path.join(bin_directory, "qemu-img"))
        self._fill_work()
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "HOTCELL_CONFIG": self._policy,
                       "TMPDIR": self.directory,
                       "PATH": os.pathsep.join([bin_directory, "/usr/sbin", "/usr/bin", "/sbin",
                                                "/bin"])}
        result = function(environment)
        os.rename(self.work, kept)
        return result

    def run(self, function):
        """Calls function(environment) for each program. Returns what it returned with qemu-img and with
        hotcell."""
        theirs = self._run("bin-qemu-img", shutil.which("qemu-img"), self.theirs, function)
        ours = self._run("bin-hotcell", programs.HOTCELL, self.ours, function)
        # Images that came out may name files by their full paths.
        self._fill_work()
        return theirs, ours


def _make_inputs(directory):
    place = lambda name: os.path.join(directory, name)  # pylint: disable=unnecessary-lambda-assignment
    raw = place("src.raw")
    shutil.copyfile(content.pattern(), raw)
    os.truncate(raw, _SIZE)
    convert = ("convert", "-f", "raw", "-O")
    for name in ("src.qcow2", "base.qcow2", "other.qcow2", "dirty.qcow2"):
        programs.qemu_img(*convert, "qcow2", raw, place(name))
    with open(place("dirty.qcow2"), "r+b") as image:
        image.seek(_QCOW2_INCOMPATIBLE_FEATURES)
        image.write(_DIRTY.to_bytes(8, "big"))
    programs.qemu_img(*convert, "vmdk", "-o", "subformat=streamOptimized", raw,
                      place("stream.vmdk"))
    programs.qemu_img("create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2",
                      place("overlay.qcow2"))
    programs.qemu_io(place("overlay.qcow2"), "write -P 9 3M 128k", "write -z 8M 64k")
