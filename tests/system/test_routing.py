"""Border elements among stock routers: FRR and BIRD, BGP and OSPF, each beside FE1 and FE2 with the
configuration that ships (docs/examples/routing). Topology: lab/outside.py.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

import labs
import pytest
from lab import netns, outside, routing
from lab.frames import Capture
from lab.outside import ASSIGNED, BLOCK, INDEPENDENT, INTERNAL, NODES
from sharing import Outage, drain
from traffic import Conversation, transfer_both_ways

CONVERGE_S = 40.0
WAY_OUT_S = 70.0  # longer than one that comes and goes is distrusted
OSPF_LOST_MAX = 100    # pings, one each 5 ms, while routers outside change their minds
CLIENTS = ("client1", "client2", "client3")
BACKPLANE = re.compile(r"172\.16\.|10\.99\.")
# What each example announces.
ANNOUNCED = {"bgp": {INDEPENDENT}, "bgp-pa": {ASSIGNED}, "ospf": {INDEPENDENT, ASSIGNED}}
EXAMPLES = [f"{kind}-{way}" for kind in ("frr", "bird") for way in ANNOUNCED]
# Those of every run; the rest takes a minute more.
QUICK = ("frr-bgp", "bird-ospf")
slow = pytest.mark.skipif(not os.environ.get("VICTOR_TEST_ALL"), reason="slow: VICTOR_TEST_ALL=1")


def announced(example: str) -> set[str]:
    return ANNOUNCED[example.partition("-")[2]]


@pytest.fixture(scope="module")
def lab() -> Iterator[outside.Lab]:
    with labs.running(outside.Lab) as one:
        assert isinstance(one, outside.Lab)
        one.start_routers()
        yield one


@pytest.fixture(scope="module", params=[pytest.param(name, marks=[] if name in QUICK else [slow])
                                        for name in EXAMPLES])
def beside(lab: outside.Lab, request: Any) -> Iterator[dict[str, routing.Router]]:
    """The daemons beside the elements, converged; gone again from everywhere afterwards."""
    made = lab.beside(request.param)
    converged(lab, request.param)
    yield made
    for router in made.values():
        router.stop()
    labs.eventually("end of the announcements", lambda: not announced_at(lab, "r3"), CONVERGE_S)


@pytest.fixture
def example(request: Any) -> str:
    return request.node.callspec.params["beside"]


def announced_at(lab: outside.Lab, name: str) -> set[str]:
    return lab.routers[name].prefixes() & {INDEPENDENT, ASSIGNED}


def nearest(lab: outside.Lab, i: int, prefix: str) -> bool:
    """Whether router i sends to its own neighbour, the border element beside it."""
    text = netns.run(lab.netns(f"r{i}"), "ip", "route", "show", prefix)
    return f"via 100.64.{i}.2 dev fe" in text


def converged(lab: outside.Lab, example: str) -> None:
    """Each provider's router sends to the element beside it, which knows the way out."""
    for i in (1, 2):
        for prefix in announced(example):
            labs.eventually(f"route of r{i} for {prefix} to fe{i}",
                            lambda: nearest(lab, i, prefix), CONVERGE_S)
        labs.eventually(f"way out of fe{i}", lambda: "via 100.64" in netns.run(
            lab.netns(f"fe{i}"), "ip", "route", "show", "default"), CONVERGE_S)
    labs.eventually("routes at r3", lambda: all(
        wanted in netns.run(lab.netns("r3"), "ip", "route") for wanted in (
            BLOCK if prefix == ASSIGNED else prefix for prefix in announced(example))), CONVERGE_S)


def nodes(example: str) -> list[str]:
    of = {INDEPENDENT: "vm1", ASSIGNED: "vm2"}
    return [of[prefix] for prefix in sorted(announced(example))]


def ingress(lab: outside.Lab, address: str) -> dict[str, int]:
    """Packets delivered to a node, by the element where they came in."""
    found = {fe: n for (fe, to), n in labs.delivered(lab, "fe3").items() if to == address}
    return labs.Counts(found)


def test_every_client_exchanges_large_transfers_with_the_nodes(
        lab: outside.Lab, beside: dict[str, routing.Router], example: str) -> None:
    for node in nodes(example):
        for client in CLIENTS:
            transfer_both_ways(lab.host(client), lab.host(node), 1 << 20)


def test_outside_routers_choose_the_nearest_border_element(
        lab: outside.Lab, beside: dict[str, routing.Router], example: str) -> None:
    for node in nodes(example):
        for i in (1, 2):
            before = ingress(lab, NODES[node])
            assert lab.host(f"client{i}").ping(NODES[node], 3)
            after = labs.eventually("count", lambda: (now := ingress(lab, NODES[node]))
                                    [f"fe{i}"] >= before[f"fe{i}"] + 3 and now)
            other = f"fe{3 - i}"
            assert after[other] == before[other]


def test_neighbours_hear_of_mobile_prefixes_and_of_nothing_inside(
        lab: outside.Lab, beside: dict[str, routing.Router], example: str) -> None:
    for name, router in lab.routers.items():
        heard = router.prefixes()
        assert INTERNAL not in heard, name
        assert not [p for p in heard if BACKPLANE.match(p)], (name, heard)
    for i in (1, 2):
        assert announced(example) <= lab.routers[f"r{i}"].prefixes()


def test_a_network_that_drops_long_prefixes_goes_by_the_aggregate(
        lab: outside.Lab, beside: dict[str, routing.Router], example: str) -> None:
    if ASSIGNED not in announced(example):
        pytest.skip("this example announces no prefix longer than /24")
    heard = lab.routers["r3"].prefixes()
    assert ASSIGNED not in heard and BLOCK in heard
    transfer_both_ways(lab.host("client3"), lab.host("vm2"), 1 << 20)


def test_what_the_outside_says_to_itself_never_enters_the_backplane(
        lab: outside.Lab, beside: dict[str, routing.Router], example: str) -> None:
    """Not even where the outside has no other way left than through VICTOR."""
    if example != QUICK[0] and not os.environ.get("VICTOR_TEST_ALL"):
        pytest.skip("slow: VICTOR_TEST_ALL=1")
    cut = [("r1", "r2"), ("r1", "r3"), ("r2", "r3")]
    with Capture(lab.netns("fe1"), "bp0") as one, Capture(lab.netns("fe2"), "bp0") as two:
        assert lab.host("client1").ping("198.18.2.10", 3)
        netns.batch([f"link set {b} down" for a, b in cut if a == "r1"], lab.netns("r1"))
        try:
            labs.eventually("end of the way round", lambda: not lab.host("client1").ping(
                "198.18.2.10", 1, 0.2), CONVERGE_S)
            for _ in range(3):
                assert not lab.host("client1").ping("198.18.2.10", 1, 0.2)
        finally:
            netns.batch([f"link set {b} up" for a, b in cut if a == "r1"], lab.netns("r1"))
        inside = [f for c in (one, two) for f in c.read() if f.is_ipv4 and b"\xc6\x12" in
                  f.data[26:58]]
        assert not inside
    converged(lab, example)
    labs.eventually("the way round", lambda: lab.host("client1").ping("198.18.2.10", 1, 0.2),
                    CONVERGE_S)


@slow
def test_a_route_that_is_withdrawn_is_used_no_more(
        lab: outside.Lab, beside: dict[str, routing.Router], example: str) -> None:
    """The external table is the kernel's FIB: with the neighbours' routes gone, there is no route,
    and that is counted. (With one neighbour's gone, the other element is used: test_way_out.py.)"""
    node = nodes(example)[0]
    vm = lab.host(node)
    with Conversation(lab.host("client1"), vm):
        pass
    stopped = [lab.routers["r1"], lab.routers["r2"]]
    def dropped() -> int:
        return sum(labs.drops(lab, fe)["no_route"] for fe in ("fe1", "fe2"))

    before = dropped()
    for router in stopped:
        router.stop()
    try:
        for fe in ("fe1", "fe2"):
            labs.eventually("end of the way out", lambda: not labs.element(lab, fe)["way_out"],
                            CONVERGE_S)
        labs.eventually("drops without a route", lambda: not vm.ping("198.18.1.10", 1, 0.3)
                        and dropped() > before)
    finally:
        for router in stopped:
            router.start()
    converged(lab, example)
    labs.eventually("answers", lambda: vm.ping("198.18.1.10", 1, 0.5), CONVERGE_S)


def test_a_border_element_is_drained_and_comes_back_without_loss(
        lab: outside.Lab, beside: dict[str, routing.Router], example: str) -> None:
    """It withdraws what it announces, forwards meanwhile, and is empty when clients have moved."""
    prefix, node = sorted(announced(example))[0], nodes(example)[0]
    client, vm = lab.host("client1"), lab.host(node)
    # The ways out that the tests before this one took away are back only after a while (fe/way_out.h).
    labs.eventually("ways out", lambda: all(labs.element(lab, fe)["way_out"] for fe in ("fe1", "fe2")),
                    WAY_OUT_S)
    with Conversation(client, vm) as talk, Outage(client, vm.address) as there, \
            Outage(vm, client.address) as back:
        status, said = drain(lab, "fe1")
        assert status == 0 and "fe1 is empty: it can be stopped" in said, said
        assert "announces nothing to routers outside" in said, said
        assert not nearest(lab, 1, prefix)
        before = ingress(lab, vm.address)
        talk.wait_progress()
        now = ingress(lab, vm.address)
        assert now["fe1"] == before["fe1"] and now["fe2"] > before["fe2"], (before, now)
        assert drain(lab, "fe1", "--undo")[0] == 0
        labs.eventually(f"route of r1 for {prefix} to fe1", lambda: nearest(lab, 1, prefix),
                        CONVERGE_S)
        talk.wait_progress()
        labs.eventually("traffic by fe1", lambda: ingress(lab, vm.address)["fe1"] > now["fe1"])
        found = there.finish(), back.finish()
        print(f"{example}: border element drained, longest gaps and pings lost {found}")
        # OSPF's routers find the other way only after the first one is gone.
        assert max(lost for _, lost in found) <= ("ospf" in example) * OSPF_LOST_MAX, found
    converged(lab, example)


def test_an_internal_prefix_is_reached_from_inside_only(
        lab: outside.Lab, beside: dict[str, routing.Router], example: str) -> None:
    assert lab.host("vm1").ping(NODES["vm3"], 2)
    assert not lab.host("client1").ping(NODES["vm3"], 1, 0.3)
