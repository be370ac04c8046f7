"""Quick moves, their announcements reordered by delay on one element's link to the controller.

    client ── FE1 ap0 ── AP0 ┐
              FE2 ap0 ── AP1 ├─ laptop 10.10.0.36      mgmt-fe1, mgmt-fe2, mgmt-fe3: delay lines
              FE3 ap0 ── AP2 ┘                         (the rest: lab/figure2.py)
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator

import labs
import pytest
from lab.frames import Capture
from lab.runtime import Lab
from traffic import Conversation, Datagrams

DELAY_MS = 60
LINKS = ("mgmt-fe1", "mgmt-fe2", "mgmt-fe3")
AT = {"ap0": "fe1", "ap1": "fe2", "ap2": "fe3"}
ROUTES = [("ap1", "ap2", "ap1"), ("ap2", "ap1", "ap2"), ("ap1", "ap2", "ap0"),
          ("ap2", "ap1", "ap0"), ("ap1", "ap0", "ap2")]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    make = labs.variant(lambda t: labs.add_access_point(t, "ap0", "fe1", "ap0", 3))
    with labs.running(make, delays=dict.fromkeys(LINKS, 0.0)) as one:
        yield one


def settle_at(lab: Lab, place: str) -> None:
    """Undelayed, and everything of before has been heard."""
    for link in LINKS:
        lab.set_delay(link, 0)
    lab.move("laptop", place)
    labs.wait_place(lab, "laptop", AT[place], "ap0")


def wait_heard(lab: Lab, element: str) -> None:
    """All that the element has said until now: its answer comes by the same connection."""
    labs.drops(lab, element)


class Crossings:
    """How often each of the client's datagrams crossed the backplane, seen at the core."""

    def __init__(self, lab: Lab) -> None:
        self.captures = [Capture(lab.netns("core"), f"net{i}") for i in (1, 2, 3)]
        self.times: Counter[bytes] = Counter()

    def __enter__(self) -> "Crossings":
        return self

    def __exit__(self, *_: object) -> None:
        for capture in self.captures:
            capture.close()

    def read(self) -> Counter[bytes]:
        for capture in self.captures:
            for frame in capture.read():
                inner = frame.data[34:]
                if not frame.outgoing and frame.data[23] == socket.IPPROTO_IPIP and inner[9] == 17:
                    self.times[inner[28:43]] += 1
        return self.times


@pytest.mark.parametrize("start,middle,end", ROUTES, ids=lambda place: AT[place])
def test_announcements_that_overtake_each_other_end_at_the_right_place(
        lab: Lab, start: str, middle: str, end: str) -> None:
    settle_at(lab, start)
    heard = labs.element(lab, AT[middle])["packet_ins"]
    with Conversation(lab.host("client"), lab.host("laptop")) as talk:
        lab.set_delay(f"mgmt-{AT[middle]}", DELAY_MS)
        lab.move("laptop", middle)
        lab.move("laptop", end)
        labs.eventually("the overtaken announcement", lambda: labs.element(
            lab, AT[middle])["packet_ins"] > heard)
        labs.wait_place(lab, "laptop", AT[end], "ap0")
        talk.wait_progress()
        wait_heard(lab, AT[middle])
        # Once more: what came late may have made the controller ask both places.
        labs.wait_place(lab, "laptop", AT[end], "ap0")
        talk.wait_progress()


@pytest.mark.parametrize("start,middle,end", ROUTES, ids=lambda place: AT[place])
def test_no_packet_loops_while_the_elements_disagree(lab: Lab, start: str, middle: str,
                                                     end: str) -> None:
    """A packet crosses the backplane to where the ingress element believes the node is, and at most
    once more, marked; a marked packet that finds nobody is dropped and counted."""
    settle_at(lab, start)
    missed = sum(labs.drops(lab, e)["redirected_miss"] for e in AT.values())
    heard = labs.element(lab, AT[middle])["packet_ins"]
    with Crossings(lab) as crossings, Datagrams(lab.host("client"), lab.host("laptop")) as probes:
        lab.set_delay(f"mgmt-{AT[middle]}", DELAY_MS)
        probes.send(20)
        lab.move("laptop", middle)
        probes.send(20)
        lab.move("laptop", end)

        def late() -> bool:
            probes.send(1)
            return labs.element(lab, AT[middle])["packet_ins"] > heard

        labs.eventually("the overtaken announcement", late)
        labs.wait_place(lab, "laptop", AT[end], "ap0")
        probes.send(1)
        labs.eventually("the last datagram", lambda: probes.sent - 1 in probes.collect())
        times = crossings.read()
    twice = sum(1 for count in times.values() if count == 2)
    assert len(times) >= 20, "the client's datagrams cross from FE1 to where the laptop was"
    assert max(times.values()) <= 2, times.most_common(3)
    assert len(set(probes.arrived)) == len(probes.arrived), "a datagram came twice"
    now = sum(labs.drops(lab, e)["redirected_miss"] for e in AT.values())
    assert now - missed <= twice


def test_a_storm_of_moves_ends_where_the_last_one_led(lab: Lab) -> None:
    settle_at(lab, "ap1")
    for link, delay in zip(LINKS, (0, 25, 50)):
        lab.set_delay(link, delay)
    with Conversation(lab.host("client"), lab.host("laptop")) as talk:
        for place in ("ap2", "ap0", "ap1", "ap2", "ap1", "ap0", "ap2", "ap1", "ap2"):
            lab.move("laptop", place)
        labs.wait_place(lab, "laptop", "fe3", "ap0")
        talk.wait_progress()
        labs.wait_place(lab, "laptop", "fe3", "ap0")
