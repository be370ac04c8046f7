"""The way out is watched: a border element whose routing daemon lost its routes, or died, is passed by
for another one, and used again when its routes have lasted for a while. Topology: lab/outside.py;
vm1 at FE3 is nearer to FE1.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import labs
import pytest
from lab import outside, routing
from lab.frames import Capture
from lab.outside import NODES
from lab.topology import Element
from test_routing import CONVERGE_S, converged, slow
from traffic import Conversation

HOLD_S = 1.0     # fe/way_out.h


class WatchedLab(outside.Lab):
    """Its border elements know their daemons' pid files."""

    def __init__(self, *words: Any, **settings: Any) -> None:
        self.kind = "frr"
        super().__init__(*words, **settings)

    def settings_of(self, element: Element) -> dict[str, Any]:
        if not element.external:
            return {}
        programs = {"frr": ("zebra", "bgpd"), "bird": ("bird",)}[self.kind]
        return {"routing_daemons": [f"{self.run_dir}/{element.name}-{self.kind}/{program}.pid"
                                    for program in programs]}

    def use(self, kind: str) -> None:
        """The elements start again, with the other daemon's pid file."""
        self.kind = kind
        for name in ("fe1", "fe2"):
            self.fe(name).restart()
        labs.wait_online(self)


@pytest.fixture(scope="module")
def lab() -> Iterator[WatchedLab]:
    with labs.running(WatchedLab) as one:
        assert isinstance(one, WatchedLab)
        one.start_routers()
        yield one


@pytest.fixture(scope="module", params=["frr-bgp", pytest.param("bird-bgp", marks=slow)])
def beside(lab: WatchedLab, request: Any) -> Iterator[dict[str, routing.Router]]:
    lab.use(request.param.partition("-")[0])
    assert not has_way_out(lab, "fe1"), "no daemon runs yet"
    made = lab.beside(request.param)
    converged(lab, request.param)
    yield made
    for router in made.values():
        router.stop()


def has_way_out(lab: outside.Lab, element: str) -> bool:
    return bool(labs.element(lab, element)["way_out"])


def wait_way_out(lab: outside.Lab, element: str, there: bool) -> None:
    labs.eventually(f"way out of {element}: {there}", lambda: has_way_out(lab, element) == there,
                    CONVERGE_S)


def leaves_by(lab: outside.Lab, element: str, talk: Conversation) -> bool:
    """Whether what vm1 says goes out there, and nowhere else."""
    i = int(element[-1])
    with Capture(lab.netns(f"r{i}"), "fe") as here, Capture(lab.netns(f"r{3 - i}"), "fe") as there:
        talk.wait_progress()
        said = [sum(f.is_ipv4 and not f.outgoing and f.source == NODES["vm1"] for f in c.read())
                for c in (here, there)]
    return said[0] > 0 and said[1] == 0


def wait_leaves_by(lab: outside.Lab, element: str, talk: Conversation) -> None:
    labs.eventually(f"way by {element}", lambda: leaves_by(lab, element, talk), CONVERGE_S)


def watch(lab: WatchedLab, lose: Callable[[], None], regain: Callable[[], None]) -> None:
    """A connection that vm1 opened goes by FE1, then by FE2, then by FE1 again."""
    wait_way_out(lab, "fe1", True)
    with Conversation(lab.host("vm1"), lab.host("client2")) as talk:
        wait_leaves_by(lab, "fe1", talk)
        lose()
        wait_way_out(lab, "fe1", False)
        wait_leaves_by(lab, "fe2", talk)
        assert has_way_out(lab, "fe2")
        regain()
        began = time.monotonic()
        wait_way_out(lab, "fe1", True)
        assert time.monotonic() - began >= HOLD_S / 2
        wait_leaves_by(lab, "fe1", talk)


def configure(lab: WatchedLab, *lines: str) -> None:
    router = lab.routers["r1"]
    assert isinstance(router, routing.Frr)
    router.configure(*lines)


def test_an_element_whose_neighbour_withdraws_the_default_route_is_passed_by(
        lab: WatchedLab, beside: dict[str, routing.Router]) -> None:
    """Its other routes stay: they are not the way to everywhere."""
    where = ("router bgp 64501", "address-family ipv4 unicast")
    default = "neighbor 100.64.1.2 default-originate"
    watch(lab, lambda: configure(lab, *where, f"no {default}"),
          lambda: configure(lab, *where, default))


def test_an_element_whose_routing_daemon_is_killed_is_passed_by_until_it_runs_again(
        lab: WatchedLab, beside: dict[str, routing.Router]) -> None:
    """kill -9 leaves the daemon's routes in the kernel: nobody corrects them any more."""
    def start() -> None:
        beside["fe1"].start()

    watch(lab, beside["fe1"].kill, start)
    converged(lab, "frr-bgp")


@slow
def test_without_any_way_out_each_border_keeps_its_own(
        lab: WatchedLab, beside: dict[str, routing.Router]) -> None:
    """Routes that nobody corrects any more are better than none."""
    with Conversation(lab.host("vm1"), lab.host("client1")) as talk:
        for router in beside.values():
            router.kill()
        for name in beside:
            wait_way_out(lab, name, False)
        configure(lab, f"ip route {outside.INDEPENDENT} 100.64.1.2")
        try:
            wait_leaves_by(lab, "fe1", talk)
        finally:
            configure(lab, f"no ip route {outside.INDEPENDENT} 100.64.1.2")
            for router in beside.values():
                router.start()
        for name in beside:
            wait_way_out(lab, name, True)
        talk.wait_progress()
    converged(lab, "frr-bgp")
