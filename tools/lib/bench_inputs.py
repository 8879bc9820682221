"""The images that the benchmark converts: made once, from this machine's own files."""

import os
import shutil
import subprocess
import tempfile

GIB = 1 << 30
_TREES = ["/usr/lib", "/usr/bin", "/usr/share", "/usr/include", "/usr/libexec", "/opt", "/usr/local"]


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


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


def _file_system(path, virtual, allocated):
    with tempfile.TemporaryDirectory(dir=os.path.dirname(path)) as files:
        _copy_files(files, allocated * 31 // 32)
        run("mke2fs", "-q", "-F", "-t", "ext4", "-d", files, path, f"{virtual // 1024}k")


def _sparse(path, size):
    """A megabyte of data every 128 MiB."""
    with open(path, "wb") as out:
        for offset in range(0, size, 128 << 20):
            out.seek(offset)
            out.write(os.urandom(1 << 20))
        out.truncate(size)


def prepare(directory, quick):
    """Makes what is missing. Returns {name: path}."""
    os.makedirs(directory, exist_ok=True)
    virtual, allocated = (GIB // 2, GIB // 4) if quick else (4 * GIB, 2 * GIB)
    inputs = {name: os.path.join(directory, name)
              for name in ("raw", "qcow2", "qcow2-zlib", "qcow2-zstd", "small-raw", "sparse-raw",
                           "sparse-qcow2")}

    def make(name, action):
        if not os.path.exists(inputs[name]):
            print(f"making the input {name} ...", flush=True)
            action(inputs[name] + ".new")
            os.rename(inputs[name] + ".new", inputs[name])

    def convert(source, *options):
        return lambda path: run("qemu-img", "convert", "-m", "16", "-W", "-f", "raw", "-O",
                                "qcow2", *options, inputs[source], path)

    make("raw", lambda path: _file_system(path, virtual, allocated))
    # Compressing takes qemu-img twenty seconds for a gigabyte.
    make("small-raw", lambda path: _file_system(path, virtual // 8, allocated // 8))
    make("qcow2", convert("raw"))
    make("qcow2-zlib", convert("raw", "-c"))
    make("qcow2-zstd", convert("raw", "-c", "-o", "compression_type=zstd"))
    make("sparse-raw", lambda path: _sparse(path, GIB if quick else 10 * GIB))
    make("sparse-qcow2", convert("sparse-raw"))
    return inputs
