"""As test_icmp.py, for IPv6: one hop, its address the gateway's, and TCP that finds what fits.
Topology: lab/figure2.py, the laptop (FE2) and server2 (FE3) with IPv6 addresses as well.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

import labs
import pytest
from lab import netns
from lab.runtime import HostHandle, Lab
from lab.topology import Topology

ADDRESSES = {"laptop": "2001:db8:10::36", "server2": "2001:db8:45::1"}
GATEWAYS = {"laptop": "2001:db8:10::1", "server2": "2001:db8:45::fe"}
NARROW = 1400
PAIRS = [("laptop", "server2"), ("server2", "laptop")]


def with_ipv6(t: Topology) -> None:
    t.prefixes += [
        {"prefix": "2001:db8:10::/64", "mobile": True, "gateway": GATEWAYS["laptop"]},
        {"prefix": "2001:db8:45::/64", "gateway": GATEWAYS["server2"], "elements": ["fe3"]}]
    for node in t.inventory:
        if node["id"] in ADDRESSES:
            node["addresses"] = [*node["addresses"], ADDRESSES[node["id"]]]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with labs.running(labs.variant(with_ipv6)) as one:
        for name, address in ADDRESSES.items():
            host = one.host(name)
            netns.sysctl(host.netns, {f"net.ipv6.conf.{host.device}.disable_ipv6": "0",
                                      f"net.ipv6.conf.{host.device}.accept_ra": "0"})
            netns.batch([f"addr add {address}/64 dev {host.device} nodad",
                         f"route add default via {GATEWAYS[name]}"], host.netns)
            ping6(host, GATEWAYS[name], 56)    # whose neighbour solicitation registers it
        for source, sink in PAIRS:
            labs.eventually(f"a ping by {source}", lambda: "1 received" in ping6(
                one.host(source), ADDRESSES[sink], 56))
        yield one


def ping6(host: HostHandle, address: str, size: int) -> str:
    done = host.run("ping", "-6", "-n", "-c1", "-W1", "-Mdo", f"-s{size}", address)
    return done.stdout + done.stderr


@pytest.mark.parametrize("options", [(), ("-I",), ("-T", "-p", "9")], ids=["udp", "icmp", "tcp"])
@pytest.mark.parametrize("source,sink", PAIRS)
def test_traceroute_shows_one_hop_and_it_is_the_gateway(lab: Lab, source: str, sink: str,
                                                        options: tuple[str, ...]) -> None:
    said = lab.host(source).run("traceroute", "-6", "-n", "-q1", "-w3", "-m6", *options,
                                ADDRESSES[sink]).stdout
    assert re.findall(r"^ *\d+ +([0-9a-f:*]+)", said, re.M) == [GATEWAYS[source], ADDRESSES[sink]]


@pytest.mark.parametrize("source,sink", PAIRS)
def test_a_packet_too_large_is_told_by_the_gateway(lab: Lab, source: str, sink: str) -> None:
    try:
        for element in ("fe2", "fe3"):
            netns.batch([f"link set bp0 mtu {NARROW}"], lab.netns(element))
        host = lab.host(source)
        said = ping6(host, ADDRESSES[sink], 1500 - 48)
        assert re.search(rf"From {GATEWAYS[source]} .*Packet too big: mtu={NARROW - 20}", said), said
        with lab.host(sink).socket(family=socket.AF_INET6) as listener:
            listener.bind((ADDRESSES[sink], 0))
            listener.listen(1)
            listener.settimeout(10)
            with host.socket(family=socket.AF_INET6) as near:
                near.settimeout(10)
                near.connect(listener.getsockname())
                far, _ = listener.accept()
                with far:
                    far.settimeout(10)
                    for _ in range(64):
                        near.sendall(bytes(16384))
                        received = 0
                        while received < 16384:
                            received += len(far.recv(16384 - received))
    finally:
        for element in ("fe2", "fe3"):
            netns.batch(["link set bp0 mtu 1600"], lab.netns(element))
