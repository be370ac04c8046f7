"""Benchmarks' figures (lab/rows.py) as pictures: for each metric the cases and systems below each
other, a dot at the median, a thick line from the minimum to the 99th percentile, a thin one to the
maximum.  Needs matplotlib.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from .targets import number

Row = dict[str, Any]

COLOURS = ("#1b6ca8", "#d1495b", "#66a182", "#edae49", "#7a5195", "#5c6b73", "#a05a2c")
OURS = "#1b6ca8"
WIDE_SPAN = 20    # of largest to smallest: from here on the axis is logarithmic
LINE_INCHES, HEAD_INCHES, WIDTH_INCHES = 0.24, 0.75, 8.6


def by_metric(rows: list[Row]) -> Iterator[tuple[str, str, list[Row]]]:
    """The rows of each metric, in the order of their first; one picture has one unit."""
    order: dict[tuple[str, str], int] = {}
    for row in rows:
        order.setdefault((row["metric"], row["unit"]), len(order))
    rows = sorted(rows, key=lambda row: order[row["metric"], row["unit"]])
    for (metric, unit), group in groupby(rows, key=lambda row: (row["metric"], row["unit"])):
        yield metric, unit, [row for row in group if row["median"] is not None]


def picture(rows: list[Row]) -> str:
    """An SVG of all."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "victor"    # the same figures, the same file
    from matplotlib import pyplot

    metrics = [found for found in by_metric(rows) if found[2]]
    colours = _colours(rows)
    heights = [len(group) * LINE_INCHES + HEAD_INCHES for _, _, group in metrics]
    figure, axes = pyplot.subplots(len(metrics), squeeze=False,
                                   figsize=(WIDTH_INCHES, sum(heights)),
                                   height_ratios=heights, layout="constrained")
    for (metric, unit, group), ax in zip(metrics, axes[:, 0]):
        _draw(ax, metric, unit, group, colours)
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    pyplot.close(figure)
    return text.getvalue()


def _colours(rows: list[Row]) -> dict[str, str]:
    systems = list(dict.fromkeys(row["system"] for row in rows))
    others = iter(COLOURS[1:] * len(systems))
    return {system: OURS if system.lower().startswith("victor") else next(others)
            for system in systems}


def _draw(ax: Any, metric: str, unit: str, group: list[Row], colours: dict[str, str]) -> None:
    values = [row[at] for row in group for at in ("min", "median", "p99", "max")
              if row[at] is not None]
    positive = [value for value in values if value > 0]
    if positive and len(positive) == len(values) and max(values) > WIDE_SPAN * min(values):
        ax.set_xscale("log")
    else:
        ax.ticklabel_format(axis="x", useOffset=False)
    for y, row in enumerate(group):
        colour, median = colours[row["system"]], row["median"]
        low = median if row["min"] is None else row["min"]
        for at, width in (("max", 1), ("p99", 3.5)):
            if row[at] is not None:
                ax.plot([low, row[at]], [y, y], color=colour, linewidth=width, alpha=0.6,
                        solid_capstyle="butt")
        ax.plot([median], [y], "o", color=colour, markersize=5)
        ax.annotate(number(median), (median, y), xytext=(0, 4), textcoords="offset points",
                    ha="center", fontsize=6.5)
    ax.set_yticks(range(len(group)),
                  [f"{row['case']} · {row['system']}" for row in group], fontsize=7)
    ax.set_ylim(len(group) - 0.4, -0.8)
    ax.set_title(f"{metric}, {unit}", loc="left", fontsize=9)
    ax.tick_params(axis="x", labelsize=7)
    ax.grid(axis="x", alpha=0.25)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
