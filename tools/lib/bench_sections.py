"""What the benchmark measures beside conversions of one image: latencies, scaling, limits."""

import json
import os
import statistics
import subprocess

import bench_cases
import bench_inputs
import bench_measure

MIB = 1 << 20
GIB = 1 << 30
TIB = 1 << 40

_QCOW2 = bench_inputs.Input("disk", "qcow2")
_LANES = (1, 2, 4)
_LANE_CASES = [
    bench_cases.Case("disk", bench_cases.Variant("qcow2"), bench_cases.Variant("raw")),
    bench_cases.Case("disk", bench_cases.Variant("qcow2", "compression_type=zlib"),
                     bench_cases.Variant("raw")),
    bench_cases.Case("disk", bench_cases.Variant("raw"),
                     bench_cases.Variant("qcow2", "compression_type=zlib")),
]
# Pairs of images of the same disk that are compared, by how they are stored.
_COMPARED = [(("qcow2", "compression_type=zlib"), ("raw", "")),
             (("qcow2", "compression_type=zlib"), ("qcow2", "compression_type=zlib")),
             (("qcow2", ""), ("raw", "")), (("raw", ""), ("raw", ""))]
# Virtual sizes of sparse images, and how many MiB of data each has, evenly spread.
_VIRTUAL_SIZES = {"1 GiB": GIB, "100 GiB": 100 * GIB, "2 TiB": 2 * TIB}
_SPARSE_MIBS = 64


class NotThere(Exception):
    """What a section needs and this build lacks."""


def _quantiles(values):
    values = sorted(values)
    return {"p50": statistics.median(values),
            "p99": values[min(len(values) - 1, len(values) * 99 // 100)]}


def _cold_info(bench):
    """A process each, in turn."""
    source = bench.inputs.path(_QCOW2)
    commands = {"hotcell": [bench.hotcell, "info", "-f", "qcow2", source],
                "qemu-img": ["qemu-img", "info", "-f", "qcow2", source]}
    walls = {name: [] for name in commands}
    rounds = 50 if bench.quick else 300
    warm_up = rounds // 10
    for number in range(-warm_up, rounds):
        for name in sorted(commands, reverse=number % 2 == 0):
            cost = bench_measure.measure(commands[name])
            if number >= 0:
                walls[name].append(cost.wall)
    result = {name: _quantiles(values) for name, values in walls.items()}
    result["speed"] = statistics.median(
        theirs / ours for ours, theirs in zip(walls["hotcell"], walls["qemu-img"]))
    result["met"] = result["speed"] >= bench_cases.INFO_TARGET
    return result


def _program(bench, name):
    path = os.path.join(bench.bin, name)
    if not os.access(path, os.X_OK):
        raise NotThere(f"this build has no {path}")
    return path


def _json_output(command):
    result = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if result.returncode != 0:
        raise bench_measure.CommandFailed(
            f"{' '.join(command)}: {result.stderr.decode(errors='replace').strip()}")
    return json.loads(result.stdout)


def _pooled_info(bench):
    """Jobs in a service that keeps workers ready; qemu-img cold beside it."""
    program = _program(bench, "pool_bench")
    source = bench.inputs.path(_QCOW2)
    walls = [bench_measure.measure(["qemu-img", "info", "-f", "qcow2", source]).wall
             for _ in range(20 if bench.quick else 100)]
    result = {"qemu-img": _quantiles(walls)}
    common = [program, "--image", source, "--format", "qcow2", "--pool", "4"]
    share = 4 if bench.quick else 1
    # A job that finds a worker ready, and as many jobs as two cores can do.
    result["paused"] = _json_output([*common, "--threads", "1", "--pause", "10", "--jobs",
                                     str(800 // share)])
    result["busy"] = _json_output([*common, "--threads", "2", "--jobs", str(2000 // share)])
    result["speed"] = result["qemu-img"]["p50"] * 1e6 / result["paused"]["latency-p50-us"]
    result["met"] = (result["speed"] >= bench_cases.POOLED_INFO_TARGET
                     and result["busy"]["jobs-per-second"] >= bench_cases.JOBS_TARGET)
    return result


def _lanes(bench):
    """hotcell alone, with more lanes and fewer."""
    result = {}
    for case in _LANE_CASES:
        source = bench.inputs.path(case.input)
        bench_measure.read_through(source)
        arguments = ["-f", case.source.format, *case.target.options(), source]
        commands = {str(lanes): [*bench.programs["hotcell"], "--lanes", str(lanes), *arguments]
                    for lanes in _LANES}
        bench.observe(commands["1"])
        result[case.name] = {
            lanes: {what: statistics.median(costs[what]) for what in ("wall", "cpu")}
            for lanes, costs in bench.interleave(commands).items()}
    return result


def _codecs(bench):
    """What the libraries do natively, a limit for conversions with each codec."""
    program = _program(bench, "codec_bench")
    source = bench.inputs.path(bench_inputs.Input("small-disk", "raw"))
    bench_measure.read_through(source)
    return _json_output([program, source, "--threads", "2", "--json"])


def _memory(bench):
    """Peak memory of sparse images of any size."""
    result = {}
    raw = os.path.join(bench.output, "raw")
    qcow2 = os.path.join(bench.output, "qcow2")
    for name, size in _VIRTUAL_SIZES.items():
        bench_inputs.write_sparse(raw, size, size // _SPARSE_MIBS)
        bench_measure.measure(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, qcow2])
        peaks = {}
        for source, image_format, target_format in ((raw, "raw", "qcow2"), (qcow2, "qcow2", "raw")):
            command = [*bench.programs["hotcell"], "-f", image_format, "-O", target_format, source]
            cost = bench.measure(command)
            peaks[f"{image_format} to {target_format}"] = {
                **bench.observe(command)[0], "wall": cost.wall}
        os.unlink(raw)
        os.unlink(qcow2)
        result[name] = peaks
    return result


def _compare(bench):
    """Two images of one disk, which have to be read to the end."""
    result = {}
    for pair in _COMPARED:
        variants = [bench_cases.Variant(*stored) for stored in pair]
        sources = [bench.inputs.path(bench_inputs.Input("disk", *stored)) for stored in pair]
        for source in sources:
            bench_measure.read_through(source)
        arguments = ["compare", "-q", "-f", variants[0].format, "-F", variants[1].format, *sources]
        commands = {"hotcell": [bench.hotcell, *arguments], "qemu-img": ["qemu-img", *arguments]}
        walls = {name: [] for name in commands}
        for number in range(-1, bench.rounds):
            for name in sorted(commands, reverse=number % 2 == 0):
                cost = bench_measure.measure(commands[name])
                if number >= 0:
                    walls[name].append(cost.wall)
        target = bench_cases.COMPARE_TARGETS[any(variant.option for variant in variants)]
        speed = statistics.median(
            theirs / ours for ours, theirs in zip(walls["hotcell"], walls["qemu-img"]))
        result[" with ".join(variant.label for variant in variants)] = {
            **{name: statistics.median(values) for name, values in walls.items()},
            "speed": speed, "target": target, "met": speed >= target}
    return result


SECTIONS = {
    "info, cold": _cold_info,
    "info, pooled": _pooled_info,
    "compare": _compare,
    "lanes": _lanes,
    "codecs": _codecs,
    "memory by virtual size": _memory,
}
