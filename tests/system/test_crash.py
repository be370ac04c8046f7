"""kill -9 of the controller, or of an element's agent, during traffic. Topology: lab/figure2.py."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import labs
import pytest
from lab.runtime import Lab
from lab.vm.probe import Ping
from traffic import Conversation, connect

NODES = ("laptop", "vm1", "server1", "server2", "neighbor")


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A lab of its own for each: it is not what it was afterwards."""
    with labs.running() as one:
        yield one


@contextmanager
def traffic(lab: Lab) -> Iterator[Conversation]:
    """TCP and pings between the client, the laptop at FE2 and the server at FE3; at the end every
    byte has come, and every ping."""
    laptop = lab.host("laptop")
    with Conversation(lab.host("client"), laptop) as talk, \
            Conversation(laptop, lab.host("server2")) as other, \
            Ping(lab.netns("client"), laptop.address, 5) as ping:
        ping.wait_answers(5)
        yield talk
        talk.wait_progress()
        other.wait_progress()
        ping.wait_answers(len(ping._answered) + 5)
        assert ping.stop() == 0, "pings were lost"


def snapshot(lab: Lab) -> dict[str, set[tuple[str, str, str]]]:
    return {e.name: {(r["flow"], r["action"], r["cookie"]) for r in labs.rules(lab, e.name)}
            for e in lab.topology.elements}


def synchronized(lab: Lab) -> None:
    labs.wait_online(lab)
    labs.eventually("attachments of all", lambda: {
        a["node"] for a in lab.rest.attachments() if a["state"] == "active"} >= set(NODES))


def restart_controller(lab: Lab) -> None:
    lab.rest.close()
    lab.controller.start()
    synchronized(lab)


def test_a_killed_controller_comes_back_and_sends_nothing_that_is_right_already(lab: Lab) -> None:
    before = snapshot(lab)
    with traffic(lab) as talk:
        lab.controller.kill()
        talk.wait_progress()
        restart_controller(lab)
        talk.wait_progress()
    assert labs.flow_mods(lab) == {"fe1": 0, "fe2": 0, "fe3": 0}
    assert snapshot(lab) == before


def ofctl(lab: Lab, element: str, command: str, flow: str) -> None:
    subprocess.run(["ovs-ofctl", "-O", "OpenFlow13", command, f"unix:{lab.run_dir}/{element}.mgmt",
                    flow], check=True, capture_output=True, timeout=20)


@pytest.mark.skipif(not shutil.which("ovs-ofctl"), reason="openvswitch-common is not installed")
def test_what_was_changed_behind_a_dead_controllers_back_is_put_right_and_nothing_else(
        lab: Lab) -> None:
    before = snapshot(lab)
    server, laptop = lab.host("server2").address, lab.host("laptop").address
    lab.controller.kill()
    foreign = "table=3,priority=100,metadata=0x0/0xffffff,ip,nw_dst="
    ofctl(lab, "fe2", "del-flows", f"table=3,metadata=0x0/0xffffff,ip,nw_dst={server}")
    ofctl(lab, "fe1", "add-flow", f"{foreign}{laptop},actions=group:3")
    ofctl(lab, "fe3", "add-flow", f"{foreign}10.10.77.77,actions=group:2")
    restart_controller(lab)
    labs.eventually("all as it was", lambda: snapshot(lab) == before)
    assert labs.flow_mods(lab) == {"fe1": 1, "fe2": 1, "fe3": 1}
    with traffic(lab) as talk:
        talk.wait_progress()


def test_a_controller_that_lost_its_store_rebuilds_from_the_elements(lab: Lab) -> None:
    lab.move("laptop", "ap2")
    labs.wait_place(lab, "laptop", "fe3", "ap0")
    before = snapshot(lab)
    with traffic(lab) as talk:
        lab.controller.kill()
        stores = [p for p in (lab.run_dir / "controller").iterdir() if p.is_file()]
        assert stores, "there is no store to lose"
        for path in stores:
            path.unlink()
        restart_controller(lab)
        talk.wait_progress()
    assert {k: {(f, a) for f, a, _ in rows} for k, rows in snapshot(lab).items()} == \
        {k: {(f, a) for f, a, _ in rows} for k, rows in before.items()}
    assert labs.place_of(lab, "laptop") == ("fe3", "ap0")


def test_a_move_while_the_controller_is_dead_is_replayed_when_it_is_back(lab: Lab) -> None:
    client, laptop = lab.host("client"), lab.host("laptop")
    with Conversation(client, laptop) as talk:
        lab.controller.kill()
        lab.move("laptop", "ap2")
        lab.rest.close()
        lab.controller.start()
        labs.wait_online(lab)
        labs.wait_place(lab, "laptop", "fe3", "ap0")
        talk.wait_progress()
    sent = labs.flow_mods(lab)
    assert all(0 < count <= 4 for count in sent.values()), sent


def test_a_controller_killed_again_and_again_never_loses_track(lab: Lab) -> None:
    places = {"ap1": "fe2", "ap2": "fe3"}
    with Conversation(lab.host("client"), lab.host("laptop")) as talk:
        for place in ("ap2", "ap1", "ap2"):
            lab.move("laptop", place)
            labs.wait_place(lab, "laptop", places[place], "ap0")
            lab.controller.kill()
            talk.wait_progress()
            restart_controller(lab)
            labs.wait_place(lab, "laptop", places[place], "ap0")
            talk.wait_progress()


@pytest.mark.parametrize("element", ["fe1", "fe2"])
def test_a_killed_agent_comes_back_without_a_lost_packet_or_a_flow_sent_again(
        lab: Lab, element: str) -> None:
    before, sent = snapshot(lab), labs.flow_mods(lab)
    with traffic(lab) as talk:
        lab.fe(element).kill()
        labs.eventually("the controller to notice",
                        lambda: labs.element(lab, element)["state"] != "online")
        talk.wait_progress()
        lab.fe(element).start()
        labs.wait_online(lab)
        talk.wait_progress()
    assert labs.flow_mods(lab) == sent
    assert snapshot(lab) == before


def test_what_changed_while_an_agent_was_dead_is_sent_to_it_and_nothing_else(lab: Lab) -> None:
    sent = labs.flow_mods(lab)
    lab.fe("fe1").kill()
    labs.eventually("the controller to notice", lambda: labs.element(
        lab, "fe1")["state"] != "online")
    lab.move("laptop", "ap2")
    labs.wait_place(lab, "laptop", "fe3", "ap0")
    lab.fe("fe1").start()
    labs.wait_online(lab)
    assert labs.flow_mods(lab)["fe1"] == sent["fe1"] + 1, "FE1 has one row about the laptop"
    near, far = connect(lab.host("client"), lab.host("laptop"))
    with near, far:
        near.sendall(b"found")
        assert far.recv(16) == b"found"


def test_everything_killed_at_once_forwards_on_and_comes_back(lab: Lab) -> None:
    before = snapshot(lab)
    with traffic(lab) as talk:
        lab.controller.kill()
        for element in lab.topology.elements:
            lab.fe(element.name).kill()
        talk.wait_progress()
        for element in lab.topology.elements:
            lab.fe(element.name).start()
        restart_controller(lab)
        talk.wait_progress()
    assert labs.flow_mods(lab) == {"fe1": 0, "fe2": 0, "fe3": 0}
    assert snapshot(lab) == before


def test_an_element_without_a_controller_moves_nobody_but_passes_new_connections(lab: Lab) -> None:
    lab.controller.kill()
    for client, server in (("client", "laptop"), ("laptop", "server2"), ("vm", "client")):
        near, far = connect(lab.host(client), lab.host(server))
        with near, far:
            far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            far.sendall(b"hello")
            assert near.recv(16) == b"hello"


def test_what_was_announced_outlives_the_agent_that_kept_it(lab: Lab) -> None:
    """Nobody says it twice: the laptop is silent after its announcement."""
    lab.controller.kill()
    lab.move("laptop", "ap2")
    labs.eventually("the announcement at FE3", lambda: labs.pinned(lab, "fe3", "kept"))
    lab.fe("fe3").kill()
    lab.fe("fe3").start()
    lab.rest.close()
    lab.controller.start()
    labs.wait_online(lab)
    labs.wait_place(lab, "laptop", "fe3", "ap0")
    labs.eventually("nothing kept any more", lambda: not labs.pinned(lab, "fe3", "kept"))


def test_what_was_announced_to_a_dead_agent_waits_for_the_next(lab: Lab) -> None:
    lab.fe("fe3").kill()
    lab.move("laptop", "ap2")
    lab.fe("fe3").start()
    labs.wait_online(lab)
    labs.wait_place(lab, "laptop", "fe3", "ap0")
