"""docs/routing.md puts a border element beside a router "in ten minutes": the page's own commands and
files, as they stand there, make one of a bare machine. Topology: lab/outside.py, with an FE1 that
has interfaces and nothing else.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import labs
import pytest
import yaml
from lab import netns, outside, routing
from lab.outside import INDEPENDENT, INTERNAL
from lab.topology import Element, End, Link, Node, Topology
from test_routing import CONVERGE_S, announced, converged, slow
from traffic import transfer_both_ways

PAGE = Path(__file__).resolve().parent.parent.parent / "docs/routing.md"
BLOCK = re.compile(r"^ *```(\S+(?: \S+)?)\n(.*?)^ *```$", re.M | re.S)
SHIMS = {"vtysh": 'exec /usr/bin/vtysh --vty_socket "{d}" --config_dir "{d}" "$@"',
         "birdc": 'exec /usr/sbin/birdc -s "{d}/bird.ctl" "$@"'}


def blocks(*kinds: str) -> list[str]:
    """The page's marked blocks of the part "In ten minutes"."""
    text = PAGE.read_text().partition("## In ten minutes")[2].partition("\n## ")[0]
    return [body for kind, body in BLOCK.findall(text) if kind in kinds]


def bare() -> Topology:
    t = outside.topology()

    def strip(end: End) -> End:
        return replace(end, addresses=()) if end.node == "fe1" and end.name != "mg0" else end

    t.links[:] = [Link(link.name, strip(link.a), strip(link.b), link.mtu) for link in t.links]
    t.nodes[:] = [Node("fe1") if node.name == "fe1" else node for node in t.nodes]
    return t


class BareLab(outside.Lab):
    make_topology = staticmethod(bare)
    late = ("fe1",)
    daemon = "frr"

    def settings_of(self, element: Element) -> dict[str, Any]:
        """The page's file; only where the lab has its controller and its pid files differs."""
        if element.name != "fe1":
            return {}
        (text,) = blocks("yaml")
        page: dict[str, Any] = yaml.safe_load(text)
        del page["controllers"]
        programs = [Path(path).name for path in page["routing_daemons"]]
        if self.daemon == "bird":
            programs = ["bird.pid"]
        directory = f"{self.run_dir}/fe1-{self.daemon}"
        return page | {"routing_daemons": [f"{directory}/{name}" for name in programs]}

    def run_block(self, text: str, may_fail: bool = False) -> str:
        """Each line at FE1, by a shell; the daemons' own command lines find this lab's daemons."""
        shims = self.run_dir / "shims"
        shims.mkdir(exist_ok=True)
        for name, line in SHIMS.items():
            path = shims / name
            path.write_text("#!/bin/sh\n" + line.format(d=f"{self.run_dir}/fe1-{self.daemon}"))
            path.chmod(0o755)
        environment = os.environ | {"PATH": f"{shims}:{os.environ['PATH']}"}
        done = subprocess.run(netns.enter(self.netns("fe1"), ["sh", "-ec", text]), text=True,
                              capture_output=True, env=environment, timeout=30)
        assert may_fail or done.returncode == 0, (text, done.stdout, done.stderr)
        return done.stdout


@pytest.mark.parametrize("example", [
    "frr-bgp", pytest.param("bird-bgp", marks=slow), pytest.param("frr-ospf", marks=slow),
    pytest.param("bird-ospf", marks=slow)])
def test_a_bare_machine_becomes_a_border_element_by_the_pages_own_commands(example: str) -> None:
    kind = example.partition("-")[0]
    with labs.running(type("Lab", (BareLab,), {"daemon": kind})) as lab:
        assert isinstance(lab, BareLab)
        lab.start_routers()
        addresses, table = blocks("sh")
        lab.run_block(addresses)
        lab.fe("fe1").start()
        labs.wait_online(lab)
        labs.eventually("what it would announce", lambda: INDEPENDENT in lab.run_block(
            table, may_fail=True), CONVERGE_S)
        router = routing.make(kind, lab, "fe1", outside.example(example))
        router.start()
        other = routing.make(kind, lab, "fe2", outside.example(example, 2))
        other.start()
        converged(lab, example)
        (look,) = blocks(f"sh {kind}")
        if "ospf" in example:
            look = look.replace(" -c 'show bgp ipv4 unicast'", "")
        wait_look(lab, look, announced(example))
        assert INTERNAL not in lab.routers["r1"].prefixes()
        transfer_both_ways(lab.host("client1"), lab.host("vm2" if "pa" in example else "vm1"),
                           1 << 20)


def wait_look(lab: BareLab, look: str, prefixes: set[str]) -> None:
    """The daemon's words name the prefixes, the neighbour, and BFD that is up."""
    labs.eventually("what the page says is to be seen", lambda: (said := lab.run_block(look))
                    and all(prefix in said for prefix in prefixes)
                    and "via 100.64.1.1 dev ext0" in said
                    and re.search(r"Status: up|100\.64\.1\.1 +ext0 +Up", said), CONVERGE_S)
