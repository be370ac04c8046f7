"""Two data centres (paper, section 3): a host, and a real VM that migrates live, move within one and
between both while clients at both ends are connected to them. Topology: lab/datacenters.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import labs
import pytest
from lab import datacenters, datacenters_guest, netns
from lab.datacenters import WEB
from lab.frames import Capture
from lab.outside import INDEPENDENT
from lab.runtime import HostHandle
from lab.vm import probe
from test_routing import CONVERGE_S, slow
from traffic import Conversation, ping_df, transfer


@pytest.fixture(scope="module")
def lab() -> Iterator[datacenters.Lab]:
    with labs.running(datacenters.Lab) as one:
        assert isinstance(one, datacenters.Lab)
        one.start_routers()
        for i in (1, 2):
            labs.eventually(f"route of r{i} to b{i}", lambda: f"via 100.64.{i}.2" in netns.run(
                one.netns(f"r{i}"), "ip", "route", "show", INDEPENDENT), CONVERGE_S)
            labs.eventually(f"way out of b{i}", lambda: "via" in netns.run(
                one.netns(f"b{i}"), "ip", "route", "show", "default"), CONVERGE_S)
        yield one


def updates(lab: datacenters.Lab) -> dict[str, str]:
    """What the providers' routers have been told by BGP so far, and what the elements announce."""
    frr = re.findall(r"Updates: +\d+ +(\d+)", lab.routers["r1"].ask("show bgp neighbors"))
    bird = re.findall(r"Import (?:updates|withdraws): +(\d+)",
                      lab.routers["r2"].ask("show protocols all"))
    assert frr and bird
    return {"r1": " ".join(frr), "r2": " ".join(bird)} | {
        name: netns.run(lab.netns(name), "ip", "route", "show", "table", "86")
        for name in datacenters.BORDERS}


def move(lab: datacenters.Lab, rack: str) -> None:
    lab.move("web", rack)
    labs.wait_place(lab, "web", datacenters.RACKS[rack], "lan0")


@pytest.mark.parametrize("racks", [("rack12", "rack11"), ("rack21", "rack22", "rack21", "rack11")],
                         ids=["within one", "between both, and within the other"])
def test_connections_from_both_ends_outlive_moves(lab: datacenters.Lab,
                                                  racks: tuple[str, ...]) -> None:
    with Conversation(lab.host("client1"), lab.host("web")) as one, \
            Conversation(lab.host("client2"), lab.host("web")) as two:
        for rack in racks:
            move(lab, rack)
            one.wait_progress()
            two.wait_progress()


def test_no_move_is_told_to_the_providers(lab: datacenters.Lab) -> None:
    """Nothing is announced or withdrawn, within a data centre or between them: the prefix is
    everywhere already."""
    before = updates(lab)
    for rack in ("rack12", "rack21", "rack11"):
        move(lab, rack)
        assert lab.host("client1").ping(WEB, 2)
    assert updates(lab) == before


def test_clients_come_in_by_their_own_border_wherever_the_host_is(lab: datacenters.Lab) -> None:
    for rack in ("rack12", "rack21", "rack22", "rack11"):
        move(lab, rack)
        at = datacenters.RACKS[rack]
        for i in (1, 2):
            before = labs.delivered(lab, at)[(f"b{i}", WEB)]
            assert lab.host(f"client{i}").ping(WEB, 3)
            labs.eventually(f"count of packets by b{i}", lambda: labs.delivered(lab, at)
                            [(f"b{i}", WEB)] >= before + 3)


def test_what_leaves_goes_out_by_the_border_of_its_own_data_centre(lab: datacenters.Lab) -> None:
    for rack, router in (("rack11", "r1"), ("rack21", "r2"), ("rack11", "r1")):
        move(lab, rack)
        with Capture(lab.netns(router), "fe") as capture:
            assert lab.host("web").ping("198.18.1.10", 2)
            assert labs.eventually(f"packets out to {router}", lambda: [
                f for f in capture.read() if f.is_ipv4 and f.source == WEB])


@pytest.fixture(scope="module")
def vm(lab: datacenters.Lab) -> Iterator[datacenters_guest.CenterGuest]:
    with datacenters_guest.guest(lab) as guest:
        guest.boot("s11")
        labs.wait_place(lab, "guest", "s11", guest.port)
        yield guest


def migrate(vm: datacenters_guest.CenterGuest, element: str) -> None:
    vm.migrate(element)
    labs.wait_place(vm.lab, "guest", element, vm.port)


@pytest.mark.parametrize("elements", [
    ("s12", "s21"), pytest.param(("s22", "s11", "s12", "s22", "s11"), marks=slow)],
    ids=["within one, and to the other", "to and fro"])
def test_a_real_vm_migrates_and_the_connections_of_clients_outside_live_on(
        lab: datacenters.Lab, vm: datacenters_guest.CenterGuest,
        elements: tuple[str, ...]) -> None:
    """A client at each end has a stream, an idle connection and probes; nobody outside is told."""
    before = updates(lab)
    with probe.ClientProcess(lab.netns("client1"), datacenters.GUEST_ADDRESS) as one, \
            probe.ClientProcess(lab.netns("client2"), datacenters.GUEST_ADDRESS) as two:
        for client in (one, two):
            client.wait_connected()
        for element in elements:
            for client in (one, two):
                client.mark(f"before {element}")
            migrate(vm, element)
            for client in (one, two):
                assert client.mark(element)["records"] > 0
        for result in (one.finish(), two.finish()):
            assert result["contiguous"], result["error"]
            assert result["idle_alive"]
    assert vm.memory_is_right()
    assert updates(lab) == before


WAN, WAN_FITS = 1500, 1480
WAN_CUTS = {"nowhere": (), "where packets come in": (*datacenters.BORDERS, *datacenters.SUBNETS),
            "at the narrow link": ("core1", "core2")}


def set_offloads(lab: datacenters.Lab, names: tuple[str, ...], state: str) -> None:
    for name in names:
        device = "wan" if name.startswith("core") else "bp0"
        netns.run(lab.netns(name), "ethtool", "-K", device, "tso", state, "gso", state)


def is_told(source: HostHandle, sink: str) -> bool:
    """Whether the host learns what fits through the tunnel over the WAN link."""
    source.run("ip", "route", "flush", "cache")
    return bool(re.search(rf"mtu ?= ?{WAN_FITS}\b", ping_df(source, sink, WAN - 28)))


@pytest.mark.parametrize("cut", WAN_CUTS)
def test_bulk_traffic_passes_a_narrow_link_in_the_middle_of_the_underlay(
        lab: datacenters.Lab, cut: str) -> None:
    """The link between the data centres has no room for a tunnel's header; the elements' own devices
    do. Only the routers at its ends see that. The last tests here: what is learnt stays."""
    for core in ("core1", "core2"):
        netns.batch([f"link set wan mtu {WAN}"], lab.netns(core))
    set_offloads(lab, WAN_CUTS[cut], "off")
    web, clients = lab.host("web"), [lab.host(name) for name in ("client1", "client2")]
    try:
        for rack in ("rack22", "rack11"):
            move(lab, rack)
            for client in clients:
                client.run("ip", "route", "flush", "cache")
                transfer(client, web, 4 << 20)
                transfer(web, client, 4 << 20)
        labs.eventually("what fits is told to client2", lambda: is_told(clients[1], WEB))
        with Conversation(clients[1], web) as talk:
            for rack in ("rack21", "rack12", "rack22", "rack11"):
                move(lab, rack)
                talk.wait_progress(1 << 17)
                transfer(clients[0], web, 2 << 20)
                transfer(web, clients[1], 2 << 20)
    finally:
        set_offloads(lab, WAN_CUTS[cut], "on")
