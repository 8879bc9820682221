"""Measures hotcell and qemu-img side by side.

Both convert the same images, in turn, with warm input and output to memory (tmpfs); each figure is
the median over the rounds, each ratio the median of the ratios within a round, so that a machine
that slows down slows both. Memory is the peak of the sum over all processes, sampled in a run of its
own. The first outputs of both are compared with the source by qemu-img.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys

import bench_inputs
import bench_measure

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
MIB = 1 << 20

# (name, input, input format, options of convert)
_CONVERSIONS = [
    ("raw to raw", "raw", "raw", ["-O", "raw"]),
    ("qcow2 to raw", "qcow2", "qcow2", ["-O", "raw"]),
    ("qcow2 zlib to raw", "qcow2-zlib", "qcow2", ["-O", "raw"]),
    ("qcow2 zstd to raw", "qcow2-zstd", "qcow2", ["-O", "raw"]),
    ("raw to qcow2", "raw", "raw", ["-O", "qcow2"]),
    ("qcow2 to qcow2", "qcow2", "qcow2", ["-O", "qcow2"]),
    ("raw to qcow2 zlib", "small-raw", "raw", ["-c", "-O", "qcow2"]),
    ("raw to qcow2 zstd", "small-raw", "raw",
     ["-c", "-O", "qcow2", "-o", "compression_type=zstd"]),
    ("sparse raw to qcow2", "sparse-raw", "raw", ["-O", "qcow2"]),
    ("sparse qcow2 to raw", "sparse-qcow2", "qcow2", ["-O", "raw"]),
]


def _warm(path):
    with open(path, "rb", buffering=0) as source:
        buffer = bytearray(4 * MIB)
        while source.readinto(buffer):
            pass


def _touch_memory(directory, size):
    """Makes the machine back as much of the tmpfs as the outputs will use."""
    path = os.path.join(directory, "touch")
    block = b"\x5a" * (4 * MIB)
    with open(path, "wb", buffering=0) as out:
        for _ in range(0, size, len(block)):
            out.write(block)
    os.unlink(path)


def _unlink(path):
    if os.path.exists(path):
        os.unlink(path)


class Runner:
    def __init__(self, arguments):
        self.programs = {"hotcell": arguments.hotcell, "qemu-img": "qemu-img"}
        self.extra = {"hotcell": [], "qemu-img": ["-m", "16", "-W"] if arguments.best else []}
        self.output = os.path.join(arguments.output, f"hotcell-bench.{os.getpid()}")
        os.makedirs(self.output)
        self.rounds = 3 if arguments.quick else arguments.rounds
        self.info_rounds = 50 if arguments.quick else 200

    def _command(self, program, options, image_format, source, target):
        return [self.programs[program], "convert", *self.extra[program], "-f", image_format,
                *options, source, target]

    def conversion(self, options, image_format, source):
        target = os.path.join(self.output, "target")
        result = {name: {"wall": [], "cpu": []} for name in self.programs}
        # Memory and sizes first: these runs also warm everything up.
        for name in self.programs:
            command = self._command(name, options, image_format, source, target)
            result[name]["peak_memory"] = bench_measure.peak_memory(command)
            result[name]["size"] = os.stat(target).st_blocks * 512
            subprocess.run(["qemu-img", "compare", "-q", "-f", image_format, "-F",
                            options[options.index("-O") + 1], source, target], check=True)
            _unlink(target)
        for number in range(self.rounds):
            order = list(self.programs)
            if number % 2:
                order.reverse()
            for name in order:
                cost = bench_measure.measure(
                    self._command(name, options, image_format, source, target))
                _unlink(target)
                result[name]["wall"].append(cost.wall)
                result[name]["cpu"].append(cost.cpu)
        ratios = [ours / theirs for ours, theirs in
                  zip(result["hotcell"]["wall"], result["qemu-img"]["wall"])]
        result["ratio"] = statistics.median(ratios)
        result["ratio_range"] = [min(ratios), max(ratios)]
        return result

    def info(self, source):
        """Cold starts: a process each."""
        result = {name: [] for name in self.programs}
        for _ in range(self.info_rounds):
            for name, program in self.programs.items():
                result[name].append(
                    bench_measure.measure([program, "info", "-f", "qcow2", source]).wall)
        quantiles = {}
        for name, walls in result.items():
            walls.sort()
            quantiles[name] = {"p50": statistics.median(walls),
                               "p99": walls[min(len(walls) - 1, len(walls) * 99 // 100)]}
        quantiles["ratio"] = quantiles["hotcell"]["p50"] / quantiles["qemu-img"]["p50"]
        return quantiles


def _print_table(results):
    print("| Conversion | hotcell s | qemu-img s | ratio | range | CPU s | CPU s (q) | "
          "peak MiB | peak MiB (q) | output MiB | output MiB (q) |")
    print("| --- | ---: | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, result in results["conversions"].items():
        ours, theirs = result["hotcell"], result["qemu-img"]
        print(f"| {name} "
              f"| {statistics.median(ours['wall']):.2f} | {statistics.median(theirs['wall']):.2f} "
              f"| {result['ratio']:.2f} "
              f"| {result['ratio_range'][0]:.2f}-{result['ratio_range'][1]:.2f} "
              f"| {statistics.median(ours['cpu']):.2f} | {statistics.median(theirs['cpu']):.2f} "
              f"| {ours['peak_memory'] / MIB:.0f} | {theirs['peak_memory'] / MIB:.0f} "
              f"| {ours['size'] / MIB:.0f} | {theirs['size'] / MIB:.0f} |", flush=True)
    info = results["info"]
    print()
    print("| `info`, cold | p50 ms | p99 ms |")
    print("| --- | ---: | ---: |")
    for name in ("hotcell", "qemu-img"):
        print(f"| {name} | {info[name]['p50'] * 1e3:.1f} | {info[name]['p99'] * 1e3:.1f} |")
    print(f"\ninfo: hotcell takes {info['ratio']:.2f} times qemu-img's time (p50)")


def _machine():
    with open("/proc/cpuinfo", encoding="ascii") as lines:
        model = next((line.partition(":")[2].strip() for line in lines
                      if line.startswith("model name")), "unknown")
    return {"cpu": model, "cpus": len(os.sched_getaffinity(0)), "kernel": platform.release()}


def main():
    parser = argparse.ArgumentParser(prog="tools/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small image and 3 rounds")
    parser.add_argument("--best", action="store_true", help="give qemu-img -m 16 -W")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each conversion")
    parser.add_argument("--only", default="", help="conversions whose name contains this")
    parser.add_argument("--json", metavar="FILE", help="write the figures to FILE")
    parser.add_argument("--inputs", default=os.path.join(ROOT, "build", "bench-inputs"),
                        help="where the inputs are made and kept")
    parser.add_argument("--output", default="/dev/shm", help="a tmpfs for the outputs")
    parser.add_argument("--hotcell", default=os.path.join(ROOT, "build/release/bin/hotcell"))
    arguments = parser.parse_args()

    bench_measure.adopt_orphans()
    # A terminated benchmark must not leave gigabytes in memory.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    directory = os.path.join(arguments.inputs, "quick" if arguments.quick else "full")
    inputs = bench_inputs.prepare(directory, arguments.quick)
    runner = Runner(arguments)
    results = {"machine": _machine(), "rounds": runner.rounds, "conversions": {}}
    if os.geteuid() != 0:
        print("not root: the memory of the confined worker cannot be read and is not counted",
              file=sys.stderr)
    try:
        _touch_memory(runner.output, 256 * MIB if arguments.quick else 3 << 30)
        for name, source, image_format, options in _CONVERSIONS:
            if arguments.only not in name:
                continue
            print(f"measuring {name} ...", file=sys.stderr, flush=True)
            _warm(inputs[source])
            results["conversions"][name] = runner.conversion(options, image_format,
                                                             inputs[source])
        results["info"] = runner.info(inputs["qcow2"])
    finally:
        shutil.rmtree(runner.output, ignore_errors=True)
    _print_table(results)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as out:
            json.dump(results, out, indent=2)


if __name__ == "__main__":
    main()
