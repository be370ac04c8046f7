"""Handoffs beside each other (peers.py) as a picture: for each case, which share of a system's
moves was over within what time. Needs matplotlib.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from .charts import COLOURS, OURS
from .peers import Found

DIGITS = re.compile(r"(?<=[0-9]\.[0-9])[0-9]+")    # of a point: more than one is none's to see
WIDTH_INCHES, CASE_INCHES = 8.6, 3.6


def picture(made: Sequence[Found]) -> str:
    """An SVG of all that gave figures."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "victor"    # the same figures, the same file
    matplotlib.rcParams["svg.fonttype"] = "none"
    from matplotlib import pyplot

    measured = [found for found in made if found.values["outage"]]
    cases = [(case, list(group)) for case, group in groupby(measured, key=lambda f: f.case)]
    colours = _colours(measured)
    figure, axes = pyplot.subplots(len(cases), squeeze=False, layout="constrained",
                                   figsize=(WIDTH_INCHES, CASE_INCHES * len(cases)))
    for (case, group), ax in zip(cases, axes[:, 0]):
        _draw(ax, case, group, colours)
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    pyplot.close(figure)
    return DIGITS.sub("", text.getvalue())


def _colours(measured: list[Found]) -> dict[str, str]:
    titles = list(dict.fromkeys(found.system.title for found in measured))
    ours = [title for title in titles if title.lower().startswith("victor")]
    others = iter(COLOURS[1:] * len(titles))
    return {title: OURS if title == (ours or [""])[0] else next(others) for title in titles}


def _draw(ax: Any, case: str, group: list[Found], colours: dict[str, str]) -> None:
    for number, found in enumerate(group):
        title, values = found.system.title, sorted(found.values["outage"])
        shares = [100 * (i + 1) / len(values) for i in range(len(values))]
        ours = colours[title] == OURS
        ax.step([values[0], *values], [0, *shares], where="post", color=colours[title],
                linewidth=2.4 if ours else 1.3, zorder=3 if ours else 2,
                linestyle=("-", "--", ":")[number // len(COLOURS) % 3],
                label=f"{title} ({len(values)})")
    ax.set_xscale("log")
    ax.set_ylim(0, 100)
    ax.set_ylabel("% of the moves", fontsize=8)
    ax.set_xlabel("outage at most, ms", fontsize=8)
    ax.set_title(case, loc="left", fontsize=9)
    ax.tick_params(labelsize=7)
    ax.grid(alpha=0.25, which="both")
    ax.legend(fontsize=6.5, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
