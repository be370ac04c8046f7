"""Ports that come and go, as virtual machines' taps do.

    client ── FE1 ══ FE2 tap0 ── (cable.py) ── guest 10.10.0.50       (the rest: lab/figure2.py)
                     FE2 knows access ports by the pattern tap*
"""

from __future__ import annotations

from collections.abc import Iterator

import labs
import pytest
from cable import Cable
from lab import netns
from lab.runtime import Lab
from traffic import Conversation, transfer_both_ways

GUEST = {"id": "guest", "mac": "52:54:00:00:00:50", "addresses": ["10.10.0.50"]}


def with_taps(t: labs.Topology) -> None:
    labs.add_access(t, "fe2", {"match": "tap*"})
    labs.add_access(t, "fe3", {"match": "tap*"})
    t.inventory.append(GUEST)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with labs.running(labs.variant(with_taps), announce=False) as one:
        for host in one.topology.hosts:
            if host.name != "client":
                one.host(host.name).announce()
        labs.wait_place(one, "laptop", "fe2", "ap0")
        yield one


def guest(lab: Lab, element: str = "fe2") -> Cable:
    return Cable(lab, element, "tap0", "guest", "10.10.0.50/16", "10.10.0.1", GUEST["mac"])


def test_a_tap_that_appears_becomes_a_port_and_its_node_talks(lab: Lab) -> None:
    assert "tap0" not in labs.ports(lab, "fe2")
    with guest(lab) as cable:
        port = labs.eventually("port tap0", lambda: labs.ports(lab, "fe2").get("tap0"))
        assert port["role"] == "access"
        labs.eventually("port tap0 up", lambda: labs.ports(lab, "fe2")["tap0"]["up"])
        assert labs.attachment(lab, "guest") is None
        cable.host.announce()
        labs.wait_place(lab, "guest", "fe2", "tap0")
        transfer_both_ways(lab.host("client"), cable.host)
        transfer_both_ways(lab.host("server2"), cable.host)
        assert min(cable.gso_packets) > 0, "the tap's packets were cut to segments on the way"


def test_a_tap_that_vanishes_is_reported_and_its_node_detached(lab: Lab) -> None:
    with guest(lab) as cable:
        labs.eventually("port tap0 up", lambda: labs.ports(lab, "fe2").get("tap0", {}).get("up"))
        cable.host.announce()
        labs.wait_place(lab, "guest", "fe2", "tap0")
        cable.cut()
        labs.eventually("end of port tap0", lambda: "tap0" not in labs.ports(lab, "fe2"))
        labs.eventually("end of the attachment", lambda: labs.attachment(lab, "guest") is None)
    assert not any(r["address"] == "10.10.0.50" for e in ("fe1", "fe2", "fe3")
                   for r in labs.rules(lab, e))


def test_a_port_that_comes_back_within_the_grace_keeps_its_node(lab: Lab) -> None:
    with guest(lab) as cable:
        labs.eventually("port tap0 up", lambda: labs.ports(lab, "fe2").get("tap0", {}).get("up"))
        cable.host.announce()
        labs.wait_place(lab, "guest", "fe2", "tap0")
        netns.batch(["link set tap0 down"], lab.netns("fe2"))
        labs.eventually("port tap0 down", lambda: not labs.ports(lab, "fe2")["tap0"]["up"])
        netns.batch(["link set tap0 up"], lab.netns("fe2"))
        labs.eventually("port tap0 up", lambda: labs.ports(lab, "fe2")["tap0"]["up"])
        labs.wait_place(lab, "guest", "fe2", "tap0")
        transfer_both_ways(lab.host("client"), cable.host, 1 << 20)


def test_a_tap_moves_to_another_element_and_its_connection_lives_on(lab: Lab) -> None:
    with guest(lab) as cable:
        labs.eventually("port tap0 up", lambda: labs.ports(lab, "fe2").get("tap0", {}).get("up"))
        cable.host.announce()
        labs.wait_place(lab, "guest", "fe2", "tap0")
        with Conversation(lab.host("client"), cable.host) as talk:
            for element in ("fe3", "fe2", "fe3"):
                cable.cut()
                cable.element = element
                cable.plug()
                labs.eventually("port tap0 up",
                                lambda: labs.ports(lab, element).get("tap0", {}).get("up"))
                cable.host.announce()
                labs.wait_place(lab, "guest", element, "tap0")
                talk.wait_progress()
