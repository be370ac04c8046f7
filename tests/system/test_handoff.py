"""The paper's handoff: a laptop roams between access points.

    client ── FE1 ══╤══ FE2 ap0 ── AP1 ┐
                    │       ap1 ── AP1b├─ laptop 10.10.0.36
                    └══ FE3 ap0 ── AP2 ┘            (the rest: lab/figure2.py)
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import labs
import pytest
from lab import netns
from lab.dock import DockPorts
from lab.frames import ETH_P_ALL, Capture
from lab.runtime import Lab
from lab.vm.probe import Ping
from traffic import Conversation

MOVES = 10
OPENFLOW_PORT, OFPT_FLOW_MOD, OPENFLOW_13 = 6653, 14, 4
MANAGEMENT = {"10.99.0.11": "fe1", "10.99.0.12": "fe2", "10.99.0.13": "fe3"}
PLACES = {"ap1": ("fe2", "ap0"), "ap1b": ("fe2", "ap1"), "ap2": ("fe3", "ap0")}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    make = labs.variant(lambda t: labs.add_access_point(t, "ap1b", "fe2", "ap1", 4))
    with labs.running(make) as one:
        yield one


def go(lab: Lab, place: str) -> None:
    lab.move("laptop", place)
    labs.wait_place(lab, "laptop", *PLACES[place])


@pytest.fixture(autouse=True)
def laptop_at_ap1(lab: Lab) -> None:
    go(lab, "ap1")


def test_a_roaming_host_keeps_its_tcp_connection_over_ten_moves(lab: Lab) -> None:
    with Conversation(lab.host("client"), lab.host("laptop")) as talk:
        for i in range(MOVES):
            go(lab, "ap2" if i % 2 == 0 else "ap1")
            talk.wait_progress()


def test_two_roaming_hosts_keep_their_tcp_connection(lab: Lab) -> None:
    with Conversation(lab.host("vm"), lab.host("laptop")) as talk:
        for laptop, vm in (("ap2", "site2"), ("ap2", "site3"), ("ap1", "site3"), ("ap1", "site2")):
            lab.move("vm", vm)
            go(lab, laptop)
            talk.wait_progress()


def test_no_move_loses_more_than_one_ping_either_way(lab: Lab) -> None:
    laptop, client = lab.host("laptop"), lab.host("client")
    with Ping(laptop.netns, lab.host("server1").address, 10) as out, \
            Ping(client.netns, laptop.address, 10) as into:
        out.wait_answers(5)
        into.wait_answers(5)
        for i in range(MOVES):
            mark = max(max(out._answered.values()), max(into._answered.values()))
            go(lab, "ap2" if i % 2 == 0 else "ap1")
            out.wait_answers(10, since_ns=mark)
            into.wait_answers(10, since_ns=mark)
        lost = out.stop(), into.stop()
    assert max(lost) <= MOVES, f"{lost} pings lost in {MOVES} moves"


def flow_mods_in_order(capture: Capture) -> list[str]:
    """To whom the controller sent flow-mods, in the order of their first bytes."""
    order = []
    for frame in capture.read():
        if not frame.outgoing or not frame.is_ipv4 or frame.data[23] != 6:
            continue
        segment = frame.data[14 + (frame.data[14] & 15) * 4:]
        source_port, = struct.unpack_from("!H", segment)
        message = segment[(segment[12] >> 4) * 4:]
        if source_port == OPENFLOW_PORT and message[:2] == bytes([OPENFLOW_13, OFPT_FLOW_MOD]):
            order.append(MANAGEMENT[frame.destination])
    return order


@pytest.mark.parametrize("new,old", [("fe3", "fe2"), ("fe2", "fe3")])
def test_the_new_element_is_programmed_first_then_the_old_then_the_rest(lab: Lab, new: str,
                                                                        old: str) -> None:
    if old == "fe3":
        go(lab, "ap2")
    with Capture(lab.netns("cc"), "mg0", ETH_P_ALL) as capture:
        go(lab, "ap2" if new == "fe3" else "ap1")
        labs.eventually("the rest to be told", lambda: rows_agree(lab, new))
        order = list(dict.fromkeys(flow_mods_in_order(capture)))
    assert order == [new, old, "fe1"]


def rows_agree(lab: Lab, element: str) -> bool:
    """Whether FE1, told last, has the laptop at the element."""
    number = labs.element(lab, element)["id"]
    return any(r["flow"] == "nw_dst=10.10.0.36" and r["action"] == f"group:{number},out:0"
               for r in labs.rules(lab, "fe1"))


def test_a_move_within_one_element_sends_the_others_nothing(lab: Lab) -> None:
    with Conversation(lab.host("client"), lab.host("laptop")) as talk:
        before = labs.flow_mods(lab)
        go(lab, "ap1b")
        talk.wait_progress()
        go(lab, "ap1")
        talk.wait_progress()
    after = labs.flow_mods(lab)
    assert after["fe2"] > before["fe2"]
    assert (after["fe1"], after["fe3"]) == (before["fe1"], before["fe3"])


def test_an_announcement_that_changes_nothing_sends_nobody_anything(lab: Lab) -> None:
    before = labs.flow_mods(lab)
    heard = labs.element(lab, "fe2")["packet_ins"]
    for _ in range(5):
        lab.host("laptop").announce()
    labs.eventually("the announcements at the controller",
                    lambda: labs.element(lab, "fe2")["packet_ins"] >= heard + 5)
    assert labs.flow_mods(lab) == before


def test_every_move_has_one_later_version(lab: Lab) -> None:
    def version() -> tuple[int, ...]:
        found = labs.attachment(lab, "laptop")
        assert found
        return tuple(int(part) for part in found["version"].split("."))

    versions = [version()]
    for place in ("ap2", "ap1", "ap2"):
        go(lab, place)
        versions.append(version())
    assert versions == sorted(set(versions))


def test_a_place_without_its_host_takes_in_nothing_even_from_where_it_was_heard_before(lab: Lab) -> None:
    """Of the lab itself: such a frame would be the server's at an element that is not its own."""
    air, dock = lab.netns("air"), lab.topology.docks["vm"]
    mac, where = "02:00:00:00:03:01", ("dev", dock.place("site3").dock_port)
    netns.run(air, "bridge", "fdb", "add", mac, *where, "master", "dynamic")
    assert mac in netns.run(air, "bridge", "fdb", "show", *where)
    ports = DockPorts(air, dock)
    ports.prepare("site2")
    ports.close()
    assert mac not in netns.run(air, "bridge", "fdb", "show", *where)
