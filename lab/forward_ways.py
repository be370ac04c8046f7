"""The whole way of a frame from device to device, beside others' ways (bench/forward;
docs/forwarding.md): in lockstep on one core, with a core for the way alone, and on two cores at once.

All ways are up at the same time (lab/lanes.py), and each measurement takes a moment of each in turn.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import NamedTuple

from . import rows
from .lanes import Lanes

Say = Callable[[str], None]
LIMIT_SPARE = 16
CASES = {"local": "local delivery", "encapsulate": "encapsulation, IP-in-IP",
         "decapsulate": "decapsulation, IP-in-IP", "drop": "drop, nobody has the address"}
FIRST, SECOND = 0, 1    # cores


class Way(NamedTuple):
    """One system's; `lane` is its name in bench-lanes, `device` where frames come in by."""
    system: str
    version: str | None
    lane: str
    device: str
    cases: tuple[str, ...] = ("local",)
    pids: Callable[[], list[int]] = list    # processes that it runs in; none: it is in softirqs
    lockstep: bool = True    # it gives the core back when it has nothing to do
    spreads: bool = True     # the destination is of interest to it


def in_kernel() -> list[tuple[str, Way]]:
    """With what bench-lanes calls the kind."""
    release = platform.release()
    return [
        ("victor", Way("victor-fe", None, "victor", "acc", ("local", "decapsulate", "drop"))),
        ("kernel", Way("Linux forwarding", release, "kernel", "kerneli", ("local", "drop"))),
        ("fib", Way("XDP with bpf_fib_lookup", release, "fib", "fibi")),
        ("redirect", Way("XDP that only redirects", release, "floor", "floori", spreads=False))]


def number(count: int) -> str:
    return f"{count // 1000000}M" if count % 1000000 == 0 else \
        f"{count // 1000}k" if count % 1000 == 0 else str(count)


def of(count: int, spread: int) -> str:
    """"1", "100k random", or "100k, one hot"."""
    return number(count) if count == 1 else \
        f"{number(count)} {'random' if spread > 1 else 'of which one hot'}"


class Turns:
    """Measures several ways in turn and makes rows of what they gave."""

    def __init__(self, lanes: Lanes, rounds: int, ms: int, say: Say) -> None:
        self.lanes, self.rounds, self.ms, self.say = lanes, rounds, ms, say
        self.rows: list[rows.Row] = []

    def _row(self, way: Way, what: str, metric: str, unit: str, values: list[float]) -> None:
        if not values:
            return
        self.rows.append(rows.row(what, metric, unit, len(values), rows.spread(values),
                                  way.system, way.version))
        self.say(f"{way.system}, {what}: {rows.spread(values)['median']:.4g} {unit}")

    def lockstep(self, ways: Iterable[Way], case: str, what: str, spread: int) -> None:
        ways = [way for way in ways if case in way.cases and way.lockstep]
        ns: dict[Way, list[float]] = {way: [] for way in ways}
        lost: dict[Way, list[float]] = {way: [] for way in ways}
        for way in ways:
            if not way.pids():
                self.lanes.warm(way.lane, case, spread, self.ms // 4)
        for _ in range(self.rounds):
            for way in ways:
                found = self.lanes.lockstep(way.lane, case, spread, self.ms, way.pids(), FIRST)
                ns[way].append(found["ns"])
                lost[way].append(100 * (1 - min(found["carried"], 1)))
        for way in ways:
            name = f"lockstep, {CASES[case]}, {what}"
            self._row(way, name, "CPU time a packet", "ns", ns[way])
            if case != "drop" and max(lost[way]) > 1:
                self._row(way, name, "frames lost", "%", lost[way])

    def alone(self, ways: Iterable[Way], what: str, spread: int) -> None:
        """With the second core to itself, the generator on the first."""
        ways = list(ways)
        rate: dict[Way, list[float]] = {way: [] for way in ways}
        ns: dict[Way, list[float]] = {way: [] for way in ways}
        pids: dict[Way, list[int]] = {}
        with ExitStack() as stack:
            for way in ways:
                pids[way] = way.pids() or self.lanes.thread(way.device, SECOND)
                if not way.pids():
                    stack.callback(self.lanes.unthread, way.device)
                self.lanes.free(way.lane, spread, self.ms, pids[way])
            for _ in range(self.rounds):
                for way in ways:
                    found = self.lanes.free(way.lane, spread, self.ms, pids[way])
                    if found["received"]:
                        rate[way].append(found["rate"] / 1e6)
                        ns[way].append(found["ns"])
        for way in ways:
            name = f"a core of its own, local delivery, {what}"
            self._row(way, name, "packets a second", "M/s", rate[way])
            self._row(way, name, "CPU time a packet, its core", "ns", ns[way])

    def scaling(self, ways: Iterable[Way], what: str, spread: int) -> None:
        """Generator, way and sink on one core; and on each of two, by queues of their own."""
        ways = [way for way in ways if not way.pids()]
        rates: dict[tuple[Way, str], list[float]] = {
            (way, cores): [] for way in ways for cores in ("0", "01")}
        for _ in range(self.rounds):
            for (way, cores), found in rates.items():
                found.append(self.lanes.both(way.lane, spread, self.ms, cores) / 1e6)
        for (way, cores), found in rates.items():
            self._row(way, f"in lockstep on {'one core' if cores == '0' else 'each of two cores'}, "
                      f"local delivery, {what}", "packets a second", "M/s", found)
        for way in ways:
            both = [two / one for one, two in zip(rates[way, "0"], rates[way, "01"])]
            self._row(way, f"local delivery, {what}", "two cores' rate by one's", "x", both)


def measure(family: int, counts: list[int], rounds: int, ms: int, say: Say) -> list[rows.Row]:
    ways = [way for _, way in in_kernel()]
    with Lanes(family, 2 * max(counts) + LIMIT_SPARE) as lanes:
        for kind, way in in_kernel():
            lanes.ask("lane", way.lane, kind)
        turns = Turns(lanes, rounds, ms, say)
        for count in counts:
            lanes.ask("grow", count, "local")
            for spread in sorted({1, count}):
                what = f"IPv{family}, {of(count, spread)}"
                for case in ("local", "decapsulate"):
                    turns.lockstep(ways, case, what, spread)
                if spread == count == counts[-1]:
                    turns.lockstep(ways, "drop", what, spread)
                    turns.scaling(ways, what, spread)
                if spread == count:
                    turns.alone(ways, what, spread)
        encapsulating(turns, ways[0]._replace(cases=("encapsulate",)), family, counts)
    return turns.rows


def encapsulating(turns: Turns, way: Way, family: int, counts: list[int]) -> None:
    """Last, since the bindings become other elements' by it."""
    for count in counts:
        turns.lanes.ask("grow", count, "foreign")
        for spread in sorted({1, count}):
            turns.lockstep([way], "encapsulate", f"IPv{family}, {of(count, spread)}", spread)
