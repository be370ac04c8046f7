"""Handoffs by VICTOR and by what its users would pick instead: the same station, moves and probes
(lab/handoff.c), each system in a lab of its own. bench/peers runs them in turn.

A room lab/peers_*.py has a tuple SYSTEMS of what it knows; all of these rooms together are the
registry. What a lab must have: the moving host "laptop" with a dock of two places, the host
"client" that it talks to, and, entered, a way between the two. Its sites are `delay_ms` apart, each
from each and each from the centre, which is a place of its own: where the controller, the route
reflector, the databases are; so each of these places hangs on the rest by a delay line of half of
that (lab/delay.c), and lines between sites that share nothing are whole ones.

    for system in peers.chosen("victor,bird"):
        figures = peers.round_of(system, "p1", moves=100, delay_ms=10)
"""

from __future__ import annotations

import importlib
import statistics
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from . import handoff, rows
from .state import LabError
from .targets import number

ANNOUNCEMENT, ORCHESTRATOR = "the announcement", "an orchestrator"
OURS = "victor-fe"
METRICS = {"outage": "ms", "outage, from the station": "ms", "outage, to the station": "ms",
           **{f"probes {fate} in a move": "probes"
              for fate in ("lost", "duplicated", "reordered", "late")}}
FAILURES_MAX = 20    # moves of a round that never end, before the round does

Figures = dict[str, Any]
Progress = Callable[[str], None]


@dataclass(frozen=True)
class System:
    """One that is measured."""

    key: str                 # --systems
    name: str                # its rows' "system"; one that an orchestrator tells gets a word more
    told_by: str             # of the move: ANNOUNCEMENT or ORCHESTRATOR
    version: Callable[[], str]
    lab: Callable[[str, float], AbstractContextManager[Any]]    # (instance, delay_ms)
    measure: Callable[..., Figures] = handoff.measure           # (lab, moves, **as handoff's)
    pause_ms: int = handoff.PAUSE_MS     # what a move needs at least, until the next
    packages: tuple[str, ...] = ()       # Debian's, that it needs
    by_default: bool = True
    rank: int = 50                       # the order: smaller ones come first

    @property
    def title(self) -> str:
        return self.name + (", orchestrated" if self.told_by == ORCHESTRATOR else "")


@dataclass
class Found:
    """All rounds of one system in one case."""

    system: System
    case: str
    values: dict[str, list[float]] = field(default_factory=lambda: {m: [] for m in METRICS})
    failed: int = 0          # moves
    left_out: int = 0        # rounds that gave no figures
    loads: list[float] = field(default_factory=list)
    version: str = ""

    def add(self, figures: Figures) -> None:
        ways = figures["outages_up_ms"], figures["outages_down_ms"]
        each = [[max(both) for both in zip(*ways)], *ways,
                *(figures[f"each_{fate}"] for fate in ("lost", "duplicated", "reordered", "late"))]
        for metric, values in zip(METRICS, each, strict=True):
            self.values[metric] += values
        self.failed += figures["failed"]
        self.loads.append(figures["loadavg"][0])

    def rows(self) -> list[rows.Row]:
        moves, rounds = len(self.values["outage"]), len(self.loads)
        made = [(metric, unit, moves, rows.spread(self.values[metric]))
                for metric, unit in METRICS.items() if moves]
        made.append(("moves that failed", "moves", moves, {"median": self.failed}))
        made.append(("rounds that failed", "rounds", rounds + self.left_out,
                     {"median": self.left_out}))
        if self.loads:
            made.append(("load average", "", rounds, rows.spread(self.loads)))
        return [rows.row(self.case, *one, self.system.title, self.version or "?") for one in made]

    def text(self) -> str:
        median = statistics.median(self.values["outage"]) if self.values["outage"] else 0
        return f"{self.case}, {self.system.title}: median {median:.2f} ms, load {self.loads[-1]}"


def markdown(made: list[Found]) -> str:
    """A table for each case, as docs/handoff.md has them: outages in ms, probes as medians."""
    head = ("", "told by", "moves", "failed", "min", "median", "p99", "max", "from the station",
            "to the station", "lost", "duplicated", "reordered", "late")
    lines = []
    for case, group in groupby(made, key=lambda found: found.case):
        lines += [f"**{case}**", "", "| " + " | ".join(head) + " |",
                  "| --- | --- |" + " ---: |" * (len(head) - 2)]
        for found in group:
            if not found.loads:
                lines.append(f"| {found.system.name} | {found.system.told_by} | left out |")
                continue
            outage = rows.spread(found.values["outage"])
            medians = [rows.spread(values)["median"]
                       for metric, values in found.values.items() if metric != "outage"]
            cells = [f"{found.system.name} ({found.version})", found.system.told_by,
                     f"{len(found.values['outage'])}", f"{found.failed}",
                     *(number(outage[at]) for at in rows.SPREAD), *map(number, medians)]
            lines.append("| " + " | ".join(cells) + " |")
        lines.append("")
    loads = [load for found in made for load in found.loads]
    return "\n".join([*lines, f"Load average {min(loads):.1f} to {max(loads):.1f}.", ""])


def registry() -> dict[str, System]:
    """Every system of every room, by key."""
    rooms = sorted(path.stem for path in Path(__file__).parent.glob("peers_*.py"))
    known = [system for room in rooms
             for system in getattr(importlib.import_module(f"lab.{room}"), "SYSTEMS", ())]
    return {system.key: system for system in sorted(known, key=lambda system: system.rank)}


def chosen(keys: str | None) -> list[System]:
    """Those named, "a,b", in that order; None: those that are measured by default."""
    known = registry()
    if keys is None:
        return [system for system in known.values() if system.by_default]
    names = keys.split(",")
    for name in names:
        if name not in known:
            raise LabError(f"no system '{name}'; there are {', '.join(known)}")
    return [known[name] for name in names]


def case_of(delay_ms: float) -> str:
    return "three sites" + (f", {delay_ms:g} ms apart" if delay_ms else "")


def round_of(system: System, instance: str, moves: int, delay_ms: float,
             progress: Progress = lambda text: None) -> Figures:
    """One round: a fresh lab, and so many moves."""
    with system.lab(instance, delay_ms) as lab:
        return system.measure(lab, moves, details=True, progress=progress, flight_ms=delay_ms,
                              failures=FAILURES_MAX,
                              pause_ms=round(system.pause_ms + 2 * delay_ms))
