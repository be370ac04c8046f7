"""The one shape that benchmarks' figures have in common (bench/run --json):

    {"benchmark", "when", "host": {"kernel", "cpu", "cores", "loadavg"},
     "rows": [{"system", "version", "case", "metric", "unit", "n", "min", "median", "p99", "max"}]}

What a benchmark did not find out (a minimum, where it gives medians only) is null.
"""

from __future__ import annotations

import datetime
import os
import platform
import statistics
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .daemons import program

Figures = dict[str, Any]
Row = dict[str, Any]
SPREAD = ("min", "median", "p99", "max")
WAYS = {"outage_ms": "outage", "outage_up_ms": "outage, from the station",
        "outage_down_ms": "outage, to the station"}


def host() -> Figures:
    cpu = next((line.partition(":")[2].strip() for line in
                Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")),
               platform.machine())
    return {"kernel": platform.release(), "cpu": cpu, "cores": os.cpu_count(),
            "loadavg": [round(value, 2) for value in os.getloadavg()]}


def version() -> str:
    said = subprocess.run([program("fe/io/victor-fe"), "--version"], text=True, check=True,
                          stdout=subprocess.PIPE).stdout
    return said.split()[-1]


def ovs_version() -> str:
    said = subprocess.run(["ovs-vswitchd", "--version"], text=True, check=True,
                          stdout=subprocess.PIPE).stdout
    return said.splitlines()[0].split()[-1]


def document(name: str, rows: Iterable[Row]) -> Figures:
    return {"benchmark": name, "host": host(), "rows": list(rows),
            "when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")}


def row(case: str, metric: str, unit: str, n: int, spread: dict[str, float],
        system: str = "victor-fe", system_version: str | None = None) -> Row:
    return {"system": system, "version": system_version or version(), "case": case,
            "metric": metric, "unit": unit, "n": n, **{at: spread.get(at) for at in SPREAD}}


def spread(values: list[float]) -> dict[str, float]:
    values = sorted(values)
    return {"min": values[0], "median": statistics.median_high(values),
            "p99": values[(len(values) * 99 + 99) // 100 - 1], "max": values[-1]}


# ---- what each benchmark found ----

def of_handoffs(figures: Figures, case: str) -> list[Row]:
    n = figures["moves"]
    lost = {"median": figures["probes_sent"] - figures["probes_received"]}
    return [row(case, metric, "ms", n, figures[key]) for key, metric in WAYS.items()] + [
        row(case, "pings lost at 10 ms", "pings", n, figures["pings_lost_at_10ms"]),
        row(case, "probes lost in all moves", "probes", n, lost)]


def of_wan(figures: Figures) -> list[Row]:
    found = []
    for name, case in figures["cases"].items():
        found += of_handoffs(case, f"controller far away: {name}")
        found.append(row(f"controller far away: {name}", "bound of the outage", "ms",
                         case["moves"], {"median": case["bound_ms"]}))
    return found


def of_reroute(figures: Figures) -> list[Row]:
    metrics = {"lost_ms": "packets were lost for", "told_ms": "the controller shows it after"}
    return [row(f"lost: {case}", text, "ms", figures["rounds"], figures[case][key])
            for case in ("carrier", "silent", "transit") for key, text in metrics.items()]


def text(found: Figures) -> str:
    """A table for people."""
    head = ("system", "case", "metric", "unit", "n", *SPREAD)
    lines = [head] + [tuple("-" if value is None else f"{value:g}" if isinstance(value, float)
                            else str(value) for value in (one[key] for key in head))
                      for one in found["rows"]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip()
             for line in lines]
    where = found["host"]
    return "\n".join([*table, f"{where['cpu']}, {where['cores']} cores, Linux {where['kernel']}, "
                              f"load {where['loadavg'][0]}"])
