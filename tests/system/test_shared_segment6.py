"""As test_shared_segment.py, with nodes that have IPv6 alone and nodes that have both
(lab/shared_segment6.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import labs
import pytest
from lab import netns, shared_segment6
from lab.runtime import Lab
from labs import eventually
from sharing import (HOSTS, designated, drain, gateway_macs, known_at, progress, talk,
                     without_loss)
from traffic import Conversation, transfer_both_ways

ADDRESSES = shared_segment6.ADDRESSES
OTHER = {"fe2": "fe3", "fe3": "fe2"}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with labs.running(shared_segment6.Lab) as one:
        for name in shared_segment6.ADVERTISED:
            host = one.host(name)
            eventually(f"way out of {name}", lambda: "default via fe80" in host.run(
                "ip", "-6", "route", "show", "default").stdout)
        yield one


def test_ipv6_nodes_register_at_the_designated_element_alone(lab: Lab) -> None:
    at = designated(lab)
    assert set(at) == set(HOSTS) and set(at.values()) == {"fe2", "fe3"}, at
    for name in HOSTS:
        found = [a for a in lab.rest.attachments() if a["node"] == name]
        assert len(found) == 1 and found[0]["state"] == "active", found
        for element in ("fe1", "fe5"):    # they send to that one
            rules = [r["action"] for r in labs.rules(lab, element)
                     if r["flow"].split("=")[-1] == ADDRESSES[name]]
            assert [r.split(",")[0] for r in rules] == [f"group:{at[name][2]}"], rules


def test_ipv6_traffic_of_both_directions_is_spread(lab: Lab) -> None:
    at = designated(lab)
    before = {e: labs.delivered(lab, e) for e in ("fe2", "fe3", "fe5")}
    for name in HOSTS:
        host = lab.host(name).at(ADDRESSES[name])
        transfer_both_ways(lab.host("client").at(shared_segment6.CLIENT), host, 1 << 19)
        transfer_both_ways(lab.host("remote").at(ADDRESSES["remote"]), host, 1 << 19)
    for element in OTHER:
        to, by = labs.delivered(lab, element), labs.delivered(lab, "fe5")
        for name in HOSTS:
            for ingress in ("fe1", "fe5"):
                key = (ingress, ADDRESSES[name])
                count = to[key] - before[element][key]
                assert (count > 50) == (at[name] == element), (name, element, count)
        key = (element, ADDRESSES["remote"])
        mine = sum(1 for place in at.values() if place == element)
        assert by[key] - before["fe5"][key] > 50 * mine
    for name in HOSTS:
        macs = gateway_macs(lab.host(name))
        assert len(macs) == 1, f"{name} was told several MACs of the gateway: {macs}"
        assert known_at(lab, macs.pop()) == at[name]


def test_a_takeover_teaches_the_switch_before_the_node_says_a_word(lab: Lab) -> None:
    """h1 to h3 have no IPv4: what teaches is an unsolicited advertisement of the gateway's."""
    at = designated(lab)
    victim = at["h1"]
    talkers = {}
    with ExitStack() as stack:
        for name in HOSTS:
            talkers[name] = stack.enter_context(Conversation(
                lab.host("remote").at(ADDRESSES["remote"]), lab.host(name).at(ADDRESSES[name])))
        progress(talkers)
        macs = {name: gateway_macs(lab.host(name)).pop() for name in HOSTS}
    netns.batch([f"link set {victim} down"], lab.netns("lan"))
    try:
        eventually("takeover", lambda: set(designated(lab).values()) == {OTHER[victim]})
        for name in HOSTS:
            eventually(f"the switch's knowledge of {name}'s gateway",
                       lambda: known_at(lab, macs[name]) == OTHER[victim])
    finally:
        netns.batch([f"link set {victim} up"], lab.netns("lan"))
    eventually("return", lambda: designated(lab) == at)
    for name in HOSTS:
        eventually(f"the switch's knowledge of {name}'s gateway",
                   lambda: known_at(lab, macs[name]) == at[name])


def test_ipv6_connections_outlive_a_takeover(lab: Lab) -> None:
    at = designated(lab)
    victim = at["h2"]
    with ExitStack() as stack:
        talks = talk(lab, stack)
        progress(talks)
        lab.fe(victim).kill()
        netns.batch(["link set lan0 down", "link set bp0 down"], lab.netns(victim))
        eventually("takeover", lambda: set(designated(lab).values()) == {OTHER[victim]})
        progress(talks)
        netns.batch(["link set lan0 up", "link set bp0 up",
                     f"route add 172.16.0.0/16 via 172.16.{victim[2]}.1"], lab.netns(victim))
        lab.fe(victim).start()
        eventually("return", lambda: designated(lab) == at)
        progress(talks)


def test_an_element_with_ipv6_nodes_is_drained_and_comes_back_without_loss(lab: Lab) -> None:
    before = designated(lab)
    victim = before["h3"]

    def out() -> None:
        status, text = drain(lab, victim)
        assert status == 0 and "is empty" in text, text
        assert set(designated(lab).values()) == {OTHER[victim]}

    def back() -> None:
        assert drain(lab, victim, "--undo")[0] == 0
        eventually("return", lambda: designated(lab) == before)

    without_loss(lab, out, "drain with IPv6")
    without_loss(lab, back, "back in service with IPv6")
