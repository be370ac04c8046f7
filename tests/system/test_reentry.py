"""Announcement follows health: an element that lost its backplane, its controller or its life is
left by the clients, who come in by another one. Topology: lab/outside.py. What is measured here is
the table of docs/routing.md; VICTOR_TEST_REPORT=FILE has it written there, a line for each.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import labs
import pytest
from lab import netns, outside, routing
from lab.outside import INDEPENDENT, NODES
from test_routing import CONVERGE_S, converged, nearest, slow
from traffic import Conversation, Datagrams

PATIENCE_S = 3
BFD_S = 0.3            # three packets, one each 100 ms (docs/examples/routing)
ALLOWED_S = 0.15       # from the detection to the first packet by the other element
OSPF_S = BFD_S + 1.0   # and the second that both daemons take for external routes (docs/routing.md)
MIN_LS_INTERVAL_S = 5
TICK_S = 0.005
ATTEMPTS = 4           # on a machine that has other things to do


class PatientLab(outside.Lab):
    """Its elements have little patience."""

    element_settings = {"announce": {"patience_s": PATIENCE_S}}


@pytest.fixture(scope="module")
def lab() -> Iterator[PatientLab]:
    with labs.running(PatientLab) as one:
        assert isinstance(one, PatientLab)
        one.start_routers()
        yield one


@pytest.fixture(scope="module", params=[
    "frr-bgp", pytest.param("bird-ospf", marks=slow)])
def beside(lab: PatientLab, request: Any) -> Iterator[dict[str, routing.Router]]:
    made = lab.beside(request.param)
    converged(lab, request.param)
    yield made
    for router in made.values():
        router.stop()


@pytest.fixture
def example(request: Any) -> str:
    return request.node.callspec.params["beside"]


class Stream:
    """Datagrams from a client to a node, one each 5 ms, with the time of each: when the first one
    that was sent after a moment arrived says how long nothing got through."""

    def __init__(self, lab: PatientLab, client: str, node: str) -> None:
        self.datagrams = Datagrams(lab.host(client), lab.host(node))
        self.datagrams.sink.setblocking(True)
        self.datagrams.sink.settimeout(TICK_S)
        self.sent: list[float] = []
        self.arrived: list[tuple[int, float]] = []
        self._end = threading.Event()
        self._threads = [threading.Thread(target=f, daemon=True) for f in (self._send, self._hear)]

    def __enter__(self) -> "Stream":
        for thread in self._threads:
            thread.start()
        self.wait(time.monotonic())
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()
        self.datagrams.__exit__()

    def _send(self) -> None:
        while not self._end.wait(TICK_S):
            self.sent.append(time.monotonic())
            try:
                self.datagrams.send()
            except OSError:    # no route at this moment: counted as sent
                self.datagrams.sent += 1

    def _hear(self) -> None:
        while not self._end.is_set():
            try:
                data = self.datagrams.sink.recv(64)
            except TimeoutError:
                continue
            self.arrived.append((int(data[7:15]), time.monotonic()))

    def wait(self, since: float, timeout_s: float = CONVERGE_S) -> float:
        """Seconds from a moment until what was sent after it arrives."""
        def first() -> float | None:
            return next((at for number, at in list(self.arrived) if self.sent[number] >= since),
                        None)
        return labs.eventually("arrival of the stream", first, timeout_s) - since


class Spray:
    """A router's route to a prefix goes from one next hop to the other and back all the time, so
    that the packets of one flow take both (stock kernels share by flow only)."""

    def __init__(self, lab: PatientLab, router: str, prefix: str, hops: tuple[str, str]) -> None:
        self.netns, self.prefix, self.hops = lab.netns(router), prefix, hops
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        lines = [f"route replace {self.prefix} via {hop} metric 1" for hop in self.hops]
        while not self._end.is_set():
            netns.batch(lines * 50, self.netns)

    def __enter__(self) -> "Spray":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        netns.batch([f"route del {self.prefix} metric 1"], self.netns)


def report(lab: PatientLab, *columns: object) -> None:
    path = os.environ.get("VICTOR_TEST_REPORT")
    if path:
        with open(path, "a", encoding="ascii") as out:
            print(*columns, sep=" | ", file=out)


def announces(lab: PatientLab, element: str) -> bool:
    text = netns.run(lab.netns(element), "ip", "route", "show", "table", "86")
    return INDEPENDENT in text


def restored(lab: PatientLab, example: str, element: str) -> None:
    labs.wait_online(lab)
    labs.eventually(f"announcement by {element}", lambda: announces(lab, element), CONVERGE_S)
    converged(lab, example)


def wait_bfd(lab: PatientLab, beside: dict[str, routing.Router], i: int) -> None:
    """Until both ends have it up, at its full speed (it begins with a packet a second)."""
    labs.eventually("BFD", lambda: lab.routers[f"r{i}"].bfd_is_up(f"100.64.{i}.2")
                    and beside[f"fe{i}"].bfd_is_up(f"100.64.{i}.1"), CONVERGE_S)


def wait_settled(lab: PatientLab, i: int) -> None:
    """Until OSPF outside may say at once that its neighbour is gone."""
    labs.eventually("age of the router's LSA",
                    lambda: lab.routers[f"r{i}"].ospf_age_s() > MIN_LS_INTERVAL_S, CONVERGE_S)


both_outside = pytest.mark.parametrize("i", [1, 2], ids=["frr-outside", "bird-outside"])


def kind(lab: PatientLab, example: str, i: int) -> str:
    return f"{lab.routers[f'r{i}'].kind} {example.split('-')[1]}"


@both_outside
def test_clients_of_a_dead_element_come_in_by_another_within_the_detection_time(
        lab: PatientLab, beside: dict[str, routing.Router], example: str, i: int) -> None:
    element, seen, bound = f"fe{i}", [], BFD_S + ALLOWED_S
    if "ospf" in example:
        bound = OSPF_S + ALLOWED_S
    while not seen or (min(seen) > bound and len(seen) < ATTEMPTS):
        wait_bfd(lab, beside, i)
        if "ospf" in example:
            wait_settled(lab, i)
        with Stream(lab, f"client{i}", "vm1") as stream:
            died = lab.power_off(element)
            try:
                seen.append(stream.wait(died))
            finally:
                lab.power_on(element)
        restored(lab, example, element)
    report(lab, "element dies", f"{kind(lab, example, i)}, BFD",
           " ".join(f"{s * 1000:.0f}" for s in seen))
    assert min(seen) <= bound, seen


@pytest.mark.parametrize("i", [1, pytest.param(2, marks=slow)], ids=["frr-outside", "bird-outside"])
def test_without_its_backplane_an_element_withdraws_and_clients_go_elsewhere(
        lab: PatientLab, beside: dict[str, routing.Router], example: str, i: int) -> None:
    element = f"fe{i}"
    with Stream(lab, f"client{i}", "vm1") as stream:
        netns.batch(["link set bp0 down"], lab.netns(element))
        lost = time.monotonic()
        try:
            took = stream.wait(lost)
            assert not announces(lab, element)
            assert not nearest(lab, i, INDEPENDENT)
        finally:
            netns.batch(["link set bp0 up", f"route replace 172.16.0.0/16 via 172.16.{i}.1"],
                        lab.netns(element))
    report(lab, "backplane lost", f"{kind(lab, example, i)}, told", f"{took * 1000:.0f}")
    restored(lab, example, element)


@slow
@both_outside
def test_an_element_without_a_controller_announces_until_its_patience_ends(
        lab: PatientLab, beside: dict[str, routing.Router], example: str, i: int) -> None:
    """And again when its tables are complete, which is when the controller has synchronised it."""
    element = f"fe{i}"
    netns.batch(["link set mg0 down"], lab.netns(element))
    lost = time.monotonic()
    try:
        with Stream(lab, f"client{i}", "vm1") as stream:
            assert announces(lab, element)
            labs.eventually("withdrawal", lambda: not announces(lab, element), CONVERGE_S)
            withdrawn = time.monotonic()
            # The agent notices the loss later than it happened: by its echo, or by the peer's end.
            assert withdrawn - lost >= PATIENCE_S
            labs.eventually("the way by the other router",
                            lambda: not nearest(lab, i, INDEPENDENT), CONVERGE_S)
            moved = time.monotonic()
            stream.wait(moved)
            gap = stream.wait(withdrawn)
        report(lab, "controller lost", kind(lab, example, i),
               f"withdrawn after {withdrawn - lost:.1f} s; gap {gap * 1000:.0f}")
        assert lab.host(f"client{3 - i}").ping(NODES["vm1"], 2)
        assert announces(lab, f"fe{3 - i}")
    finally:
        netns.batch(["link set mg0 up"], lab.netns(element))
    restored(lab, example, element)


def test_an_open_tcp_connection_survives_that_its_ingress_changes(
        lab: PatientLab, beside: dict[str, routing.Router], example: str) -> None:
    """To and fro, by a router outside that changes its mind."""
    with Conversation(lab.host("client1"), lab.host("vm1")) as talk:
        for _ in range(3):
            before = labs.delivered(lab, "fe3")[("fe2", NODES["vm1"])]
            netns.batch([f"route add {INDEPENDENT} via 100.64.12.2 metric 1"], lab.netns("r1"))
            talk.wait_progress()
            assert labs.delivered(lab, "fe3")[("fe2", NODES["vm1"])] > before
            netns.batch([f"route del {INDEPENDENT} via 100.64.12.2 metric 1"], lab.netns("r1"))
            talk.wait_progress()


@slow
def test_an_open_tcp_connection_survives_that_its_ingress_dies(
        lab: PatientLab, beside: dict[str, routing.Router], example: str) -> None:
    """Its answers took the same element; they have another way out when the controller has missed
    that one for long enough (controller/state.h: BORDER_GRACE_MS)."""
    with Conversation(lab.host("client1"), lab.host("vm1")) as talk:
        lab.power_off("fe1")
        died = time.monotonic()
        try:
            talk.wait_progress(timeout_s=CONVERGE_S)
            took = time.monotonic() - died
        finally:
            lab.power_on("fe1")
        talk.wait_progress()
    report(lab, "element dies, both ways", f"frr {example.split('-')[1]}, BFD", f"{took:.1f} s")
    restored(lab, example, "fe1")


def test_packets_of_one_connection_sprayed_over_two_ingress_elements_all_arrive(
        lab: PatientLab, beside: dict[str, routing.Router], example: str) -> None:
    """An outside router that shares packet by packet, whatever flow they are of."""
    before = {fe: labs.delivered(lab, "fe3")[(fe, NODES["vm1"])] for fe in ("fe1", "fe2")}
    with Spray(lab, "r1", INDEPENDENT, ("100.64.1.2", "100.64.12.2")), \
            Conversation(lab.host("client1"), lab.host("vm1")) as talk:
        for fe, count in before.items():
            labs.eventually(f"packets by {fe}", lambda: labs.delivered(lab, "fe3")
                            [(fe, NODES["vm1"])] >= count + 200)
        talk.wait_progress()


def test_a_controller_that_starts_again_changes_no_announcement(
        lab: PatientLab, beside: dict[str, routing.Router], example: str) -> None:
    with Stream(lab, "client1", "vm1") as stream:
        before = time.monotonic()
        lab.controller.restart()
        labs.wait_online(lab)
        labs.eventually("two hundred datagrams", lambda: len(stream.arrived) >= 200)
        gaps = [b - a for (_, a), (_, b) in zip(stream.arrived, stream.arrived[1:]) if b > before]
        sent = stream.arrived[-1][0] - stream.arrived[0][0] + 1
        assert len(stream.arrived) >= 0.99 * sent, max(gaps)
    for i in (1, 2):
        assert announces(lab, f"fe{i}") and nearest(lab, i, INDEPENDENT)


def without_bfd(text: str) -> str:
    return re.sub(r"^.*(neighbor \S+ bfd|ip ospf bfd).*\n|bfd on;", "", text, flags=re.M)


@slow
@both_outside
def test_without_bfd_the_hold_or_dead_timer_bounds_the_detection(
        lab: PatientLab, beside: dict[str, routing.Router], example: str, i: int) -> None:
    """BGP's hold time is 9 s in the examples, OSPF's dead interval 4 s."""
    bound = 9.0 if "bgp" in example else 4.0
    changed = [*beside.values(), lab.routers["r1"], lab.routers["r2"]]
    kept = [router.text for router in changed]
    for router in changed:
        router.restart(without_bfd(router.text))
    try:
        converged(lab, example)
        if "ospf" in example:
            wait_settled(lab, i)
        with Stream(lab, f"client{i}", "vm1") as stream:
            died = lab.power_off(f"fe{i}")
            try:
                took = stream.wait(died)
            finally:
                lab.power_on(f"fe{i}")
        report(lab, "element dies", f"{kind(lab, example, i)}, {bound:.0f} s timer",
               f"{took * 1000:.0f}")
        assert took <= bound + 1.0 + ALLOWED_S    # the timers tick once a second
        restored(lab, example, f"fe{i}")
    finally:
        for router, text in zip(changed, kept):
            router.restart(text)
    converged(lab, example)
