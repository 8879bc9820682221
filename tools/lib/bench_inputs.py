"""The images that the benchmark converts: made once, from this machine's own files and random
bytes."""

import dataclasses
import os
import shutil
import subprocess
import sys
import tempfile

MIB = 1 << 20
GIB = 1 << 30
_TREES = ["/usr/lib", "/usr/bin", "/usr/share", "/usr/include", "/usr/libexec", "/opt",
          "/usr/local"]

# Virtual bytes by content; a file system fills half of its disk.
_SIZES = {
    "disk": 4 * GIB,
    "small-disk": GIB // 2,
    "random": GIB,
    "small-random": GIB // 8,
    "sparse": 10 * GIB,
    "empty": 10 * GIB,
}
_SHARES = {"full": 1, "usual": 4, "quick": 8}  # of the sizes
_SPARSE_STEP = 128 * MIB


@dataclasses.dataclass(frozen=True)
class Input:
    content: str  # of _SIZES
    format: str
    option: str = ""  # of -o, together with -c; empty: not compressed

    @property
    def file_name(self):
        return "-".join(filter(None, [self.content, self.format, self.option.rpartition("=")[2]]))


class CannotMake(Exception):
    """qemu-img does not write this format; the text is its own."""


def _copy_files(target, budget):
    """Copies regular files of this machine until `budget` bytes of them are there."""
    left = budget
    for tree in _TREES:
        for directory, _, names in os.walk(tree):
            place = target + directory
            for name in names:
                source = os.path.join(directory, name)
                if os.path.islink(source) or not os.path.isfile(source) or not os.access(
                        source, os.R_OK):
                    continue
                size = os.path.getsize(source)
                if size > left // 4 + 1:
                    continue
                os.makedirs(place, exist_ok=True)
                shutil.copyfile(source, os.path.join(place, name))
                left -= size + 2048  # half a block is lost to each file
            if left < budget // 200:
                return


def _file_system(path, size):
    with tempfile.TemporaryDirectory(dir=os.path.dirname(path)) as files:
        _copy_files(files, size // 2 * 31 // 32)
        subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", files, path, f"{size >> 10}k"],
                       check=True, stdout=subprocess.DEVNULL)


def write_sparse(path, size, step):
    """A file of `size` bytes, holes but for a random MiB at every `step` bytes; 0: only a hole."""
    with open(path, "wb") as out:
        for offset in range(0, size if step else 0, step or 1):
            out.seek(offset)
            out.write(os.urandom(MIB))
        out.truncate(size)


def _make_raw(content, path, size):
    if content.endswith("disk"):
        _file_system(path, size)
    else:
        write_sparse(path, size, {"sparse": _SPARSE_STEP, "empty": 0}.get(content, MIB))


class Inputs:
    """The images below a directory, each made when it is first asked for."""

    def __init__(self, directory, extent):
        self._directory = directory
        self._share = _SHARES[extent]
        os.makedirs(directory, exist_ok=True)

    def path(self, wanted):
        """The file of an Input. Raises CannotMake."""
        path = os.path.join(self._directory, wanted.file_name)
        if os.path.exists(path):
            return path
        raw = path
        if wanted.format != "raw":
            raw = self.path(Input(wanted.content, "raw"))
        print(f"making the input {wanted.file_name} ...", file=sys.stderr, flush=True)
        new = path + ".new"
        try:
            if wanted.format == "raw":
                _make_raw(wanted.content, new, _SIZES[wanted.content] // self._share)
            else:
                self._convert(raw, wanted, new)
            os.rename(new, path)
        finally:
            if os.path.exists(new):
                os.unlink(new)
        return path

    @staticmethod
    def _convert(raw, wanted, path):
        compressed = ["-c", "-o", wanted.option] if wanted.option else []
        result = subprocess.run(
            ["qemu-img", "convert", "-m", "16", "-W", "-f", "raw", "-O", wanted.format,
             *compressed, raw, path], check=False, stderr=subprocess.PIPE, text=True)
        if result.returncode != 0:
            raise CannotMake(result.stderr.strip())
