"""Backplane links of every kind: TCP with segmentation offload over them, transit, liveness, local
failover. Topology: chain.py; no controller is there, so whatever happens the elements do alone.
"""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator

import chain
import pytest
from chain import LINK_PORT, Chain
from lab import netns
from lab.runtime import HostHandle
from lab.topology import Host
from traffic import Conversation, transfer

UDP_SEGMENT = 103    # linux/udp.h


@pytest.fixture
def make(tmp_path) -> Iterator[Callable[..., Chain]]:
    made: list[Chain] = []

    def create(name: str, **settings: bool) -> Chain:
        made.append(Chain(tmp_path, name, **settings))
        return made[-1]

    yield create
    for each in made:
        each.close()


def provisioned(c: Chain, kind: str, direct: bool = False) -> None:
    """fe1 ─21─ fe2 ─22─ fe3, and fe1 ─23─ fe3 where asked for."""
    wires = [(1, 2, 21), (2, 3, 22)] + ([(1, 3, 23)] if direct else [])
    for a, b, number in wires:
        c.wire(a, b, kind, number, silent=number == 23)
    c.start()
    for a, b, number in wires:
        for k, other in ((a, b), (b, a)):
            labels = {"labels": (1000 + k, 2000 + k), "label_in": 1000 + other} \
                if kind == "mpls" else {}
            c.client(k).set_link(number, other, kind, **labels)
    c.wait_up(*((k, number) for a, b, number in wires for k in (a, b)))
    ways(c, 21, 22, 21, 22)


def routed(c: Chain, kind: str) -> None:
    c.start()
    for k, other in ((1, 2), (2, 1), (2, 3), (3, 2)):
        c.client(k).set_link(LINK_PORT + other, other, kind)
    c.wait_up(*((k, LINK_PORT + other) for k, other in ((1, 2), (2, 1), (2, 3), (3, 2))))
    ways(c, LINK_PORT + 2, LINK_PORT + 3, LINK_PORT + 1, LINK_PORT + 2)


def ways(c: Chain, first: int, second: int, back: int, last: int) -> None:
    """Only through fe2."""
    c.way(1, 2, first)
    c.way(1, 3, first)
    c.way(2, 3, second)
    c.way(2, 1, back)
    c.way(3, 1, last)
    c.way(3, 2, last)


def check_tcp(c: Chain) -> None:
    """Both directions, in large segments (the nodes' offloads are on), and every byte."""
    with Conversation(c.nodes[1], c.nodes[3]):
        pass
    transfer(c.nodes[1], c.nodes[3], 4 << 20)
    transfer(c.nodes[3], c.nodes[1], 4 << 20)


@pytest.mark.parametrize("kind", ["ethernet", "mpls", "raw"])
def test_tcp_passes_a_transit_element_over_provisioned_links(make, kind: str) -> None:
    c = make(kind[0])
    provisioned(c, kind)
    check_tcp(c)
    assert c.client(2).links()[22].packets > 100
    assert c.verdict(2, "no_path") == 0 and c.verdict(2, "rewrite_failed") == 0


@pytest.mark.parametrize("kind", ["ip", "udp"])
def test_tcp_passes_a_transit_element_over_the_routed_underlay(make, kind: str) -> None:
    c = make(kind[0], underlay=True)
    routed(c, kind)
    check_tcp(c)
    assert c.client(2).links()[LINK_PORT + 3].packets > 100


def joined(make: Callable[..., Chain], kind: str, **settings: bool) -> Chain:
    """A chain over links of that kind; ethernet also with an underlay that nobody uses."""
    c = make(kind[0], underlay=kind in ("ip", "udp", "ethernet beside an underlay"), **settings)
    if kind in ("ip", "udp"):
        routed(c, kind)
    else:
        provisioned(c, kind.split()[0])
    return c


KINDS = ["ethernet", "ethernet beside an underlay", "mpls", "raw", "ip", "udp"]


@pytest.mark.parametrize("kind", KINDS)
def test_bulk_traffic_arrives_whole_at_taps_outside_and_at_the_element_itself(make, kind: str) -> None:
    """Behind links of every kind, both ways; out at fe3 by the kernel's routes: a packet of many
    segments goes the long way there."""
    c = joined(make, kind, border=True, taps=True)
    assert c.out is not None
    check_tcp(c)
    for k in (1, 3):
        check_whole(c, k, "acc0")
    with Conversation(c.nodes[1], c.out):
        pass
    transfer(c.nodes[1], c.out, 4 << 20)
    transfer(c.out, c.nodes[1], 4 << 20)
    check_whole(c, 3, "ext0")
    check_reached(c.nodes[1], HostHandle(Host("fe3", "ext0", "192.0.2.1", ""), c.ns("fe3")))


def check_whole(c: Chain, k: int, device: str) -> None:
    """Not in segments (bpf/inner.h)."""
    frames, size = c.sent(k, device)
    assert size / frames > 3000


def check_reached(here: HostHandle, there: HostHandle) -> None:
    """Datagrams sent as packets of many, to an element's own address: back up by the device that
    they came by."""
    with here.socket(kind=socket.SOCK_DGRAM) as source, \
            there.socket(kind=socket.SOCK_DGRAM) as sink:
        sink.bind((there.address, 0))
        sink.settimeout(chain.TIMEOUT_S)
        source.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1000)
        for turn in range(10):
            parts = [bytes([turn, i]) * 500 for i in range(20)]
            source.sendto(b"".join(parts), sink.getsockname())
            assert [sink.recv(2000) for _ in parts] == parts


def test_a_dead_link_is_left_within_its_detection_time_by_the_element_itself(make) -> None:
    c = make("f")
    provisioned(c, "ethernet", direct=True)
    c.way(1, 3, 23, 21)
    c.way(3, 1, 23, 22)
    outage = measure_outage(c, lambda: netns.batch(["link set l23 down"], c.ns("fe1")))
    print(f"\nlink loss that takes the carrier: {outage * 1000:.0f} ms")
    assert outage < 0.5
    netns.batch(["link set l23 up"], c.ns("fe1"))
    c.wait_up((1, 23), (3, 23))
    # Frames vanish, the carrier stays: only BFD sees that.
    outage = measure_outage(c, lambda: c.cut(23, 3))
    print(f"link loss that only BFD sees: {outage * 1000:.0f} ms (3 x 50 ms and a margin)")
    assert outage < 0.6
    assert not c.up(1, 23) and not c.up(3, 23)


def measure_outage(c: Chain, cut: Callable[[], object]) -> float:
    """The longest silence around the cut in a stream of datagrams, one each millisecond."""
    with c.nodes[3].socket(kind=socket.SOCK_DGRAM) as there, \
            c.nodes[1].socket(kind=socket.SOCK_DGRAM) as here:
        there.bind((c.nodes[3].address, 0))
        there.setblocking(False)
        to = there.getsockname()
        heard: list[float] = []
        start, is_cut = time.monotonic(), False
        while time.monotonic() < start + 2.5:
            here.sendto(b"x", to)
            if not is_cut and time.monotonic() > start + 0.7:
                threading.Thread(target=cut).start()
                is_cut = True
            time.sleep(0.001)
            try:
                while there.recv(16):
                    heard.append(time.monotonic())
            except BlockingIOError:
                pass
        assert heard and heard[-1] > start + 2, "nothing arrives any more"
        return max(b - a for a, b in zip(heard, heard[1:]))


def test_flows_share_the_paths_of_a_select_group(make) -> None:
    c = make("s")
    provisioned(c, "ethernet", direct=True)
    c.way(1, 3, 23, 21, select=True)
    with c.nodes[1].socket(kind=socket.SOCK_DGRAM) as here, \
            c.nodes[3].socket(kind=socket.SOCK_DGRAM) as there:
        there.bind((c.nodes[3].address, 7000))
        before = c.client(1).links()
        for port in range(200):
            here.sendto(b"x" * 100, (c.nodes[3].address, 7000 + port))
        after = c.client(1).links()
    shares = [after[n].packets - before[n].packets for n in (21, 23)]
    assert sum(shares) >= 200 and min(shares) > 50, shares
    with Conversation(c.nodes[1], c.nodes[3]):
        pass


def test_delay_is_measured_and_sessions_stay_up_under_load(make) -> None:
    c = make("d")
    provisioned(c, "ethernet")
    for _ in range(4):
        transfer(c.nodes[1], c.nodes[3], 16 << 20)
    chain.wait("a delay is known", lambda: c.client(1).links()[21].delay_us > 0)
    delay = c.client(1).links()[21].delay_us
    print(f"\ndelay of a veth: {delay} us")
    assert delay < 50000
    assert c.client(1).links()[21].up and c.client(2).links()[22].up
    log = (c.tmp / "fe1.log").read_text()
    assert "is down" not in log, log


@pytest.mark.skipif(not chain.can_nat(), reason="nft is not installed")
def test_a_udp_link_crosses_a_nat(make) -> None:
    """fe1 is behind the router, which hides its addresses; the others learn where it is."""
    c = make("n", underlay=True)
    subprocess.run(netns.enter(c.ns("net"), ["nft", "-f", "-"]), check=True, text=True, input="""
        table ip nat {
            chain post {
                type nat hook postrouting priority 100
                oifname { "r2", "r3" } ip saddr 172.16.1.0/24 masquerade random
            }
        }
        table ip filter {
            chain forward {
                type filter hook forward priority 0
                oifname "r1" ct state new drop
            }
        }
        """)
    c.start()
    c.client(1).set_link(LINK_PORT + 2, 2, "udp")
    c.client(2).set_link(LINK_PORT + 1, 1, "udp", remote_port=0)
    for k, other in ((2, 3), (3, 2)):
        c.client(k).set_link(LINK_PORT + other, other, "udp")
    c.wait_up((1, LINK_PORT + 2), (2, LINK_PORT + 1), (2, LINK_PORT + 3), (3, LINK_PORT + 2))
    ways(c, LINK_PORT + 2, LINK_PORT + 3, LINK_PORT + 1, LINK_PORT + 2)
    check_tcp(c)


def test_a_restarted_element_goes_on_with_its_links(make) -> None:
    c = make("r")
    provisioned(c, "ethernet")
    with Conversation(c.nodes[1], c.nodes[3]):
        c.daemons[2].stop()
        c.daemons[2].start()
        c.wait_listens(2)
        c.wait_up((2, 21), (2, 22), (1, 21), (3, 22))
