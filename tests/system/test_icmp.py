"""One router to the eye: what senders hear of packets that cannot go on, and from whom. Topology:
lab/figure2.py; whatever FEs a packet passes, it passes one router, whose address is the gateway's.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator

import labs
import pytest
from lab import netns
from lab.runtime import HostHandle, Lab
from lab.topology import Topology
from traffic import ping_df, transfer_both_ways

HEADERS = 28           # of IPv4 and ICMP
NARROW = 1400
MOBILE, SITE2, SITE3 = "10.10.0.1", "10.2.3.254", "10.4.5.254"    # gateways

KINDS = {"udp": (), "icmp": ("-I",), "tcp": ("-T", "-p", "9")}
# Sender, receiver, the one hop between: the gateway of the sender's prefix, or of the receiver's.
PATHS = [("laptop", "server2", MOBILE), ("server2", "laptop", SITE3), ("laptop", "vm", MOBILE),
         ("laptop", "client", MOBILE), ("server1", "server2", SITE2), ("client", "laptop", MOBILE),
         ("client", "server2", SITE3)]


def hops(said: str) -> list[str]:
    """The address at each; '*' where none said anything."""
    return re.findall(r"^ *\d+ +([0-9a-f.:*]+)", said, re.M)


def traceroute(source: HostHandle, sink: HostHandle, *options: str) -> list[str]:
    return hops(source.run("traceroute", "-n", "-q1", "-w3", "-m6", *options, sink.address).stdout)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    def tell(t: Topology) -> None:
        for prefix in t.prefixes:
            if prefix["prefix"] == "10.4.5.0/24":
                prefix["unreachable"] = True

    with labs.running(labs.variant(tell)) as one:
        yield one


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("source,sink,hop", PATHS)
def test_traceroute_shows_one_hop_and_it_is_the_gateway(lab: Lab, source: str, sink: str, hop: str,
                                                        kind: str) -> None:
    found = traceroute(lab.host(source), lab.host(sink), *KINDS[kind])
    assert found == [hop, lab.host(sink).address]


@pytest.mark.parametrize("source", ["laptop", "server2"])
def test_the_gateway_is_a_hop_of_its_own(lab: Lab, source: str) -> None:
    """It answers the probes that are sent to itself too."""
    gateway = MOBILE if source == "laptop" else SITE3
    said = lab.host(source).run("traceroute", "-n", "-q1", "-w3", "-m3", gateway).stdout
    assert hops(said) == [gateway]


# ---- addresses that nobody has: told in 10.4.5.0/24 (`unreachable: true`), silence elsewhere ----

def errors_of(host: HostHandle, address: str) -> str:
    return host.run("ping", "-n", "-c1", "-W1", address).stdout


@pytest.mark.parametrize("source,gateway", [("laptop", MOBILE), ("server1", SITE2),
                                            ("client", SITE3)])
def test_an_address_that_nobody_has_is_unreachable_where_the_prefix_says_so(
        lab: Lab, source: str, gateway: str) -> None:
    assert f"From {gateway} icmp_seq=1 Destination Host Unreachable" in errors_of(
        lab.host(source), "10.4.5.77")


@pytest.mark.parametrize("source", ["laptop", "client"])
def test_an_address_that_nobody_has_meets_silence_elsewhere(lab: Lab, source: str) -> None:
    assert "From" not in errors_of(lab.host(source), "10.10.9.9")


def test_connecting_to_an_address_that_nobody_has_fails_at_once(lab: Lab) -> None:
    with lab.host("client").socket() as sock:
        sock.settimeout(10)
        with pytest.raises(OSError) as refused:
            sock.connect(("10.4.5.77", 80))
    assert refused.value.errno == errno.EHOSTUNREACH


@pytest.fixture
def narrow_port(lab: Lab) -> Iterator[str]:
    """The laptop's port takes less than the laptop's own device says."""
    netns.batch([f"link set ap0 mtu {NARROW}"], lab.netns("fe2"))
    hosts = [lab.host(name) for name in ("server2", "client", "server1", "laptop")]
    labs.eventually("the new MTU", lambda: f"mtu = {NARROW}" in ping_df(
        lab.host("server1"), lab.host("laptop").address, 1500 - HEADERS))
    yield lab.host("laptop").address
    netns.batch(["link set ap0 mtu 1500"], lab.netns("fe2"))
    for host in hosts:
        host.run("ip", "route", "flush", "cache")


@pytest.mark.parametrize("sender,gateway", [("server2", SITE3), ("client", MOBILE),
                                            ("server1", SITE2)])
def test_a_port_narrower_than_the_way_there_is_told_by_the_gateway(
        lab: Lab, narrow_port: str, sender: str, gateway: str) -> None:
    """The FE where the node is says so through the tunnel, to nodes elsewhere and to clients."""
    host = lab.host(sender)
    host.run("ip", "route", "flush", "cache")
    said = ping_df(host, narrow_port, 1500 - HEADERS)
    assert re.search(rf"From {gateway} .*mtu = {NARROW}", said), said
    assert "1 received" in ping_df(host, narrow_port, NARROW - HEADERS)


@pytest.mark.parametrize("other", ["server2", "client", "server1"])
def test_tcp_does_not_stall_at_a_port_narrower_than_the_way_there(lab: Lab, narrow_port: str,
                                                                 other: str) -> None:
    lab.host(other).run("ip", "route", "flush", "cache")
    transfer_both_ways(lab.host(other), lab.host("laptop"), 4 << 20)
