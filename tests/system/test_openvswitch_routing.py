"""An Open vSwitch as the only border element; FRR or BIRD on the controller's side speaks for it, and
the controller downloads table 4. Topology: lab/speaker.py.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import labs
import pytest
from lab import netns, routing, speaker
from lab.outside import INTERNAL
from traffic import Conversation, transfer_both_ways

CONVERGE_S = 40.0
slow = pytest.mark.skipif(not os.environ.get("VICTOR_TEST_ALL"), reason="slow: VICTOR_TEST_ALL=1")

pytestmark = pytest.mark.skipif(
    not shutil.which("ovs-vswitchd") and not Path("/usr/sbin/ovs-vswitchd").exists(),
    reason="openvswitch-switch is not installed")


@pytest.fixture(scope="module", params=["frr-bgp", "bird-bgp"])
def lab(request: pytest.FixtureRequest) -> Iterator[speaker.Lab]:
    make = speaker.Lab if request.param == "frr-bgp" else speaker.SecondLab
    with labs.running(make) as one:
        assert isinstance(one, speaker.Lab)
        one.start_router()
        one.speak(request.param)
        converged(one)
        yield one


def client_of(lab: speaker.Lab) -> str:
    return f"client{lab.provider}"


def table4(lab: speaker.Lab) -> dict[str, str]:
    """Where FE1 sends what leaves VICTOR, by prefix."""
    return {r["flow"].removeprefix("nw_dst="): r["action"] for r in labs.rules(lab, "fe1")
            if r["table"] == 4}


def announced(lab: speaker.Lab) -> bool:
    text = netns.run(lab.netns(f"r{lab.provider}"), "ip", "route", "show", speaker.PREFIX)
    return f"via 100.64.{lab.provider}.2 dev fe" in text


def has_way_out(lab: speaker.Lab) -> bool:
    return any("out:1" in action for flow, action in table4(lab).items() if flow == "0.0.0.0/0")


def converged(lab: speaker.Lab) -> None:
    labs.eventually("announcement of the prefix", lambda: announced(lab), CONVERGE_S)
    labs.eventually("way out in table 4", lambda: has_way_out(lab), CONVERGE_S)


def roam(lab: speaker.Lab) -> None:
    to = "site3" if lab.place("roamer") == "site2" else "site2"
    lab.move("roamer", to)
    labs.wait_place(lab, "roamer", {"site2": "fe2", "site3": "fe3"}[to], "srv0")


def more_at_router(lab: speaker.Lab, prefix: str, there: bool) -> None:
    """The provider's router has one more network, or has it no more."""
    name = f"r{lab.provider}"
    address = prefix.replace(".0/", ".1/")
    netns.batch([f"addr {'add' if there else 'del'} {address} dev lan"], lab.netns(name))
    if lab.router.kind == "frr":    # BIRD's "direct" sees it
        assert isinstance(lab.router, routing.Frr)
        lab.router._vtysh("-c", "configure terminal", "-c", "router bgp 64501", "-c",
                          "address-family ipv4 unicast", "-c",
                          f"{'' if there else 'no '}network {prefix}")


def test_the_daemons_routes_are_the_switchs_with_the_routers_mac(lab: speaker.Lab) -> None:
    router_mac = json.loads(netns.run(lab.netns(f"r{lab.provider}"), "ip", "-j", "link", "show",
                                      "fe"))[0]["address"]
    own = f"100.64.{lab.provider}.1/32"
    found = table4(lab)
    assert found["0.0.0.0/0"] == f"mod_dl_dst:{router_mac},out:1"
    assert found[own.removesuffix("/32")] == found["0.0.0.0/0"], "the router itself"


def test_neighbours_hear_of_the_mobile_prefix_and_of_nothing_inside(lab: speaker.Lab) -> None:
    heard = lab.router.prefixes()
    assert speaker.PREFIX in heard
    assert INTERNAL not in heard
    assert not [p for p in heard if p.startswith(("172.16.", "10.99."))], heard


def test_tcp_flows_both_ways_between_the_outside_and_a_node(lab: speaker.Lab) -> None:
    client, roamer = lab.host(client_of(lab)), lab.host("roamer")
    for _ in range(2):
        transfer_both_ways(client, roamer, 1 << 20)
        transfer_both_ways(roamer, client, 1 << 20)
        roam(lab)


def test_a_clients_tcp_stays_open_over_handoffs(lab: speaker.Lab) -> None:
    with Conversation(lab.host(client_of(lab)), lab.host("roamer")) as talk:
        for _ in range(4):
            roam(lab)
            talk.wait_progress()


def test_a_new_controller_finds_everything_as_it_was(lab: speaker.Lab) -> None:
    """The daemon, its sessions' state and the switch outlive it."""
    with Conversation(lab.host(client_of(lab)), lab.host("roamer")) as talk:
        lab.controller.kill()
        talk.wait_progress()
        lab.controller.start()
        labs.wait_online(lab)
        assert has_way_out(lab)
        talk.wait_progress()
        converged(lab)
        talk.wait_progress()


def test_a_route_that_the_router_takes_back_leaves_table_4(lab: speaker.Lab) -> None:
    extra = "192.0.2.0/24"
    more_at_router(lab, extra, True)
    labs.eventually("route in table 4", lambda: "out:1" in table4(lab).get(extra, ""), CONVERGE_S)
    more_at_router(lab, extra, False)
    labs.eventually("end of the route", lambda: extra not in table4(lab), CONVERGE_S)


def test_a_drained_switch_announces_nothing(lab: speaker.Lab) -> None:
    lab.rest.call("POST", "/v1/elements/fe1/drain")
    labs.eventually("withdrawal", lambda: not announced(lab), CONVERGE_S)
    assert has_way_out(lab), "what still comes is forwarded"
    lab.rest.call("DELETE", "/v1/elements/fe1/drain")
    converged(lab)


@slow
def test_without_the_daemon_nothing_is_announced_and_no_way_leads_out(lab: speaker.Lab) -> None:
    lab.daemon.stop()
    labs.eventually("withdrawal", lambda: not announced(lab), CONVERGE_S)
    labs.eventually("end of the way out", lambda: not has_way_out(lab), CONVERGE_S)
    lab.daemon.start()
    converged(lab)
    transfer_both_ways(lab.host(client_of(lab)), lab.host("roamer"), 1 << 20)


def test_a_port_that_goes_down_takes_the_daemons_carrier(lab: speaker.Lab) -> None:
    netns.batch(["link set ext0 down"], lab.netns("fe1"))
    try:
        labs.eventually("no carrier", lambda: "NO-CARRIER" in netns.run(
            lab.netns(speaker.SPEAKER), "ip", "link", "show", speaker.DEVICE))
        labs.eventually("end of the way out", lambda: not has_way_out(lab), CONVERGE_S)
    finally:
        netns.batch(["link set ext0 up"], lab.netns("fe1"))
    converged(lab)


@slow
def test_ospf_speaks_for_the_switch_too(lab: speaker.Lab) -> None:
    lab.daemon.stop()
    labs.eventually("withdrawal", lambda: not announced(lab), CONVERGE_S)
    bgp, ospf = lab.daemon, lab.speak(f"{lab.daemon.kind}-ospf")
    try:
        converged(lab)
        transfer_both_ways(lab.host(client_of(lab)), lab.host("roamer"), 1 << 20)
    finally:
        ospf.stop()
        lab.daemon = bgp
        bgp.start()
    converged(lab)
