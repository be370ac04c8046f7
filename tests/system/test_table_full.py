"""An element that cannot hold all addresses: FE3 of Figure 2 holds three of five."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import ctl
import labs
import pytest
from lab.runtime import Lab
from lab.topology import Topology
from labs import eventually
from traffic import transfer_both_ways


def _narrow(t: Topology) -> None:
    t.elements[:] = [replace(e, binding_limit=3) if e.name == "fe3" else e for e in t.elements]


@pytest.fixture
def lab() -> Iterator[Lab]:
    with labs.running(labs.variant(_narrow)) as one:
        yield one


def bindings(lab: Lab, element: str) -> set[tuple[str, str]]:
    return {(rule["kind"], rule["flow"]) for rule in labs.rules(lab, element)
            if rule["kind"] in ("local", "foreign")}


def test_a_full_element_says_so_keeps_what_it_has_and_is_filled_when_there_is_room(
        lab: Lab) -> None:
    eventually("refusal", lambda: labs.element(lab, "fe3")["full"])
    full = labs.element(lab, "fe3")
    assert full["binding_limit"] == 3 and full["missing"] >= 2 and full["table_full"] >= 2
    assert not labs.element(lab, "fe2")["full"]
    held = bindings(lab, "fe3")
    assert len(held) == 3, held

    # The others go on, and so does what it holds.
    transfer_both_ways(lab.host("client"), lab.host("server1"), 1 << 20)
    shown = {row["ELEMENT"]: row for row in ctl.table(lab, "show", "elements")}
    assert shown["fe3"]["FULL"] != shown["fe2"]["FULL"] and shown["fe3"]["LIMIT"] == "3", shown

    # What is announced again changes nothing there.
    lab.announce_hosts()
    assert bindings(lab, "fe3") == held

    # Room: nodes that FE3 holds go, and the others take their place.
    missing = {n["id"] for n in lab.topology.inventory} - held_nodes(lab, held)
    assert len(missing) == 2, missing
    for node in sorted(held_nodes(lab, held))[:2]:
        lab.rest.call("DELETE", f"/v1/nodes/{node}/attachment")
    eventually("room", lambda: not labs.element(lab, "fe3")["full"])
    assert missing <= held_nodes(lab, bindings(lab, "fe3"))


def held_nodes(lab: Lab, held: set[tuple[str, str]]) -> set[str]:
    return {n["id"] for n in lab.topology.inventory
            if any(address in flow.replace("=", " ").replace(",", " ").split()
                   for _, flow in held for address in n["addresses"])}

