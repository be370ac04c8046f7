"""The backplane as a partial mesh: ten elements in a ring with two chords (lab/ring.py), one
controller. What the elements' live groups say is checked against an independent shortest path.
"""

from __future__ import annotations

import itertools
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import labs
import pytest
from lab import daemons, netns, ring
from lab.runtime import Lab
from traffic import Conversation, Datagrams, transfer_both_ways

TIMEOUT_S = 30.0
GAP_S = 0.002        # between datagrams while a link is lost
NODES = range(1, ring.COUNT + 1)
Costs = dict[frozenset[int], int]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with labs.running(ring.Lab) as one:
        one.move("laptop", "east")
        one.host("laptop").announce()
        wait_up(one, len(ring.wires()))
        yield one


def wait(lab: Lab, what: str, ready: Callable[[], bool]) -> None:
    lab.rest.wait(what, lambda _: ready(), TIMEOUT_S)


def up_links(lab: Lab) -> int:
    return sum(link["up"] for link in lab.rest.links())


def wait_up(lab: Lab, count: int) -> None:
    wait(lab, f"{count} links that are up", lambda: up_links(lab) == count)


def costs(*without: frozenset[int], **others: int) -> Costs:
    return {frozenset((a, b)): cost for a, b, cost in ring.wires()
            if frozenset((a, b)) not in without}


def distances(graph: Costs) -> dict[tuple[int, int], float]:
    """Floyd and Warshall."""
    d = {(a, b): 0 if a == b else graph.get(frozenset((a, b)), float("inf"))
         for a in NODES for b in NODES}
    for k, i, j in itertools.product(NODES, NODES, NODES):
        d[i, j] = min(d[i, j], d[i, k] + d[k, j])
    return d


def groups(lab: Lab, fe: int) -> dict[int, tuple[bool, list[int]]]:
    """From the live element: towards which, whether shared, over which neighbours in order.
    The lab numbers the device towards fe K 100 + K."""
    said = subprocess.run(
        ["ovs-ofctl", "-O", "OpenFlow13", "dump-groups", f"unix:{lab.run_dir}/fe{fe}.mgmt"],
        capture_output=True, text=True, check=True).stdout
    found = {}
    for line in said.splitlines():
        head = re.search(r"group_id=(\d+),type=(\w+)", line)
        if head:
            ports = [int(number) - 100 for number in re.findall(r"watch_port:(\d+)", line)]
            found[int(head[1])] = (head[2] == "select", ports)
    return found


def check_optimal(lab: Lab, graph: Costs) -> None:
    """Every first link, and all of the equal ones, is on a shortest path; a second one is another."""
    d = distances(graph)
    for fe in NODES:
        live = groups(lab, fe)
        for to in set(NODES) - {fe}:
            shared, ways = live[to]
            equal = {n for n in NODES if frozenset((fe, n)) in graph
                     and graph[frozenset((fe, n))] + d[n, to] == d[fe, to]}
            assert ways, f"fe{fe} reaches fe{to} straight"
            assert set(ways) <= {n for n in NODES if frozenset((fe, n)) in graph}
            if shared:
                assert set(ways) <= equal and len(ways) > 1, f"fe{fe} to fe{to}: {ways}, {equal}"
            else:
                assert ways[0] in equal, f"fe{fe} to fe{to}: {ways}, {equal}"
                assert len(set(ways)) == len(ways)


def is_optimal(lab: Lab, graph: Costs) -> bool:
    try:
        check_optimal(lab, graph)
    except (AssertionError, KeyError):
        return False
    return True


def wait_optimal(lab: Lab, graph: Costs) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not is_optimal(lab, graph) and time.monotonic() < deadline:
        time.sleep(0.05)
    check_optimal(lab, graph)


def flow_mods(lab: Lab) -> int:
    return sum(e["flow_mods"] for e in lab.rest.elements())


def wire(lab: Lab, a: int, b: int, up: bool) -> None:
    """Takes a wire away, or gives it back: one end is taken down, the other loses its carrier."""
    netns.batch([f"link set to{b} {'up' if up else 'down'}"], lab.netns(f"fe{a}"))


def test_every_path_is_optimal_by_cost(lab: Lab) -> None:
    wait_optimal(lab, costs())


def test_equal_paths_are_shared_and_others_have_a_second(lab: Lab) -> None:
    wait_optimal(lab, costs())
    found = [groups(lab, fe)[to] for fe in NODES for to in NODES if fe != to]
    assert any(shared for shared, _ in found)
    assert all(len(ways) >= 2 for _, ways in found)


def test_tcp_passes_several_transit_elements(lab: Lab) -> None:
    assert lab.rest.paths("fe6", "fe9")[0]["elements"] == ["fe6", "fe7", "fe8", "fe9"]
    transfer_both_ways(lab.host("server"), lab.host("laptop"))
    with Conversation(lab.host("server"), lab.host("laptop")) as talk:
        talk.wait_progress()


def test_bulk_tcp_passes_the_border_both_ways(lab: Lab) -> None:
    """Out of the backplane at fe1, which has links and no underlay, and by the kernel's routes."""
    for node in ("laptop", "server"):
        transfer_both_ways(lab.host(node), lab.host("client"), 4 << 20)


@pytest.mark.parametrize("lost", [(6, 7), (7, 8)])
def test_a_lost_link_is_survived_locally_and_then_paths_are_optimal_again(
        lab: Lab, lost: tuple[int, int]) -> None:
    wait_optimal(lab, costs())
    before, gone = flow_mods(lab), frozenset(lost)
    with Conversation(lab.host("server"), lab.host("laptop")) as talk, \
            Datagrams(lab.host("server"), lab.host("laptop")) as probes:
        talk.wait_progress()
        wire(lab, *lost, up=False)
        try:
            sent = 0
            while sent < 500 or up_links(lab) == len(ring.wires()):
                assert sent * GAP_S < TIMEOUT_S
                probes.send()
                sent += 1
                probes.collect()
                time.sleep(GAP_S)
            wait_optimal(lab, costs(gone))
            talk.wait_progress()
            got = len(probes.collect())
            print(f"\nlink fe{lost[0]} - fe{lost[1]} lost: {sent - got} of {sent} "
                  f"datagrams until all is as it should be, one each {GAP_S * 1000:g} ms or so")
            assert got > 0
            assert flow_mods(lab) == before
        finally:
            wire(lab, *lost, up=True)
    wait_up(lab, len(ring.wires()))
    wait_optimal(lab, costs())
    assert flow_mods(lab) == before


def test_a_lost_transit_element_is_survived(lab: Lab) -> None:
    """All wires of fe8 are lost at once."""
    wait_optimal(lab, costs())
    before = flow_mods(lab)
    wires = [(a, b) for a, b, _ in ring.wires() if 8 in (a, b)]
    others = {link: cost for link, cost in costs().items() if 8 not in link}
    with Conversation(lab.host("server"), lab.host("laptop")) as talk:
        talk.wait_progress()
        for ends in wires:
            wire(lab, *ends, up=False)
        try:
            wait_up(lab, len(ring.wires()) - len(wires))
            talk.wait_progress()
            d = distances(others)
            for fe in set(NODES) - {8}:
                for to, (_, ways) in groups(lab, fe).items():
                    if to != 8:
                        assert others[frozenset((fe, ways[0]))] + d[ways[0], to] == d[fe, to]
        finally:
            for ends in wires:
                wire(lab, *ends, up=True)
    wait_up(lab, len(ring.wires()))
    assert flow_mods(lab) == before


def test_a_cost_that_changes_moves_traffic_by_groups_alone(lab: Lab) -> None:
    wait_optimal(lab, costs())
    before, graph = flow_mods(lab), costs() | {frozenset((1, 6)): 100}
    reload(lab, lambda link: link | {"cost": 100} if link["between"] == ["fe1", "fe6"] else link)
    wait_optimal(lab, graph)
    reload(lab, lambda link: link)
    wait_optimal(lab, costs())
    assert flow_mods(lab) == before


def reload(lab: Lab, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    config = daemons.controller_config(lab.topology, lab.run_dir, lab.log_level,
                                       **lab.controller_settings)
    config["links"] = [change(link) for link in config["links"]]
    (lab.run_dir / "controller.yaml").write_text(daemons.yaml(config))
    process = lab.controller.process
    assert process is not None
    pidfd = process.open()
    assert pidfd is not None
    signal.pidfd_send_signal(pidfd, signal.SIGHUP)


def test_links_that_nobody_configured_are_found() -> None:
    class Bare(ring.Lab):
        @staticmethod
        def make_topology():
            t = ring.topology()
            t.backplane_links = []
            return t

    with labs.running(Bare) as lab:
        wait_up(lab, len(ring.wires()))
        assert {link["source"] for link in lab.rest.links()} == {"discovered"}
        wait_optimal(lab, {link: 10 for link in costs()})
        with Conversation(lab.host("server"), lab.host("laptop")) as talk:
            talk.wait_progress()
