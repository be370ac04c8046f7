"""Several forwarding elements on one LAN (lab/shared_segment.py):

                  ┌── FE2 ──┐
    h1 … h6 ── lan ┼── FE3 ──┼── core ── FE1 ── client
                  └── FE4 ──┘      └── FE5 ── remote

Traffic of both directions is spread over them, each packet is delivered once, and an element that
dies, comes or is drained costs no more than what is said here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import labs
import pytest
from lab import netns, shared_segment
from lab.runtime import Lab
from labs import eventually
from sharing import (HOSTS, Outage, designated, drain, gateway_macs, known_at, progress, talk,
                     without_loss)
from traffic import Datagrams, transfer_both_ways


@pytest.fixture
def lab() -> Iterator[Lab]:
    with labs.running(shared_segment.Lab) as one:
        yield one


def test_traffic_of_both_directions_is_spread_over_the_elements(lab: Lab) -> None:
    at = designated(lab)
    assert set(at.values()) == {"fe2", "fe3"}, at
    for name in HOSTS:
        transfer_both_ways(lab.host("client"), lab.host(name), 1 << 20)
        transfer_both_ways(lab.host("remote"), lab.host(name), 1 << 20)
    for element in ("fe2", "fe3"):
        other = {"fe2": "fe3", "fe3": "fe2"}[element]
        to, by = labs.delivered(lab, element), labs.delivered(lab, "fe5")
        for name in HOSTS:
            for ingress in ("fe1", "fe5"):
                count = to[(ingress, lab.host(name).address)]
                assert (count > 100) == (at[name] == element), (name, element, count)
        mine = sum(1 for place in at.values() if place == element)
        assert by[(element, lab.host("remote").address)] > 100 * mine
        assert by[(other, lab.host("remote").address)] > 100
    for name in HOSTS:
        macs = gateway_macs(lab.host(name))
        assert len(macs) == 1, f"{name} was told several MACs of the gateway: {macs}"
        assert known_at(lab, macs.pop()) == at[name]


def flood(lab: Lab) -> None:
    """The LAN's switch forgets all that it has learnt, and learns no more: a hub."""
    for port in (*shared_segment.SHARING, *HOSTS):
        netns.batch([f"link set {port} type bridge_slave learning off"], lab.netns("lan"))
        netns.batch([f"link set {port} type bridge_slave fdb_flush"], lab.netns("lan"))


@pytest.mark.parametrize("hub", [False, True], ids=["switch", "hub"])
def test_each_packet_is_delivered_once(lab: Lab, hub: bool) -> None:
    if hub:
        flood(lab)
    for name in HOSTS[:4]:
        for source, sink in ((name, "remote"), ("remote", name), ("client", name),
                             (name, "client"), (name, "h5")):
            with Datagrams(lab.host(source), lab.host(sink)) as datagrams:
                datagrams.send(50)
                eventually("datagrams", lambda: len(datagrams.collect()) >= 50)
                lab.host(source).ping(lab.host(sink).address)    # behind them all
                assert sorted(datagrams.collect()) == list(range(50)), (source, sink)


def test_when_an_element_dies_the_other_takes_over(lab: Lab) -> None:
    at = designated(lab)
    victim = at["h1"]
    survivor = {"fe2": "fe3", "fe3": "fe2"}[victim]
    with ExitStack() as stack:
        talks = talk(lab, stack)
        outage = stack.enter_context(Outage(lab.host("remote"), lab.host("h1").address))
        progress(talks)
        lab.fe(victim).kill()
        netns.batch(["link set lan0 down", "link set bp0 down"], lab.netns(victim))
        eventually("takeover", lambda: set(designated(lab).values()) == {survivor})
        progress(talks)
        gap, lost = outage.finish()
        print(f"element dead: outage {gap:.0f} ms, {lost} pings lost")
        assert gap < 3000    # element_grace_ms 1000; this machine is busy
        netns.batch(["link set lan0 up", "link set bp0 up",
                     f"route add 172.16.0.0/16 via 172.16.{victim[2]}.1"], lab.netns(victim))
        lab.fe(victim).start()
        eventually("return", lambda: designated(lab) == at)
        progress(talks)


def test_when_its_port_fails_the_other_takes_over_at_once(lab: Lab) -> None:
    at = designated(lab)
    victim = at["h1"]
    survivor = {"fe2": "fe3", "fe3": "fe2"}[victim]
    with ExitStack() as stack:
        talks = talk(lab, stack)
        outage = stack.enter_context(Outage(lab.host("remote"), lab.host("h1").address))
        progress(talks)
        netns.batch([f"link set {victim} down"], lab.netns("lan"))
        eventually("takeover", lambda: set(designated(lab).values()) == {survivor})
        progress(talks)
        netns.batch([f"link set {victim} up"], lab.netns("lan"))
        eventually("return", lambda: designated(lab) == at)
        progress(talks)
        gap, lost = outage.finish()
        print(f"port down: outage {gap:.0f} ms, {lost} pings lost")
        assert gap < 1000


def test_a_third_element_joins_under_load_without_loss(lab: Lab) -> None:
    before = designated(lab)

    def join() -> None:
        lab.fe("fe4").start()
        eventually("share of the third", lambda: "fe4" in designated(lab).values())

    without_loss(lab, join, "third element joins")
    after = designated(lab)
    moved = {name for name in HOSTS if after[name] != before[name]}
    assert moved and all(after[name] == "fe4" for name in moved)
    for name in moved:
        transfer_both_ways(lab.host("remote"), lab.host(name), 1 << 20)
        assert labs.delivered(lab, "fe4")[("fe5", lab.host(name).address)] > 100


def test_an_element_is_drained_and_comes_back_without_loss(lab: Lab) -> None:
    before = designated(lab)
    victim = before["h1"]
    survivor = {"fe2": "fe3", "fe3": "fe2"}[victim]

    def out() -> None:
        status, text = drain(lab, victim)
        assert status == 0 and "is empty" in text, text
        assert set(designated(lab).values()) == {survivor}

    def back() -> None:
        assert drain(lab, victim, "--undo")[0] == 0
        eventually("return", lambda: designated(lab) == before)

    without_loss(lab, out, "drain")
    assert labs.element(lab, victim)["draining"]
    lab.controller.restart()    # it stays so
    labs.wait_online(lab, "fe1", "fe2", "fe3", "fe5")
    assert labs.element(lab, victim)["draining"]
    assert set(designated(lab).values()) == {survivor}
    without_loss(lab, back, "back in service")


def test_a_drained_element_can_be_stopped_and_nobody_notices(lab: Lab) -> None:
    victim = designated(lab)["h1"]
    assert drain(lab, victim)[0] == 0

    def stop() -> None:
        lab.fe(victim).stop()
        netns.batch(["link set lan0 down", "link set bp0 down"], lab.netns(victim))

    without_loss(lab, stop, "drained element stopped")


def test_what_only_one_element_can_serve_is_listed(lab: Lab) -> None:
    status, text = drain(lab, "fe5")
    assert status == 1 and "1 node is attached only here" in text and "remote" in text, text
    assert lab.host("h1").ping(lab.host("remote").address, 3)
    status, text = drain(lab, "fe1")
    assert status == 1 and "no other way out than fe1" in text, text
    assert lab.host("h1").ping(shared_segment.CLIENT_ADDRESS, 3)
