"""Nodes that fall silent: asked first, and given up only if they do not answer. Topology:
lab/figure2.py, with elements that ask after half a second of silence.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import labs
import pytest
from lab import figure2, frames
from lab.runtime import Lab
from neighbors import REQUEST, Arp
from traffic import transfer_both_ways

TIMERS = {"idle_probe_ms": 500, "idle_give_up_ms": 500}


class ImpatientLab(figure2.Lab):
    """Figure 2, its elements impatient."""

    def _config(self, name: str, config: dict[str, Any]) -> list[str]:
        return super()._config(name, config | ({"timers": TIMERS} if "id" in config else {}))


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with labs.running(ImpatientLab) as one:
        yield one


def asked(capture: frames.Capture, address: str) -> int:
    seen = (Arp.parse(f.data) for f in capture.read() if not f.outgoing)
    return sum(1 for a in seen if a and a.operation == REQUEST and a.target == address)


def test_a_silent_node_is_asked_and_stays_while_it_answers(lab: Lab) -> None:
    laptop, questions = lab.host("laptop"), 0
    with laptop.capture(protocol=frames.ETH_P_ARP) as capture:

        def enough() -> bool:
            nonlocal questions
            questions += asked(capture, laptop.address)
            assert labs.place_of(lab, "laptop") == ("fe2", "ap0")
            return questions >= 3

        labs.eventually("three questions for the laptop", enough)


def test_a_node_that_does_not_answer_is_detached_and_comes_back_when_it_speaks(lab: Lab) -> None:
    lab.move("vm", None)
    labs.eventually("the vm given up", lambda: labs.attachment(lab, "vm1") is None)
    assert not any(r["address"] == figure2.VM_ADDRESS for e in ("fe1", "fe2", "fe3")
                   for r in labs.rules(lab, e))
    assert labs.place_of(lab, "neighbor") == ("fe2", "srv0"), "its neighbours stay"
    lab.move("vm", "site3")
    labs.wait_place(lab, "vm1", "fe3", "srv0")
    transfer_both_ways(lab.host("client"), lab.host("vm"), 1 << 20)
