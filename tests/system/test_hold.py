"""Packets that a handoff would lose are kept until they have somewhere to go (fe/hold.h).

    client ── FE1 ══╤══ FE2 ap0 ── AP1 ┐
                    │                  ├─ laptop 10.10.0.36, 2001:db8:10::36
                    └══ FE3 ap0 ── AP2 ┘            (the rest: lab/figure2dual.py)

The laptop leaves before it arrives: in between there is no carrier anywhere. Nothing here depends on
how long that takes, for as long as it is less than the elements' hold_ms, 1000.
"""

from __future__ import annotations

import contextlib
import socket
import statistics
import time
from collections.abc import Iterator

import ctl
import labs
import pytest
from lab import figure2dual as dual
from lab.figure2 import GATEWAY_MAC
from lab.frames import ETH_P_ALL, ETH_P_ARP, Capture, Frame
from lab.runtime import HostHandle, Lab
from neighbors import send
from test_drops import frame
from traffic import Datagrams, connect

INTERVAL_S = 0.002
WAIT_S = 5.0
TICK_S = 0.05    # at which the agent looks by itself
PACKET_IN = b"\x04\x0a"    # OpenFlow 1.3, behind Ethernet, IPv4 and TCP with timestamps
CLASS = 0xb9    # EF, and ECT(1)
ETH_P = {socket.AF_INET: 0x0800, socket.AF_INET6: 0x86dd}
FAMILIES = pytest.mark.parametrize("family", ETH_P, ids=("ipv4", "ipv6"))
RETRANSMISSION_S = 30    # the soonest by a timer: what was held needs none


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with labs.running(dual.Lab) as one:
        for host, family, gateway in (("client", "-4", "192.0.2.1"), ("laptop", "-4", "10.10.0.1"),
                                      ("client", "-6", dual.CLIENT_ROUTER),
                                      ("laptop", "-6", dual.GATEWAY)):
            done = one.host(host).run("ip", family, "route", "change", "default", "via", gateway,
                                      "rto_min", f"{RETRANSMISSION_S}s")
            assert done.returncode == 0, done.stderr
        laptop = one.host("laptop")
        laptop.run("ip", "neigh", "replace", "10.10.0.1", "lladdr", GATEWAY_MAC, "dev",
                   laptop.device, "nud", "permanent")
        yield one


@pytest.fixture(autouse=True)
def laptop_at_ap1(lab: Lab) -> None:
    if lab.place("laptop") is None:
        lab.arrive("laptop", "ap1")
    lab.move("laptop", "ap1")
    labs.wait_place(lab, "laptop", "fe2", "ap0")


def ends(lab: Lab, family: socket.AddressFamily) -> tuple[HostHandle, HostHandle]:
    client, laptop = lab.host("client"), lab.host("laptop")
    if family == socket.AF_INET:
        return client, laptop
    return client.at(dual.CLIENT), laptop.at(dual.LAPTOP)


def leave(lab: Lab) -> None:
    """Until its element knows; it tells the controller when it has begun to hold."""
    lab.leave("laptop")
    labs.eventually("port that is down", lambda: not labs.ports(lab, "fe2")["ap0"]["up"])


def counts(lab: Lab, element: str) -> labs.Counts:
    """What it dropped, and what else it counts, by name."""
    found = lab.rest.get(f"/v1/elements/{element}/counters")
    return labs.Counts({d["reason"]: d["packets"] for d in found["drops"]}
                       | {o["what"]: o["packets"] for o in found["others"]})


def send_for(datagrams: Datagrams, seconds: float, interval_s: float = INTERVAL_S) -> None:
    due = time.monotonic()
    until = due + seconds
    while due < until:
        datagrams.send()
        due += interval_s
        time.sleep(max(0.0, due - time.monotonic()))


def wait_all(datagrams: Datagrams) -> None:
    with contextlib.suppress(TimeoutError):
        labs.eventually("all", lambda: len(datagrams.collect()) >= datagrams.sent, WAIT_S)
    assert sorted(datagrams.arrived) == list(range(datagrams.sent)), (
        "lost, or more than once")


def wait_first(datagrams: Datagrams) -> None:
    datagrams.send()
    labs.eventually("the first datagram", lambda: datagrams.collect())


def traffic_class(one: Frame) -> int:
    return one.data[15] if one.is_ipv4 else (one.data[14] & 15) << 4 | one.data[15] >> 4


def is_datagram(one: Frame) -> bool:
    return one.data[23 if one.is_ipv4 else 20] == socket.IPPROTO_UDP


def checksum_errors(host: HostHandle) -> int:
    """Of TCP and UDP."""
    lines = host.run("cat", "/proc/net/snmp").stdout.splitlines()
    names = [dict(zip(a.split(), b.split())) for a, b in zip(lines[::2], lines[1::2])]
    v6 = dict(line.split() for line in host.run("cat", "/proc/net/snmp6").stdout.splitlines())
    return sum(int(n["InCsumErrors"]) for n in names if n.keys() & {"Udp:", "Tcp:"}) + int(
        v6["Udp6InCsumErrors"])


@FAMILIES
def test_packets_for_a_node_that_leaves_before_it_arrives_wait_for_it(
        lab: Lab, family: socket.AddressFamily) -> None:
    client, laptop = ends(lab, family)
    held, errors = counts(lab, "fe2")["held"], checksum_errors(laptop)
    with Datagrams(client, laptop) as datagrams, laptop.capture(protocol=ETH_P[family]) as capture:
        if family == socket.AF_INET:
            datagrams.source.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, CLASS)
        else:
            datagrams.source.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, CLASS)
        wait_first(datagrams)
        leave(lab)
        send_for(datagrams, 0.12)
        kept = datagrams.sent - 1
        lab.arrive("laptop", "ap2")
        send_for(datagrams, 0.02)
        wait_all(datagrams)
        classes = {traffic_class(f) for f in capture.read() if is_datagram(f)}
    assert [n for n in datagrams.arrived if n <= kept] == list(range(kept + 1)), "out of order"
    assert counts(lab, "fe2")["held"] >= held + kept
    assert checksum_errors(laptop) == errors
    assert classes == {CLASS}


def test_large_datagrams_wait_as_well(lab: Lab) -> None:
    client, laptop = ends(lab, socket.AF_INET)
    with client.socket(socket.SOCK_DGRAM) as source, laptop.socket(socket.SOCK_DGRAM) as sink:
        sink.bind((laptop.address, 0))
        sink.settimeout(labs.TIMEOUT_S)
        source.connect(sink.getsockname())
        leave(lab)
        sent = [bytes([i]) * 1472 for i in range(20)]
        for data in sent:
            source.send(data)
        lab.arrive("laptop", "ap2")
        assert [sink.recv(2048) for _ in sent] == sent


@FAMILIES
def test_what_tcp_says_to_a_node_under_way_needs_no_retransmission(
        lab: Lab, family: socket.AddressFamily) -> None:
    client, laptop = ends(lab, family)
    errors = checksum_errors(laptop)
    near, far = connect(client, laptop)
    with near, far:
        near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        far.settimeout(RETRANSMISSION_S / 2)
        leave(lab)
        said = [b"request %d;" % i * (i + 1) for i in range(8)]
        for request in said:
            near.send(request)
        lab.arrive("laptop", "ap2")
        heard = b""
        while len(heard) < len(b"".join(said)):
            heard += far.recv(1 << 16)
        assert heard == b"".join(said)
        far.send(heard)
        near.settimeout(RETRANSMISSION_S / 2)
        answer = b""
        while len(answer) < len(heard):
            answer += near.recv(1 << 16)
        assert answer == heard
    assert checksum_errors(laptop) == errors


def test_a_node_that_comes_back_to_its_port_gets_what_was_sent_meanwhile(lab: Lab) -> None:
    with Datagrams(*ends(lab, socket.AF_INET)) as datagrams:
        wait_first(datagrams)
        leave(lab)
        datagrams.send(50)
        lab.arrive("laptop", "ap1", announce=False)
        wait_all(datagrams)


def test_an_announcement_behind_what_is_kept_is_heard_at_once(lab: Lab) -> None:
    """The agent is not woken for packets that it can do nothing with yet."""
    took = []
    with Datagrams(*ends(lab, socket.AF_INET)) as datagrams, \
            Capture(lab.netns("fe2"), "srv0", ETH_P_ARP) as heard, \
            Capture(lab.netns("fe2"), "mg0", ETH_P_ALL) as told:
        wait_first(datagrams)
        leave(lab)
        list(told.read())
        for _ in range(9):
            list(heard.read())
            datagrams.send(2)
            lab.host("vm").announce()
            said = labs.eventually("a packet-in", lambda: [
                f.at for f in told.read() if f.outgoing and f.data[66:68] == PACKET_IN])
            took.append(said[0] - next(f.at for f in heard.read() if not f.outgoing))
    assert statistics.median(took) < TICK_S / 2, took


def test_what_a_node_sends_before_its_binding_arrives_arrives(lab: Lab) -> None:
    client, laptop = ends(lab, socket.AF_INET)
    with Datagrams(laptop, client) as datagrams:
        wait_first(datagrams)
        lab.move("laptop", "ap2", announce=False)
        datagrams.send(5)
        labs.wait_place(lab, "laptop", "fe3", "ap0")
        datagrams.send(5)
        wait_all(datagrams)


def test_nothing_goes_on_of_a_node_that_pretends_to_be_another(lab: Lab) -> None:
    """server2 is FE3's; somebody at FE2 has its address and MAC."""
    client, server = lab.host("client"), lab.host("server2")
    before = counts(lab, "fe2")
    spoofed = [frame(lab, "laptop", server.address, client.address, mac=server.mac)] * 7
    with client.capture() as capture, Datagrams(lab.host("laptop"), client) as own:
        send(lab.host("laptop"), *spoofed)
        own.send(5)
        wait_all(own)
        labs.eventually("an end of what was kept", lambda: counts(
            lab, "fe2")["hold_over"] == before["hold_over"] + 7)
        assert not [f for f in capture.read() if f.is_ipv4 and f.source == server.address]
    assert labs.place_of(lab, "server2") == ("fe3", "srv0")


def test_a_port_holds_for_a_while_only(lab: Lab) -> None:
    before = counts(lab, "fe2")
    with Datagrams(*ends(lab, socket.AF_INET)) as datagrams:
        wait_first(datagrams)
        leave(lab)
        send_for(datagrams, 1.2, interval_s=0.01)

        def is_over() -> bool:
            """Whether packets go out of the port again, as if there were somebody."""
            before = counts(lab, "fe2")["forwarded_local"]
            datagrams.send(5)
            return counts(lab, "fe2")["forwarded_local"] >= before + 5

        labs.eventually("an end of holding", is_over, 3)
        held = counts(lab, "fe2")["held"] - before["held"]
        assert held >= 50
        labs.eventually("an end of what was kept", lambda: counts(
            lab, "fe2")["hold_over"] == before["hold_over"] + held)
        shown = ctl.text(lab, "show", "counters", "fe2")
        assert "held" in shown and "hold_over" in shown
        lab.arrive("laptop", "ap2")
        labs.wait_place(lab, "laptop", "fe3", "ap0")
        datagrams.send()
        labs.eventually("the last datagram", lambda: datagrams.sent - 1 in datagrams.collect())
        assert not set(datagrams.arrived) & set(range(1, 1 + held))


def test_an_agent_killed_while_a_port_holds_leaves_no_trace_of_it(lab: Lab) -> None:
    client, server = lab.host("client"), lab.host("server1")
    with Datagrams(client, lab.host("laptop")) as datagrams, Datagrams(client, server) as others:
        wait_first(datagrams)
        leave(lab)
        datagrams.send(20)
        lab.fe("fe2").kill()
        others.send(50)
        datagrams.send(20)
        others.send(50)
        wait_all(others)
        lab.arrive("laptop", "ap1", announce=False)
        lab.fe("fe2").start()
        labs.wait_online(lab, "fe2")

        def reached() -> bool:
            datagrams.send()
            return datagrams.sent - 1 in datagrams.collect()

        labs.eventually("a datagram at the old port", reached)
        assert len(set(datagrams.arrived)) == len(datagrams.arrived)
        others.send(50)
        wait_all(others)
