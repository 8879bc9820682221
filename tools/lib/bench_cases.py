"""What the benchmark measures: every pair of image formats that hotcell registers, and the targets
they owe."""

import dataclasses
import json
import subprocess

import bench_inputs

SPARSE = ("sparse", "empty")


@dataclasses.dataclass(frozen=True)
class Variant:
    """A format, and how it is compressed."""
    format: str
    option: str = ""  # of -o, together with -c; empty: not compressed

    @property
    def compression(self):
        """What the option chooses, as in "zlib"; empty: nothing."""
        return self.option.rpartition("=")[2]

    @property
    def label(self):
        return f"{self.format} {self.compression}".strip()

    @property
    def codec(self):
        return "zstd" if "zstd" in self.compression else "zlib"

    def options(self):
        """Those of convert that make it, the same for hotcell and qemu-img."""
        return ["-O", self.format, *(["-c", "-o", self.option] if self.option else [])]


@dataclasses.dataclass(frozen=True)
class Case:
    content: str  # of the disk: disk, random, sparse, empty
    source: Variant
    target: Variant

    @property
    def name(self):
        pair = f"{self.source.label} to {self.target.label}"
        return pair if self.content == "disk" else f"{self.content}: {pair}"

    @property
    def kind(self):
        """Which target the pair owes."""
        if self.content in SPARSE:
            return "sparse"
        kind = "plain"
        compressed = self.target
        if self.target.option:
            kind = f"write {self.target.codec}"
        elif self.source.option:
            kind = f"read {self.source.codec}"
            compressed = self.source
        special = f"{kind} {compressed.format}"
        return special if special in SPEED_TARGETS else kind

    @property
    def usual(self):
        """Whether it is measured when nothing is asked for by name: every format from and to raw,
        and raw and qcow2 with all contents. Every format to every other takes hours."""
        pair = {self.source.format, self.target.format}
        return pair <= {"raw", "qcow2"} or (self.content == "disk" and "raw" in pair)

    @property
    def input(self):
        # qemu-img takes minutes to compress what is read in seconds.
        small = self.target.option and self.content not in SPARSE
        content = f"small-{self.content}" if small else self.content
        return bench_inputs.Input(content, self.source.format, self.source.option)


def formats(hotcell):
    """What `hotcell doctor` lists, and the problems it finds, a sentence each."""
    text = subprocess.run([hotcell, "doctor", "--output=json"], check=False,
                          stdout=subprocess.PIPE).stdout
    document = json.loads(text)
    problems = [f"{check['name']}: {check['finding']}" for check in document["checks"]
                if check["state"] == "problem"]
    return document["formats"], problems


def cases(listed):
    """Every case, for the formats as formats() returns them. What is only read is left out, as
    nobody here could make the images."""
    targets = [Variant(entry["name"]) for entry in listed if entry["writable"]]
    sources = targets
    compressed = [Variant(entry["name"], option) for entry in listed
                  for option in entry["compressions"]]
    found = [Case("disk", source, target) for source in sources + compressed
             for target in targets + compressed]
    # Random data is not stored compressed: reading it back is the plain case.
    found += [Case("random", source, target) for source in sources for target in targets]
    found += [Case("random", Variant("raw"), target) for target in compressed]
    found += [Case(content, source, target) for content in SPARSE for source in sources
              for target in targets + compressed]
    return found


# Times as fast as qemu-img at its defaults, and with -m 16 -W.
SPEED_TARGETS = {
    "plain": (1.0, 1.0),
    "read zlib": (3.0, 2.4),
    "read zstd": (2.2, 1.6),
    "write zlib": (5.0, 2.7),
    "write zstd": (2.5, 1.5),
    "sparse": (1.0, 1.0),
    # What qemu-img does on one thread, grain by grain.
    "plain vmdk": (3.0, 3.0),
    "read zlib vmdk": (4.0, 4.0),
    "write zlib vmdk": (6.0, 6.0),
}
# Targets for comparing two images, by whether one of them is compressed.
COMPARE_TARGETS = {False: 1.0, True: 4.0}
PLAIN_MEAN_TARGET = 1.3  # geometric mean over the plain pairs, against -m 16 -W
CPU_TARGET = 1.0  # of qemu-img's CPU time, at whichever flags take less
COMPRESSED_SIZE_TARGET = 1.03  # of qemu-img's output
PEAK_TARGET = 160 << 20  # bytes, all processes
EXITS_TARGET = 1.0  # to user space, for each 16 MiB moved
# Bytes moved from which exits are judged: a job has some to start and to end.
EXITS_JUDGED_FROM = 256 << 20
INFO_TARGET = 1.0  # times as fast as qemu-img, cold
POOLED_INFO_TARGET = 3.0  # times as fast as qemu-img cold
JOBS_TARGET = 300.0  # pooled jobs per second


def missed(result):
    """The targets that a case's result (bench.py) misses, by name."""
    default, best = SPEED_TARGETS[result["kind"]]
    programs = result["programs"]
    ours = programs["hotcell"]
    stats = result["stats"]
    moved = stats["bytes-read"] + stats["bytes-written"]
    theirs = programs["default"]
    found = {
        "default": result["speed"]["default"]["median"] < default,
        "best": result["speed"]["best"]["median"] < best,
        "CPU": max(ratio["median"] for ratio in result["cpu_ratio"].values()) > CPU_TARGET,
        "size": result["kind"].startswith("write") and any(
            ours[size] > theirs[size] * COMPRESSED_SIZE_TARGET for size in ("size", "allocated")),
        "memory": ours["peak_memory"] >= PEAK_TARGET,
        "exits": moved >= EXITS_JUDGED_FROM and stats["exits"] * (16 << 20) > EXITS_TARGET * moved,
    }
    return [name for name, is_missed in found.items() if is_missed]
