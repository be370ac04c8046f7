"""Dual-stack nodes: registration by neighbour discovery, TCP over IPv6 that survives moves, router
advertisements, spoofers, and the gateway. Topology: lab/figure2dual.py.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import labs
import pytest
from dual import connect4, connect6, local_at, neighbor_mac, talk
from lab import figure2dual as dual
from lab import frames
from lab.runtime import Lab

SPOOFER = "02:00:00:00:66:66"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with labs.running(dual.Lab) as one:
        yield one


def test_an_ipv6_node_registers_by_its_advertisement(lab: Lab) -> None:
    lab.rest.call("DELETE", "/v1/nodes/laptop/attachment")
    labs.eventually("detachment", lambda: not local_at(lab, "fe2", dual.LAPTOP))
    lab.host("laptop").announce(dual.LAPTOP)
    labs.eventually("local binding", lambda: local_at(lab, "fe2", dual.LAPTOP))


def test_the_gateway_answers_pings_at_both_its_addresses(lab: Lab) -> None:
    laptop = lab.host("laptop")
    assert laptop.ping(dual.GATEWAY)
    assert laptop.ping(f"{dual.ROUTER}%wlan0")


def test_tcp_over_ipv6_reaches_an_outside_client(lab: Lab) -> None:
    near, far = connect6(lab.host("client"), dual.CLIENT, lab.host("laptop"), dual.LAPTOP)
    with near, far:
        talk((near, far))


@pytest.mark.parametrize("announced", [dual.LAPTOP, "10.10.0.36"])
def test_both_connections_survive_a_move_that_one_protocol_announces(lab: Lab,
                                                                     announced: str) -> None:
    client, laptop = lab.host("client"), lab.host("laptop")
    near6, far6 = connect6(client, dual.CLIENT, laptop, dual.LAPTOP)
    near4, far4 = connect4(client, laptop)
    with near6, far6, near4, far4:
        talk((near6, far6), 1 << 14)
        talk((near4, far4), 1 << 14)
        to, element = ("ap2", "fe3") if lab.place("laptop") == "ap1" else ("ap1", "fe2")
        lab.move("laptop", to, announce=False)
        laptop.announce(announced)
        labs.eventually("move", lambda: local_at(lab, element, dual.LAPTOP))
        talk((near6, far6))
        talk((near4, far4))


def test_a_linux_host_configures_itself_and_reaches_outside(lab: Lab) -> None:
    """The vm's kernel: router solicitation, advertisement, duplicate address detection."""
    assert isinstance(lab, dual.Lab)
    vm = lab.host("vm")
    lab.start_autoconfiguration()
    labs.eventually("address", lambda: dual.VM in vm.run("ip", "-6", "addr", "show", "dev",
                                                         "eth0", "scope", "global",
                                                         "-tentative").stdout)
    assert f"via {dual.ROUTER}" in vm.run("ip", "-6", "route", "show", "default").stdout
    labs.eventually("local binding", lambda: local_at(lab, "fe2", dual.VM))
    near, far = connect6(lab.host("client"), dual.CLIENT, vm, dual.VM)
    with near, far:
        talk((near, far))
    near, far = connect6(lab.host("laptop"), dual.LAPTOP, vm, dual.VM)
    with near, far:
        talk((near, far))


def test_a_router_solicitation_is_answered_with_gateway_prefix_and_mtu(lab: Lab) -> None:
    laptop = lab.host("laptop")
    asker = "fe80::ff:fe00:36"
    solicitation = (struct.pack("!BBHI", 133, 0, 0, 0) + b"\x01\x01"
                    + frames.mac_bytes(laptop.mac))
    with laptop.capture(protocol=0x86DD) as capture:
        with frames.open_raw(laptop.netns, laptop.device) as sock:
            sock.send(frames.icmpv6(laptop.mac, asker, "ff02::2", solicitation))
        said = labs.eventually("router advertisement", lambda: [
            f.data for f in capture.read() if f.data[54:55] == b"\x86"
            and f.data[38:54] == socket.inet_pton(socket.AF_INET6, asker)])[0]
    assert said[22:38] == socket.inet_pton(socket.AF_INET6, dual.ROUTER)
    options = said[70:]
    gateway = frames.mac_bytes("02:00:5e:00:53:01")
    assert options[:8] == b"\x01\x01" + gateway
    assert options[8:16] == struct.pack("!BBHI", 5, 1, 0, 1500)
    assert options[16:20] == b"\x03\x04\x40\xc0"
    assert options[32:48] == socket.inet_pton(socket.AF_INET6, "2001:db8:10::")


def test_duplicate_address_detection_registers(lab: Lab) -> None:
    laptop = lab.host("laptop")
    to, element = ("ap2", "fe3") if lab.place("laptop") == "ap1" else ("ap1", "fe2")
    lab.move("laptop", to, announce=False)
    with frames.open_raw(laptop.netns, laptop.device) as sock:
        sock.send(frames.detection(laptop.mac, dual.LAPTOP))
    labs.eventually("move", lambda: local_at(lab, element, dual.LAPTOP))


def test_a_spoofer_binds_nothing_and_is_counted(lab: Lab) -> None:
    laptop = lab.host("laptop")
    element = "fe2" if lab.place("laptop") == "ap1" else "fe3"
    before = labs.drops(lab, element)["guard_neighbor"]
    refused = len(lab.rest.get("/v1/refusals")["refusals"])
    with frames.open_raw(laptop.netns, laptop.device) as sock:
        sock.send(frames.advertisement(laptop.mac, dual.VM, link_layer=SPOOFER))
        sock.send(frames.advertisement(SPOOFER, dual.VM))
    labs.eventually("drop", lambda: labs.drops(lab, element)["guard_neighbor"] > before)
    labs.eventually("refusal", lambda: len(lab.rest.get("/v1/refusals")["refusals"]) > refused)
    assert not local_at(lab, element, dual.VM) or element == "fe2"


def test_answers_outlive_the_controller(lab: Lab) -> None:
    laptop = lab.host("laptop")
    lab.controller.kill()
    for target in (dual.GATEWAY, dual.VM):
        laptop.run("ip", "-6", "neigh", "flush", "dev", "wlan0")
        laptop.ping(target)
        assert neighbor_mac(laptop, target) == "02:00:5e:00:53:01"
