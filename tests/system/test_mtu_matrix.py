"""Whatever the MTUs, no TCP connection stalls, and who sends too much is told what fits and by whom.
Topology: lab/figure2.py; the laptop (FE2) and server2 (FE3) talk while the devices change.

Every pair of values of any two dimensions is in some cell of each run; with VICTOR_TEST_ALL=1
(./check --all) every cell is run.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator

import labs
import pytest
from lab import netns
from lab.runtime import HostHandle, Lab
from traffic import ping_df, transfer

HEADERS = 28           # of IPv4 and ICMP
OVERHEAD = {"ipip": 20}
DIMENSIONS: dict[str, tuple[int | str, ...]] = {
    "node": (1280, 1500, 9000),
    "backplane": (1300, 1500, 1520, 9100),
    "encapsulation": tuple(OVERHEAD),
    "gso": ("on", "off"),
}
GATEWAYS = {"laptop": "10.10.0.1", "server2": "10.4.5.254"}
# All that a node's packet passes between the node and its FE.
NODE_DEVICES = {"laptop": ("wlan0",), "air": ("sta", "ap1", "ap2"), "fe2": ("ap0",),
                "server2": ("br0", "up0"), "fe3": ("srv0",)}
BACKPLANE_DEVICES = {"fe2": ("bp0",), "fe3": ("bp0",), "core": ("net2", "net3")}

Cell = tuple[int | str, ...]


def pairs_of(cell: Cell) -> set[tuple[int, int | str, int, int | str]]:
    return {(i, cell[i], j, cell[j]) for i, j in itertools.combinations(range(len(cell)), 2)}


def pairwise(cells: list[Cell]) -> list[Cell]:
    """Few cells that have every pair that any cell has: the one with the most new pairs is next."""
    missing = set().union(*map(pairs_of, cells))
    chosen = []
    while missing:
        best = max(cells, key=lambda cell: len(pairs_of(cell) & missing))
        chosen.append(best)
        missing -= pairs_of(best)
    return chosen


ALL: list[Cell] = list(itertools.product(*DIMENSIONS.values()))
CELLS = ALL if os.environ.get("VICTOR_TEST_ALL") else pairwise(ALL)


def set_mtu(lab: Lab, devices: dict[str, tuple[str, ...]], mtu: int | str) -> None:
    for node, names in devices.items():
        netns.batch([f"link set {name} mtu {mtu}" for name in names], lab.netns(node))


def prepare(lab: Lab, node: int, backplane: int, gso: str) -> None:
    set_mtu(lab, NODE_DEVICES, node)
    set_mtu(lab, BACKPLANE_DEVICES, backplane)
    for name in GATEWAYS:
        host = lab.host(name)
        device = "wlan0" if name == "laptop" else "up0"
        host.run("ethtool", "-K", device, "gso", gso, "tso", gso)
        host.run("ip", "route", "flush", "cache")


def is_told(source: HostHandle, sink: HostHandle, size: int, fits: int) -> bool:
    """Whether a packet of that size is answered with what fits; where it fits, by its echo."""
    source.run("ip", "route", "flush", "cache")
    said = ping_df(source, sink.address, size - HEADERS)
    if size <= fits:
        return "1 received" in said
    return bool(re.search(rf"From {GATEWAYS[source.name]} .*mtu = {fits}\)", said))


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with labs.running() as one:
        yield one


@pytest.mark.parametrize("node,backplane,encapsulation,gso", CELLS)
def test_tcp_completes_and_a_large_ping_is_told_what_fits(
        lab: Lab, node: int, backplane: int, encapsulation: str, gso: str) -> None:
    laptop, server = lab.host("laptop"), lab.host("server2")
    fits = min(node, backplane - OVERHEAD[encapsulation])
    prepare(lab, node, backplane, gso)
    for source, sink in ((laptop, server), (server, laptop)):
        labs.eventually(f"the answer {fits} to a ping of {node} bytes by {source.name}",
                        lambda: is_told(source, sink, node, fits))
        assert is_told(source, sink, fits, fits)
        source.run("ip", "route", "flush", "cache")
        transfer(source, sink, 3 << 20)


# ---- a narrower link inside the underlay, that only its own router knows of ----

NARROW = 1450


@pytest.fixture
def narrow_underlay(lab: Lab) -> Iterator[None]:
    prepare(lab, 1500, 1600, "on")
    set_mtu(lab, {"core": ("net2",)}, NARROW)
    yield
    set_mtu(lab, {"core": ("net2",)}, 1600)


def test_a_narrow_link_in_the_underlay_stalls_nobody(lab: Lab, narrow_underlay: None) -> None:
    """The router's "fragmentation needed" is about FE3's packets; server2 is told of the next."""
    laptop, server = lab.host("laptop"), lab.host("server2")
    transfer(server, laptop, 3 << 20)
    assert is_told(server, laptop, 1500, NARROW - OVERHEAD["ipip"])
    transfer(laptop, server, 3 << 20)
