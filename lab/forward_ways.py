"""The whole way of a frame from device to device, beside others' ways (bench/forward;
docs/forwarding.md): in lockstep on one core, with a core for the way alone, and on two cores at once.

All ways are up at the same time (lab/lanes.py), and each measurement takes a moment of each in turn.
Peers with processes of their own come from forward_ovs.py and forward_dpdk.py.
"""

from __future__ import annotations

import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import NamedTuple

from . import forward_checks, rows
from .forward_checks import Found, Scaling
from .lanes import Lanes, LanesError

Say = Callable[[str], None]
LIMIT_SPARE = 16
CASES = {"local": "local delivery", "encapsulate": "encapsulation, IP-in-IP",
         "decapsulate": "decapsulation, IP-in-IP", "drop": "drop, nobody has the address"}
FIRST, SECOND = 0, 1    # cores
WARM_FRAMES, WARM_S = 3, 8    # to each destination; at most so long


class Way(NamedTuple):
    """One system's. It is in softirqs, or in a process."""
    system: str
    version: str | None
    lane: str                # its name in bench-lanes
    device: str              # frames come in by it
    cases: tuple[str, ...] = ("local",)
    pid: int = 0
    place: Callable[[int], None] = lambda core: None    # moves the process to a core
    polls: bool = False      # it takes a core for itself, and never gives it back in its turn
    turn: Callable[[], AbstractContextManager[object]] = nullcontext
    busy: Callable[[], float] | None = None    # ns a packet of the last turn, where it found any
    # The packets that it had until now, and those that no flow in its caches was for.
    looked_up: Callable[[], tuple[int, int]] | None = None

    @property
    def pids(self) -> list[int]:
        return [self.pid] if self.pid else []


def in_kernel() -> list[tuple[str, Way]]:
    """With what bench-lanes calls the kind."""
    release = platform.release()
    return [
        ("victor", Way("victor-fe", None, "victor", "acc", ("local", "decapsulate", "drop"))),
        ("victor-xdp", Way("victor-fe, XDP", None, "xdp", "acc")),
        ("kernel", Way("Linux forwarding", release, "kernel", "kerneli", ("local", "drop"))),
        ("fib", Way("XDP with bpf_fib_lookup", release, "fib", "fibi")),
        ("redirect", Way("XDP that only redirects", release, "floor", "floori"))]


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

    def row(self, way: Way, what: str, metric: str, unit: str, values: list[float]) -> None:
        if not values:
            return
        self.rows.append(rows.row(what, metric, unit, len(values), rows.spread(values),
                                  way.system, way.version))
        self.say(f"{way.system}, {what}, {metric}: {rows.spread(values)['median']:.4g} {unit}")

    def lockstep(self, ways: Iterable[Way], case: str, what: str, spread: int) -> None:
        ways = [way for way in ways if case in way.cases and not way.polls]
        found: dict[Way, list[dict[str, float]]] = {way: [] for way in ways}
        for way in ways:
            way.place(FIRST)
            self._warm(way, case, spread)
        for _ in range(self.rounds):
            for way in ways:
                found[way].append(self._lockstep(way, case, spread))
        for way in ways:
            name = f"lockstep, {CASES[case]}, {what}"
            carried = [one for one in found[way] if case == "drop" or one["received"]]
            if 2 * len(carried) < self.rounds:
                self.say(f"not given: {way.system}, {name}: nothing arrived")
                continue
            self.row(way, name, "CPU time a packet", "ns", [one["ns"] for one in carried])
            lost = [max(0.0, 100 * (1 - one["carried"])) for one in carried]
            if case != "drop" and max(lost) > 1:
                self.row(way, name, "frames lost", "%", lost)
            if way.looked_up:
                self.row(way, name, "packets that no cached flow was for", "%", [
                    one["missed"] for one in carried])
            if not way.pid:
                self.row(way, name, "cache misses a packet", "1", [
                    one["cache_misses"] / one["sent"] for one in found[way]
                    if "cache_misses" in one])

    def _lockstep(self, way: Way, case: str, spread: int) -> dict[str, float]:
        before = way.looked_up() if way.looked_up else (0, 0)
        one = self.lanes.lockstep(way.lane, case, spread, self.ms, way.pids, FIRST)
        if way.looked_up:
            packets, missed = (now - then for now, then in zip(way.looked_up(), before))
            one["missed"] = 100 * missed / max(packets, 1)
        return one

    def _warm(self, way: Way, case: str, spread: int) -> None:
        """The kernel's until nothing is lost; a process until its caches had time to fill."""
        if not way.pid:
            self.lanes.warm(way.lane, case, spread, self.ms // 4)
            return
        self.warm_up(way, spread)

    def warm_up(self, way: Way, spread: int) -> None:
        came, end = 0, time.monotonic() + WARM_S
        while came < WARM_FRAMES * spread and time.monotonic() < end:
            one = self.lanes.free(way.lane, spread, self.ms, way.pids) if way.polls else \
                self.lanes.lockstep(way.lane, "local", spread, self.ms, way.pids, FIRST)
            came += one["received"]

    def alone(self, ways: Iterable[Way], what: str, spread: int) -> None:
        """With the second core to itself, the generator on the first."""
        ways = list(ways)
        threads: dict[str, list[int]] = {}    # of devices: two ways may come in by one
        seen: dict[Way, list[Found]] = {way: [] for way in ways}
        pids: dict[Way, list[int]] = {}
        with ExitStack() as stack:
            for way in ways:
                if not way.pid and way.device not in threads:
                    threads[way.device] = self.lanes.thread(way.device, SECOND)
                    stack.callback(self.lanes.unthread, way.device)
                pids[way] = way.pids or threads[way.device]
                way.place(SECOND)

            def one(way: Way) -> tuple[Found, str]:
                with way.turn():
                    found = self.lanes.free(way.lane, spread, self.ms, pids[way])
                if found["received"]:
                    seen[way].append({**found, "busy": way.busy() if way.busy else 0})
                return found, forward_checks.alone(found, way.polls)

            for way in ways:
                one(way)
            seen = {way: [] for way in ways}    # from here they count
            found, doubts = forward_checks.in_turn(ways, self.rounds, one)
        for way in ways:
            self._alone(way, found[way], seen[way], doubts.get(way, ""),
                        f"a core of its own, local delivery, {what}")

    def _alone(self, way: Way, found: list[Found], seen: list[Found], doubt: str, name: str) -> None:
        """A core that waits now and then has no rate, but it has its CPU time."""
        if doubt:
            self.say(f"not given: {way.system}, {name}, packets a second: {doubt}")
        else:
            self.row(way, name, "packets a second", "M/s", [
                forward_checks.rate(one) / 1e6 for one in found])
        if not doubt or not way.polls:
            self.row(way, name, "CPU time a packet, its core", "ns", [one["ns"] for one in seen])
        if way.busy:
            self.row(way, name, "CPU time a packet, in bursts that found any", "ns", [
                one["busy"] for one in seen])

    def scaling(self, ways: Iterable[Way], what: str, spread: int) -> None:
        """Generator, way and sink on one core; and on each of two, by queues of their own."""
        ways = [way for way in ways if not way.pid]

        def one(way: Way) -> tuple[Scaling, str]:
            found = [self.lanes.cores(way.lane, spread, self.ms, cores)
                     for cores in ("0", "1", "01")]
            rates = [forward_checks.rate(one) for one in found]
            return Scaling(statistics.mean(rates[:2]), rates[2]), \
                next(filter(None, map(forward_checks.lockstep, found)), "")

        found, doubts = forward_checks.in_turn(ways, self.rounds, one)
        for way in ways:
            self._scaling(way, found[way], doubts.get(way, ""), f"local delivery, {what}")

    def _scaling(self, way: Way, found: list[Scaling], doubt: str, what: str) -> None:
        ns = forward_checks.median(self.rows, way.system, f"lockstep, {what}", "CPU time a packet")
        doubt = doubt or forward_checks.agree([one.one for one in found], ns) or \
            forward_checks.scales(found)
        if doubt:
            self.say(f"not given: {way.system}, in lockstep on one core and two, {what}: {doubt}")
            return
        for where, rates in (("one core", [one.one for one in found]),
                             ("each of two cores", [one.both for one in found])):
            self.row(way, f"in lockstep on {where}, {what}", "packets a second", "M/s",
                     [rate / 1e6 for rate in rates])
        self.row(way, what, "two cores' rate by one's", "x", [one.ratio for one in found])


class Peer(NamedTuple):
    """What is measured beside the kernel's ways."""
    ways: list[Way]
    grow: Callable[[int], float]    # to so many destinations; the seconds that it took
    # A way that can only be measured after the others, since it polls all the time.
    polling: tuple[Way, Callable[[], AbstractContextManager[object]]] | None = None


# Starts a peer in the lanes' namespace; what ends it goes on the stack.
Start = Callable[[Lanes, int, ExitStack], Peer]


def measure(family: int, counts: list[int], rounds: int, ms: int, say: Say,
            starts: Iterable[Start] = ()) -> list[rows.Row]:
    ways = [way for _, way in in_kernel()]
    with Lanes(family, 2 * max(counts) + LIMIT_SPARE) as lanes:
        for kind, way in in_kernel():
            lanes.ask("lane", way.lane, kind)
        turns = Turns(lanes, rounds, ms, say)
        with ExitStack() as stack:
            peers = started(turns, starts, max(counts), stack)
            for count in counts:
                grow(turns, peers, count)
                for spread in sorted({1, count}):
                    compare(turns, ways, peers, f"IPv{family}, {of(count, spread)}", spread)
                if count == counts[-1]:
                    what = f"IPv{family}, {of(count, count)}"
                    turns.lockstep(ways, "drop", what, count)
                    turns.scaling(ways, what, count)
                turns.alone(everybody(ways, peers), f"IPv{family}, {of(count, count)}", count)
                for peer in peers:
                    poll(turns, peer, f"IPv{family}, {of(count, count)}", count)
        encapsulating(turns, ways[0]._replace(cases=("encapsulate",)), family, counts)
    return turns.rows


def everybody(ways: list[Way], peers: list[Peer]) -> list[Way]:
    return ways + [way for peer in peers for way in peer.ways]


def compare(turns: Turns, ways: list[Way], peers: list[Peer], what: str, spread: int) -> None:
    for case in ("local", "decapsulate"):
        turns.lockstep(everybody(ways, peers), case, what, spread)


def started(turns: Turns, starts: Iterable[Start], capacity: int, stack: ExitStack) -> list[Peer]:
    """Those that start: the others are measured all the same."""
    found = []
    for start in starts:
        with ExitStack() as own:
            try:
                found.append(start(turns.lanes, capacity, own))
            except (LanesError, OSError, subprocess.SubprocessError) as error:
                turns.say(f"left out: {start.__name__}: {error}")
                continue
            stack.push(own.pop_all())
    return found


def grow(turns: Turns, peers: list[Peer], count: int) -> None:
    turns.lanes.ask("grow", count, "local")
    for peer in peers:
        seconds = peer.grow(count)
        turns.row(peer.ways[0], f"destinations are loaded, {number(count)}", "time", "s", [seconds])


def poll(turns: Turns, peer: Peer, what: str, spread: int) -> None:
    if not peer.polling:
        return
    way, polling = peer.polling
    try:
        with polling():
            turns.warm_up(way, spread)
            turns.alone([way], what, spread)
    except LanesError as error:
        turns.say(f"left out: {way.system}, {what}: {error}")


def encapsulating(turns: Turns, way: Way, family: int, counts: list[int]) -> None:
    """Last, since the bindings become other elements' by it."""
    for count in counts:
        turns.lanes.ask("grow", count, "foreign")
        for spread in sorted({1, count}):
            turns.lockstep([way], "encapsulate", f"IPv{family}, {of(count, spread)}", spread)
