"""For each legitimate image: what hotcell reads and writes against what qemu-img says."""

import json
import os

from images import variants
from support import content, files, harness, programs

MIB = 1 << 20

# Options of the qcow2 images that hotcell writes from each variant: all of `always`, and one of
# `in_turn`, so that the variants together meet every combination many times.
_ALWAYS = [[]]
_IN_TURN = [
    ["-c"],
    ["-c", "-o", "compression_type=zstd"],
    ["-o", "cluster_size=4k"],
    ["-o", "cluster_size=2M"],
    ["-c", "-o", "cluster_size=4k,compression_type=zstd"],
    ["-o", "preallocation=metadata"],
    ["-c", "-o", "cluster_size=2M"],
    ["-o", "cluster_size=512"],
]

# Bytes that a sparse output may occupy beyond what qemu-img's does: one granule of the file
# system's own bookkeeping, and 1 in 64 for other boundaries between data and holes.
_ALLOCATION_SLACK = 128 << 10


def _permission(image):
    return [argument for name, path in image.references.items()
            for argument in ("--backing", f"{name}={path}")]


def _check_same(path, reference, what):
    difference = files.first_difference(path, reference)
    harness.check(difference is None, f"{what}: differs from qemu-img's at byte {difference}")


def _check_raw(image, directory, *arguments, qemu_arguments=(), size=None, what="raw"):
    """Converts to raw with both programs. Returns the path of qemu-img's, cut to `size` bytes."""
    ours = os.path.join(directory, "ours.raw")
    theirs = os.path.join(directory, "theirs.raw")
    programs.must_hotcell("convert", "-f", image.format, "-O", "raw", *arguments,
                          *_permission(image), image.path, ours)
    programs.qemu_img("convert", "-f", image.format, "-O", "raw", *qemu_arguments, image.path,
                      theirs)
    if size is not None:
        os.truncate(theirs, size)
    _check_same(ours, theirs, what)
    limit = files.allocated(theirs) * 65 // 64 + _ALLOCATION_SLACK
    harness.check(files.allocated(ours) <= limit,
                  f"{what}: occupies {files.allocated(ours)} bytes, qemu-img's "
                  f"{files.allocated(theirs)}")
    os.unlink(ours)
    return theirs


def _check_qcow2(image, directory, options, reference):
    what = f"qcow2 {' '.join(options)}"
    ours = os.path.join(directory, "ours.qcow2")
    programs.must_hotcell("convert", "-f", image.format, "-O", "qcow2", *options,
                          *_permission(image), image.path, ours)
    verdict = programs.run(["qemu-img", "check", "-f", "qcow2", ours])
    harness.check_equal(verdict.returncode, 0,
                        f"{what}: qemu-img check said {verdict.stdout + verdict.stderr!r}; exit")
    programs.qemu_img("compare", "-f", "qcow2", "-F", "raw", ours, reference)
    if "-c" in options:
        kind = "zstd" if "compression_type=zstd" in options[-1] else "zlib"
        specific = programs.qemu_info(ours)["format-specific"]["data"]
        harness.check_equal(specific["compression-type"], kind, f"{what}: compression type")
    os.unlink(ours)


def _check_lanes(image, directory, reference):
    """One lane and four write the same bytes."""
    outputs = []
    for lanes in ("1", "4"):
        path = os.path.join(directory, f"lanes{lanes}.qcow2")
        programs.must_hotcell("convert", "-f", image.format, "-O", "qcow2", "-c", "-m", lanes,
                              *_permission(image), image.path, path)
        outputs.append(path)
    difference = files.first_difference(*outputs)
    harness.check(difference is None, f"-m 1 and -m 4 differ at byte {difference}")
    programs.qemu_img("compare", "-f", "qcow2", "-F", "raw", outputs[0], reference)
    for path in outputs:
        os.unlink(path)


def _check_info(image):
    ours = json.loads(programs.must_hotcell("info", "-f", image.format, "--output=json",
                                            image.path))
    theirs = programs.qemu_info(image.path, "-f", image.format)
    _check_fields(ours, theirs, "info")
    known = set(theirs) | {"hotcell"}
    harness.check(set(ours) <= known, f"info: unknown keys {sorted(set(ours) - known)}")


def _check_fields(ours, theirs, where):
    for key, value in theirs.items():
        harness.check(key in ours, f"{where}: {key} is missing")
        if isinstance(value, dict):
            _check_fields(ours[key], value, f"{where}.{key}")
        else:
            harness.check_equal(ours[key], value, f"{where}.{key}")


def _oracle(name, number, directory):
    programs.require_kvm()
    image = variants.VARIANTS[name](directory)
    _check_info(image)
    reference = _check_raw(image, directory)
    if not image.huge:
        for options in [*_ALWAYS, _IN_TURN[number % len(_IN_TURN)]]:
            _check_qcow2(image, directory, options, reference)
        if number % 8 == 0:
            _check_lanes(image, directory, reference)
    for snapshot in image.snapshots:
        # qemu-img gives a snapshot the size that the disk has now; ours has the size it had then.
        _check_raw(image, directory, "-l", snapshot, qemu_arguments=["-l", snapshot],
                   size=image.snapshot_size, what=f"snapshot {snapshot!r}")


def _probed(directory):
    """Without -f the format is found out, as qemu-img finds it."""
    programs.require_kvm()
    for name in ("cluster-64k", "version-2", "raw-pattern"):
        place = os.path.join(directory, name)
        os.mkdir(place)
        image = variants.VARIANTS[name](place)
        info = json.loads(programs.must_hotcell("info", "--output=json", image.path))
        harness.check_equal(info["format"], image.format, f"{name}: format")


def _followed(directory):
    """A chain whose files lie below an allowed directory opens without naming each."""
    programs.require_kvm()
    for name in ("backing-3", "backing-raw", "data-file"):
        place = os.path.join(directory, name)
        os.mkdir(place)
        os.chdir(place)
        image = variants.VARIANTS[name](place)
        programs.must_hotcell("convert", "-O", "raw", f"--follow-references={place}", image.path,
                              "ours.raw")
        programs.qemu_img("convert", "-O", "raw", image.path, "theirs.raw")
        _check_same("ours.raw", "theirs.raw", name)


def _existing_target(directory):
    """-n writes into a target that is there, and what it skips reads as the source does."""
    programs.require_kvm()
    image = variants.VARIANTS["zero-clusters"](directory)
    with open("target.raw", "wb") as target:
        target.write(b"\xee" * 16 * MIB)
    inode = os.stat("target.raw").st_ino
    programs.must_hotcell("convert", "-n", "-O", "raw", image.path, "target.raw")
    programs.qemu_img("convert", "-O", "raw", image.path, "theirs.raw")
    _check_same("target.raw", "theirs.raw", "-n")
    harness.check_equal(os.stat("target.raw").st_ino, inode, "-n: inode of the target")


def _allocate_all(directory):
    """-S 0 leaves no holes in the data."""
    programs.require_kvm()
    image = variants.VARIANTS["zeroes-stored"](directory)
    programs.must_hotcell("convert", "-S", "0", "-O", "raw", image.path, "ours.raw")
    programs.qemu_img("convert", "-O", "raw", image.path, "theirs.raw")
    _check_same("ours.raw", "theirs.raw", "-S 0")
    harness.check(files.allocated("ours.raw") >= 16 * MIB,
                  f"-S 0 left holes: {files.allocated('ours.raw')} bytes are allocated")


def _exits(directory):
    """The guest leaves for user space at most once for each MiB that moves."""
    programs.require_kvm()
    raw = os.path.join(directory, "big.raw")
    with open(content.file_system(), "rb") as source:
        data = source.read()
    with open(raw, "wb") as out:
        for _ in range(8):
            out.write(data)
    programs.qemu_img("convert", "-f", "raw", "-O", "qcow2", raw, "big.qcow2")
    for source, target_format in (("big.qcow2", "raw"), (raw, "qcow2")):
        text = programs.must_hotcell("convert", "--stats", "--output=json", "-O", target_format,
                                     source, "target")
        stats = json.loads(text)["convert"]["stats"]
        moved = (stats["bytes-read"] + stats["bytes-written"]) / MIB
        harness.check(moved > 200, f"only {moved} MiB moved")
        harness.check(stats["exits"]["total"] <= moved,
                      f"{source} to {target_format}: {stats['exits']} for {moved:.0f} MiB")


CASES = {name: (lambda directory, name=name, number=number: _oracle(name, number, directory))
         for number, name in enumerate(variants.VARIANTS)}
CASES["probed-format"] = _probed
CASES["followed-references"] = _followed
CASES["existing-target"] = _existing_target
CASES["allocate-all"] = _allocate_all
CASES["few-exits"] = _exits

if __name__ == "__main__":
    harness.main(CASES)
