"""Builds and runs fuzz targets: the whole of tools/fuzz but its set-up.

The last line of a run is for programs:
    RESULT target=NAME seconds=N executions=N per_second=N edges=N of=N features=N corpus=N
        corpus_bytes=N peak_mb=N crashes=N
"""

import argparse
import difflib
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = ROOT / "tools" / "fuzzers"
BUILD = ROOT / "build" / "fuzz"
# Seconds for one input, sanitizers included; what takes longer is a finding.
_INPUT_SECONDS = 20
# Crashes after which a run ends before its time.
_MOST_CRASHES = 20
# Limits of the committed corpora: bytes of a file, and of all files of a target.
_LARGEST_FILE = 64 << 10
_LARGEST_CORPUS = 224 << 10
_TARGET = re.compile(r'^\s*hotcell_(\w*?)_?fuzz_target\(\s*(\w+)\s+"([^"]*)"', re.MULTILINE)


class FuzzError(Exception):
    """Why nothing can be run, in a line."""


def _declarations():
    """(kind, name, description) of all targets."""
    for path in sorted(SOURCES.rglob("CMakeLists.txt")):
        yield from _TARGET.findall(path.read_text())


def targets():
    """{name: description} of all targets."""
    return {name: description
            for _, name, description in sorted(_declarations(), key=lambda found: found[1])}


def is_standalone(name):
    """Whether the target has a main() and inputs of its own."""
    check_target(name)
    return any(kind == "standalone" and found == name for kind, found, _ in _declarations())


def check_target(name):
    known = targets()
    if name in known:
        return
    close = difflib.get_close_matches(name, known, 3, 0.4)
    hint = f"did you mean {' or '.join(close)}?" if close else "tools/fuzz --list names them"
    raise FuzzError(f"there is no target '{name}'; {hint}")


def run(command, **options):
    try:
        return subprocess.run(command, check=True, **options)
    except subprocess.CalledProcessError as error:
        raise FuzzError(f"'{' '.join(map(str, command))}' failed with status {error.returncode}")
    except FileNotFoundError:
        raise FuzzError(f"{command[0]} is not installed; tools/setup --fuzz installs it") from None


def build(preset, *names):
    if preset == "fuzz" and not shutil.which("clang++"):
        raise FuzzError("clang++ is not installed; tools/setup --fuzz installs it")
    run(["cmake", "--preset", preset], cwd=ROOT, stdout=subprocess.DEVNULL)
    run(["cmake", "--build", "--preset", preset, "-j", str(len(os.sched_getaffinity(0))),
         "--target", *names], cwd=ROOT, stdout=sys.stderr)


def settings(name):
    """What hotcell_fuzz_target() says of the target: {key: [value...]}."""
    found = {}
    for line in (BUILD / "fuzz_settings" / name).read_text().splitlines():
        key, value = line.split("=", 1)
        found.setdefault(key, []).append(value)
    return found


def run_standalone(name, seconds):
    """A target with its own main(), which prints the last line itself. Returns its exit status."""
    build("fuzz", f"fuzz_{name}")
    seed = time.time_ns() // 1000
    return subprocess.run([BUILD / "bin" / f"fuzz_{name}", f"--seconds={seconds}",
                           f"--seed={seed}"], check=False).returncode


class Target:
    """A target that is built, with its directories."""

    def __init__(self, name):
        check_target(name)
        build("fuzz", f"fuzz_{name}")
        self.name = name
        self.program = BUILD / "bin" / f"fuzz_{name}"
        self.settings = settings(name)
        self.committed = SOURCES / "corpus" / name
        self.regressions = SOURCES / "regressions" / name
        self.corpus = BUILD / "corpus" / name
        self.crashes = BUILD / "crashes" / name
        self.corpus.mkdir(parents=True, exist_ok=True)
        self.crashes.mkdir(parents=True, exist_ok=True)
        self.seeds = self._make_seeds()

    def _make_seeds(self):
        directory = BUILD / "seeds" / self.name
        script = self.settings.get("seeds")
        if not script:
            return None
        stamp = directory / ".made"
        newest = max(path.stat().st_mtime for path in SOURCES.rglob("*.py"))
        if not stamp.exists() or stamp.stat().st_mtime < newest:
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir(parents=True)
            run([sys.executable, "-B", script[0], self.name, str(directory)],
                env={**os.environ, "PYTHONPATH": str(ROOT / "tests")})
            stamp.touch()
        return directory

    def inputs(self):
        """Where inputs come from besides the working corpus."""
        return [path for path in (self.committed, self.regressions, self.seeds)
                if path and path.is_dir()]

    def command(self, *flags):
        memory = int(self.settings["memory"][0])
        limits = [f"-max_len={self.settings['max_length'][0]}", f"-timeout={_INPUT_SECONDS}",
                  f"-rss_limit_mb={memory}", f"-malloc_limit_mb={memory // 2}",
                  f"-artifact_prefix={self.crashes}/"]
        return [str(self.program), *limits, *flags]

    def dictionary(self):
        """The target's dictionaries as one file's flag."""
        parts = self.settings.get("dict")
        if not parts:
            return []
        path = BUILD / "fuzz_settings" / f"{self.name}.dict"
        path.write_text("\n".join(pathlib.Path(part).read_text() for part in parts))
        return [f"-dict={path}"]

    def environment(self):
        # A small quarantine: to fault fresh pages in would take more time than the targets do.
        options = ("allocator_may_return_null=0:detect_leaks=1:handle_abort=1:symbolize=1:"
                   "quarantine_size_mb=16:malloc_context_size=8")
        return {**os.environ, "ASAN_OPTIONS": options, "UBSAN_OPTIONS": "print_stacktrace=1"}


class Tally:
    """What libFuzzer said of the runs so far."""

    _STATUS = re.compile(r"^#\d+\s.*\bcov: (\d+) ft: (\d+) corp: (\d+)/")
    _FINAL = re.compile(r"^stat::(\w+):\s+(\d+)")
    _COUNTERS = re.compile(r"Loaded \d+ modules\s+\((\d+) inline 8-bit counters\)")

    def __init__(self):
        self.executions = self.edges = self.features = self.peak = self.counters = 0

    def take(self, line):
        if found := self._STATUS.match(line):
            self.edges = max(self.edges, int(found[1]))
            self.features = max(self.features, int(found[2]))
        elif found := self._COUNTERS.search(line):
            self.counters = int(found[1])
        elif found := self._FINAL.match(line):
            if found[1] == "number_of_executed_units":
                self.executions += int(found[2])
            elif found[1] == "peak_rss_mb":
                self.peak = max(self.peak, int(found[2]))


def _stream(command, environment, tally):
    """Runs libFuzzer, shows what it says, and returns its exit status."""
    with subprocess.Popen(command, env=environment, text=True, errors="replace",
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        for line in process.stdout:
            tally.take(line)
            sys.stderr.write(line)
    return process.returncode


def fuzz(name, seconds, extra):
    """Runs a target for that long, over again after each crash. Returns the number of crashes."""
    if is_standalone(name):
        return run_standalone(name, seconds)
    target = Target(name)
    before = set(target.crashes.iterdir())
    tally = Tally()
    start = time.monotonic()
    failures = 0
    while failures < _MOST_CRASHES:
        left = int(seconds - (time.monotonic() - start))
        if left <= 0:
            break
        command = target.command(f"-max_total_time={left}", "-print_final_stats=1",
                                 *target.dictionary(), *extra, str(target.corpus),
                                 *map(str, target.inputs()))
        if _stream(command, target.environment(), tally) == 0:
            break
        failures += 1
    elapsed = time.monotonic() - start
    found = sorted(path for path in set(target.crashes.iterdir()) - before
                   if not path.name.startswith("slow-unit-"))
    for path in found:
        print(f"{path.relative_to(ROOT)}: reproduce it with\n"
              f"  {target.program.relative_to(ROOT)} {path.relative_to(ROOT)}\n"
              f"and, once it is understood, keep it in "
              f"{target.regressions.relative_to(ROOT)}/", file=sys.stderr)
    corpus = [path.stat().st_size for path in target.corpus.iterdir()]
    print(f"RESULT target={name} seconds={elapsed:.0f} executions={tally.executions} "
          f"per_second={tally.executions / max(elapsed, 1):.0f} edges={tally.edges} "
          f"of={tally.counters} features={tally.features} corpus={len(corpus)} "
          f"corpus_bytes={sum(corpus)} peak_mb={tally.peak} crashes={max(failures, len(found))}")
    return failures


def _report_corpus(target):
    files = [path for path in target.committed.iterdir()]
    print(f"{target.committed.relative_to(ROOT)}: {len(files)} files, "
          f"{sum(path.stat().st_size for path in files)} bytes")


def minimize(name):
    """Makes the committed corpus the fewest and smallest known inputs that reach every edge."""
    target = Target(name)
    fresh = BUILD / "minimized" / name
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    # Edges only: how often each was taken makes a corpus ten times as large.
    run(target.command("-merge=1", "-use_counters=0", str(fresh), str(target.corpus),
                       *map(str, target.inputs())), env=target.environment())
    shutil.rmtree(target.committed, ignore_errors=True)
    target.committed.mkdir(parents=True)
    total = dropped = 0
    for path in sorted(fresh.iterdir(), key=lambda entry: entry.stat().st_size):
        size = path.stat().st_size
        if size > _LARGEST_FILE or total + size > _LARGEST_CORPUS:
            dropped += 1
            continue
        total += size
        shutil.copyfile(path, target.committed / path.name)
    if dropped:
        print(f"{dropped} inputs are too large to be committed", file=sys.stderr)
    _report_corpus(target)


def replay(names):
    names = names or [name for name in targets() if not is_standalone(name)]
    for name in names:
        check_target(name)
    build("release", *(f"replay_{name}" for name in names))
    pattern = "|".join(names)
    return subprocess.run(["ctest", "--preset", "release", "--no-tests=error", "-R",
                           rf"^fuzz\.replay\.({pattern})$"], cwd=ROOT, check=False).returncode


def main():
    parser = argparse.ArgumentParser(
        prog="tools/fuzz", description="Builds and runs fuzz targets (libFuzzer, with sanitizers).",
        epilog="What follows -- goes to libFuzzer. Inputs that crash stay in build/fuzz/crashes/, "
               "what is learnt in build/fuzz/corpus/.")
    parser.add_argument("--list", action="store_true", help="name the targets")
    parser.add_argument("--replay", action="store_true",
                        help="run the committed inputs of TARGET, or of all, without clang")
    parser.add_argument("--minimize", action="store_true",
                        help="commit the fewest inputs that reach all that is reached")
    parser.add_argument("target", nargs="?", metavar="TARGET")
    parser.add_argument("seconds", nargs="?", type=int, default=60, metavar="SECONDS")
    words = sys.argv[1:]
    cut = words.index("--") if "--" in words else len(words)
    arguments = parser.parse_args(words[:cut])

    if arguments.list:
        known = targets()
        width = max(map(len, known))
        for name, description in known.items():
            print(f"{name:{width}}  {description}")
        return 0
    if arguments.replay:
        return replay([arguments.target] if arguments.target else [])
    if not arguments.target:
        parser.error("which target? --list names them")
    # A core file of a sanitized program is gigabytes of shadow.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if is_standalone(arguments.target) and arguments.minimize:
        raise FuzzError(f"{arguments.target} makes up its inputs; there is nothing to minimize")
    if arguments.minimize:
        minimize(arguments.target)
        return 0
    return 1 if fuzz(arguments.target, arguments.seconds, words[cut + 1:]) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FuzzError as problem:
        print(f"fuzz: {problem}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
