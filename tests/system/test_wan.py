"""The controller far away: delay lines between each element and it (lab/delay.c), none between the
elements. bench/wan measures the same more exactly. Topology: lab/figure2.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import labs
import pytest
from lab import handoff
from lab.runtime import Lab
from traffic import Conversation

LINKS = {"mgmt-fe1": "ingress", "mgmt-fe2": "site", "mgmt-fe3": "site"}
PLACES = {"ap1": ("fe2", "ap0"), "ap2": ("fe3", "ap0")}
MOVES = 6
MARGIN_MS = 30    # of the median, on a machine that does other things too


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with labs.running(delays=dict.fromkeys(LINKS, 0.0)) as one:
        yield one


def set_delays(lab: Lab, *, ingress: float, site: float) -> None:
    """One way, in ms."""
    for link, kind in LINKS.items():
        lab.set_delay(link, ingress if kind == "ingress" else site)


def settle_at(lab: Lab, place: str) -> None:
    lab.move("laptop", place)
    labs.wait_place(lab, "laptop", *PLACES[place])


def median_outage(lab: Lab, ingress: float, site: float) -> float:
    set_delays(lab, ingress=ingress, site=site)
    figures = handoff.measure(lab, MOVES, pause_ms=round(handoff.PAUSE_MS + 2 * ingress))
    print(f"\nto the controller {site:g} ms, from it to the ingress {ingress:g} ms: outage "
          f"{figures['outage_ms']}")
    assert figures["failed"] == 0
    return float(figures["outage_ms"]["median"])


@pytest.mark.parametrize("delay_ms", [5, 50])
def test_an_outage_is_the_way_to_the_controller_and_back_and_little_more(lab: Lab,
                                                                         delay_ms: int) -> None:
    found = median_outage(lab, ingress=delay_ms, site=delay_ms)
    assert 2 * delay_ms <= found <= 2 * delay_ms + MARGIN_MS


def test_the_old_element_redirects_before_a_far_ingress_has_heard(lab: Lab) -> None:
    assert median_outage(lab, ingress=100, site=5) <= 10 + MARGIN_MS


def test_a_tcp_connection_survives_moves_with_the_controller_50_ms_away(lab: Lab) -> None:
    settle_at(lab, "ap1")
    set_delays(lab, ingress=50, site=50)
    with Conversation(lab.host("client"), lab.host("laptop")) as talk:
        for i in range(MOVES):
            settle_at(lab, "ap2" if i % 2 == 0 else "ap1")
            talk.wait_progress()
