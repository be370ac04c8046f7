"""Open vSwitch bridges as forwarding elements, in the paper's Figure 2 (lab/figure2.py): all three
of them, with no victor-fe anywhere. docs/open-vswitch.md is what is tested here.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import ctl
import labs
import pytest
from lab import figure2, netns
from lab.openvswitch import Switch
from lab.runtime import Lab
from neighbors import answers, arp_frame, rarp_frame, send
from traffic import Conversation, transfer_both_ways

ALL = ("fe1", "fe2", "fe3")
PLACES = {"ap1": "fe2", "ap2": "fe3"}
SITES = {"site2": "fe2", "site3": "fe3"}

pytestmark = pytest.mark.skipif(
    not shutil.which("ovs-vswitchd") and not Path("/usr/sbin/ovs-vswitchd").exists(),
    reason="openvswitch-switch is not installed")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with labs.running(ovs=ALL) as one:
        yield one


def roam(lab: Lab, place: str) -> None:
    lab.move("laptop", place)
    labs.wait_place(lab, "laptop", PLACES[place], "ap0")


def migrate(lab: Lab, site: str) -> None:
    lab.move("vm", site)
    labs.wait_place(lab, "vm1", SITES[site], "srv0")


@pytest.fixture(autouse=True)
def everybody_at_home(lab: Lab) -> None:
    roam(lab, "ap1")
    migrate(lab, "site2")


def test_the_element_is_shown_as_an_open_vswitch_with_what_it_cannot_do(lab: Lab) -> None:
    for name in ALL:
        shown = labs.element(lab, name)
        assert shown["kind"] == "ovs" and shown["state"] == "online"
        assert "VLAN trunks" in shown["cannot"]
    text = ctl.text(lab, "show", "elements")
    assert "ovs" in text and "fe2 cannot: " in text


def test_tcp_flows_between_the_outside_and_nodes(lab: Lab) -> None:
    client = lab.host("client")
    for name in ("laptop", "server1", "server2"):
        transfer_both_ways(client, lab.host(name), 1 << 20)
        transfer_both_ways(lab.host(name), client, 1 << 20)


def test_tcp_flows_between_nodes_of_one_element_and_of_two(lab: Lab) -> None:
    for one, other in (("laptop", "server1"), ("laptop", "server2"), ("neighbor", "server2")):
        transfer_both_ways(lab.host(one), lab.host(other), 1 << 20)


def test_a_handoff_from_switch_to_switch_keeps_a_tcp_connection(lab: Lab) -> None:
    with Conversation(lab.host("client"), lab.host("laptop")) as talk, \
            Conversation(lab.host("laptop"), lab.host("server1")) as other:
        for place in ("ap2", "ap1", "ap2", "ap1"):
            roam(lab, place)
            talk.wait_progress()
            other.wait_progress()


def test_a_hypervisors_rarp_registers(lab: Lab) -> None:
    with Conversation(lab.host("client"), lab.host("vm")) as talk:
        lab.move("vm", "site3", announce=False)
        send(lab.host("vm"), rarp_frame(lab.host("vm").mac))
        labs.wait_place(lab, "vm1", "fe3", "srv0")
        talk.wait_progress()


GATEWAY = "10.10.0.1"


def answers_to(lab: Lab, host: str, *targets: str, sender: str | None = None,
               expect: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """The MACs that answer a host's requests, without those for its gateway."""
    handle = lab.host(host)
    requests = [arp_frame(handle.mac, sender or handle.address, target) for target in targets]
    found = answers(handle, requests, GATEWAY, expect)
    assert found.pop(GATEWAY) == [figure2.GATEWAY_MAC]
    return found


def test_the_gateway_answers_arp_and_ping(lab: Lab) -> None:
    laptop = lab.host("laptop")
    assert answers_to(lab, "laptop") == {}
    assert laptop.ping(GATEWAY)
    assert lab.host("server2").ping("10.4.5.254")
    assert lab.host("client").ping("192.0.2.1"), "the element's own address outside"
    assert lab.host("client").ping(GATEWAY)


def test_a_request_for_a_node_elsewhere_is_answered_with_the_gateways_mac(lab: Lab) -> None:
    migrate(lab, "site3")
    # At the other element; at another port of this one.
    elsewhere = (lab.host("vm").address, lab.host("neighbor").address)
    assert answers_to(lab, "laptop", *elsewhere, expect=elsewhere) == {
        address: [figure2.GATEWAY_MAC] for address in elsewhere}


def test_a_neighbour_on_the_same_port_answers_for_itself(lab: Lab) -> None:
    neighbor, vm = lab.host("neighbor"), lab.host("vm")
    assert answers_to(lab, "neighbor", vm.address, expect=(vm.address,)) == {vm.address: [vm.mac]}
    transfer_both_ways(neighbor, vm, 1 << 20)


def test_neither_a_probe_nor_an_announcement_is_answered(lab: Lab) -> None:
    laptop, vm = lab.host("laptop"), lab.host("vm")
    migrate(lab, "site3")
    assert answers_to(lab, "laptop", laptop.address) == {}
    assert answers_to(lab, "laptop", laptop.address, vm.address, sender="0.0.0.0") == {}


def test_the_neighbour_keeps_its_connection_with_a_node_that_left_its_lan(lab: Lab) -> None:
    with Conversation(lab.host("neighbor"), lab.host("vm")) as talk:
        for site in ("site3", "site2"):
            migrate(lab, site)
            talk.wait_progress()


def test_a_frame_to_a_neighbours_own_mac_is_not_delivered_twice(lab: Lab) -> None:
    """A LAN's bridge that does not know the MAC floods the frame to the element too."""
    neighbor, vm = lab.host("neighbor"), lab.host("vm")
    assert neighbor.ping(vm.address)
    netns.batch(["link set rack type bridge_slave learning off flood on"],
                lab.netns("server1"))
    netns.run(lab.netns("server1"), "bridge", "fdb", "del", vm.mac, "dev", "rack", "master")
    try:
        done = neighbor.run("ping", "-c5", "-i0.05", "-W1", vm.address)
        assert "DUP!" not in done.stdout and " 0% packet loss" in done.stdout, done.stdout
    finally:
        netns.batch(["link set rack type bridge_slave learning on"], lab.netns("server1"))


def test_ovs_ofctl_and_victorctl_show_the_same_table(lab: Lab) -> None:
    switch = lab.fe("fe2")
    assert isinstance(switch, Switch)
    flows = switch.ofctl("dump-flows")
    assert flows.count("table=") == len(labs.rules(lab, "fe2"))
    shown = ctl.text(lab, "show", "forwarding", "fe2")
    rows = {line.split()[0]: line.split()[1] for line in shown.splitlines()[1:]}
    assert rows["nw_dst=10.10.0.36"] == "mod_dl_dst,out:3"
    assert rows["nw_dst=10.4.5.1"] == "out:0"


def test_counters_are_read_from_the_flows(lab: Lab) -> None:
    client, laptop = lab.host("client"), lab.host("laptop")

    def packets() -> int:
        found = lab.rest.get("/v1/elements/fe2/counters")["counters"]
        return sum(c["packets"] for c in found if c["address"] == laptop.address)

    before = packets()
    assert client.ping(laptop.address)
    labs.eventually("the ping to be counted", lambda: packets() > before)
    client.ping("10.10.77.77", timeout_s=0.1)
    labs.eventually("the drop to be counted", lambda: labs.drops(lab, "fe1")["no_binding"] > 0)


def test_an_unknown_machine_is_refused_and_gets_nothing(lab: Lab) -> None:
    vm = lab.host("vm")
    send(vm, arp_frame("52:54:00:00:00:77", "10.10.0.77", "10.10.0.77"))
    labs.eventually("the refusal", lambda: any(
        r["who"] == "10.10.0.77" for r in lab.rest.get("/v1/refusals")["refusals"]))
    assert not any("10.10.0.77" in r["flow"] for r in labs.rules(lab, "fe2"))


def test_a_ttl_that_runs_out_is_answered_by_the_gateway(lab: Lab) -> None:
    laptop, client = lab.host("laptop"), lab.host("client")
    for host, target, router in ((laptop, client, GATEWAY), (client, laptop, "192.0.2.1")):
        done = host.run("ping", "-n", "-c1", "-t1", "-W2", target.address)
        assert f"From {router}" in done.stdout and "Time to live exceeded" in done.stdout, \
            done.stdout


def test_the_controllers_restart_sends_no_flow_mod_and_traffic_flows_meanwhile(lab: Lab) -> None:
    with Conversation(lab.host("client"), lab.host("laptop")) as talk:
        lab.controller.kill()
        talk.wait_progress()
        lab.rest.close()
        lab.controller.start()
        labs.wait_online(lab)
        labs.wait_place(lab, "laptop", "fe2", "ap0")
        talk.wait_progress()
    assert labs.flow_mods(lab) == {"fe1": 0, "fe2": 0, "fe3": 0}
    roam(lab, "ap2")


def test_a_restarted_switch_which_kept_nothing_is_told_all_again(lab: Lab) -> None:
    right = {(r["flow"], r["action"]) for r in labs.rules(lab, "fe2")}
    lab.fe("fe2").restart()
    labs.wait_online(lab, "fe2")
    labs.eventually("the table as it was",
                    lambda: {(r["flow"], r["action"]) for r in labs.rules(lab, "fe2")} == right)
    transfer_both_ways(lab.host("client"), lab.host("laptop"), 1 << 18)
