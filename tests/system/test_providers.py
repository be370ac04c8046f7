"""Several providers (paper, section 2.3): who may send which prefix's packets out, and which ways the
policies between the providers allow. Topology: lab/providers.py.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import labs
import pytest
from lab import netns, providers
from lab.frames import Capture
from lab.providers import ASSIGNED, INDEPENDENT, PA
from lab.topology import Topology
from traffic import Conversation

CONVERGE_S = 40.0
FAILOVER_S = 40.0
slow = pytest.mark.skipif(not os.environ.get("VICTOR_TEST_ALL"),
                          reason="another lab of its own: VICTOR_TEST_ALL=1 runs it")


def has_route(lab: providers.Lab, node: str, prefix: str, text: str) -> bool:
    return text in netns.run(lab.netns(node), "ip", "route", "show", prefix)


def converge(lab: providers.Lab) -> None:
    lab.start_routers()
    for i in (1, 2, 3):
        labs.eventually(f"way out of fe{i}", lambda: has_route(lab, f"fe{i}", "default", "via"),
                        CONVERGE_S)
        labs.eventually(f"route of r{i} to fe{i}", lambda: has_route(
            lab, f"r{i}", INDEPENDENT, f"via 100.64.{i}.2"), CONVERGE_S)
        for other in {1, 2, 3} - {i}:
            labs.eventually(f"way of r{i} to r{other}", lambda: has_route(
                lab, f"r{i}", f"172.16.{other}.0/24", "via"), CONVERGE_S)
    labs.eventually("paths", lambda: all(link["up"] for link in lab.rest.links()), CONVERGE_S)


@pytest.fixture(scope="module")
def lab() -> Iterator[providers.Lab]:
    with labs.running(providers.Lab) as one:
        assert isinstance(one, providers.Lab)
        converge(one)
        labs.eventually("route to the assigned prefix", lambda: has_route(
            one, "r1", ASSIGNED, "via 100.64.1.2"), CONVERGE_S)
        yield one


def filtered(lab: providers.Lab) -> list[int]:
    return [lab.counted(i, "filtered") for i in (1, 2, 3)]


def exits(lab: providers.Lab, prefix: str) -> dict[str, str | None]:
    return {e["element"]: e["exit"] for e in lab.rest.get("/v1/exits")["exits"]
            if e["prefix"] == prefix}


def move(lab: providers.Lab, node: str, element: str) -> None:
    lab.move(node, element)
    labs.wait_place(lab, node, element, f"{node}0")


def test_a_provider_assigned_address_leaves_by_its_provider_wherever_it_is(
        lab: providers.Lab) -> None:
    """TCP connections of clients in all three systems go on, and no filter drops anything."""
    before = filtered(lab)
    with Conversation(lab.host("client1"), lab.host("pa")) as one, \
            Conversation(lab.host("client2"), lab.host("pa")) as two, \
            Conversation(lab.host("client3"), lab.host("pa")) as three:
        for element in ("fe2", "fe3", "fe1", "fe3"):
            move(lab, "pa", element)
            with Capture(lab.netns("r1"), "fe") as capture:
                for conversation in (one, two, three):
                    conversation.wait_progress()
                assert labs.eventually("packets out by FE1", lambda: [
                    f for f in capture.read() if f.is_ipv4 and f.source == PA])
    assert filtered(lab) == before


def test_it_is_announced_where_it_may_leave_and_nowhere_else(lab: providers.Lab) -> None:
    def announced(i: int) -> str:
        return netns.run(lab.netns(f"fe{i}"), "ip", "route", "show", "table", "86")

    assert ASSIGNED in announced(1) and INDEPENDENT in announced(1)
    for i in (2, 3):
        assert ASSIGNED not in announced(i) and INDEPENDENT in announced(i)
    shown = {(e["prefix"], e["element"]): e["announced"] for e in
             lab.rest.get("/v1/exits")["exits"]}
    assert shown[(ASSIGNED, "fe1")] and not shown[(ASSIGNED, "fe2")]
    assert shown[(INDEPENDENT, "fe3")]


def test_the_filters_drop_what_comes_from_elsewhere(lab: providers.Lab) -> None:
    """So that the tests here can fail."""
    before = lab.counted(2, "filtered")
    element = labs.stranger(lab, "fe2", "ext0", "100.64.2.2")
    header = bytes.fromhex("4500001c00004000401100000000000000000000")
    packet = (header[:12] + socket.inet_aton(PA) + socket.inet_aton("198.18.2.10")
              + bytes.fromhex("0009000900080000"))
    with element.socket(socket.SOCK_RAW, protocol=socket.IPPROTO_RAW) as raw:
        raw.sendto(packet, ("198.18.2.10", 0))
    labs.eventually("the filter's count", lambda: lab.counted(2, "filtered") == before + 1)


def test_the_next_provider_takes_over_when_the_first_is_gone(lab: providers.Lab) -> None:
    move(lab, "pi", "fe3")
    labs.eventually("exits by FE1", lambda: set(exits(lab, INDEPENDENT).values()) == {"fe1"},
                    FAILOVER_S)
    before = filtered(lab)
    with Conversation(lab.host("client2"), lab.host("pi")) as two, \
            Conversation(lab.host("client3"), lab.host("pi")) as three:
        netns.batch(["link set ext0 down"], lab.netns("fe1"))
        try:
            labs.eventually("exits by FE2", lambda: set(
                exits(lab, INDEPENDENT).values()) == {"fe2"}, FAILOVER_S)
            with Capture(lab.netns("r2"), "fe") as capture:
                two.wait_progress()
                three.wait_progress()
                assert labs.eventually("packets out by FE2", lambda: [
                    f for f in capture.read() if f.is_ipv4 and f.source == providers.PI])
            # Of the assigned one nobody else may send anything out: told, and counted.
            check_no_exit(lab)
        finally:
            netns.batch(["link set ext0 up"], lab.netns("fe1"))
        labs.eventually("exits by FE1 again", lambda: set(
            exits(lab, INDEPENDENT).values()) == {"fe1"}, FAILOVER_S)
        labs.eventually("way out of fe1", lambda: has_route(lab, "fe1", "default", "via"),
                        CONVERGE_S)
        two.wait_progress()
        three.wait_progress()
    assert filtered(lab) == before


def check_no_exit(lab: providers.Lab) -> None:
    move(lab, "pa", "fe3")
    assert set(exits(lab, ASSIGNED).values()) == {None}
    before = labs.drops(lab, "fe3")["no_exit"]
    with lab.host("pa").socket() as sock:
        sock.settimeout(5)
        with pytest.raises(OSError, match="unreachable|No route to host"):
            sock.connect(("198.18.2.10", 9))
    labs.eventually("count of no_exit", lambda: labs.drops(lab, "fe3")["no_exit"] > before)


def lose_peering(lab: providers.Lab) -> None:
    netns.batch(["link set r2 down"], lab.netns("r1"))
    labs.eventually("loss of the link", lambda: [link["up"] for link in lab.rest.links() if set(
        link["between"]) == {"fe1", "fe2"}] == [False], FAILOVER_S)


def test_no_customer_carries_for_its_providers(lab: providers.Lab) -> None:
    """With the peering gone no way that the policies allow leads from FE1 to FE2: FE3, which both can
    reach, does not become one. (What the careless do is the last test here.)"""
    move(lab, "pi", "fe2")
    with Conversation(lab.host("client1"), lab.host("pi")) as one:
        assert lab.counted(1, "underlay") > 0
        before = lab.counted(3, "underlay")
        try:
            lose_peering(lab)
            assert not lab.host("client1").ping(providers.PI, 3)
            assert lab.counted(3, "underlay") == before and lab.counted(3, "valley") == 0
            assert all("fe3" not in p["elements"] for p in lab.rest.paths("fe1", "fe2"))
            # To its customer each provider has a way still.
            assert lab.rest.paths("fe1", "fe3")[0]["elements"] == ["fe1", "fe3"]
        finally:
            netns.batch(["link set r2 up"], lab.netns("r1"))
        labs.eventually("the link", lambda: all(link["up"] for link in lab.rest.links()),
                        CONVERGE_S)
        one.wait_progress()


# ---- without the configuration of all this ----

class Careless(providers.Lab):
    """Nobody said who may send what out, nor who is whose customer."""

    @staticmethod
    def make_topology() -> Topology:
        t = providers.topology()
        del t.settings["networks"]
        for prefix in t.prefixes:
            prefix.pop("exits")
            prefix.pop("announce_at", None)
        return t


@slow
def test_without_exits_the_filters_drop_it_and_without_networks_a_customer_carries() -> None:
    with labs.running(Careless) as careless:
        assert isinstance(careless, Careless)
        converge(careless)
        move(careless, "pa", "fe2")
        before = careless.counted(2, "filtered")
        assert not careless.host("pa").ping("198.18.2.10", 3)
        assert careless.counted(2, "filtered") >= before + 3
        move(careless, "pi", "fe2")
        lose_peering(careless)
        labs.eventually("a way by FE3", lambda: [
            p["elements"] for p in careless.rest.paths("fe1", "fe2")][:1] == [
                ["fe1", "fe3", "fe2"]], FAILOVER_S)
        before = careless.counted(3, "underlay")
        careless.host("client1").ping(providers.PI, 3)    # no answer: no way back to r1 outside
        assert careless.counted(3, "underlay") > before
