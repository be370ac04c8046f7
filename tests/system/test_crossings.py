"""Bulk TCP by way of a transit element that gets it by links of one kind and sends it on by another
(crossing.py), in packets of many segments, whether or not the element's devices can cut those: none
stalls, whatever is inside and around.

Every pair of values of any two dimensions is in some cell of each run; with VICTOR_TEST_ALL=1
(./check --all) every cell is run.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

import pytest
from crossing import KINDS, Crossing
from test_mtu_matrix import pairwise
from traffic import transfer

LABS = ("ipip-ipv4", "ipip-ipv6", "vxlan-ipv4", "vxlan-ipv6")
ALL = list(itertools.product(LABS, KINDS, KINDS, ("ipv4", "ipv6"), ("whole", "cut")))
CELLS = ALL if os.environ.get("VICTOR_TEST_ALL") else sorted(pairwise(ALL), key=lambda c: str(c[0]))
SIZE = 2 << 20


@pytest.fixture(scope="module")
def crossings() -> Iterator[dict[str, Crossing]]:
    made: dict[str, Crossing] = {}
    yield made
    for each in made.values():
        each.close()


@pytest.fixture
def crossing(request: pytest.FixtureRequest, crossings: dict[str, Crossing],
             tmp_path_factory: pytest.TempPathFactory) -> Crossing:
    """One for all cells of its kind."""
    if request.param not in crossings:
        outer, family = request.param.split("-")
        crossings[request.param] = Crossing(tmp_path_factory.mktemp("crossing"),
                                            f"{outer[0]}{family[-1]}", family, outer)
    return crossings[request.param]


@pytest.mark.parametrize("crossing,first,second,inside,offload", CELLS, indirect=["crossing"])
def test_tcp_passes_from_links_of_one_kind_to_links_of_another(
        crossing: Crossing, first: str, second: str, inside: str, offload: str) -> None:
    """`cut`: no device of fe2's takes packets of many segments."""
    crossing.cross(first, second)
    crossing.set_offloads(2, "off" if offload == "cut" else "on")
    check_both_ways(crossing, inside)


def check_both_ways(crossing: Crossing, inside: str) -> None:
    before = [crossing.verdict(k, "rewrite_failed") for k in (1, 2, 3)]
    n1, n3 = (crossing.node(k, inside) for k in (1, 3))
    transfer(n1, n3, SIZE)
    transfer(n3, n1, SIZE)
    assert [crossing.verdict(k, "rewrite_failed") for k in (1, 2, 3)] == before


OUTWARD = [(lab, first, second, inside) for lab, (first, second), inside in itertools.product(
    LABS, (("ethernet", "udp"), ("udp", "mpls"), ("ip", "ip"), ("raw", "raw")), ("ipv4", "ipv6"))]
if not os.environ.get("VICTOR_TEST_ALL"):
    OUTWARD = [cell for i, cell in enumerate(OUTWARD) if (i + i // 8) % 3 == 0]


@pytest.mark.parametrize("crossing,first,second,inside", OUTWARD, indirect=["crossing"])
def test_tcp_leaves_and_enters_by_the_border_behind_links_of_any_kind(
        crossing: Crossing, first: str, second: str, inside: str) -> None:
    """In packets of many segments, even where the element gave them to the outside whole."""
    crossing.cross(first, second)
    crossing.set_offloads(2, "on")
    node, out = crossing.node(1, inside), crossing.outside(inside)
    before = crossing.sent(3, "ext0")
    transfer(node, out, SIZE)
    transfer(out, node, SIZE)
    frames, size = (now - was for now, was in zip(crossing.sent(3, "ext0"), before))
    if (crossing.outer, second) != ("vxlan", "raw"):    # tun puts no VXLAN together again
        assert size / frames > 3000, "in segments"


MOVED = [(lab, first, second, inside) for lab, (first, second), inside in itertools.product(
    LABS, (("udp", "raw"), ("ip", "udp"), ("udp", "udp"), ("mpls", "ip")), ("ipv4", "ipv6"))]
if not os.environ.get("VICTOR_TEST_ALL"):
    MOVED = [cell for i, cell in enumerate(MOVED) if (i + i // 8) % 4 == 0]


@pytest.mark.parametrize("crossing,first,second,inside", MOVED, indirect=["crossing"])
def test_tcp_is_sent_after_a_node_from_links_of_one_kind_to_links_of_another(
        crossing: Crossing, first: str, second: str, inside: str) -> None:
    """fe1 thinks that n3 is at fe2, which knows better."""
    crossing.cross(first, second)
    crossing.set_offloads(2, "off")
    crossing.point(1, 3, 2)
    try:
        check_both_ways(crossing, inside)
    finally:
        crossing.point(1, 3, 3)
