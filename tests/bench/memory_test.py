"""A conversion takes little memory, and no more for a big disk than for a small one."""

import os

import bench_inputs
import bench_measure
from support import files, harness, programs

MIB = 1 << 20
GIB = 1 << 30

_PEAK_LIMIT = 160 * MIB  # all processes, two lanes
_SIZES = [GIB, 100 * GIB, 2048 * GIB]
_DATA_MIBS = 64  # evenly spread, so that tables of the whole disk are read and written
# What the peak of the same conversion varies by from run to run: how far the lanes ran apart, and
# huge pages of the guest that came or did not.
_PEAK_NOISE = 8 * MIB
_RUNS = 3


def _peak(source, source_format, target_format, target):
    """The lowest peak of several runs, bytes: a sample can catch pages that are shared later."""
    command = [programs.HOTCELL, "convert", "--lanes", "2", "-f", source_format, "-O",
               target_format, source, target]
    return min(bench_measure.observe(command)[0] for _ in range(_RUNS))


def _constant(directory, source_format, target_format):
    programs.require_kvm()
    programs.require_root()  # the worker is not dumpable
    source = os.path.join(directory, "source")
    raw = os.path.join(directory, "raw")
    target = os.path.join(directory, "target")
    peaks = []
    for size in _SIZES:
        bench_inputs.write_sparse(raw, size, size // _DATA_MIBS)
        programs.qemu_img("convert", "-f", "raw", "-O", source_format, raw, source)
        peaks.append(_peak(source, source_format, target_format, target))
        programs.qemu_img("convert", "-f", target_format, "-O", "raw", target, source)
        difference = files.first_difference(source, raw)
        harness.check(difference is None, f"{size >> 30} GiB: wrong at {difference}")
        for path in (source, raw, target):
            os.unlink(path)
    told = ", ".join(f"{size >> 30} GiB: {peak / MIB:.1f} MiB" for size, peak in zip(_SIZES, peaks))
    print(told)
    harness.check(min(peaks) > MIB, f"nothing was sampled: {told}")
    harness.check(max(peaks) < _PEAK_LIMIT, f"takes too much: {told}")
    harness.check(max(peaks) <= peaks[0] + _PEAK_NOISE, f"grows with the disk: {told}")


CASES = {
    "raw-to-qcow2": lambda directory: _constant(directory, "raw", "qcow2"),
    "qcow2-to-raw": lambda directory: _constant(directory, "qcow2", "raw"),
}

if __name__ == "__main__":
    bench_measure.adopt_orphans()
    harness.main(CASES)
