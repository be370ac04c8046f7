"""The paper's Figure 1 and the three paths that it draws, off the elements' counters.

    client1 ── edge1 ── FE1 ──┐
    client2 ── edge2 ── FE2 ──┤ core         (lab/figure1.py)
    vm2 ── FE3 ── edge3 ──────┤
    vm1 ── FE4 ── edge4 ──────┘
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import labs
import pytest
from lab import figure1, netns
from lab.runtime import Lab
from traffic import Datagrams, transfer_both_ways

COUNT = 50
ELEMENTS = ("fe1", "fe2", "fe3", "fe4")
NOBODY: dict[str, dict[tuple[str, str], int]] = {e: {} for e in ELEMENTS}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with labs.running(figure1.Lab) as one:
        yield one


class Steps:
    """What each element counted while packets went from one host to another: those delivered to
    nodes, by (ingress element, address), and whether its links carried them."""

    def __init__(self, lab: Lab, source: str, sink: str) -> None:
        before = {e: (labs.delivered(lab, e), carried(lab, e)) for e in ELEMENTS}
        with Datagrams(lab.host(source), lab.host(sink)) as probes:
            probes.send(COUNT)
            labs.eventually("arrival of all", lambda: len(probes.collect()) == COUNT)
        self.delivered = {}
        self.links: set[str] = set()
        for e in ELEMENTS:
            counters, links = before[e]
            self.delivered[e] = {key: n - counters[key] for key, n in labs.delivered(lab, e).items()
                                 if n != counters[key]}
            self.links |= {f"{e} {link}" for link, n in carried(lab, e).items()
                           if n - links[link] >= COUNT}


def carried(lab: Lab, element: str) -> dict[str, int]:
    """Packets in and out of the element's links, by the kernel's counters."""
    text = netns.run(lab.netns(element), "ip", "-s", "-j", "link", "show")
    found = {link["ifname"]: link["stats64"] for link in json.loads(text)}
    return {f"{way} {device}": found[device][kind]["packets"] for device in ("bp0", "ext0")
            for way, kind in (("in", "rx"), ("out", "tx"))}


def test_vm1_reaches_vm2_by_fe4_and_fe3(lab: Lab) -> None:
    steps = Steps(lab, "vm1", "vm2")
    assert steps.delivered == {**NOBODY, "fe3": {("fe4", "10.10.0.2"): COUNT}}
    assert steps.links == {"fe4 out bp0", "fe3 in bp0"}


def test_a_client_reaches_vm1_by_the_element_nearest_to_it_and_fe4(lab: Lab) -> None:
    steps = Steps(lab, "client2", "vm1")
    assert steps.delivered == {**NOBODY, "fe4": {("fe2", "10.10.0.1"): COUNT}}
    assert steps.links == {"fe2 in ext0", "fe2 out bp0", "fe4 in bp0"}


def test_vm1_answers_the_client_straight_from_fe4(lab: Lab) -> None:
    steps = Steps(lab, "vm1", "client2")
    assert steps.delivered == NOBODY
    assert steps.links == {"fe4 out ext0"}


@pytest.mark.parametrize("a,b", [("vm1", "vm2"), ("client2", "vm1"), ("client1", "vm2")])
def test_tcp_goes_both_ways_over_asymmetric_paths(lab: Lab, a: str, b: str) -> None:
    transfer_both_ways(lab.host(a), lab.host(b), 4 << 20)
