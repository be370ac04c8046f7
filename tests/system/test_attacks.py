"""Attacks from ports, on real daemons: each is refused, moves no binding, and leaves a counter that
says what happened and where (docs/guard.md). Topology: lab/figure2dual.py, and

    attacker ─── bad0 (4) FE2

The flood lasts two seconds; with VICTOR_TEST_ALL=1 (./check --all) the full ten. It is made on this
machine's cores, beside the daemons: VICTOR_TEST_REPORT=FILE has the rate that was reached written
there.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import re
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ctl
import labs
import pytest
from lab import figure2dual, frames, netns
from lab.daemons import program
from lab.frames import Capture
from lab.runtime import HostHandle, Lab
from lab.topology import End, Host, Topology
from neighbors import REPLY, arp_frame, send
from test_outside import ip_packet
from traffic import Conversation

ALL = bool(os.environ.get("VICTOR_TEST_ALL"))
FLOOD_S = 10 if ALL else 2
FLOOD_RATE = 1_000_000
MAC, ADDRESS = "02:00:00:00:00:66", "10.10.66.6"
GATEWAY, GATEWAY_MAC = "10.10.0.1", "02:00:5e:00:53:01"
GATEWAY6, ROUTER6 = figure2dual.GATEWAY, figure2dual.ROUTER
LAPTOP, LAPTOP6, VM = "10.10.0.36", figure2dual.LAPTOP, "10.10.0.11"
PORT = "bad0"
RATE, BURST = 1000, 200    # the standard share of ARP (docs/guard.md)
ETHTOOL_SGRO = 0x2C
COUNT = 5


class AttackedLab(figure2dual.Lab):
    """Somebody at FE2 is up to no good."""

    @staticmethod
    def make_topology() -> Topology:
        t = figure2dual.topology()
        t.node("attacker")
        t.link("attacker", End("attacker", "eth0", (f"{ADDRESS}/16",), mac=MAC), End("fe2", PORT))
        labs.add_access(t, "fe2", {"match": PORT, "number": 4})
        return t

    def _make_network(self) -> None:
        super()._make_network()
        # So that lab-flood's frames are taken.
        with netns.make_socket(self.netns("fe2"), socket.AF_INET, socket.SOCK_DGRAM) as sock:
            value = (ctypes.c_uint32 * 2)(ETHTOOL_SGRO, 1)
            fcntl.ioctl(sock, netns.SIOCETHTOOL,
                        struct.pack("16sP16x", PORT.encode(), ctypes.addressof(value)))


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with labs.running(AttackedLab) as one:
        one.host("laptop").announce(LAPTOP6)
        one.start_autoconfiguration()    # type: ignore[attr-defined]
        yield one


@pytest.fixture
def attacker(lab: Lab) -> HostHandle:
    return HostHandle(Host("attacker", "eth0", ADDRESS, MAC), lab.netns("attacker"))


def port_counts(lab: Lab, element: str = "fe2", port: str = PORT) -> dict[str, int]:
    found = lab.rest.get(f"/v1/elements/{element}/counters")["ports"]
    return labs.Counts({c["what"]: c["packets"] for c in found if c["port_name"] == port})


def places(lab: Lab) -> dict[str, tuple[Any, ...]]:
    return {a["node"]: (a["element"], a["port"], a["state"], a["version"])
            for a in lab.rest.attachments()}


def refused(lab: Lab, host: HostHandle, what: str, *data: bytes, port: str = PORT) -> None:
    """All of it, under that name, at that port; and nothing is where it was not."""
    before, were = port_counts(lab, port=port)[what], places(lab)
    for _ in range(COUNT):
        send(host, *data)
    labs.eventually(f"{what} at {port}", lambda: port_counts(lab, port=port)[what]
                    >= before + COUNT * len(data))
    assert port_counts(lab, port=port)[what] == before + COUNT * len(data)
    assert places(lab) == were


def frame(source: HostHandle, payload: bytes, to: str = GATEWAY_MAC, ethertype: int = 0x0800,
          mac: str | None = None) -> bytes:
    return (frames.mac_bytes(to) + frames.mac_bytes(mac or source.mac)
            + ethertype.to_bytes(2, "big") + payload)


def udp(source: str, destination: str, ports: tuple[int, int] = (9, 9),
        payload: bytes = b"attack") -> bytes:
    return ip_packet(source, destination, 17,
                     struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload)


def quietly(capture: Capture, what: Callable[[frames.Frame], bool]) -> None:
    assert not [f for f in capture.read() if what(f)]


# ---- forged announcements ----

class Flood:
    """Runs beside the test; `result` is what lab-flood says of itself."""

    def __init__(self, lab: Lab, attacker: HostHandle) -> None:
        self._child = subprocess.Popen(
            ["nice", "-n", "5", program("lab/lab-flood"), netns.path_of(attacker.netns), attacker.device,
             str(FLOOD_S), str(FLOOD_RATE), VM, LAPTOP, GATEWAY, "10.2.3.1"],
            stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)

    @property
    def is_running(self) -> bool:
        return self._child.poll() is None

    def result(self) -> dict[str, float]:
        said, _ = self._child.communicate(timeout=60 + 10 * FLOOD_S)
        assert self._child.returncode == 0
        found: dict[str, float] = json.loads(said)
        return found


def test_a_flood_of_forged_announcements_moves_nothing_and_starves_nobody(
        lab: Lab, attacker: HostHandle) -> None:
    """Honest claims meanwhile: the laptop moves between FE2 and FE3, and so does the vm."""
    before, still, full = port_counts(lab), places(lab), overrun(lab)
    began, moves = time.monotonic(), 0
    flood = Flood(lab, attacker)
    with Conversation(lab.host("client"), lab.host("neighbor")) as talk:
        while flood.is_running:
            for dock, place, element, port in (("laptop", "ap2", "fe3", "ap0"),
                                               ("vm", "site3", "fe3", "srv0"),
                                               ("laptop", "ap1", "fe2", "ap0"),
                                               ("vm", "site2", "fe2", "srv0")):
                lab.move(dock, place)
                labs.wait_place(lab, {"vm": "vm1"}.get(dock, dock), element, port)
                moves += 1
        lasted = time.monotonic() - began
        talk.wait_progress()
    result = flood.result()

    def met() -> dict[str, int]:
        now = port_counts(lab)
        return labs.Counts({what: now[what] - before[what] for what in now})

    def seen() -> float:
        return handled(met()) + overrun(lab) - full

    labs.eventually("count of each frame", lambda: seen() >= result["sent"])
    now = met()
    assert seen() == result["sent"], now
    assert now["punted"] <= BURST + RATE * (lasted + 1), now
    # The gateway's and claims by other MACs that the data plane tells apart were not handed up.
    assert now["punt_limited"] + now["punt_crowded"] + now["guard_gateway"] > now["punted"]
    for node in ("server1", "server2", "neighbor"):
        assert places(lab)[node] == still[node]
    assert labs.place_of(lab, "laptop") == ("fe2", "ap0")
    assert labs.place_of(lab, "vm1") == ("fe2", "srv0")
    assert not any(port == PORT for _, port in (labs.place_of(lab, n) or ("", "") for n in still))
    assert moves >= 4
    report(f"flood: {result['rate']:.0f} forged announcements a second for {result['seconds']:.1f} s; "
           f"{now['punted'] / lasted:.0f} a second handed up, {moves} honest moves meanwhile")


def handled(now: dict[str, int]) -> int:
    """Each frame is one of these."""
    return sum(now[what] for what in ("punted", "punt_limited", "punt_crowded", "punt_lost",
                                             "guard_gateway"))


def overrun(lab: Lab) -> int:
    """Frames for which the port's own queue had no room: on a busy machine some, before any program."""
    said = subprocess.run(["ip", "-n", lab.netns("fe2"), "-s", "-j", "link", "show", PORT], check=True,
                          text=True, stdout=subprocess.PIPE).stdout
    return int(json.loads(said)[0]["stats64"]["rx"]["dropped"])


def report(line: str) -> None:
    if path := os.environ.get("VICTOR_TEST_REPORT"):
        with Path(path).open("a") as out:
            out.write(line + "\n")


# ---- ARP and neighbour discovery ----

def test_arp_that_claims_anothers_address_reaches_nobody(lab: Lab, attacker: HostHandle) -> None:
    spoof = arp_frame(MAC, LAPTOP, "10.10.0.12", REPLY)
    with lab.host("neighbor").capture(protocol=frames.ETH_P_ARP) as capture:
        refused(lab, attacker, "guard_claim", spoof)
        quietly(capture, lambda f: frames.mac_bytes(MAC) in f.data)
    labs.eventually("the refusal", lambda: any(
        r["why"] == "wrong-mac" and r["port_name"] == PORT
        for r in ctl.as_json(lab, "show", "refusals")["refusals"]))


def test_arp_whose_body_contradicts_its_frame_is_refused(lab: Lab, attacker: HostHandle) -> None:
    spoof = bytearray(arp_frame(MAC, ADDRESS, ADDRESS, REPLY))
    spoof[22:28] = frames.mac_bytes("02:00:00:00:00:36")
    refused(lab, attacker, "guard_neighbor", bytes(spoof))


def test_a_neighbour_advertisement_for_anothers_address_reaches_nobody(
        lab: Lab, attacker: HostHandle) -> None:
    refused(lab, attacker, "guard_claim", frames.advertisement(MAC, LAPTOP6))
    refused(lab, attacker, "guard_neighbor", frames.advertisement(MAC, LAPTOP6, "02:00:00:00:00:36"))


@pytest.mark.parametrize("forged", [
    arp_frame(MAC, GATEWAY, GATEWAY), arp_frame(MAC, GATEWAY, LAPTOP, REPLY),
    arp_frame(GATEWAY_MAC, ADDRESS, ADDRESS), frames.advertisement(MAC, GATEWAY6),
    frames.advertisement(MAC, ROUTER6)],
    ids=["announcement", "reply", "its-mac", "ipv6", "link-local"])
def test_nobody_else_is_the_gateway(lab: Lab, attacker: HostHandle, forged: bytes) -> None:
    refused(lab, attacker, "guard_gateway", forged)


def test_a_rogue_router_is_not_heard(lab: Lab, attacker: HostHandle) -> None:
    advertisement = frames.icmpv6(MAC, "fe80::66", "ff02::1",
                                  struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0))
    redirect = frames.icmpv6(MAC, "fe80::66", "ff02::1", struct.pack("!BBHI", 137, 0, 0, 0)
                             + bytes(32))
    with lab.host("vm").capture(protocol=0x86DD) as capture:
        refused(lab, attacker, "guard_router", advertisement, redirect)
        quietly(capture, lambda f: frames.mac_bytes(MAC) in f.data)


def test_a_rogue_dhcp_server_is_not_heard(lab: Lab, attacker: HostHandle) -> None:
    offer = frame(attacker, udp(ADDRESS, "255.255.255.255", (67, 68)), to="ff:ff:ff:ff:ff:ff")
    refused(lab, attacker, "guard_dhcp", offer)


def test_tags_labels_and_bridges_words_are_refused(lab: Lab, attacker: HostHandle) -> None:
    inner = udp(ADDRESS, "172.16.2.2")
    refused(lab, attacker, "guard_tag",
            frame(attacker, b"\x00\x64\x08\x00" + inner, ethertype=0x8100),
            frame(attacker, b"\x00\x64\x81\x00\x00\x05\x08\x00" + inner, ethertype=0x88A8))
    refused(lab, attacker, "guard_kind", frame(attacker, b"\x00\x01\x01\x40" + inner,
                                               ethertype=0x8847),
            frame(attacker, bytes(46), to="01:80:c2:00:00:0e", ethertype=0x88CC),
            frame(attacker, bytes(46), to="01:80:c2:00:00:00", ethertype=38))


# ---- the underlay ----

UNDERLAY = ["172.16.2.2", "172.16.2.3", "172.16.3.2", "172.16.1.3", "10.99.0.1"]
INNER = udp("192.0.2.10", "10.4.5.1")
PAYLOADS = {
    "ip-in-ip": (4, INNER),
    "vxlan": (17, struct.pack("!HHHHII", 4789, 4789, 30 + len(INNER), 0, 0x08000000, 0)
              + bytes(12) + b"\x08\x00" + INNER),
    "gre": (47, b"\x00\x00\x08\x00" + INNER),
    "ipv6-in-ip": (41, bytes([0x60]) + bytes(39)),
    "bfd": (17, struct.pack("!HHHH", 49152, 3784, 32, 0) + bytes(24)),
    "carrier": (17, struct.pack("!HHHH", 6080, 6080, 8 + len(INNER), 0) + INNER),
    "openflow": (6, struct.pack("!HHIIBBHHH", 9, 6653, 0, 0, 0x50, 2, 1000, 0, 0)),
}


@pytest.mark.parametrize("kind", PAYLOADS)
def test_a_node_does_not_reach_the_underlay_or_the_controller(lab: Lab, kind: str) -> None:
    """A registered one, by the gateway and past it."""
    laptop = lab.host("laptop")
    labs.wait_place(lab, "laptop", "fe2", "ap0")
    past = mac_of(lab, "fe2", "ap0")
    protocol, payload = PAYLOADS[kind]
    packets = [ip_packet(LAPTOP, there, protocol, payload) for there in UNDERLAY]
    with Capture(lab.netns("core"), "net2") as capture, \
            Capture(lab.netns("cc"), "mg0") as management:
        refused(lab, laptop, "guard_underlay", *[frame(laptop, packet) for packet in packets],
                *[frame(laptop, packet, to=past) for packet in packets],
                *[frame(laptop, packet, to="ff:ff:ff:ff:ff:ff") for packet in packets], port="ap0")
        inner = socket.inet_aton(LAPTOP)
        quietly(capture, lambda f: f.is_ipv4 and inner in f.data[26:30])
        quietly(management, lambda f: f.is_ipv4 and inner in f.data[26:30])


def mac_of(lab: Lab, element: str, device: str) -> str:
    said = subprocess.run(["ip", "-n", lab.netns(element), "link", "show", device],
                          capture_output=True, text=True, check=True).stdout
    found = re.search(r"link/ether (\S+)", said)
    assert found
    return found.group(1)


def test_who_is_no_node_does_not_reach_the_underlay_either(lab: Lab, attacker: HostHandle) -> None:
    """With a source that VICTOR does not cover, to the element's own MAC: the kernel would route."""
    past = mac_of(lab, "fe2", PORT)
    refused(lab, attacker, "guard_underlay",
            *[frame(attacker, udp("203.0.113.66", there), to=past)
              for there in [*UNDERLAY, "172.16.2.1", "172.16.1.1"]])


def source_routed(packet: bytes, options: bytes) -> bytes:
    """With the options, and a right sum: a bridge on the way may look at it."""
    header = bytearray(packet[:20] + options)
    header[0] = 0x40 | len(header) // 4
    header[2:4] = (len(packet) + len(options)).to_bytes(2, "big")
    header[10:12] = bytes(2)
    total = sum(int.from_bytes(header[i:i + 2], "big") for i in range(0, len(header), 2))
    total = (total & 0xFFFF) + (total >> 16)
    header[10:12] = (~(total + (total >> 16)) & 0xFFFF).to_bytes(2, "big")
    return bytes(header) + packet[20:]


def test_source_routes_and_hidden_headers_are_refused(lab: Lab) -> None:
    laptop = lab.host("laptop")
    routed = source_routed(udp(LAPTOP, "10.4.5.1"), bytes([131, 7, 4, 172, 16, 2, 2, 0]))
    segments = (b"\x60\x00\x00\x00\x00\x20\x2b\x40" + socket.inet_pton(socket.AF_INET6, LAPTOP6)
                + socket.inet_pton(socket.AF_INET6, "2001:db8:ff::2")
                + b"\x3b\x02\x04\x01\x00\x00\x00\x00" + bytes(16) + bytes(8))
    refused(lab, laptop, "guard_header", frame(laptop, routed),
            frame(laptop, segments, ethertype=0x86DD), port="ap0")


# ---- tunnels, and outside ----

@pytest.mark.parametrize("source", ["172.16.2.1", "172.16.9.9"])
def test_who_is_no_element_injects_nothing(lab: Lab, source: str) -> None:
    before = labs.drops(lab, "fe2")["unknown_peer"]
    core = labs.stranger(lab, "core", "net2")
    tunnelled = [ip_packet(source, own, *outer) for own in ("172.16.2.2", "172.16.2.3")
                 for outer in ((4, udp("192.0.2.10", LAPTOP)),)]
    with lab.host("laptop").capture() as capture:
        with core.socket(socket.SOCK_RAW, protocol=socket.IPPROTO_RAW) as raw:
            for packet in tunnelled * COUNT:
                raw.sendto(packet, (socket.inet_ntoa(packet[16:20]), 0))
        labs.eventually("the drops", lambda: labs.drops(lab, "fe2")["unknown_peer"]
                        >= before + 2 * COUNT)
        quietly(capture, lambda f: f.is_ipv4 and b"attack" in f.data)


def test_a_tunnel_that_does_not_come_by_the_backplane_is_none(lab: Lab) -> None:
    """As if from FE2, by FE1's external port."""
    client = lab.host("client")
    marker = b"from outside"
    packet = ip_packet("172.16.2.2", "172.16.1.2", 4, udp("192.0.2.10", LAPTOP, payload=marker))
    to = mac_of(lab, "fe1", "ext0")
    with lab.host("laptop").capture() as capture:
        send(client, *[frame(client, packet, to=to)] * COUNT)
        with Conversation(client, lab.host("laptop")) as talk:
            talk.wait_progress()
        quietly(capture, lambda f: marker in f.data)


def test_nobody_outside_has_a_nodes_address(lab: Lab) -> None:
    client, before = lab.host("client"), labs.drops(lab, "fe1")["guard_outside"]
    to = mac_of(lab, "fe1", "ext0")
    with lab.host("laptop").capture() as capture:
        send(client, *[frame(client, udp(source, LAPTOP), to=to)
                       for source in (VM, "10.4.5.1", "10.10.99.99")] * COUNT)
        labs.eventually("the drops", lambda: labs.drops(lab, "fe1")["guard_outside"]
                        >= before + 3 * COUNT)
        quietly(capture, lambda f: f.is_ipv4 and b"attack" in f.data)


# ---- who is honest ----

def test_a_known_nodes_first_packet_registers_it_still(lab: Lab) -> None:
    """It moves without a word; and its DHCP requests pass."""
    laptop = lab.host("laptop")
    lab.move("laptop", "ap2", announce=False)
    discover = frame(laptop, udp("0.0.0.0", "255.255.255.255", (68, 67)), to="ff:ff:ff:ff:ff:ff")
    with Capture(lab.netns("fe3"), "ap0", frames.ETH_P_ALL) as capture:
        send(laptop, discover)
        labs.eventually("the request", lambda: any(b"attack" in f.data for f in capture.read()))
    send(laptop, frame(laptop, udp(LAPTOP, "10.4.5.1")))
    labs.wait_place(lab, "laptop", "fe3", "ap0")
    lab.move("laptop", "ap1")
    labs.wait_place(lab, "laptop", "fe2", "ap0")


def test_victorctl_says_what_each_port_met(lab: Lab) -> None:
    said = ctl.text(lab, "show", "counters", "fe2")
    assert re.search(rf"^4 +{PORT} +guard_gateway +\d+$", said, re.M), said
    assert re.search(rf"^4 +{PORT} +punt_limited +\d+$", said, re.M), said
