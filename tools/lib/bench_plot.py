"""Draws how many times as fast as qemu-img hotcell is, a pair of bars for each conversion."""

import matplotlib

import bench_cases

matplotlib.use("Agg")
from matplotlib import pyplot  # pylint: disable=wrong-import-position

_BARS = (("default", "qemu-img at its defaults", "#9ecae1", -0.2),
         ("best", "qemu-img -m 16 -W", "#3182bd", 0.2))
_ROW_INCHES = 0.32


def draw(results, path):
    """Writes a PNG."""
    conversions = results["conversions"]
    figure, axes = pyplot.subplots(figsize=(9, 1.6 + _ROW_INCHES * len(conversions)),
                                   layout="constrained")
    rows = range(len(conversions))
    for number, (flags, label, color, shift) in enumerate(_BARS):
        speeds = [result["speed"][flags] for result in conversions.values()]
        medians = [speed["median"] for speed in speeds]
        spread = [[speed["median"] - speed["min"] for speed in speeds],
                  [speed["max"] - speed["median"] for speed in speeds]]
        places = [row + shift for row in rows]
        axes.barh(places, medians, height=0.38, color=color, label=f"against {label}",
                  xerr=spread, error_kw={"elinewidth": 0.8, "ecolor": "#555555"})
        targets = [bench_cases.SPEED_TARGETS[result["kind"]][number]
                   for result in conversions.values()]
        axes.plot(targets, places, "|", color="#d62728", markersize=8, markeredgewidth=1.6,
                  label="target" if number == 0 else None)
    axes.axvline(1.0, color="black", linewidth=1)
    axes.set_yticks(list(rows), list(conversions), fontsize=8)
    axes.invert_yaxis()
    axes.set_ylim(len(conversions) - 0.4, -0.6)
    axes.set_xlim(left=0)
    machine = results["machine"]
    axes.set_xlabel("times as fast as qemu-img (median and range; right of the line, hotcell wins)"
                    f"\n{machine['cpus']} CPUs, qemu-img {machine['qemu-img']}")
    axes.grid(axis="x", linewidth=0.3)
    axes.set_axisbelow(True)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, fontsize=8, frameon=False)
    figure.savefig(path, format="png", dpi=120)
