"""IPv6 and dual-stack nodes at Open vSwitch bridges (docs/open-vswitch.md), in Figure 2 with IPv6
(lab/figure2dual.py): all three elements are switches, or FE2 among victor-fes.
"""

from __future__ import annotations

import shutil
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import labs
import pytest
from dual import connect4, connect6, local_at, neighbor_mac, talk
from lab import figure2
from lab import figure2dual as dual
from lab import frames
from lab.runtime import Lab

pytestmark = pytest.mark.skipif(
    not shutil.which("ovs-vswitchd") and not Path("/usr/sbin/ovs-vswitchd").exists(),
    reason="openvswitch-switch is not installed")

PLACES = {"ap1": "fe2", "ap2": "fe3"}
MIXES = {"all": ("fe1", "fe2", "fe3"), "fe2": ("fe2",), "fe1": ("fe1",)}


@pytest.fixture(scope="module", params=["all", "fe2"])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with labs.running(dual.Lab, ovs=MIXES[request.param]) as one:
        one.host("laptop").announce(dual.LAPTOP)
        labs.eventually("local binding", lambda: local_at(one, "fe2", dual.LAPTOP))
        yield one


def roam(lab: Lab, announced: str | None = dual.LAPTOP) -> str:
    """The laptop goes to the other access point; the element that is there."""
    to = "ap2" if lab.place("laptop") == "ap1" else "ap1"
    lab.move("laptop", to, announce=False)
    if announced:
        lab.host("laptop").announce(announced)
        labs.wait_place(lab, "laptop", PLACES[to], "ap0")
    return PLACES[to]


def test_an_unsolicited_advertisement_registers(lab: Lab) -> None:
    element = PLACES[str(lab.place("laptop"))]
    lab.rest.call("DELETE", "/v1/nodes/laptop/attachment")
    labs.eventually("detachment", lambda: not local_at(lab, element, dual.LAPTOP))
    lab.host("laptop").announce(dual.LAPTOP)
    labs.eventually("local binding", lambda: local_at(lab, element, dual.LAPTOP))


def test_duplicate_address_detection_registers(lab: Lab) -> None:
    laptop = lab.host("laptop")
    element = roam(lab, announced=None)
    with frames.open_raw(laptop.netns, laptop.device) as sock:
        sock.send(frames.detection(laptop.mac, dual.LAPTOP))
    labs.eventually("move", lambda: local_at(lab, element, dual.LAPTOP))


def test_the_gateway_answers_solicitations_and_pings(lab: Lab) -> None:
    laptop = lab.host("laptop")
    laptop.run("ip", "-6", "neigh", "flush", "dev", "wlan0")
    assert laptop.ping(dual.GATEWAY)
    assert neighbor_mac(laptop, dual.GATEWAY) == figure2.GATEWAY_MAC
    assert lab.host("client").ping(dual.CLIENT_ROUTER), "the element's own address outside"


def test_tcp_over_ipv6_flows_both_ways_with_the_outside(lab: Lab) -> None:
    client, laptop = lab.host("client"), lab.host("laptop")
    near, far = connect6(client, dual.CLIENT, laptop, dual.LAPTOP)
    with near, far:
        talk((near, far))
    near, far = connect6(laptop, dual.LAPTOP, client, dual.CLIENT)
    with near, far:
        talk((near, far))


@pytest.mark.parametrize("announced", [dual.LAPTOP, "10.10.0.36"])
def test_both_connections_survive_handoffs_that_one_protocol_announces(lab: Lab,
                                                                       announced: str) -> None:
    client, laptop = lab.host("client"), lab.host("laptop")
    near6, far6 = connect6(client, dual.CLIENT, laptop, dual.LAPTOP)
    near4, far4 = connect4(client, laptop)
    with near6, far6, near4, far4:
        for _ in range(2):
            talk((near6, far6), 1 << 14)
            talk((near4, far4), 1 << 14)
            element = roam(lab, announced)
            labs.eventually("move", lambda: local_at(lab, element, dual.LAPTOP))
        talk((near6, far6))
        talk((near4, far4))


def test_all_addresses_move_in_one_version(lab: Lab) -> None:
    roam(lab)
    found = labs.attachment(lab, "laptop")
    assert found
    element = PLACES[str(lab.place("laptop"))]
    versions = {r["version"] for r in labs.rules(lab, element)
                if r["flow"] in (f"ipv6_dst={dual.LAPTOP}", "nw_dst=10.10.0.36")}
    assert versions == {found["version"]}


def test_a_linux_host_configures_itself_and_reaches_everybody(lab: Lab) -> None:
    """The vm's kernel: router solicitation, advertisement, duplicate address detection."""
    assert isinstance(lab, dual.Lab)
    vm = lab.host("vm")
    lab.start_autoconfiguration()
    labs.eventually("address", lambda: dual.VM in vm.run("ip", "-6", "addr", "show", "dev",
                                                         "eth0", "scope", "global",
                                                         "-tentative").stdout)
    assert f"via {dual.ROUTER}" in vm.run("ip", "-6", "route", "show", "default").stdout
    labs.eventually("local binding", lambda: local_at(lab, "fe2", dual.VM))
    for host, address in (("client", dual.CLIENT), ("laptop", dual.LAPTOP)):
        near, far = connect6(lab.host(host), address, vm, dual.VM)
        with near, far:
            talk((near, far))


def test_a_router_solicitation_is_answered_with_gateway_prefix_and_mtu(lab: Lab) -> None:
    if PLACES[str(lab.place("laptop"))] != "fe2":
        roam(lab)
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
    assert options[:8] == b"\x01\x01" + frames.mac_bytes(figure2.GATEWAY_MAC)
    assert options[8:16] == struct.pack("!BBHI", 5, 1, 0, 1500)
    assert options[16:20] == b"\x03\x04\x40\xc0"
    assert options[32:48] == socket.inet_pton(socket.AF_INET6, "2001:db8:10::")


def test_the_hop_limit_that_runs_out_is_answered_by_the_gateway(lab: Lab) -> None:
    if PLACES[str(lab.place("laptop"))] != "fe2":
        roam(lab)
    done = lab.host("laptop").run("ping", "-6", "-n", "-c1", "-t1", "-W2", dual.CLIENT)
    assert f"From {dual.GATEWAY}" in done.stdout and "exceeded" in done.stdout, done.stdout


def test_answers_and_traffic_outlive_the_controller(lab: Lab) -> None:
    client, laptop = lab.host("client"), lab.host("laptop")
    near, far = connect6(client, dual.CLIENT, laptop, dual.LAPTOP)
    lab.controller.kill()
    with near, far:
        laptop.run("ip", "-6", "neigh", "flush", "dev", "wlan0")
        assert laptop.ping(dual.GATEWAY)
        assert neighbor_mac(laptop, dual.GATEWAY) == figure2.GATEWAY_MAC
        talk((near, far))
        lab.controller.start()
        labs.wait_online(lab)
        talk((near, far))
