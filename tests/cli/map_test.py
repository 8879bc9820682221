"""map and measure beside qemu-img, called by its name: the same text."""

import os
import re

from support import harness, namespaces, programs, reference


def _images():
    """Images of all kinds of clusters, and how they are named on a command line."""
    with open("raw", "wb") as file:
        file.truncate(3 << 20)
        file.seek(1 << 20)
        file.write(b"x" * 10000)
    programs.qemu_img("create", "-q", "-f", "qcow2", "base", "1M")
    programs.qemu_io("base", "write 64k 128k", "write -z 256k 64k", "write 512k 64k",
                     "write 704k 64k", "write -z 704k 64k")
    programs.qemu_img("snapshot", "-c", "snap", "base")
    programs.qemu_io("base", "write 832k 64k")
    programs.qemu_img("create", "-q", "-f", "qcow2", "-b", "base", "-F", "qcow2", "top", "2M")
    programs.qemu_io("top", "write 128k 64k", "write -z 512k 64k", "write 1536k 64k")
    programs.qemu_img("convert", "-c", "-O", "qcow2", "base", "compressed")
    programs.qemu_img("create", "-q", "-f", "qcow2", "-o", "extended_l2=on", "subclusters", "1M")
    programs.qemu_io("subclusters", "write 4k 2k", "write -z 70k 4k")
    programs.qemu_img("create", "-q", "-f", "qcow2", "-o", "cluster_size=512", "small", "64M")
    programs.qemu_io("small", *(f"write {number * 37}k 3k" for number in range(40)))
    programs.qemu_img("create", "-q", "-f", "qcow2", "-o", "preallocation=full", "full", "1M")
    programs.qemu_img("create", "-q", "-f", "qcow2", "-o", "compat=0.10", "v2", "1M")
    with open("empty", "wb"):
        pass
    return {"raw": "raw", "empty": "raw", "base": "qcow2", "top": "qcow2", "compressed": "qcow2",
            "subclusters": "qcow2", "small": "qcow2", "full": "qcow2", "v2": "qcow2"}


def _images_in_holes():
    """Copies of "raw", whose data lie in holes of their files, or are nowhere."""
    options = {"metadata": ("qcow2", "-o", "preallocation=metadata"), "vdi": ("vdi",),
               "static": ("vdi", "-o", "static=on"), "vpc": ("vpc",),
               "fixed": ("vpc", "-o", "subformat=fixed,force_size"), "vmdk": ("vmdk",),
               "flat.vmdk": ("vmdk", "-o", "subformat=monolithicFlat"),
               "parallels": ("parallels",), "qed": ("qed",)}
    for name, arguments in options.items():
        programs.qemu_img("convert", "-f", "raw", "-O", *arguments, "raw", name)
    return {name: arguments[0] for name, arguments in options.items()}


def _as_qemu_img():
    os.symlink(programs.HOTCELL, "qemu-img")
    return [os.path.join(os.getcwd(), "qemu-img")]


_REFERENCES = ["--backing", "base=base", "--backing", "flat-flat.vmdk=flat-flat.vmdk"]


def _same(ours, command, *arguments):
    found = programs.run([*ours, command, *_REFERENCES, *arguments])
    wanted = programs.run(["qemu-img", command, *arguments])
    told = reference.map_as_told(wanted.stdout)
    harness.check_equal(found.stdout, told, f"{command} {arguments}")
    harness.check_equal(found.returncode, wanted.returncode, f"{command} {arguments}: exit status")
    return wanted


def _map(_):
    programs.require_kvm()
    images = _images() | _images_in_holes()
    ours = _as_qemu_img()
    windows = ([], ["-s", "100k", "-l", "100k"], ["-s", "100"], ["-s", "3M"], ["-l", "0"],
               ["--start-offset=511", "--max-length=1"])
    for name, image_format in images.items():
        for window in windows:
            for output in ("human", "json"):
                _same(ours, "map", "-f", image_format, f"--output={output}", *window, name)
    result = programs.hotcell("map", "compressed")
    harness.check(b"compressed clusters" in result.stderr, result.stderr)


def _map_says_compressed(_):
    """Under its own name, as qemu-img from 8.2 on."""
    programs.require_kvm()
    _images()
    text = programs.must_hotcell("map", "--output=json", "compressed").decode()
    harness.check('"data": true, "compressed": true}' in text, text)
    text = programs.must_hotcell("map", "--output=json", "base").decode()
    harness.check(re.search(r'"data": true, "compressed": false, "offset": \d+}', text), text)


def _references(_):
    """Without permission, no map of what stands on another image."""
    programs.require_kvm()
    _images()
    for command in ("map", "measure"):
        result = programs.hotcell(command, "top")
        harness.check_equal(result.returncode, 1, "exit status")
        harness.check(b"--backing" in result.stderr, result.stderr)
        harness.check_equal(result.stdout, b"", "standard output")
        programs.must_hotcell(command, "--backing", "base=base", "top")


def _huge(_):
    """A petabyte in a file of some kilobytes is one extent."""
    programs.require_kvm()
    programs.qemu_img("create", "-q", "-f", "qcow2", "-o", "cluster_size=2M", "huge", "32T")
    text = programs.must_hotcell("map", "--output=json", "huge").decode()
    harness.check_equal(len(text.splitlines()), 1, "lines")
    harness.check(f'"length": {32 << 40}' in text, text)


def _measure(_):
    programs.require_kvm()
    images = _images() | _images_in_holes()
    for name in ("vpc", "vdi", "parallels"):  # whose blocks qemu-img counts as a whole
        del images[name]
    programs.qemu_img("bitmap", "--add", "base", "bitmap-0")
    ours = _as_qemu_img()
    targets = (["-O", "raw"], [], ["-O", "qcow2"], ["-O", "qcow2", "-o", "cluster_size=512"],
               ["-O", "qcow2", "-o", "cluster_size=2M,refcount_bits=1"],
               ["-O", "qcow2", "-o", "extended_l2=on,cluster_size=128k"],
               ["-O", "qcow2", "-o", "preallocation=full"], ["-O", "qcow2", "-o", "compat=0.10"],
               ["-O", "qcow2", "-o", "backing_file=b,backing_fmt=raw"])
    for target in targets:
        for output in ("human", "json"):
            for name, image_format in images.items():
                _same(ours, "measure", f"--output={output}", "-f", image_format, *target, name)
            _same(ours, "measure", f"--output={output}", *target, "-l", "snap", "base")
            for size in ("0", "1000", "5M", "1.5T"):
                _same(ours, "measure", f"--output={output}", *target, "--size", size)


def _measure_refused(_):
    programs.require_kvm()
    images = _images()
    for arguments, said in ((["-O", "vmdk", "raw"], b"does not support size measurement"),
                            (["-O", "qcow2"], b"Either --size N or one filename"),
                            (["--size", "1M", "raw"], b"cannot be used together"),
                            (["-O", "nosuch", "raw"], b"nosuch"),
                            (["-O", "qcow2", "-o", "nosuch=1", "raw"], b"nosuch"),
                            (["-O", "qcow2", "-o", "cluster_size=3", "raw"], b"cluster"),
                            (["-O", "qcow2", "-l", "nosuch", "base"], b"nosuch"),
                            (["-O", "qcow2", "--size", "1E"], b"too large"),
                            (["raw", "raw"], b"At most one filename")):
        result = programs.hotcell("measure", *arguments)
        harness.check_equal(result.returncode, 1, f"{arguments}: exit status")
        harness.check(said in result.stderr, f"{arguments}: {result.stderr!r}")
    harness.check_equal(sorted(os.listdir(".")), sorted(images), "files")


def _temporary_directory(directory):
    """An error of the file that the map is kept in says where that is, and what to do."""
    programs.require_kvm()
    with open("disk.raw", "wb") as disk:
        disk.write(os.urandom(1 << 20))
    usual = programs.must_hotcell("map", "-f", "raw", "disk.raw")

    def run(temporary, *options):
        return programs.hotcell("map", "-f", "raw", *options, "disk.raw",
                                env={**os.environ, "TMPDIR": temporary})

    for missing in ("/nowhere", os.path.join(directory, "disk.raw")):
        result = run(missing)
        harness.check_equal((result.returncode, result.stdout), (0, usual), missing)
        harness.check(result.stderr.startswith(
            f"hotcell: map: warning: the map is not kept in '{missing}', which TMPDIR names: "
            .encode()), result.stderr)
    # /proc has no files without a name.
    for good in ("", directory, "/proc"):
        result = run(good)
        harness.check_equal((result.stdout, result.stderr), (usual, b""), f"TMPDIR={good}")
    namespaces.enter()
    os.mkdir("small")
    namespaces.mount_tmpfs("small", 4)
    with open("small/filler", "wb") as filler:
        filler.write(bytes(4096))
    result = run("small")
    harness.check_equal(result.returncode, 1, "a full directory")
    harness.check(result.stderr.endswith(b"No space left on device; it is a temporary file in "
                                         b"'small', and TMPDIR can name another directory\n"),
                  result.stderr)
    namespaces.unmount("small")


CASES = {
    "map": _map,
    "temporary-directory": _temporary_directory,
    "map-says-compressed": _map_says_compressed,
    "references": _references,
    "huge": _huge,
    "measure": _measure,
    "measure-refused": _measure_refused,
}

if __name__ == "__main__":
    harness.main(CASES)
