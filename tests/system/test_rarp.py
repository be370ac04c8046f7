"""Registration without an ARP announcement. Topology: lab/figure2.py."""

from __future__ import annotations

import labs
import pytest
from lab.runtime import Lab
from neighbors import arp_frame, rarp_frame, send
from traffic import Conversation, Datagrams, transfer_both_ways


@pytest.fixture(autouse=True)
def vm_at_site2(lab: Lab) -> None:
    lab.move("vm", "site2")
    labs.wait_place(lab, "vm1", "fe2", "srv0")


def test_a_hypervisors_rarp_binds_the_nodes_addresses(lab: Lab) -> None:
    with Conversation(lab.host("client"), lab.host("vm")) as talk:
        lab.move("vm", "site3", announce=False)
        send(lab.host("vm"), rarp_frame(lab.host("vm").mac))
        labs.wait_place(lab, "vm1", "fe3", "srv0")
        talk.wait_progress()


def test_a_rarp_of_a_mac_that_nobody_has_binds_nothing(lab: Lab) -> None:
    before = labs.flow_mods(lab)
    heard = labs.element(lab, "fe2")["packet_ins"]
    send(lab.host("vm"), rarp_frame("52:54:00:00:00:99"))
    labs.eventually("the RARP at the controller",
                    lambda: labs.element(lab, "fe2")["packet_ins"] > heard)
    assert labs.flow_mods(lab) == before


def test_the_first_data_packet_of_a_known_node_registers_it(lab: Lab) -> None:
    vm, client = lab.host("vm"), lab.host("client")
    assert vm.ping(client.address), "the vm has the gateway's MAC, and asks nobody for it"
    lab.move("vm", "site3", announce=False)
    with Datagrams(vm, client) as probes:

        def arrived() -> bool:
            probes.send()
            return bool(probes.collect())

        labs.eventually("data from the new place", arrived)
    labs.wait_place(lab, "vm1", "fe3", "srv0")
    transfer_both_ways(client, vm, 1 << 20)


def test_a_request_for_somebody_else_registers_the_asker(lab: Lab) -> None:
    vm = lab.host("vm")
    lab.move("vm", "site3", announce=False)
    send(vm, arp_frame(vm.mac, vm.address, "10.10.0.1"))
    labs.wait_place(lab, "vm1", "fe3", "srv0")


def test_a_probe_binds_nothing_until_it_is_announced(lab: Lab) -> None:
    vm = lab.host("vm")
    heard = labs.element(lab, "fe3")["packet_ins"]
    lab.move("vm", "site3", announce=False)
    send(vm, arp_frame(vm.mac, "0.0.0.0", vm.address))
    labs.eventually("the probe at the controller",
                    lambda: labs.element(lab, "fe3")["packet_ins"] > heard)
    assert labs.place_of(lab, "vm1") == ("fe2", "srv0")
    vm.announce()
    labs.wait_place(lab, "vm1", "fe3", "srv0")


def test_a_detached_node_comes_back_with_its_next_word(lab: Lab) -> None:
    lab.rest.call("DELETE", "/v1/nodes/vm1/attachment")
    assert labs.attachment(lab, "vm1") is None
    lab.host("vm").announce()
    labs.wait_place(lab, "vm1", "fe2", "srv0")
    transfer_both_ways(lab.host("client"), lab.host("vm"), 1 << 20)
