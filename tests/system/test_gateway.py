"""The anycast gateway, and ARP answered for mobile addresses that are elsewhere: with everything
well, with the controller killed, and with the element's agent killed too. Topology: lab/figure2.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import labs
import pytest
from lab import figure2
from lab.runtime import Lab
from neighbors import answers, arp_frame
from traffic import transfer_both_ways

GATEWAY, GATEWAY_MAC = "10.10.0.1", figure2.GATEWAY_MAC
LAPTOP, NEIGHBOR, VM = "10.10.0.36", "10.10.0.12", figure2.VM_ADDRESS


@pytest.fixture(scope="module", params=["nothing", "the controller", "the agents"])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A lab in which this has been killed; the vm is at site 2, beside the neighbour."""
    with labs.running() as one:
        if request.param != "nothing":
            one.controller.kill()
        if request.param == "the agents":
            for element in one.topology.elements:
                one.fe(element.name).kill()
        yield one


def test_the_gateway_has_one_mac_at_every_element(lab: Lab) -> None:
    for host, gateway in (("laptop", GATEWAY), ("neighbor", GATEWAY), ("server1", "10.2.3.254"),
                          ("server2", "10.4.5.254")):
        assert answers(lab.host(host), [], gateway) == {gateway: [GATEWAY_MAC]}


def test_the_gateway_answers_pings_and_nodes_talk(lab: Lab) -> None:
    for host, gateway in (("laptop", GATEWAY), ("vm", GATEWAY), ("server2", "10.4.5.254")):
        assert lab.host(host).ping(gateway)
    transfer_both_ways(lab.host("laptop"), lab.host("server2"), 1 << 20)
    transfer_both_ways(lab.host("client"), lab.host("vm"), 1 << 20)


def test_a_mobile_address_that_is_elsewhere_is_answered_by_the_gateways_mac(lab: Lab) -> None:
    laptop = lab.host("laptop")
    asked = [arp_frame(laptop.mac, LAPTOP, target) for target in (VM, NEIGHBOR)]
    found = answers(laptop, asked, GATEWAY)
    assert found[VM] == found[NEIGHBOR] == [GATEWAY_MAC]


def test_a_neighbour_on_the_same_segment_answers_alone(lab: Lab) -> None:
    neighbor, vm = lab.host("neighbor"), lab.host("vm")
    found = answers(neighbor, [arp_frame(neighbor.mac, NEIGHBOR, VM)], GATEWAY, expect=(VM,))
    assert found[VM] == [vm.mac]


@pytest.mark.parametrize("sender,target", [("0.0.0.0", LAPTOP), ("0.0.0.0", VM), (LAPTOP, LAPTOP)],
                         ids=["own probe", "probe for a taken address", "own announcement"])
def test_probes_and_announcements_get_no_proxy_answer(lab: Lab, sender: str, target: str) -> None:
    laptop = lab.host("laptop")
    assert target not in answers(laptop, [arp_frame(laptop.mac, sender, target)] * 3, GATEWAY)


def test_an_address_that_victor_does_not_cover_is_not_answered_for(lab: Lab) -> None:
    laptop = lab.host("laptop")
    assert "192.0.2.77" not in answers(laptop, [arp_frame(laptop.mac, LAPTOP, "192.0.2.77")] * 3,
                                       GATEWAY)
