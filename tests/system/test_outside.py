"""Between VICTOR's nodes and the world outside, and past VICTOR altogether. Topology:
lab/figure2.py; `core`, the underlay's router, stands in for a host that is not VICTOR's.
"""

from __future__ import annotations

import socket
import struct

import labs
import pytest
from lab import netns
from lab.frames import Capture
from lab.runtime import Lab
from traffic import Datagrams, transfer, transfer_both_ways

LARGE = 32 << 20
COUNT = 20


@pytest.mark.parametrize("node", ["laptop", "vm", "server1", "server2", "neighbor"])
def test_the_client_and_every_node_exchange_large_transfers(lab: Lab, node: str) -> None:
    transfer_both_ways(lab.host("client"), lab.host(node))


def test_large_transfers_opened_by_the_node_itself(lab: Lab) -> None:
    laptop, client = lab.host("laptop"), lab.host("client")
    transfer(laptop, client, LARGE)
    transfer(client, laptop, LARGE, opened_by_source=False)


@pytest.mark.parametrize("a,b", [("laptop", "server2"), ("vm", "server2"), ("laptop", "vm"),
                                 ("server1", "server2"), ("laptop", "server1")])
def test_nodes_exchange_large_transfers(lab: Lab, a: str, b: str) -> None:
    transfer_both_ways(lab.host(a), lab.host(b))


def ttls(capture: Capture, source: str) -> set[int]:
    return {f.ttl for f in capture.read()
            if f.is_ipv4 and not f.outgoing and f.source == source and f.data[23] == 17}


@pytest.mark.parametrize("source,sink", [("client", "laptop"), ("laptop", "client"),
                                         ("laptop", "server2"), ("server2", "laptop"),
                                         ("laptop", "server1")])
def test_the_virtual_router_is_one_hop_however_many_elements_are_passed(lab: Lab, source: str,
                                                                        sink: str) -> None:
    with lab.host(sink).capture() as capture, \
            Datagrams(lab.host(source), lab.host(sink)) as probes:
        probes.send(COUNT)
        labs.eventually("arrival", lambda: len(probes.collect()) == COUNT)
        # A way out by FE1's kernel is its kernel's hop; the router is the same one.
        assert ttls(capture, lab.host(source).address) == {63}


def test_a_packet_whose_ttl_ends_is_dropped_and_counted(lab: Lab) -> None:
    before = labs.drops(lab, "fe1")["ttl_expired"]
    with Datagrams(lab.host("client"), lab.host("laptop")) as probes:
        probes.source.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)
        probes.send(COUNT)
        probes.source.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 64)
        probes.send(1)
        labs.eventually("the last, with a TTL", lambda: COUNT in probes.collect())
        assert probes.arrived == [COUNT]
    assert labs.drops(lab, "fe1")["ttl_expired"] == before + COUNT


def test_a_nodes_own_ip_in_ip_packets_pass_untouched(lab: Lab) -> None:
    inner = ip_packet("192.168.7.1", "192.168.7.2", 17, bytes((0, 9, 0, 9, 0, 12, 0, 0)) + b"mine")
    sent = ip_packet("10.10.0.36", "10.4.5.1", 4, inner)
    with lab.host("server2").capture() as capture, lab.host("laptop").socket(
            socket.SOCK_RAW, protocol=socket.IPPROTO_RAW) as raw:
        raw.sendto(sent, ("10.4.5.1", 0))
        (frame,) = labs.eventually("arrival", lambda: [
            f for f in capture.read() if f.is_ipv4 and f.data[23] == 4 and not f.outgoing])
    assert frame.data[34:34 + len(inner)] == inner
    assert frame.ttl == 63


def test_the_border_element_tells_the_kernel_what_victor_covers(lab: Lab) -> None:
    """In a table of its own (86), for FRR or BIRD to announce; no packet is looked up there."""
    def announced() -> list[str]:
        return netns.run(lab.netns("fe1"), "ip", "-N", "route", "show", "table", "86").splitlines()

    lines = labs.eventually("routes in table 86", announced)
    found = {line.split()[1]: line for line in lines}
    assert set(found) == {"10.10.0.0/16", "10.2.3.0/24", "10.4.5.0/24"}
    assert all(line.startswith("unreachable") or line.startswith("7 ") for line in lines), lines
    assert all("proto 86" in line for line in lines)


class TestPastVictor:
    """P6: packets that are neither to nor from a node are the kernel's business as before."""

    @pytest.fixture(autouse=True)
    def way_back(self, lab: Lab) -> None:
        netns.batch(["route replace 192.0.2.0/24 via 172.16.1.2"], lab.netns("core"))

    def test_tcp_passes_through_fe1s_kernel_both_ways(self, lab: Lab) -> None:
        core = labs.stranger(lab, "core", "net2", "172.16.2.1")
        before = labs.drops(lab, "fe1"), labs.delivered(lab, "fe1")
        transfer_both_ways(lab.host("client"), core)
        assert (labs.drops(lab, "fe1"), labs.delivered(lab, "fe1")) == before

    def test_the_kernels_hop_is_the_only_one(self, lab: Lab) -> None:
        core, client = labs.stranger(lab, "core", "net1", "172.16.1.1"), lab.host("client")
        for source, sink in ((client, core), (core, client)):
            with sink.capture() as capture, Datagrams(source, sink) as probes:
                probes.send(COUNT)
                labs.eventually("arrival", lambda: len(probes.collect()) == COUNT)
                assert ttls(capture, source.address) == {63}

    def test_a_foreign_ip_in_ip_packet_is_not_decapsulated(self, lab: Lab) -> None:
        """It is to an element's address, but from nobody that the element knows."""
        before = labs.drops(lab, "fe2")["unknown_peer"]
        arrived = Datagrams(lab.host("client"), lab.host("laptop"))
        port = arrived.source.getpeername()[1]
        inner = ip_packet("10.4.5.1", "10.10.0.36", 17, b"\x12\x34" + port.to_bytes(2, "big")
                          + b"\x00\x17\x00\x00victor 00000000")
        outer = ip_packet("172.16.1.1", "172.16.2.2", 4, inner)
        core = labs.stranger(lab, "core", "net2", "172.16.2.1")
        with arrived, core.socket(socket.SOCK_RAW, protocol=socket.IPPROTO_RAW) as raw:
            for _ in range(COUNT):
                raw.sendto(outer, ("172.16.2.2", 0))
            labs.eventually("the drops to be counted",
                            lambda: labs.drops(lab, "fe2")["unknown_peer"] == before + COUNT)
            assert arrived.collect() == []


def ip_packet(source: str, destination: str, protocol: int, payload: bytes) -> bytes:
    header = bytearray(struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0x4000, 64,
                                   protocol, 0, socket.inet_aton(source),
                                   socket.inet_aton(destination)))
    total = sum(int.from_bytes(header[i:i + 2], "big") for i in range(0, 20, 2))
    total = (total & 0xffff) + (total >> 16)
    header[10:12] = (~(total + (total >> 16)) & 0xffff).to_bytes(2, "big")
    return bytes(header) + payload
