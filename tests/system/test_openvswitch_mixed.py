"""An Open vSwitch among victor-fes: in Figure 2 (lab/figure2.py), FE2 is a switch, FE1 and FE3 are
victor-fes, and between them and it is VXLAN. And what an old element, of either kind, does with
packets that come for a node which has left.
"""

from __future__ import annotations

import shutil
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import labs
import pytest
from lab import figure2, frames
from lab.netns import make_socket
from lab.runtime import Lab
from neighbors import rarp_frame, send
from test_tunnels import IPIP, UDP, VXLAN_PORT, Outer, outers, spread_of_fe1
from traffic import Conversation, transfer_both_ways

PLACES = {"ap1": "fe2", "ap2": "fe3"}
SITES = {"site2": "fe2", "site3": "fe3"}
ADDRESS = {"fe1": "172.16.1.2", "fe2": "172.16.2.2", "fe3": "172.16.3.2"}
MARK = 1 << 23
GREETING = 0x88B5

pytestmark = pytest.mark.skipif(
    not shutil.which("ovs-vswitchd") and not Path("/usr/sbin/ovs-vswitchd").exists(),
    reason="openvswitch-switch is not installed")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with labs.running(ovs=["fe2"]) as one:
        yield one


def roam(lab: Lab, place: str) -> None:
    lab.move("laptop", place)
    labs.wait_place(lab, "laptop", PLACES[place], "ap0")


def migrate(lab: Lab, site: str) -> None:
    lab.move("vm", site)
    labs.wait_place(lab, "vm1", SITES[site], "srv0")


@pytest.fixture
def everybody_at_home(lab: Lab) -> None:
    roam(lab, "ap1")
    migrate(lab, "site2")


def before(lab: Lab, name: str) -> frames.Capture:
    """The wire in front of the element's backplane device, which an Open vSwitch takes over."""
    return frames.Capture(lab.netns("core"), f"net{name[2:]}", frames.ETH_P_ALL)


def between(seen: list[Outer], one: str, other: str) -> list[Outer]:
    ends = {ADDRESS[one], ADDRESS[other]}
    return [o for o in seen if {o.source, o.destination} <= ends]


def test_each_pair_has_the_tunnel_that_both_ends_can(lab: Lab, everybody_at_home: None) -> None:
    with before(lab, "fe1") as wire1, before(lab, "fe2") as wire2:
        transfer_both_ways(lab.host("client"), lab.host("server1"), 1 << 20)
        transfer_both_ways(lab.host("client"), lab.host("server2"), 1 << 20)
        transfer_both_ways(lab.host("server1"), lab.host("server2"), 1 << 20)
        of1, of2 = outers(wire1), outers(wire2)
    assert between(of2, "fe1", "fe2") and between(of2, "fe3", "fe2")
    assert all(o.is_vxlan for o in of2)
    assert {o.protocol for o in between(of1, "fe1", "fe3")} == {IPIP}
    assert labs.element(lab, "fe2")["encapsulations"] == ["vxlan"]
    assert {e["name"]: e["kind"] for e in lab.rest.elements()} == {
        "fe1": "victor-fe", "fe2": "ovs", "fe3": "victor-fe"}
    assert labs.element(lab, "fe3").get("cannot", []) == []


def test_tcp_flows_between_the_outside_and_nodes_of_both_kinds(lab: Lab,
                                                               everybody_at_home: None) -> None:
    client = lab.host("client")
    for place in PLACES:
        roam(lab, place)
        for name in ("laptop", "server1", "server2"):
            transfer_both_ways(client, lab.host(name), 1 << 20)
            transfer_both_ways(lab.host(name), client, 1 << 20)


def test_tcp_flows_between_nodes_of_both_kinds(lab: Lab, everybody_at_home: None) -> None:
    for place in PLACES:
        roam(lab, place)
        for name in ("server1", "server2", "neighbor", "vm"):
            transfer_both_ways(lab.host("laptop"), lab.host(name), 1 << 20)
    transfer_both_ways(lab.host("server1"), lab.host("server2"), 1 << 20)


def test_a_handoff_between_the_kinds_keeps_tcp_connections(lab: Lab,
                                                           everybody_at_home: None) -> None:
    laptop = lab.host("laptop")
    with Conversation(lab.host("client"), laptop) as outside, \
            Conversation(laptop, lab.host("server1")) as with_fe2, \
            Conversation(lab.host("server2"), laptop) as with_fe3:
        for place in ("ap2", "ap1", "ap2", "ap1"):
            roam(lab, place)
            for talk in (outside, with_fe2, with_fe3):
                talk.wait_progress()


def test_a_hypervisors_rarp_registers_at_either_kind(lab: Lab, everybody_at_home: None) -> None:
    with Conversation(lab.host("client"), lab.host("vm")) as talk:
        for site in ("site3", "site2", "site3"):
            lab.move("vm", site, announce=False)
            send(lab.host("vm"), rarp_frame(lab.host("vm").mac))
            labs.wait_place(lab, "vm1", SITES[site], "srv0")
            talk.wait_progress()


def test_the_neighbour_keeps_its_connection_with_a_node_that_left_its_lan(
        lab: Lab, everybody_at_home: None) -> None:
    with Conversation(lab.host("neighbor"), lab.host("vm")) as talk:
        for site in ("site3", "site2"):
            migrate(lab, site)
            talk.wait_progress()


def send_vxlan(lab: Lab, source: str, destination: str, vni: int, ethertype: int,
               inner: bytes) -> None:
    """A tunnel packet as that element would send it, by the router between."""
    payload = (struct.pack("!IIHIHIH", 0x08000000, vni << 8, 0x0200, 1, 0x0200, 2, ethertype)
               + inner)
    udp = struct.pack("!HHHH", 50000, VXLAN_PORT, 8 + len(payload), 0)
    outer = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), 0, 0, 64, UDP, 0,
                        socket.inet_aton(ADDRESS[source]), socket.inet_aton(ADDRESS[destination]))
    with make_socket(lab.netns("core"), socket.AF_INET, socket.SOCK_RAW,
                     socket.IPPROTO_RAW) as sock:
        sock.sendto(outer + udp + payload, (ADDRESS[destination], 0))


def datagram(to: str) -> bytes:
    """From the client, its header's checksum right."""
    ends = socket.inet_aton(figure2.CLIENT_ADDRESS) + socket.inet_aton(to)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 28, 0, 0, 64, UDP, 0) + ends
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    head = head[:10] + struct.pack("!H", ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF) + head[12:]
    return head + struct.pack("!HHHH", 9, 9, 8, 0)


@pytest.mark.parametrize("at,source", [("fe2", "fe1"), ("fe3", "fe2")])
def test_a_redirected_packet_is_for_a_node_here_or_is_dropped(lab: Lab, everybody_at_home: None,
                                                              at: str, source: str) -> None:
    """Not sent on once more: two elements that point at each other would have a loop."""
    roam(lab, "ap2" if at == "fe2" else "ap1")

    def missed() -> int:
        return labs.drops(lab, at)["redirected_miss"]

    start = missed()
    with before(lab, at) as wire:
        for to in ("10.10.77.77", lab.host("laptop").address):
            send_vxlan(lab, source, at, MARK, frames.ETH_P_IP, datagram(to))
        labs.eventually("the drops to be counted", lambda: missed() == start + 2)
        assert not [o for o in outers(wire) if o.source == ADDRESS[at] and o.vni & MARK]


def test_a_switchs_greeting_is_no_drop_of_a_victor_fe(lab: Lab, everybody_at_home: None) -> None:
    start = labs.drops(lab, "fe3")
    send_vxlan(lab, "fe2", "fe3", 0, GREETING, bytes(46))
    # Behind it one that is counted.
    send_vxlan(lab, "fe2", "fe3", MARK, frames.ETH_P_IP, datagram("10.10.77.77"))
    labs.eventually("the drop behind it", lambda: labs.drops(lab, "fe3")["redirected_miss"]
                    == start["redirected_miss"] + 1)
    assert labs.drops(lab, "fe3") == {**start, "redirected_miss": start["redirected_miss"] + 1}
    for name in ("fe1", "fe3"):
        for reason in ("bad_packet", "wrong_encapsulation"):
            assert labs.drops(lab, name)[reason] == 0, f"{name}: {reason}"


def test_a_switch_takes_what_comes_from_spread_sources() -> None:
    with labs.running(labs.variant(spread_of_fe1), ovs=["fe2"]) as lab:
        client, server = lab.host("client"), lab.host("server1")
        with before(lab, "fe2") as wire:
            for _ in range(12):
                transfer_both_ways(client, server, 1000)
            sources = {o.source for o in outers(wire) if o.destination == ADDRESS["fe2"]}
        assert len(sources) > 4, sources
        transfer_both_ways(client, server, 1 << 20)


def sent_on(lab: Lab, place: str) -> None:
    """The laptop goes to that place, and FE1 hears of it late: what it still sends to the old
    element goes on to the new one, marked, and the connection stands."""
    old, new = lab.place("laptop"), PLACES[place]
    assert old
    with before(lab, new) as wire, Conversation(lab.host("client"), lab.host("laptop")) as talk:
        roam(lab, place)
        talk.wait_progress()
        marked = [o for o in outers(wire) if o.vni & MARK]
        number = labs.element(lab, new)["id"]
        labs.eventually("FE1 to hear of it", lambda: any(
            r["flow"] == "nw_dst=10.10.0.36" and r["action"] == f"group:{number},out:0"
            for r in labs.rules(lab, "fe1")))
    assert marked, f"nothing was sent on by {PLACES[old]}"
    assert {(o.source, o.destination) for o in marked} == {(ADDRESS[PLACES[old]], ADDRESS[new])}


@pytest.mark.parametrize("kinds", [("fe2",), ("fe1", "fe2", "fe3")], ids=["fe2", "all"])
def test_what_comes_to_the_old_element_is_sent_on_to_the_new_one(kinds: tuple[str, ...]) -> None:
    """From a switch to a victor-fe and back, with one switch; from switch to switch, with all."""
    with labs.running(ovs=kinds, delays={"mgmt-fe1": 100}) as lab:
        for place in ("ap2", "ap1"):
            sent_on(lab, place)
