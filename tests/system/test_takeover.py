"""How an element on a shared LAN dies, and how soon the other one has its nodes
(lab/shared_segment.py): its machine is gone, which nothing tells but silence, with and without links
that BFD watches; its agent restarts, or hangs, while its data plane forwards.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack

import labs
import pytest
from lab import netns, shared_segment
from lab.runtime import Lab
from labs import eventually
from sharing import HOSTS, Outage, designated, progress, talk

OTHER = {"fe2": "fe3", "fe3": "fe2"}
LINKED = ("fe1", "fe2", "fe3", "fe5")


class LinkedLab(shared_segment.Lab):
    """Every two elements have a link over the underlay, watched by BFD."""

    @staticmethod
    def make_topology() -> shared_segment.Topology:
        t = shared_segment.topology()
        t.backplane_links = [{"between": [a, b], "kind": "ip", "cost": 10}
                             for a in LINKED for b in LINKED if a < b]
        return t


def links_are(lab: Lab, up: bool, of: str | None = None) -> bool:
    return all(link["up"] == up for link in lab.rest.get("/v1/links")["links"]
               if of is None or of in link["between"])


def wait_links(lab: Lab) -> None:
    eventually("links up", lambda: links_are(lab, True))


@contextlib.contextmanager
def running(make: type[Lab], linked: bool) -> Iterator[Lab]:
    with labs.running(make) as lab:
        if linked:
            wait_links(lab)
        yield lab


@pytest.fixture(scope="module")
def linked() -> Iterator[Lab]:
    with running(LinkedLab, True) as lab:
        yield lab


@pytest.fixture(scope="module")
def plain() -> Iterator[Lab]:
    with running(shared_segment.Lab, False) as lab:
        yield lab


def wire(lab: Lab, element: str, switch: str, on: bool) -> None:
    """A switch's port forwards, or not; the device at the other end notices nothing."""
    netns.run(lab.netns(switch), "bridge", "link", "set", "dev", element, "state",
              "3" if on else "0")


def power_off(lab: Lab, element: str) -> None:
    """Nobody hears of its end: no connection is reset, no carrier lost."""
    for switch in ("mgmt", "lan"):
        wire(lab, element, switch, False)
    lab.fe(element).kill()


def power_on(lab: Lab, element: str) -> None:
    for switch in ("mgmt", "lan"):
        wire(lab, element, switch, True)
    lab.fe(element).start()


def takeover(lab: Lab, name: str) -> float:
    at = designated(lab)
    victim = at["h1"]
    with ExitStack() as stack:
        talks = talk(lab, stack)
        outage = stack.enter_context(Outage(lab.host("remote"), lab.host("h1").address))
        progress(talks)
        power_off(lab, victim)
        eventually("takeover", lambda: set(designated(lab).values()) == {OTHER[victim]})
        progress(talks)
        gap, lost = outage.finish()
        print(f"{name}: outage {gap:.0f} ms, {lost} pings lost")
        power_on(lab, victim)
        eventually("return", lambda: designated(lab) == at)
        progress(talks)
    return gap


def test_a_machine_that_is_gone_is_missed_by_its_neighbours(linked: Lab) -> None:
    gap = takeover(linked, "machine gone, links with BFD")
    assert gap < 1000    # 150 ms for BFD, 200 ms for the question; this machine is busy


def test_without_links_a_machine_that_is_gone_is_missed_after_the_grace(plain: Lab) -> None:
    gap = takeover(plain, "machine gone, no links")
    assert gap < 2500    # element_grace_ms 1000


def test_an_agent_that_restarts_keeps_its_nodes_whatever_bfd_says(linked: Lab) -> None:
    wait_links(linked)
    at = designated(linked)
    victim = at["h1"]
    moved = labs.log_of(linked, "controller").count("is designated for it now")
    with ExitStack() as stack:
        talks = talk(linked, stack)
        progress(talks)
        linked.fe(victim).kill()
        linked.fe(victim).start()
        labs.wait_online(linked, *LINKED)
        progress(talks)
    assert designated(linked) == at
    assert labs.log_of(linked, "controller").count("is designated for it now") == moved


def test_an_agent_that_hangs_keeps_its_nodes_for_a_while(linked: Lab) -> None:
    """Its machine's kernel acknowledges what it is sent: the data plane forwards."""
    at = designated(linked)
    victim = at["h1"]
    child = linked.fe(victim)._child
    assert child is not None
    with ExitStack() as stack:
        talks = talk(linked, stack)
        progress(talks)
        os.kill(child.pid, signal.SIGSTOP)
        try:
            eventually("links down", lambda: links_are(linked, False, of=victim))
            progress(talks)
            assert designated(linked) == at
        finally:
            os.kill(child.pid, signal.SIGCONT)
        labs.wait_online(linked, *LINKED)
        progress(talks)
    eventually("the same elements", lambda: designated(linked) == at)
    assert set(at) == set(HOSTS)
