"""tools/bench: what it measures, how it judges, what it writes. Nothing here depends on a time."""

import argparse
import importlib.util
import json
import os
import sys

import bench_cases
import bench_report
from support import harness, programs

MIB = 1 << 20
# The program, which lies beside its modules.
_PROGRAM = os.path.join(os.path.dirname(bench_cases.__file__), "bench.py")

_FORMATS = [
    {"name": "raw", "writable": True, "compressions": []},
    {"name": "qcow2", "writable": True,
     "compressions": ["compression_type=zlib", "compression_type=zstd"]},
    {"name": "new", "writable": True, "compressions": ["subformat=streamOptimized"]},
    {"name": "old", "writable": False, "compressions": []},
]


def _bench(*arguments):
    return programs.run([sys.executable, "-B", _PROGRAM, "--hotcell",
                         programs.HOTCELL, *arguments])


def _every_pair(_):
    """A format that is written is measured from and to every other, and compressed."""
    found = {case.name: case for case in bench_cases.cases(_FORMATS)}
    labels = ["raw", "qcow2", "qcow2 zlib", "qcow2 zstd", "new", "new streamOptimized"]
    for source in labels:
        for target in labels:
            harness.check(f"{source} to {target}" in found, f"{source} to {target} is missing")
    harness.check(not any("old" in name for name in found), "what is only read is measured")
    for content in ("sparse", "empty"):
        harness.check_equal(sum(name.startswith(content) for name in found), 3 * len(labels),
                            f"pairs that are {content}")
    usual = {name for name, case in found.items() if case.usual}
    harness.check({"raw to new", "new to raw", "raw to new streamOptimized", "qcow2 to qcow2",
                   "sparse: raw to qcow2"} <= usual, f"{sorted(usual)}")
    harness.check(not usual & {"new to qcow2", "new to new"}, f"{sorted(usual)}")
    kinds = {"new to raw": "plain", "qcow2 zstd to raw": "read zstd",
             "new streamOptimized to qcow2": "read zlib", "qcow2 zlib to qcow2 zstd": "write zstd",
             "random: raw to qcow2 zlib": "write zlib", "empty: raw to qcow2 zlib": "sparse"}
    harness.check_equal({name: found[name].kind for name in kinds}, kinds, "kinds")
    grains = bench_cases.Variant("vmdk")
    stream = bench_cases.Variant("vmdk", "subformat=streamOptimized")
    special = {(case.source.label, case.target.label): case.kind for case in (
        bench_cases.Case("disk", grains, stream), bench_cases.Case("disk", stream, grains),
        bench_cases.Case("disk", bench_cases.Variant("old"), grains),
        bench_cases.Case("disk", grains, bench_cases.Variant("raw")))}
    harness.check_equal(special, {
        ("vmdk", "vmdk streamOptimized"): "write zlib vmdk",
        ("vmdk streamOptimized", "vmdk"): "read zlib vmdk",
        ("old", "vmdk"): "plain vmdk", ("vmdk", "raw"): "plain"}, "kinds of vmdk")
    harness.check_equal(found["raw to new streamOptimized"].target.options(),
                        ["-O", "new", "-c", "-o", "subformat=streamOptimized"], "options")


def _at_target():
    """A result that meets each target of raw to qcow2 zlib, just."""
    def ratio(median):
        return {"median": median, "min": median, "max": median}

    def program(size, wall):
        return {"wall": [wall], "cpu": [wall], "peak_memory": 160 * MIB - 1, "size": size,
                "allocated": size}

    return {"kind": "write zlib",
            "programs": {"hotcell": program(103, 1.0), "default": program(100, 5.0),
                         "best": program(100, 2.7)},
            "speed": {"default": ratio(5.0), "best": ratio(2.7)},
            "cpu_ratio": {"default": ratio(1.0), "best": ratio(1.0)},
            "stats": {"exits": 16, "doorbells": 1, "requests": 1, "bytes-read": 128 * MIB,
                      "bytes-written": 128 * MIB}}


def _judged(_):
    harness.check_equal(bench_cases.missed(_at_target()), [], "missed at the targets")
    worse = {
        "default": lambda result: result["speed"]["default"].update(median=4.9),
        "best": lambda result: result["speed"]["best"].update(median=2.6),
        "CPU": lambda result: result["cpu_ratio"]["best"].update(median=1.1),
        "size": lambda result: result["programs"]["hotcell"].update(allocated=104),
        "memory": lambda result: result["programs"]["hotcell"].update(peak_memory=160 * MIB),
        "exits": lambda result: result["stats"].update(exits=17),
    }
    for name, worsen in worse.items():
        result = _at_target()
        worsen(result)
        harness.check_equal(bench_cases.missed(result), [name], f"missed without {name}")
    plain = {name: {**_at_target(), "kind": "plain", "speed": {"best": {"median": speed}}}
             for name, speed in (("one", 1.0), ("four", 4.0))}
    harness.check_equal(round(bench_report.plain_mean(plain), 6), 2.0, "geometric mean")


def _results():
    result = _at_target()
    result["missed"] = ["CPU"]
    return {"machine": {"cpu": "A", "cpus": 2, "kernel": "6", "kvm": "kvm_intel",
                        "qemu-img": "7.2"},
            "rounds": [5, 31], "quick": False, "conversions": {"raw to qcow2 zlib": result},
            "sections": {}, "skipped": {"codecs": "this build has no codec_bench"}, "failed": {}}


def _written(directory):
    """Tables replace what stands between the markers, and nothing else."""
    with open("results.json", "w", encoding="utf-8") as out:
        json.dump(_results(), out)
    with open("page.md", "w", encoding="utf-8") as out:
        out.write(f"# Head\n\n{bench_report.BEGIN}\nold\n{bench_report.END}\n\ntail\n")
    for _ in range(2):
        result = _bench("--from", "results.json", "--markdown", "page.md")
        harness.check_equal((result.returncode, result.stderr), (0, b""), "status and errors")
        with open(os.path.join(directory, "page.md"), encoding="utf-8") as page:
            text = page.read()
        harness.check(text.startswith(f"# Head\n\n{bench_report.BEGIN}\n\n2 CPUs"), text)
        harness.check(text.endswith(f"no codec_bench\n\n{bench_report.END}\n\ntail\n"), text)
        harness.check("| raw to qcow2 zlib | 1.00 | 5.00 | 2.70 | **5.00** (5.00-5.00) | 5.0 |"
                      in text and "| CPU |" in text and "old" not in text, text)


def _refused(_):
    """What cannot be measured is refused in a line, before anything is made."""
    for arguments, said in (
            (["--only", "nosuch"], b"nosuch"),
            (["--output", "/nosuch"], b"/nosuch"),
            (["--hotcell", "/nosuch"], b"/nosuch"),
            (["--from", "/nosuch"], b"/nosuch"),
            (["--rounds", "-1"], b"--rounds")):
        result = _bench(*arguments)
        harness.check(result.returncode == 1 and said in result.stderr
                      and result.stderr.count(b"\n") == 1, f"{arguments}: {result}")


def _one_conversion(directory):
    """From the image to the report."""
    programs.require_kvm()
    programs.require_program("qemu-img")
    result = _bench("--quick", "--rounds", "1", "--only", "empty: raw to qcow2 zlib", "--inputs",
                    directory, "--json", "figures.json")
    harness.check_equal(result.returncode, 0, f"{result.stderr.decode()}; exit")
    with open("figures.json", encoding="utf-8") as source:
        measured = json.load(source)["conversions"]["empty: raw to qcow2 zlib"]
    for name, program in measured["programs"].items():
        harness.check(program["peak_memory"] > MIB and program["size"] > 0
                      and len(program["wall"]) == 1, f"{name}: {program}")
    harness.check(b"| empty: raw to qcow2 zlib |" in result.stdout, result.stdout.decode())


def _rounds(seconds, **options):
    """How often each of two commands of so many seconds is run."""
    spec = importlib.util.spec_from_file_location("bench_program", _PROGRAM)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    arguments = argparse.Namespace(**{"hotcell": programs.HOTCELL, "output": os.getcwd(),
                                      "quick": False, "full": False, "rounds": 0, **options})
    bench = program.Bench(arguments, None)
    os.rmdir(bench.output)
    bench.measure = lambda _: argparse.Namespace(wall=seconds, cpu=seconds)
    counts = {len(costs["wall"]) for costs in bench.interleave({"one": [], "other": []}).values()}
    harness.check_equal(len(counts), 1, "commands with as many rounds as the other")
    return counts.pop()


def _rounds_end(_):
    """Short conversions get more rounds, long ones fewer, unless all are asked for."""
    harness.check_equal([_rounds(seconds) for seconds in (0.001, 0.1, 1.0, 5.0, 100.0)],
                        [31, 5, 3, 2, 1], "rounds")
    harness.check_equal([_rounds(seconds, full=True) for seconds in (0.1, 100.0)], [20, 5],
                        "--full")
    harness.check_equal(_rounds(100.0, rounds=2), 2, "--rounds")


WITHOUT_KVM = {
    "rounds-end": _rounds_end,
    "every-pair": _every_pair,
    "judged-by-targets": _judged,
    "tables-in-a-page": _written,
}
WITH_KVM = {
    "refused": _refused,
    "one-conversion": _one_conversion,
}

if __name__ == "__main__":
    # `bench.bench_test kvm|plain [--list|NAME...]`
    harness.main(WITH_KVM if sys.argv.pop(1) == "kvm" else WITHOUT_KVM)
