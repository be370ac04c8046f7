"""The short way at XDP (`xdp: on`): TCP between nodes of one element, whose packets never become the
kernel's, while everything else goes as ever. Topology: lab/figure2.py; what a device would do for the
senders (sums, segments) is off at theirs, and their veths' other ends take what XDP sends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import labs
import pytest
from lab import figure2, netns
from lab.runtime import Lab
from traffic import Conversation, transfer_both_ways

SENDERS = {"laptop": "wlan0", "server1": "up0", "neighbor": "eth0", "vm": "eth0", "client": "eth0"}
# The other ends of FE2's ports and of FE1's.
ENDS = {"air": ("ap1",), "server1": ("up0",), "client": ("eth0",)}
PORTS = ("ap0", "srv0")


class XdpLab(figure2.Lab):
    element_settings = {"xdp": "on"}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with labs.running(XdpLab) as one:
        for name, device in SENDERS.items():
            netns.run(one.netns(name), "ethtool", "-K", device, "tx", "off", "tso", "off",
                      "gso", "off")
        for name, devices in ENDS.items():
            for device in devices:
                netns.run(one.netns(name), "ethtool", "-K", device, "gro", "on")
        yield one


def redirected(lab: Lab, device: str) -> int:
    said = netns.run(lab.netns("fe2"), "ethtool", "-S", device)
    return sum(int(n) for n in re.findall(r"rx_queue_\d+_xdp_redirect: (\d+)", said))


def program_of(lab: Lab, name: str, device: str) -> str | None:
    found = re.search(r"prog/xdp id (\d+)", netns.run(lab.netns(name), "ip", "link", "show", device))
    return found[1] if found else None


def attached(lab: Lab, name: str, device: str) -> bool:
    return program_of(lab, name, device) is not None


def test_access_and_external_ports_have_the_program_and_the_backplane_has_not(lab: Lab) -> None:
    assert all(attached(lab, "fe2", port) for port in PORTS)
    assert attached(lab, "fe1", "ext0")
    assert not attached(lab, "fe2", "bp0")


def test_tcp_between_nodes_of_one_element_goes_by_xdp(lab: Lab) -> None:
    before = {port: redirected(lab, port) for port in PORTS}
    transfer_both_ways(lab.host("laptop"), lab.host("neighbor"), 1 << 20)
    for port in PORTS:
        assert redirected(lab, port) - before[port] > 300, port


def test_everything_else_goes_as_ever(lab: Lab) -> None:
    assert lab.host("laptop").ping("10.10.0.1")
    transfer_both_ways(lab.host("laptop"), lab.host("server2"), 1 << 18)
    transfer_both_ways(lab.host("client"), lab.host("vm"), 1 << 18)


def test_a_session_lives_through_a_move_and_the_agents_end(lab: Lab) -> None:
    with Conversation(lab.host("laptop"), lab.host("neighbor")) as talk:
        for place, fe in (("ap2", "fe3"), ("ap1", "fe2")):
            lab.move("laptop", place)
            labs.wait_place(lab, "laptop", fe, "ap0")
            talk.wait_progress()
        program = program_of(lab, "fe2", "ap0")
        lab.fe("fe2").kill()
        before = redirected(lab, "ap0")
        talk.wait_progress()
        assert redirected(lab, "ap0") > before
        lab.fe("fe2").start()
        labs.wait_online(lab)
        talk.wait_progress()
        assert attached(lab, "fe2", "ap0")
        assert program_of(lab, "fe2", "ap0") != program
