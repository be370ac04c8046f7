"""Whether a measurement of bench/forward's ways is what it says: a rate by the clock is one only if
the core did nothing else, and if there was something to do all the time (docs/forwarding.md).

Each check returns why not, or "".
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

from . import rows

BUSY = 0.9          # of the time, at least, is what is measured on its core
OFFERED = 1.02      # as many frames as a way takes, or more, say that it could not take more
APART = 0.2         # a rate, and 1 s by the CPU time of a packet, at most
SCALES = 0.9, 2.1   # two cores' rate by one's: less, or more, and something is wrong
TRIES = 3           # for each round that is wanted

Found = dict[str, Any]    # what bench-lanes answers
Key = TypeVar("Key")
One = TypeVar("One")


class Scaling(NamedTuple):
    """One round of one way's, in frames a second."""
    one: float     # one core alone: the mean of both
    both: float

    @property
    def ratio(self) -> float:
        return self.both / self.one


def rate(found: Found) -> float:
    return float(found["received"] / found["wall_ns"] * 1e9)


def lockstep(found: Found) -> str:
    """The generators had their cores, with all that softirqs did in their place."""
    share = found["generator_ns"] / found["wall_ns"] / found["cores"]
    return "" if share >= BUSY else f"a core was there for {100 * share:.0f} % of the time"


def alone(found: Found, polls: bool) -> str:
    """The way had its core and did not wait for frames. One that polls looks busy in any case."""
    if not found["received"]:
        return "nothing arrived"
    share = found["others_ns"] / found["wall_ns"]
    if share < BUSY:
        return f"its core was busy for {100 * share:.0f} % of the time"
    if polls and found["sent"] < OFFERED * found["received"]:
        return "the generator sent no more than it took"
    return ""


def agree(rates: Iterable[float], ns: float | None) -> str:
    """One core's rates, and the CPU time of a packet in lockstep, if that was measured."""
    if not ns:
        return ""
    by_clock, by_cpu = statistics.median(rates), 1e9 / ns
    if abs(by_clock / by_cpu - 1) <= APART:
        return ""
    return f"{by_clock / 1e6:.3g}M/s by the clock, {by_cpu / 1e6:.3g}M/s by the CPU time a packet"


def scales(found: Iterable[Scaling]) -> str:
    ratio = statistics.median(one.ratio for one in found)
    return "" if SCALES[0] <= ratio <= SCALES[1] else f"two cores came out as {ratio:.2f}"


def in_turn(keys: Iterable[Key], rounds: int, measure: Callable[[Key], tuple[One, str]]
            ) -> tuple[dict[Key, list[One]], dict[Key, str]]:
    """Each key's measurements, in turn, until each has so many of which there is no doubt; and the
    last doubt of each that has not half of them, however often it was tried."""
    found: dict[Key, list[One]] = {key: [] for key in keys}
    doubts: dict[Key, str] = {}
    for _ in range(TRIES * rounds):
        for key in [key for key, ones in found.items() if len(ones) < rounds]:
            one, doubt = measure(key)
            if doubt:
                doubts[key] = doubt
            else:
                found[key].append(one)
    return found, {key: doubt for key, doubt in doubts.items() if 2 * len(found[key]) < rounds}


def median(found: Iterable[rows.Row], system: str, case: str, metric: str) -> float | None:
    return next((row["median"] for row in found if
                 (row["system"], row["case"], row["metric"]) == (system, case, metric)), None)
