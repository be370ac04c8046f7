"""What is inside a tunnel comes out as it went in: IPv4 and IPv6 of dual-stack nodes, packets of
many segments whole (a tap sees them so), over each encapsulation and each family of the underlay.

    client ── FE1 ══ FE2 ap0 ── laptop, srv0 ── vm
                  ══ FE3 tap0 ── (cable.py) ── guest       (the rest: lab/figure2dual.py)
"""

from __future__ import annotations

from collections.abc import Iterator

import labs
import pytest
from cable import Cable
from lab import figure2dual as dual
from lab.runtime import Lab
from lab.topology import Topology
from test_ipv6_nodes import local_at
from traffic import Conversation, transfer_both_ways

GUEST_MAC, GUEST, GUEST6 = "52:54:00:00:00:50", "10.10.0.50", "2001:db8:10::50"
SIZE = 8 << 20
MOST_WHOLE = 0.5        # of the bytes; the first segments of a connection are alone
CASES = [("ipv4", "ipip"), ("ipv6", "ipip"), ("ipv4", "vxlan"), ("ipv6", "vxlan")]


def lab_type(underlay: str, encapsulation: str) -> type[Lab]:
    def topology() -> Topology:
        t = dual.topology(underlay=underlay, encapsulation=encapsulation)
        labs.add_access(t, "fe3", {"match": "tap*"})
        t.inventory.append({"id": "guest", "mac": GUEST_MAC, "addresses": [GUEST, GUEST6]})
        return t

    return type("Lab", (dual.Lab,), {"make_topology": staticmethod(topology)})


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[1]} over {case[0]}")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with labs.running(lab_type(*request.param), announce=False) as one:
        for host in one.topology.hosts:
            if host.name != "client":
                one.host(host.name).announce()
        one.host("laptop").announce(dual.LAPTOP)
        labs.eventually("IPv6 binding", lambda: local_at(one, "fe2", dual.LAPTOP))
        yield one
        for name in ("fe1", "fe2", "fe3"):
            lost = {what: count for what, count in labs.drops(one, name).items() if count and what in
                    ("bad_packet", "rewrite_failed", "unknown_peer", "wrong_encapsulation",
                     "inner_refused", "ecn_mismatch", "redirected_miss")}
            assert not lost, f"{name}: {lost}"


def bring_up_vm(lab: Lab) -> None:
    """The vm makes its address of router advertisements."""
    assert isinstance(lab, dual.Lab)
    lab.start_autoconfiguration()
    labs.eventually("the vm's address", lambda: dual.VM in lab.host("vm").run(
        "ip", "-6", "addr", "show", "dev", "eth0", "scope", "global", "-tentative").stdout)
    labs.eventually("the vm's binding", lambda: local_at(lab, "fe2", dual.VM))


def move_laptop(lab: Lab) -> None:
    to, element = ("ap2", "fe3") if lab.place("laptop") == "ap1" else ("ap1", "fe2")
    lab.move("laptop", to)
    labs.eventually("the move", lambda: local_at(lab, element, dual.LAPTOP))


def test_tcp_over_ipv6_passes_with_the_outside_and_through_a_move(lab: Lab) -> None:
    client, laptop = lab.host("client").at(dual.CLIENT), lab.host("laptop").at(dual.LAPTOP)
    transfer_both_ways(client, laptop, SIZE)
    with Conversation(client, laptop) as talk:
        move_laptop(lab)
        talk.wait_progress()
    transfer_both_ways(client, laptop, SIZE)


def test_tcp_over_ipv6_passes_between_nodes_and_through_a_move(lab: Lab) -> None:
    bring_up_vm(lab)
    vm, laptop = lab.host("vm").at(dual.VM), lab.host("laptop").at(dual.LAPTOP)
    with Conversation(vm, laptop) as talk:
        for _ in range(2):
            move_laptop(lab)
            talk.wait_progress()
            transfer_both_ways(vm, laptop, SIZE)


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_a_tap_gets_and_gives_packets_of_many_segments_whole(lab: Lab, family: str) -> None:
    with Cable(lab, "fe3", "tap0", "guest", f"{GUEST}/16", "10.10.0.1", GUEST_MAC,
               (f"{GUEST6}/64", dual.GATEWAY)) as cable:
        labs.eventually("port tap0 up", lambda: labs.ports(lab, "fe3").get("tap0", {}).get("up"))
        guest, client = cable.host, lab.host("client")
        if family == "ipv6":
            guest, client = guest.at(GUEST6), client.at(dual.CLIENT)
        guest.announce()
        labs.wait_place(lab, "guest", "fe3", "tap0")
        transfer_both_ways(client, guest, SIZE)
        for way, what in enumerate(("from the guest", "to the guest")):
            share = cable.gso_bytes[way] / SIZE
            assert share > MOST_WHOLE, f"{share:.0%} of the bytes {what} were whole packets"
