"""Whatever the MTUs, no TCP connection stalls, and who sends too much is told what fits and by whom.
Topology: lab/figure2dual.py; the laptop (FE2) and server2 (FE3) talk while the devices change, over
IPv4 or IPv6, in each encapsulation over each family of the underlay.

Every pair of values of any two dimensions is in some cell of each run; with VICTOR_TEST_ALL=1
(./check --all) every cell is run.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
from collections.abc import Callable, Iterator

import labs
import pytest
from lab import figure2dual as dual
from lab import netns
from lab.runtime import HostHandle, Lab
from lab.topology import Topology
from test_ipv6_nodes import local_at
from traffic import ping_df, transfer

HEADERS = {"ipv4": 28, "ipv6": 48}           # of IP and ICMP
OVERHEAD = {"ipip-ipv4": 20, "ipip-ipv6": 40, "vxlan-ipv4": 50, "vxlan-ipv6": 70}
IPV6_LEAST = 1280
DIMENSIONS: dict[str, tuple[int | str, ...]] = {
    "lab": tuple(OVERHEAD),
    "node": (1280, 1500, 9000),
    "backplane": (1300, 1500, 1520, 9100),
    "traffic": ("ipv4", "ipv6"),
    "gso": ("on", "off"),
}
SERVER, SERVER_GATEWAY = "2001:db8:45::1", "2001:db8:45::fe"
ADDRESSES = {"laptop": ("10.10.0.36", dual.LAPTOP), "server2": ("10.4.5.1", SERVER)}
GATEWAYS = {"laptop": ("10.10.0.1", dual.GATEWAY), "server2": ("10.4.5.254", SERVER_GATEWAY)}
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


def is_possible(cell: Cell) -> bool:
    """IPv6 needs its least MTU of a tunnel too."""
    tunnel, _, backplane, traffic, _ = cell
    return traffic == "ipv4" or int(backplane) - OVERHEAD[str(tunnel)] >= IPV6_LEAST


ALL: list[Cell] = [cell for cell in itertools.product(*DIMENSIONS.values()) if is_possible(cell)]
CELLS = ALL if os.environ.get("VICTOR_TEST_ALL") else sorted(pairwise(ALL), key=lambda c: str(c[0]))


class DualServerLab(dual.Lab):
    """server2 has IPv6, too."""

    def _make_network(self) -> None:
        super()._make_network()
        self._enable("server2", **{"all.accept_ra": "0", "br0.accept_ra": "0"})
        netns.batch([f"addr add {SERVER}/64 dev br0 nodad",
                     f"route add default via {SERVER_GATEWAY}"], self.netns("server2"))


def lab_type(tunnel: str) -> type[Lab]:
    encapsulation, underlay = tunnel.split("-")

    def topology() -> Topology:
        t = dual.topology(underlay=underlay, encapsulation=encapsulation)
        t.prefixes.append({"prefix": "2001:db8:45::/64", "gateway": SERVER_GATEWAY,
                           "elements": ["fe3"]})
        next(n for n in t.inventory if n["id"] == "server2")["addresses"].append(SERVER)
        return t

    return type("Lab", (DualServerLab,), {"make_topology": staticmethod(topology)})


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
        forget_mtus(host)


def forget_mtus(host: HostHandle) -> None:
    host.run("ip", "-4", "route", "flush", "cache")
    host.run("ip", "-6", "route", "flush", "cache")


def is_told(source: HostHandle, sink: HostHandle, size: int, fits: int) -> bool:
    """Whether a packet of that size is answered with what fits; where it fits, by its echo."""
    family = "ipv6" if ":" in sink.address else "ipv4"
    forget_mtus(source)
    said = ping_df(source, sink.address, size - HEADERS[family])
    if size <= fits:
        return "1 received" in said
    gateway = GATEWAYS[source.name][family == "ipv6"]
    return bool(re.search(rf"From {gateway} .*mtu ?= ?{fits}\b", said))


def overhead(lab: Lab) -> int:
    return OVERHEAD[f"{lab.topology.settings['encapsulation']}-"
                    f"{'ipv6' if lab.topology.elements[0].backplane is None else 'ipv4'}"]


@contextlib.contextmanager
def ready(tunnel: str) -> Iterator[Lab]:
    with labs.running(lab_type(tunnel)) as one:
        for name, element in (("laptop", "fe2"), ("server2", "fe3")):
            address = ADDRESSES[name][1]
            one.host(name).announce(address)
            labs.eventually(f"binding of {address}",
                            lambda element=element, address=address: local_at(one, element, address))
        yield one


@pytest.fixture(scope="module")
def one_at_a_time() -> Iterator[Callable[[str], Lab]]:
    """A lab for each tunnel; pytest's own parameters would make one for each cell."""
    with labs.latest(ready) as get:
        yield get


@pytest.fixture
def lab(request: pytest.FixtureRequest, one_at_a_time: Callable[[str], Lab]) -> Lab:
    return one_at_a_time(request.param)


@pytest.mark.parametrize("lab,node,backplane,traffic,gso", CELLS, indirect=["lab"])
def test_tcp_completes_and_a_large_ping_is_told_what_fits(
        lab: Lab, node: int, backplane: int, traffic: str, gso: str) -> None:
    laptop, server = (lab.host(name).at(ADDRESSES[name][traffic == "ipv6"])
                      for name in ("laptop", "server2"))
    fits = min(node, backplane - overhead(lab))
    prepare(lab, node, backplane, gso)
    ways = ((laptop, server), (server, laptop))
    for source, sink in ways:    # both elements know before either's echo has to fit, since an answer goes back
        labs.eventually(f"the answer {fits} to a ping of {node} bytes by {source.name}",
                        lambda source=source, sink=sink: is_told(source, sink, node, fits))
    for source, sink in ways:
        forget_mtus(sink)
        assert is_told(source, sink, fits, fits)
        forget_mtus(source)
        transfer(source, sink, 3 << 20)


# ---- a narrower link inside the underlay, that only its own router knows of ----

NARROW = 1450


@pytest.fixture
def narrow_underlay(lab: Lab) -> Iterator[None]:
    prepare(lab, 1500, 1600, "on")
    set_mtu(lab, {"core": ("net2",)}, NARROW)
    yield
    set_mtu(lab, {"core": ("net2",)}, 1600)


@pytest.mark.parametrize("lab", ["ipip-ipv4"], indirect=True)
def test_a_narrow_link_in_the_underlay_stalls_nobody(lab: Lab, narrow_underlay: None) -> None:
    """The router's "fragmentation needed" is about FE3's packets; server2 is told of the next."""
    laptop, server = lab.host("laptop"), lab.host("server2")
    transfer(server, laptop, 3 << 20)
    assert is_told(server, laptop, 1500, NARROW - overhead(lab))
    transfer(laptop, server, 3 << 20)
