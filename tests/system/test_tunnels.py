"""What is between two elements: IP-in-IP over IPv4 and IPv6, VXLAN over both, or one pair this and
another that; with TCP, segmentation offload on, and a node that moves.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from lab import figure2, frames
from lab.netns import make_socket
from lab.runtime import Lab
from lab.topology import Element, Topology

from labs import drops, element, eventually, rules, running, wait_place
from traffic import Conversation, transfer_both_ways

IPV4, IPV6 = frames.ETH_P_IP, 0x86DD
IPIP, UDP = 4, 17
VXLAN_PORT = 4789


def tunnels(change: Callable[[Topology], None] = lambda t: None, **options: Any) -> type[Lab]:
    """Figure 2 with these options, and a change."""
    def topology() -> Topology:
        made = figure2.topology(**options)
        change(made)
        return made

    return type("Lab", (Lab,), {"make_topology": staticmethod(topology)})


def configure(t: Topology, name: str, **underlay: Any) -> None:
    def changed(e: Element) -> Element:
        return replace(e, underlay={**e.underlay, **underlay}) if e.name == name else e

    t.elements[:] = [changed(e) for e in t.elements]


class Outer:
    """The outer headers of packets on a wire: of which family, of which protocol, between whom."""

    def __init__(self, frame: frames.Frame) -> None:
        raw = frame.data
        self.ethertype = struct.unpack_from("!H", raw, 12)[0]
        if self.ethertype == IPV6:
            self.protocol, at = raw[20], 54
            self.source = socket.inet_ntop(socket.AF_INET6, raw[22:38])
            self.destination = socket.inet_ntop(socket.AF_INET6, raw[38:54])
        else:
            self.protocol, at = raw[23], 34
            self.source = socket.inet_ntoa(raw[26:30])
            self.destination = socket.inet_ntoa(raw[30:34])
        self.ports = struct.unpack_from("!HH", raw, at) if self.protocol == UDP else (0, 0)
        self.vni = (struct.unpack_from("!I", raw, at + 12)[0] >> 8 if self.is_vxlan else 0)

    @property
    def is_vxlan(self) -> bool:
        return self.protocol == UDP and self.ports[1] == VXLAN_PORT


def outers(seen: frames.Capture) -> list[Outer]:
    """The tunnels among what was seen."""
    found = [Outer(frame) for frame in seen.read()
             if struct.unpack_from("!H", frame.data, 12)[0] in (IPV4, IPV6)]
    return [o for o in found if o.protocol == IPIP or o.is_vxlan]


def on_backplane(lab: Lab, name: str) -> frames.Capture:
    return frames.Capture(lab.netns(name), "bp0", frames.ETH_P_ALL)


CASES = {
    "ipip over ipv4": ("ipv4", "ipip", IPV4, IPIP),
    "ipip over ipv6": ("ipv6", "ipip", IPV6, IPIP),
    "vxlan over ipv4": ("ipv4", "vxlan", IPV4, UDP),
    "vxlan over ipv6": ("ipv6", "vxlan", IPV6, UDP),
}


@pytest.mark.parametrize("case", CASES)
def test_tcp_and_a_move_pass_through_a_tunnel(case: str) -> None:
    underlay, encapsulation, ethertype, protocol = CASES[case]
    with running(tunnels(underlay=underlay, encapsulation=encapsulation)) as lab:
        client, laptop = lab.host("client"), lab.host("laptop")
        with on_backplane(lab, "fe1") as wire:
            with Conversation(client, laptop) as talk:
                lab.move("laptop", "ap2")
                talk.wait_progress()
            wait_place(lab, "laptop", "fe3", "ap0")
            transfer_both_ways(client, laptop)
            transfer_both_ways(lab.host("server1"), lab.host("server2"))
            seen = outers(wire)
        assert seen
        assert {(o.ethertype, o.protocol) for o in seen} == {(ethertype, protocol)}
        for name in ("fe1", "fe2", "fe3"):
            assert drops(lab, name)["wrong_encapsulation"] == 0
            assert drops(lab, name)["unknown_peer"] == 0


@pytest.mark.parametrize("case", CASES)
def test_the_old_element_sends_on_with_the_mark(case: str) -> None:
    """FE1 hears of the move late: what it still sends to FE2 goes on to FE3."""
    underlay, encapsulation, _, _ = CASES[case]
    lab_type = tunnels(underlay=underlay, encapsulation=encapsulation)
    with running(lab_type, delays={"mgmt-fe1": 100}) as lab:
        client, laptop = lab.host("client"), lab.host("laptop")
        redirect = "172.16.3.3" if underlay == "ipv4" else "fd00:172:16:3::3"
        with on_backplane(lab, "fe3") as wire:
            with Conversation(client, laptop) as talk:
                lab.move("laptop", "ap2")
                wait_place(lab, "laptop", "fe3", "ap0")
                talk.wait_progress()
            marked = [o for o in outers(wire) if o.vni >> 23 or o.destination == redirect]
        assert marked, "nothing was sent on"
        assert {o.source for o in marked} == {
            "172.16.2.2" if underlay == "ipv4" else "fd00:172:16:2::2"}
        for name in ("fe1", "fe2", "fe3"):
            assert drops(lab, name)["redirected_miss"] == 0


def test_each_pair_has_the_tunnel_that_is_configured_for_it() -> None:
    def change(t: Topology) -> None:
        t.settings["tunnels"] = [
            {"between": ["fe1", "fe3"], "encapsulation": "vxlan"},
            {"between": ["fe2", "fe3"], "underlay": "ipv6"}]

    with running(tunnels(change, underlay="both")) as lab:
        with on_backplane(lab, "fe1") as wire1, on_backplane(lab, "fe3") as wire3:
            transfer_both_ways(lab.host("client"), lab.host("server1"))
            transfer_both_ways(lab.host("client"), lab.host("server2"))
            transfer_both_ways(lab.host("server1"), lab.host("server2"))
            of1, of3 = outers(wire1), outers(wire3)
        with_fe2 = [o for o in of1 if "172.16.2.2" in (o.source, o.destination)]
        with_fe3 = [o for o in of1 if "172.16.3.2" in (o.source, o.destination)]
        assert with_fe2 and all(o.protocol == IPIP for o in with_fe2)
        assert with_fe3 and all(o.is_vxlan for o in with_fe3)
        ipv6 = [o for o in of3 if o.ethertype == IPV6]
        assert {(o.source, o.destination) for o in ipv6} == {
            ("fd00:172:16:2::2", "fd00:172:16:3::2"), ("fd00:172:16:3::2", "fd00:172:16:2::2")}
        assert all(o.protocol == IPIP for o in ipv6)
        links = {tuple(link["between"]): (link["encapsulation"], link["underlay"])
                 for link in lab.rest.get("/v1/links")["links"]}
        assert links == {("fe1", "fe2"): ("ipip", "ipv4"), ("fe1", "fe3"): ("vxlan", "ipv4"),
                         ("fe2", "fe3"): ("ipip", "ipv6")}
        assert element(lab, "fe2")["encapsulations"] == ["ipip", "vxlan"]
        assert element(lab, "fe2")["backplane6"] == "fd00:172:16:2::2"
        # A node goes from the IP-in-IP pair's end to the VXLAN pair's, its connection stays.
        with Conversation(lab.host("client"), lab.host("laptop")) as talk:
            lab.move("laptop", "ap2")
            wait_place(lab, "laptop", "fe3", "ap0")
            talk.wait_progress()


def test_vxlan_source_ports_tell_flows_apart() -> None:
    with running(tunnels(encapsulation="vxlan")) as lab:
        client, server = lab.host("client"), lab.host("server1")
        with on_backplane(lab, "fe1") as wire:
            for _ in range(12):
                transfer_both_ways(client, server, 1000)
            ports = {o.ports[0] for o in outers(wire) if o.source == "172.16.1.2"}
        assert len(ports) > 6, ports
        assert min(ports) >= 49152


def spread_of_fe1(t: Topology) -> None:
    configure(t, "fe1", spread="172.16.1.16/28")


def test_sources_are_spread_by_flow_and_taken_at_the_other_end() -> None:
    with running(tunnels(spread_of_fe1)) as lab:
        client, server = lab.host("client"), lab.host("server1")
        with on_backplane(lab, "fe2") as wire:
            for _ in range(12):
                transfer_both_ways(client, server, 1000)
            sources = {o.source for o in outers(wire) if o.destination == "172.16.2.2"}
        last = {int(source.rpartition(".")[2]) for source in sources}
        assert len(last) > 4, sources
        assert all(16 <= number < 32 for number in last), sources
        transfer_both_ways(client, server)
        assert drops(lab, "fe2")["unknown_peer"] == 0
        flows = [rule["flow"] for rule in rules(lab, "fe2") if rule["kind"] == "peer"]
        assert "tun_src=172.16.1.16/28" in flows


def send_tunnelled(lab: Lab, source: str, destination: str = "172.16.2.2") -> None:
    """A tunnel packet for server1 from that address, by the router between."""
    inner = struct.pack("!BBHHHBBH4s4sHHHH", 0x45, 0, 28, 0, 0, 64, UDP, 0,
                        socket.inet_aton("192.0.2.10"), socket.inet_aton("10.2.3.1"), 9, 9, 8, 0)
    outer = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(inner), 0, 0, 64, IPIP, 0,
                        socket.inet_aton(source), socket.inet_aton(destination))
    with make_socket(lab.netns("core"), socket.AF_INET, socket.SOCK_RAW,
                     socket.IPPROTO_RAW) as sock:
        sock.sendto(outer + inner, (destination, 0))


def test_a_source_in_no_peers_prefix_is_refused() -> None:
    with running(tunnels(spread_of_fe1)) as lab:
        before = drops(lab, "fe2")["unknown_peer"]
        send_tunnelled(lab, "172.16.1.20")
        send_tunnelled(lab, "172.16.1.32")
        eventually("a refusal", lambda: drops(lab, "fe2")["unknown_peer"] == before + 1)


def test_the_other_encapsulation_is_refused() -> None:
    with running(tunnels(encapsulation="vxlan")) as lab:
        send_tunnelled(lab, "172.16.1.2")
        eventually("a refusal", lambda: drops(lab, "fe2")["wrong_encapsulation"] == 1)
