"""A fixed host in the subnet that a mobile node leaves (paper, section 3.1).

    server1 br0 ── FE2 srv0          server2 br0 ── FE3 srv0         (lab/figure2.py)
      ├── neighbor 10.10.0.12          └ ┄ vm after
      └── vm 10.10.0.11 before
"""

from __future__ import annotations

import labs
import pytest
from lab import figure2, frames, netns
from lab.runtime import Lab
from neighbors import Arp
from traffic import Conversation

PORT = "srv0"


def go(lab: Lab, site: str, element: str) -> None:
    lab.move("vm", site)
    labs.wait_place(lab, "vm1", element, PORT)


@pytest.fixture(autouse=True)
def vm_at_site2(lab: Lab) -> None:
    go(lab, "site2", "fe2")


def cached_mac(lab: Lab, host: str, address: str) -> str | None:
    words = netns.run(lab.netns(host), "ip", "neigh", "show", address).split()
    return words[words.index("lladdr") + 1] if "lladdr" in words else None


def test_the_neighbour_keeps_its_tcp_connection_with_the_departed_node(lab: Lab) -> None:
    neighbor, vm = lab.host("neighbor"), lab.host("vm")
    with Conversation(neighbor, vm) as talk:
        assert cached_mac(lab, "neighbor", vm.address) == vm.mac, "they talked past the element"
        for site, element in (("site3", "fe3"), ("site2", "fe2"), ("site3", "fe3")):
            go(lab, site, element)
            talk.wait_progress()


def test_the_departed_node_reaches_its_old_neighbour_on_a_new_connection(lab: Lab) -> None:
    neighbor, vm = lab.host("neighbor"), lab.host("vm")
    assert vm.ping(neighbor.address), "the vm's cache has the neighbour's own MAC now"
    go(lab, "site3", "fe3")
    for client, server in ((vm, neighbor), (neighbor, vm)):
        with Conversation(client, server) as talk:
            talk.wait_progress()


def test_the_old_element_announces_itself_for_the_departed_node(lab: Lab) -> None:
    neighbor = lab.host("neighbor")
    assert neighbor.ping(figure2.VM_ADDRESS)
    with neighbor.capture(protocol=frames.ETH_P_ARP) as capture:
        go(lab, "site3", "fe3")

        def announced() -> bool:
            seen = [Arp.parse(f.data) for f in capture.read() if not f.outgoing]
            return any(a and a.sender == a.target == figure2.VM_ADDRESS
                       and a.sender_mac == figure2.GATEWAY_MAC for a in seen)

        labs.eventually("announcement of FE2 for the vm", announced)
    labs.eventually("the neighbour's cache to lead to the gateway", lambda: cached_mac(
        lab, "neighbor", figure2.VM_ADDRESS) == figure2.GATEWAY_MAC)


def test_nobody_is_announced_in_a_segment_that_the_node_did_not_leave(lab: Lab) -> None:
    server2, neighbor = lab.host("server2"), lab.host("neighbor")
    with server2.capture(protocol=frames.ETH_P_ARP) as at_site3, \
            neighbor.capture(protocol=frames.ETH_P_ARP) as at_site2:
        go(lab, "site3", "fe3")
        labs.eventually("announcement at site 2", lambda: any(
            a and a.sender_mac == figure2.GATEWAY_MAC and a.sender == a.target
            for a in (Arp.parse(f.data) for f in at_site2.read() if not f.outgoing)))
        wrong = [a for a in (Arp.parse(f.data) for f in at_site3.read() if not f.outgoing)
                 if a and a.sender == figure2.VM_ADDRESS and a.sender_mac == figure2.GATEWAY_MAC]
    assert not wrong
