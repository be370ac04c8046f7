"""A border element beside a router in IPv6: BGP and OSPFv3 with the configurations that ship
(docs/examples/routing). Topology: lab/outside6.py.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import labs
import pytest
from lab import daemons, netns, outside6, routing
from lab.outside6 import ASSIGNED, BLOCK, INDEPENDENT, NODES
from test_routing import CONVERGE_S, slow
from traffic import Conversation, transfer_both_ways

ANNOUNCED = {"bird-bgp6": {"vm1": INDEPENDENT}, "bird-bgp6-pa": {"vm2": ASSIGNED},
             "bird-ospf6": {"vm1": INDEPENDENT, "vm2": ASSIGNED}}


@pytest.fixture(scope="module")
def lab() -> Iterator[outside6.Lab]:
    with labs.running(outside6.Lab) as one:
        assert isinstance(one, outside6.Lab)
        one.start_routers()
        for node, address in NODES.items():
            one.host(node).announce(address)
        yield one


def routes(lab: outside6.Lab, node: str, prefix: str) -> str:
    return netns.run(lab.netns(node), "ip", "-6", "route", "show", prefix)


@pytest.fixture(scope="module", params=[pytest.param("bird-bgp6", marks=slow),
                                        pytest.param("bird-bgp6-pa", marks=slow), "bird-ospf6"])
def beside(lab: outside6.Lab, request: Any) -> Iterator[dict[str, str]]:
    """The daemon beside FE1, converged: what it announces, by node."""
    made: routing.Router = lab.beside6(request.param)
    announced = ANNOUNCED[request.param]
    for prefix in announced.values():
        labs.eventually(f"route of r1 for {prefix}", lambda: "dev fe" in routes(lab, "r1", prefix),
                        CONVERGE_S)
    labs.eventually("way out of fe1", lambda: "via" in routes(lab, "fe1", "default"), CONVERGE_S)
    yield announced
    made.stop()
    for prefix in announced.values():
        labs.eventually("end of the announcement",
                        lambda: "dev fe" not in routes(lab, "r1", prefix), CONVERGE_S)


def test_clients_outside_and_ipv6_nodes_exchange_large_transfers(
        lab: outside6.Lab, beside: dict[str, str]) -> None:
    for node in beside:
        transfer_both_ways(lab.host6("client1"), lab.host6(node), 1 << 20)
        with Conversation(lab.host6(node), lab.host6("client1")) as talk:
            talk.wait_progress()


def test_a_network_that_drops_prefixes_longer_than_48_goes_by_the_aggregate(
        lab: outside6.Lab, beside: dict[str, str]) -> None:
    for node, prefix in beside.items():
        wanted = BLOCK if prefix == ASSIGNED else prefix
        labs.eventually(f"route of r3 for {wanted}", lambda: "via" in routes(lab, "r3", wanted),
                        CONVERGE_S)
        assert not routes(lab, "r3", ASSIGNED)
        transfer_both_ways(lab.host6("client3"), lab.host6(node), 1 << 20)


def test_the_check_of_a_configuration_warns_of_prefixes_that_many_networks_drop(
        tmp_path: Path) -> None:
    """Longer than /24 and /48; not of those that nobody outside is told of."""
    path = tmp_path / "controller.yaml"
    path.write_text(daemons.yaml({
        "name": "victor", "state": str(tmp_path), "southbound": [f"unix:{tmp_path}/s"],
        "northbound": [f"unix:{tmp_path}/n"],
        "prefixes": [{"prefix": prefix, "gateway": gateway, **more} for prefix, gateway, more in (
            ("203.0.113.0/24", "203.0.113.1", {}), ("198.51.100.64/26", "198.51.100.65", {}),
            ("10.10.0.0/26", "10.10.0.1", {"announce": False}),
            ("2001:db8:10::/48", "2001:db8:10::1", {}),
            ("2001:db8:20:30::/60", "2001:db8:20:30::1", {}))]}))
    done = subprocess.run([daemons.program("controller/io/victor-controller"), "--config",
                           str(path), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    warned = [line for line in done.stdout.splitlines() if "warning: many networks" in line]
    assert len(warned) == 2, done.stdout
    assert "198.51.100.64/26" in warned[0] and "longer than /24" in warned[0]
    assert "2001:db8:20:30::/60" in warned[1] and "longer than /48" in warned[1]
