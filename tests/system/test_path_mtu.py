"""A link that is narrower than the first one: what does not fit is found by a transit element, or by a
router of the underlay, and told to the element where the packet came in, which tells the next one's
sender. Topology: crossing.py.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator

import chain
import pytest
from crossing import NUMBERS, Crossing
from lab import netns
from lab.runtime import HostHandle
from test_mtu_matrix import HEADERS, OVERHEAD, forget_mtus
from traffic import ping_df, transfer

NARROW, WHOLE = 1450, 1500
CARRIER = {"ip": {"ipv4": 20, "ipv6": 40}, "udp": {"ipv4": 28, "ipv6": 48}}
SIZE = 2 << 20

# What is around, the links to fe2 and on, what is inside.
Cell = tuple[str, str, str, str]
BESIDE: list[Cell] = [("ipip-ipv4", "udp", "ethernet", "ipv4"), ("vxlan-ipv6", "ethernet", "ip", "ipv6"),
                      ("vxlan-ipv4", "ip", "mpls", "ipv4"), ("ipip-ipv6", "mpls", "udp", "ipv6")]
INSIDE: list[Cell] = [("ipip-ipv4", "raw", "ip", "ipv4"), ("ipip-ipv6", "ip", "udp", "ipv4"),
                      ("vxlan-ipv4", "udp", "udp", "ipv6")]
if os.environ.get("VICTOR_TEST_ALL"):
    BESIDE += [(around, first, second, inside) for around in OVERHEAD
               for first, second in (("raw", "raw"), ("ip", "raw"), ("udp", "mpls"), ("mpls", "ip"))
               for inside in ("ipv4", "ipv6")]
    INSIDE += [(around, first, second, inside) for around in OVERHEAD
               for first, second in (("mpls", "udp"), ("udp", "ip"))
               for inside in ("ipv4", "ipv6")]


@pytest.fixture
def make(tmp_path) -> Iterator[Callable[[str], Crossing]]:
    made: list[Crossing] = []

    def create(around: str) -> Crossing:
        outer, family = around.split("-")
        made.append(Crossing(tmp_path, f"m{outer[0]}{family[-1]}", family, outer))
        return made[-1]

    yield create
    for each in made:
        each.close()


def fits(around: str, kind: str) -> int:
    """Of a node's packet into the narrow link."""
    outer, family = around.split("-")
    carrier = CARRIER.get("udp" if outer == "vxlan" and kind == "ip" else kind, {}).get(family, 0)
    return NARROW - OVERHEAD[around] - carrier - (8 if kind == "mpls" else 0)


def check_told(source: HostHandle, sink: HostHandle, size: int) -> None:
    """By and by: each packet that is lost tells one element more."""
    headers = HEADERS["ipv6" if ":" in sink.address else "ipv4"]

    def told() -> bool:
        forget_mtus(source)
        return bool(re.search(rf"mtu ?= ?{size}\b", ping_df(source, sink.address, WHOLE - headers)))

    chain.wait(f"{source.name} is told that {size} bytes fit", told)
    forget_mtus(source)
    assert "1 received" in ping_df(source, sink.address, size - headers)
    forget_mtus(source)


@pytest.mark.parametrize("around,first,second,inside", BESIDE)
def test_a_transit_element_tells_what_fits_into_its_own_link(
        make: Callable[[str], Crossing], around: str, first: str, second: str, inside: str) -> None:
    c = make(around)
    device = f"l{NUMBERS[second] + 1}" if second in NUMBERS else "bp0"
    if second not in NUMBERS:
        netns.batch([f"link set r3 mtu {NARROW}", f"link set r2 mtu {NARROW}"], c.ns("net"))
    for k in (2, 3):
        netns.batch([f"link set {device} mtu {NARROW}"], c.ns(f"fe{k}"))
    c.cross(first, second)
    n1, n3 = c.node(1, inside), c.node(3, inside)
    before = c.verdict(2, "mtu_exceeded")
    transfer(n1, n3, SIZE)
    assert c.verdict(2, "mtu_exceeded") > before
    check_told(n1, n3, fits(around, second))
    check_told(n3, n1, fits(around, second))
    transfer(n3, n1, SIZE)


@pytest.mark.parametrize("around,first,second,inside", INSIDE)
def test_a_router_of_the_underlay_tells_what_fits_into_a_link(
        make: Callable[[str], Crossing], around: str, first: str, second: str, inside: str) -> None:
    """fe2's own device is as wide as ever; the narrow one is fe3's."""
    c = make(around)
    netns.batch([f"link set r3 mtu {NARROW}"], c.ns("net"))
    netns.batch([f"link set bp0 mtu {NARROW}"], c.ns("fe3"))
    c.cross(first, second)
    n1, n3 = c.node(1, inside), c.node(3, inside)
    transfer(n1, n3, SIZE)
    check_told(n1, n3, fits(around, second))
    transfer(n3, n1, SIZE)
