"""Where VICTOR must come out, and what the benchmarks' figures (lab/rows.py) say about it.

A target picks one figure out of a benchmark's rows, or the ratio of two, and compares it.  Figures
that no benchmark gave are "not measured": they are listed all the same.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

Document = dict[str, Any]


class Figure(NamedTuple):
    benchmark: str
    metric: str               # the whole of it, as a regular expression; so the next two
    at: str = "median"        # or min, p99, max
    system: str = "victor-fe"
    case: str = ".*"

    def find(self, documents: dict[str, Document]) -> float | None:
        for row in documents.get(self.benchmark, {"rows": []})["rows"]:
            if re.fullmatch(self.metric, row["metric"]) and re.fullmatch(self.case, row["case"]) \
                    and re.fullmatch(self.system, row["system"]) and row[self.at] is not None:
                return float(row[self.at])
        return None


class Target(NamedTuple):
    what: str
    figure: Figure
    must: float
    stretch: float
    unit: str
    beside: Figure | None = None    # the value is the figure's ratio to this one
    more_is_better: bool = False

    def value(self, documents: dict[str, Document]) -> float | None:
        value = self.figure.find(documents)
        if value is None or self.beside is None:
            return value
        other = self.beside.find(documents)
        return value / other if other else None

    def reaches(self, value: float, bound: float) -> bool:
        return value >= bound if self.more_is_better else value <= bound

    def verdict(self, value: float | None) -> str:
        if value is None:
            return "not measured"
        if self.reaches(value, self.stretch):
            return "stretch met"
        return "met" if self.reaches(value, self.must) else "NOT met"

    def bound(self, value: float) -> str:
        return f"{'≥' if self.more_is_better else '≤'} {number(value)} {self.unit}".rstrip()


def number(value: float) -> str:
    """Three digits that count; thousands as people write them."""
    if value >= 1e6:
        return f"{value / 1e6:.3g}M"
    if value >= 1e4:
        return f"{value / 1e3:.3g}k"
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"


def forward(case: str, metric: str) -> Figure:
    return Figure("forward", metric, case=case)


def throughput(case: str) -> Figure:
    return Figure("throughput", "one TCP stream, of plain forwarding's", case=case,
                  system="victor-fe, IP-in-IP")


def controller(case: str, metric: str, at: str = "median") -> Figure:
    return Figure("controller", metric, at, "victor-controller", case)


TARGETS = (
    Target("handoff, median, beside BIRD in full mesh, one process at both access ports",
           Figure("peers", "outage", case="three sites"), 1, 0.5, "",
           beside=Figure("peers", "outage", system="BIRD.*full mesh", case="three sites")),
    Target("the same, beside BIRD with each site by itself",
           Figure("peers", "outage", case="three sites"), 1, 0.5, "",
           beside=Figure("peers", "outage", system="BIRD.*each site by itself",
                         case="three sites")),
    Target("handoff, p99 of these", Figure("peers", "outage", "p99", case="three sites"), 3, 1,
           "ms"),
    Target("local delivery, 1M random IPv4 destinations",
           forward("local delivery, from a guarded node, IPv4, 1M", "BPF_PROG_RUN"), 150, 100,
           "ns"),
    Target("the same for IPv6",
           forward("local delivery, from a guarded node, IPv6, 1M", "BPF_PROG_RUN"), 250, 150,
           "ns"),
    Target("TCP through IP-in-IP against plain kernel forwarding", throughput("FE2 → FE3"), 90, 97,
           "%", more_is_better=True),
    Target("the same, the other way", throughput("FE3 → FE2"), 90, 97, "%", more_is_better=True),
    Target("lockstep, 1M random IPv4 destinations, beside the kernel with 1M routes",
           forward("lockstep, local delivery, IPv4, 1M random", "CPU time a packet"), 1 / 3, 1 / 4,
           "", beside=Figure("forward", "CPU time a packet", system="Linux forwarding",
                             case="lockstep, local delivery, IPv4, 1M random")),
    Target("the same, with the short way at XDP",
           Figure("forward", "CPU time a packet", system="victor-fe, XDP",
                  case="lockstep, local delivery, IPv4, 1M random"), 1 / 3, 1 / 4,
           "", beside=Figure("forward", "CPU time a packet", system="Linux forwarding",
                             case="lockstep, local delivery, IPv4, 1M random")),
    Target("binding updates into an element's table",
           forward("a foreign binding is new, IPv4, 1M", "bindings written"), 5, 20, "M/s",
           more_is_better=True),
    Target("element's memory a binding, 1M, IPv4",
           forward("a new element is filled, IPv4, 1M", "memory a binding"), 48, 24, "B"),
    Target("element's memory a binding, 1M, IPv6",
           forward("a new element is filled, IPv6, 1M", "memory a binding"), 80, 48, "B"),
    Target("registrations a second, K = 3", controller("K = 3", "registrations"), 100000, 300000,
           "1/s", more_is_better=True),
    Target("1,000 elements, one move, last barrier, p99",
           controller("K = 1000", "packet-in to the last barrier", "p99"), 20, 5, "ms"),
    Target("a new element is filled with 1M bindings",
           controller("1M bindings", "a new element is filled"), 3, 1, "s"),
    Target("controller's memory a binding, 1M", controller("1M bindings", "memory of a binding"),
           250, 120, "B"),
    Target("idle victor-fe, resident", Figure("footprint", "resident memory"), 12, 6, "MiB"),
    Target("idle victor-controller, resident",
           Figure("footprint", "resident memory", system="victor-controller"), 20, 10, "MiB"),
)
