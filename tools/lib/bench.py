"""Measures hotcell and qemu-img side by side.

Both convert the same images, in turn, with warm input and output to memory (tmpfs): hotcell,
qemu-img, and qemu-img with its best flags (-m 16 -W), the order changing from round to round. Each
figure is the median over the rounds, each ratio the median of the ratios within a round, so that a
machine that slows down slows all. docs/performance.md says how to read the result.
"""

import argparse
import importlib.util
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys

import bench_cases
import bench_inputs
import bench_measure
import bench_report
import bench_sections

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
MIB = 1 << 20
# Memory that is kept backed, bytes: the biggest output and what else a job takes.
_BACKED = {"full": 7 << 29, "usual": 1 << 30, "quick": 1 << 29}
# Seconds for the conversions of one program; it gets more rounds until they are used up.
_ENOUGH_SECONDS = {"full": 2.0, "usual": 0.5, "quick": 0.25}
_LEAST_ROUNDS = {"full": 5, "usual": 3, "quick": 3}
_MOST_ROUNDS = 31
# Seconds for one conversion by all programs: one that has taken so long gets no more rounds. This
# does not hold with --rounds and --full.
_MOST_SECONDS = 12.0


class BenchError(Exception):
    """Why nothing can be measured, in a line."""


class Bench:
    """The programs, the place for outputs and the rules by which all is measured."""

    def __init__(self, arguments, inputs):
        self.hotcell = arguments.hotcell
        self.programs = {"hotcell": [arguments.hotcell, "convert"],
                         "default": ["qemu-img", "convert"],
                         "best": ["qemu-img", "convert", "-m", "16", "-W"]}
        self.bin = os.path.dirname(arguments.hotcell)
        self.inputs = inputs
        self.extent = _extent(arguments)
        self.quick = arguments.quick
        self.rounds = arguments.rounds or _LEAST_ROUNDS[self.extent]
        self.most_rounds = arguments.rounds or _MOST_ROUNDS
        self.enough = _ENOUGH_SECONDS[self.extent]
        unlimited = arguments.rounds or self.extent == "full"
        self.most_seconds = float("inf") if unlimited else _MOST_SECONDS
        self.output = os.path.join(arguments.output, f"hotcell-bench.{os.getpid()}")
        self.target = os.path.join(self.output, "target")
        os.makedirs(self.output)

    def remove_target(self):
        """Removes the output. Returns its allocated and its nominal size, bytes."""
        found = os.stat(self.target)
        os.unlink(self.target)
        return found.st_blocks * 512, found.st_size

    def observe(self, command):
        """An untimed run that writes the target. Returns peak memory, standard output, sizes."""
        peak, output = bench_measure.observe([*command, self.target])
        allocated, size = self.remove_target()
        return {"peak_memory": peak, "allocated": allocated, "size": size}, output

    def measure(self, command):
        """A timed run that writes the target. Returns its cost."""
        cost = bench_measure.measure([*command, self.target])
        self.remove_target()
        return cost

    def interleave(self, commands):
        """Runs commands ({name: command}) in turn, the order changing from round to round. Returns
        {name: {"wall": [...], "cpu": [...]}}, seconds by round."""
        result = {name: {"wall": [], "cpu": []} for name in commands}
        names = list(commands)
        number = 0
        while number < self.rounds or (number < self.most_rounds and min(
                sum(costs["wall"]) for costs in result.values()) < self.enough):
            for index in range(len(names)):
                name = names[(index + number) % len(names)]
                cost = self.measure(commands[name])
                result[name]["wall"].append(cost.wall)
                result[name]["cpu"].append(cost.cpu)
            number += 1
            if sum(sum(costs["wall"]) for costs in result.values()) >= self.most_seconds:
                break
        return result

    def convert_case(self, case):
        source = self.inputs.path(case.input)
        bench_measure.read_through(source)
        arguments = ["-f", case.source.format, *case.target.options(), source]
        commands = {name: [*program, *arguments] for name, program in self.programs.items()}
        # What is not timed comes first, and warms everything up.
        observed = {}
        for name in ("default", "best"):
            observed[name], _ = self.observe(commands[name])
        observed["hotcell"], output = self.observe(
            [*self.programs["hotcell"], "--stats", "--output=json", *arguments])
        self._verify(case, commands["hotcell"], source)
        costs = self.interleave(commands)
        stats = json.loads(output)["convert"]["stats"]
        result = {
            "kind": case.kind,
            "programs": {name: {**observed[name], **costs[name]} for name in commands},
            "speed": {name: _ratios(costs[name]["wall"], costs["hotcell"]["wall"])
                      for name in ("default", "best")},
            "cpu_ratio": {name: _ratios(costs["hotcell"]["cpu"], costs[name]["cpu"])
                          for name in ("default", "best")},
            "stats": {"exits": stats["exits"]["total"],
                      **{name: stats[name] for name in
                         ("bytes-read", "bytes-written", "requests", "doorbells")}},
        }
        result["missed"] = bench_cases.missed(result)
        return result

    def _verify(self, case, command, source):
        bench_measure.measure([*command, self.target])
        bench_measure.measure(["qemu-img", "compare", "-q", "-f", case.source.format, "-F",
                               case.target.format, source, self.target])
        self.remove_target()


def _ratios(numerators, denominators):
    """The ratios of two lists by round."""
    ratios = [numerator / denominator for numerator, denominator in zip(numerators, denominators)]
    return {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)}


def _machine():
    with open("/proc/cpuinfo", encoding="ascii") as lines:
        model = next((line.partition(":")[2].strip() for line in lines
                      if line.startswith("model name")), "unknown")
    qemu = subprocess.run(["qemu-img", "--version"], check=True, stdout=subprocess.PIPE,
                          text=True).stdout
    module = next((name for name in ("kvm_intel", "kvm_amd", "kvm_pvm")
                   if os.path.exists(f"/sys/module/{name}")), "kvm")
    return {"cpu": model, "cpus": len(os.sched_getaffinity(0)), "kernel": platform.release(),
            "kvm": module, "qemu-img": qemu.splitlines()[0].removeprefix("qemu-img version ")}


def _extent(arguments):
    """How much is measured: a key of the tables above."""
    return "full" if arguments.full else "quick" if arguments.quick else "usual"


def _backed_size(arguments):
    return _BACKED[_extent(arguments)]


def _available_memory():
    with open("/proc/meminfo", encoding="ascii") as lines:
        return next(int(line.split()[1]) << 10 for line in lines
                    if line.startswith("MemAvailable:"))


def _check_machine(arguments):
    """Raises BenchError for what would fail later. Returns the formats of hotcell."""
    if not os.access(arguments.hotcell, os.X_OK):
        raise BenchError(f"'{arguments.hotcell}' is not a program: build it, or name it with "
                         "--hotcell")
    if arguments.rounds < 0:
        raise BenchError("--rounds takes a number above 0")
    listed, problems = bench_cases.formats(arguments.hotcell)
    if arguments.list:
        return listed
    if problems:
        raise BenchError(f"hotcell does not work here: {problems[0]} ('hotcell doctor' knows more)")
    if shutil.which("qemu-img") is None:
        raise BenchError("qemu-img is not there: install qemu-utils")
    try:
        state = os.statvfs(arguments.output)
    except OSError as error:
        raise BenchError(f"--output '{arguments.output}': {error.strerror}") from error
    needed = _backed_size(arguments)
    free = state.f_bavail * state.f_frsize
    if free < needed:
        raise BenchError(f"{arguments.output} has {free // MIB} MiB free, {needed // MIB} MiB are "
                         "needed: --output names another tmpfs")
    available = _available_memory()
    if available < 2 * needed:
        raise BenchError(f"{available // MIB} MiB of memory are available, {2 * needed // MIB} MiB "
                         "are needed: try --quick")
    return listed


def _save(results, arguments):
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as out:
            json.dump(results, out, indent=2)


def _run(arguments, chosen):
    """Measures what was chosen ({name: function of a Bench}). Returns the results."""
    extent = _extent(arguments)
    directory = os.path.join(arguments.inputs, extent)
    bench = Bench(arguments, bench_inputs.Inputs(directory, extent))
    results = {"machine": _machine(), "rounds": [bench.rounds, bench.most_rounds],
               "quick": bench.quick, "extent": extent, "conversions": {}, "sections": {},
               "skipped": {}, "failed": {}}
    backed = bench_measure.BackedMemory(_backed_size(arguments))
    try:
        for name, (place, function) in chosen.items():
            print(f"measuring {name} ...", end=" ", file=sys.stderr, flush=True)
            try:
                results[place][name] = function(bench)
                print("done", file=sys.stderr, flush=True)
            except (bench_inputs.CannotMake, bench_sections.NotThere) as reason:
                results["skipped"][name] = str(reason)
                print(f"skipped: {reason}", file=sys.stderr, flush=True)
            except bench_measure.CommandFailed as reason:
                results["failed"][name] = str(reason)
                print(f"FAILED: {reason}", file=sys.stderr, flush=True)
            _save(results, arguments)
    finally:
        shutil.rmtree(bench.output, ignore_errors=True)
        backed.close()
    return results


def _parse():
    parser = argparse.ArgumentParser(
        prog="tools/bench", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    extents = parser.add_mutually_exclusive_group()
    extents.add_argument("--quick", action="store_true", help="an eighth of the sizes, 3 rounds")
    extents.add_argument("--full", action="store_true",
                         help="all of the sizes instead of a quarter, and 5 rounds or more of each "
                         "conversion however long it takes; hours")
    parser.add_argument("--rounds", type=int, default=0,
                        help="rounds of each conversion (default: 3, more where they are short, "
                        "fewer where they have taken 12 s)")
    parser.add_argument("--only", metavar="TEXT", default="",
                        help="measure what is called TEXT or, without such, has TEXT in its name")
    parser.add_argument("--list", action="store_true", help="print the names and measure nothing")
    parser.add_argument("--json", metavar="FILE", help="write the figures to FILE")
    parser.add_argument("--plot", metavar="FILE", help="draw the speeds, a PNG")
    parser.add_argument("--markdown", metavar="FILE",
                        help="write the tables to FILE; into it, where it has the two lines "
                        f"'{bench_report.BEGIN}' and '{bench_report.END}'")
    parser.add_argument("--from", metavar="FILE", dest="source",
                        help="measure nothing, report the figures of an earlier --json FILE")
    parser.add_argument("--inputs", default=os.path.join(ROOT, "build", "bench-inputs"),
                        help="where the inputs are made and kept")
    parser.add_argument("--output", default="/dev/shm", help="a tmpfs for the outputs")
    parser.add_argument("--hotcell", default=os.path.join(ROOT, "build/release/bin/hotcell"))
    return parser.parse_args()


def _report(results, arguments):
    print(bench_report.markdown(results))
    if arguments.markdown:
        page = os.path.dirname(os.path.abspath(arguments.markdown))
        picture = os.path.relpath(arguments.plot, page) if arguments.plot else ""
        bench_report.write(arguments.markdown, bench_report.markdown(results, picture))
    if arguments.plot:
        # It is imported here because not everybody has matplotlib.
        import bench_plot  # pylint: disable=import-outside-toplevel
        bench_plot.draw(results, arguments.plot)


def _main():
    arguments = _parse()
    if arguments.plot and importlib.util.find_spec("matplotlib") is None:
        raise BenchError(f"--plot needs matplotlib for {sys.executable}: run tools/setup --plot")
    if arguments.source:
        with open(arguments.source, encoding="utf-8") as source:
            _report(json.load(source), arguments)
        return 0
    listed = _check_machine(arguments)
    everything = {case.name: ("conversions", lambda bench, case=case: bench.convert_case(case))
                  for case in bench_cases.cases(listed)
                  if case.usual or arguments.only or arguments.list}
    everything |= {name: ("sections", function)
                   for name, function in bench_sections.SECTIONS.items()}
    chosen = {name: action for name, action in everything.items() if arguments.only in name}
    if arguments.only in everything:
        chosen = {arguments.only: everything[arguments.only]}
    if arguments.list:
        print("\n".join(chosen))
        return 0
    if not chosen:
        raise BenchError(f"nothing is called '{arguments.only}'; --list prints the names")
    if os.geteuid() != 0:
        print("not root: the memory of the confined worker cannot be read and is not counted",
              file=sys.stderr)
    bench_measure.adopt_orphans()
    # A terminated benchmark must not leave gigabytes in memory.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    results = _run(arguments, chosen)
    _report(results, arguments)
    return 1 if results["failed"] else 0


def main():
    try:
        sys.exit(_main())
    except (BenchError, OSError) as error:
        sys.exit(f"tools/bench: {error}")
    except KeyboardInterrupt:
        sys.exit("tools/bench: interrupted")


if __name__ == "__main__":
    main()
