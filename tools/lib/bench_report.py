"""Tables of what the benchmark measured, in Markdown."""

import math
import statistics

import bench_cases

BEGIN = "<!-- bench: begin -->"
END = "<!-- bench: end -->"

MIB = 1 << 20
GIB = 1 << 30


def _table(header, rows):
    """The first column is text; the others are right-aligned."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _seconds(value):
    return f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def _median(values):
    return _seconds(statistics.median(values))


def _speed(ratio):
    return f"**{ratio['median']:.2f}** ({ratio['min']:.2f}-{ratio['max']:.2f})"


def _mib(size):
    return f"{size / MIB:.0f}" if size >= 10 * MIB else f"{size / MIB:.1f}"


def _speeds(conversions):
    rows = []
    for name, result in conversions.items():
        programs = result["programs"]
        default, best = bench_cases.SPEED_TARGETS[result["kind"]]
        rows.append([
            name,
            *(_median(programs[program]["wall"]) for program in ("hotcell", "default", "best")),
            _speed(result["speed"]["default"]), f"{default:.1f}",
            _speed(result["speed"]["best"]), f"{best:.1f}",
            ", ".join(result["missed"]) or "-"])
    return _table(["Conversion", "hotcell s", "qemu-img s", "`-m 16 -W` s", "times as fast",
                   "target", "as `-m 16 -W`", "target", "missed"], rows)


def _costs(conversions):
    rows = []
    for name, result in conversions.items():
        programs = result["programs"]
        ours, theirs = programs["hotcell"], programs["default"]
        rows.append([
            name,
            *(_median(programs[program]["cpu"]) for program in ("hotcell", "default", "best")),
            *(_mib(programs[program]["peak_memory"]) for program in ("hotcell", "default", "best")),
            *(_mib(program["allocated"]) for program in (ours, theirs)),
            *(_mib(program["size"]) for program in (ours, theirs))])
    return _table(["Conversion", "CPU s", "qemu-img", "`-m 16 -W`", "peak MiB", "qemu-img",
                   "`-m 16 -W`", "output MiB", "qemu-img", "nominal MiB", "qemu-img"], rows)


def _traffic(conversions):
    rows = []
    for name, result in conversions.items():
        stats = result["stats"]
        moved = stats["bytes-read"] + stats["bytes-written"]
        if moved < bench_cases.EXITS_JUDGED_FROM:
            continue
        rows.append([name, _mib(moved),
                     *(f"{stats[what] * GIB / moved:.0f}"
                       for what in ("exits", "doorbells", "requests")),
                     f"{stats['exits'] * (16 * MIB) / moved:.2f}"])
    return _table(["Conversion", "MiB moved", "exits per GiB", "doorbells per GiB",
                   "requests per GiB", "exits per 16 MiB"], rows) if rows else ""


def plain_mean(conversions):
    """Geometric mean of the uncompressed pairs against -m 16 -W; None without pairs."""
    speeds = [result["speed"]["best"]["median"] for result in conversions.values()
              if result["kind"] == "plain"]
    return math.exp(statistics.fmean(map(math.log, speeds))) if speeds else None


def _summary(conversions):
    lines = []
    mean = plain_mean(conversions)
    if mean is not None:
        lines.append(f"Geometric mean of the uncompressed pairs against `-m 16 -W`: {mean:.2f} "
                     f"(target {bench_cases.PLAIN_MEAN_TARGET}).")
    short = sorted(name for name, result in conversions.items() if result["missed"])
    lines.append(f"{len(conversions) - len(short)} of {len(conversions)} conversions meet every "
                 "target.")
    return " ".join(lines)


def _verdict(result):
    return "met" if result["met"] else "missed"


def _cold_info(result):
    rows = [[name, *(f"{result[name][part] * 1e3:.2f}" for part in ("p50", "p99"))]
            for name in ("hotcell", "qemu-img")]
    return (_table(["`info`, cold", "p50 ms", "p99 ms"], rows)
            + f"\n\n{result['speed']:.2f} times as fast as qemu-img (target "
            f"{bench_cases.INFO_TARGET}): {_verdict(result)}.")


def _pooled_info(result):
    cold = result["qemu-img"]
    rows = [["qemu-img, cold", *(f"{cold[part] * 1e3:.2f}" for part in ("p50", "p99")), "-", "-"]]
    for name, title in (("paused", "10 ms between jobs"), ("busy", "two threads, no pause")):
        run = result[name]
        rows.append([f"hotcell, {title}",
                     *(f"{run[f'latency-{part}-us'] / 1e3:.2f}" for part in ("p50", "p99")),
                     f"{run['jobs-per-second']:.0f}" if name == "busy" else "-",
                     f"{run['pooled-jobs']} of {run['jobs']}"])
    return (_table(["`info` from a pool", "p50 ms", "p99 ms", "jobs per second",
                    "found a worker ready"], rows)
            + f"\n\n{result['speed']:.2f} times as fast as qemu-img cold (target "
            f"{bench_cases.POOLED_INFO_TARGET}), {result['busy']['jobs-per-second']:.0f} jobs per "
            f"second (target {bench_cases.JOBS_TARGET:.0f}): {_verdict(result)}.")


def _compare(result):
    rows = [[name, _seconds(run["hotcell"]), _seconds(run["qemu-img"]),
             f"{run['speed']:.2f}" + ("" if run["met"] else f" (owes {run['target']:.1f})")]
            for name, run in result.items()]
    return _table(["Images", "hotcell s", "qemu-img s", "times as fast"], rows)


def _lanes(result):
    rows = []
    for name, runs in result.items():
        one = runs["1"]["wall"]
        for lanes, run in runs.items():
            rows.append([f"{name}, {lanes}", _seconds(run["wall"]), _seconds(run["cpu"]),
                         f"{one / run['wall']:.2f}"])
    return _table(["Conversion, lanes", "s", "CPU s", "times one lane"], rows)


def _codecs(result):
    rows = []
    for codec in result["codecs"]:
        compresses = codec["operation"] == "compress"
        rows.append([f"{codec['format']} {codec['operation']}: {codec['name']}",
                     f"{codec['mib_per_second']:.0f}",
                     f"{codec['output_bytes'] / codec['input_bytes']:.3f}" if compresses else "-"])
    return _table([f"Codec, {result['threads']} threads", "MiB/s of disk", "compressed to"], rows)


def _memory(result):
    rows = []
    for size, peaks in result.items():
        for pair, peak in peaks.items():
            rows.append([f"{pair}, {size}", _mib(peak["peak_memory"]), _seconds(peak["wall"])])
    return _table(["Sparse, virtual size", "peak MiB", "s"], rows)


_SECTIONS = {
    "info, cold": ("Latency of a job", _cold_info),
    "info, pooled": ("Jobs in a service", _pooled_info),
    "compare": ("Comparing two images", _compare),
    "lanes": ("Lanes", _lanes),
    "codecs": ("Codecs alone", _codecs),
    "memory by virtual size": ("Memory and image size", _memory),
}


# Words about the inputs' sizes, by the extent of a run.
_SIZES = {"full": "", "usual": ", a quarter of the sizes", "quick": ", sizes of `--quick`"}


def markdown(results, picture=""):
    """The tables; `picture` is where bench_plot's is, seen from the page."""
    machine = results["machine"]
    rounds = sorted({str(count) for count in results["rounds"]}, key=int)
    parts = [f"{machine['cpus']} CPUs ({machine['cpu']}), Linux {machine['kernel']}, "
             f"{machine['kvm']}; qemu-img {machine['qemu-img']}; {' to '.join(rounds)} rounds"
             + _SIZES[results.get("extent", "quick" if results["quick"] else "full")] + "."]
    if picture:
        parts.append("Times as fast as qemu-img; the line is 1.0, a red mark is the target.\n\n"
                     f"![A pair of bars for each conversion]({picture})")
    conversions = results["conversions"]
    if conversions:
        parts += ["### Conversions", _speeds(conversions), _summary(conversions),
                  "### What they cost", _costs(conversions)]
        traffic = _traffic(conversions)
        if traffic:
            parts += ["### Exits, doorbells, requests", traffic]
    for name, (title, render) in _SECTIONS.items():
        if name in results["sections"]:
            parts += [f"### {title}", render(results["sections"][name])]
    for what, title in (("skipped", "Not measured"), ("failed", "Failed")):
        if results[what]:
            lines = [f"- {name}: {reason}" for name, reason in results[what].items()]
            parts += [f"### {title}", "\n".join(lines)]
    return "\n\n".join(parts)


def write(path, text):
    """Puts the text between the lines BEGIN and END of a file, or into a file of its own."""
    try:
        with open(path, encoding="utf-8") as source:
            old = source.read()
    except FileNotFoundError:
        old = ""
    before, begin, rest = old.partition(BEGIN)
    _, end, after = rest.partition(END)
    new = f"{before}{begin}\n\n{text}\n\n{end}{after}" if begin and end else f"{text}\n"
    with open(path, "w", encoding="utf-8") as out:
        out.write(new)
