"""Packets that are too large, and large ones that are not. Topology: lab/figure2.py; in the second
half every backplane link has an MTU of 1500, so that a node's packets may have 1480.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import labs
import pytest
from lab import netns
from lab.frames import ETH_P_ALL, Capture
from lab.runtime import Lab
from traffic import Conversation, ping_df, transfer, transfer_both_ways

HEADERS = 28           # of IPv4 and ICMP
PAIRS = [("client", "laptop"), ("laptop", "client"), ("laptop", "server2"), ("server2", "laptop"),
         ("vm", "server2")]


@pytest.fixture(scope="module")
def narrow() -> Iterator[Lab]:
    with labs.running(labs.variant(lambda t: labs.set_backplane_mtu(t, 1500))) as one:
        yield one


@pytest.mark.parametrize("source,sink", PAIRS)
def test_a_full_sized_packet_passes_a_backplane_with_room(lab: Lab, source: str, sink: str) -> None:
    said = ping_df(lab.host(source), lab.host(sink).address, 1500 - HEADERS)
    assert "1 received" in said, said


@pytest.mark.parametrize("source,sink", PAIRS)
def test_fragments_pass(lab: Lab, source: str, sink: str) -> None:
    done = lab.host(source).run("ping", "-n", "-c1", "-W2", "-s4000", lab.host(sink).address)
    assert "1 received" in done.stdout, done.stdout


def largest_packet(capture: Capture) -> int:
    """The largest IP-in-IP packet that a device sent, before it was cut to segments."""
    return max((struct.unpack_from("!H", f.data, 16)[0] for f in capture.read()
                if f.outgoing and f.is_ipv4 and f.data[23] == 4), default=0)


@pytest.mark.parametrize("source,sink,device", [("client", "laptop", "fe1"),
                                                ("laptop", "client", "fe2"),
                                                ("laptop", "server2", "fe2"),
                                                ("server2", "laptop", "fe3")])
def test_segmentation_is_left_to_the_last_device(lab: Lab, source: str, sink: str,
                                                 device: str) -> None:
    with Capture(lab.netns(device), "bp0", ETH_P_ALL) as capture:
        transfer(lab.host(source), lab.host(sink))
        assert largest_packet(capture) > 1600, "GSO packets were cut before the tunnel"


@pytest.mark.parametrize("source,sink", PAIRS)
def test_a_packet_too_large_for_the_backplane_is_answered_with_what_would_fit(
        narrow: Lab, source: str, sink: str) -> None:
    own = narrow.host(source)
    own.run("ip", "route", "flush", "cache")
    said = ping_df(own, narrow.host(sink).address, 1500 - HEADERS)
    assert "mtu = 1480" in said, said
    assert "1 received" in ping_df(own, narrow.host(sink).address, 1480 - HEADERS)
    own.run("ip", "route", "flush", "cache")


def test_a_packet_too_large_is_counted(narrow: Lab) -> None:
    client = narrow.host("client")
    client.run("ip", "route", "flush", "cache")
    before = labs.drops(narrow, "fe1")["mtu_exceeded"]
    ping_df(client, narrow.host("laptop").address, 1500 - HEADERS)
    assert labs.drops(narrow, "fe1")["mtu_exceeded"] == before + 1
    client.run("ip", "route", "flush", "cache")


@pytest.mark.parametrize("source,sink", [("client", "laptop"), ("laptop", "server2"),
                                         ("vm", "client")])
def test_tcp_finds_the_path_mtu_and_large_transfers_pass(narrow: Lab, source: str,
                                                         sink: str) -> None:
    for host in (source, sink):
        narrow.host(host).run("ip", "route", "flush", "cache")
    transfer_both_ways(narrow.host(source), narrow.host(sink))


def test_tcp_survives_a_backplane_that_narrows_under_it(lab: Lab) -> None:
    """The path's MTU falls in the middle of a connection, and rises again."""
    with Conversation(lab.host("client"), lab.host("laptop")) as talk:
        try:
            netns.batch(["link set bp0 mtu 1500"], lab.netns("fe1"))
            netns.batch(["link set bp0 mtu 1500"], lab.netns("fe2"))
            talk.wait_progress(1 << 18)
        finally:
            for element in ("fe1", "fe2"):
                netns.batch(["link set bp0 mtu 1600"], lab.netns(element))
        talk.wait_progress()
