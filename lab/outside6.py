"""A border element beside a stock router, in IPv6; the backplane is IPv4's.

    client1 2001:db8:c1::10 ── r1 (AS 64501, BIRD) ── ix1 ── ext0 (1) FE1 bp0 ───┐
                               │                                                 core
    client3 2001:db8:c3::10 ── r3 (AS 64503, BIRD)      vm1, vm2 ─── FE3 bp0 ────┘

It is lab/outside.py with IPv6 beside it at provider 1: 2001:db8:10::/48 is provider-independent,
2001:db8:20:30::/60 a part of r1's block 2001:db8:20::/48, and r3 drops prefixes longer than /48.
"""

from __future__ import annotations

from dataclasses import replace

from . import outside, routing
from .runtime import HostHandle
from .topology import End, Topology

INDEPENDENT, ASSIGNED, BLOCK = "2001:db8:10::/48", "2001:db8:20:30::/60", "2001:db8:20::/48"
NODES = {"vm1": "2001:db8:10::10", "vm2": "2001:db8:20:30::70"}
CLIENTS = {"client1": "2001:db8:c1::10", "client3": "2001:db8:c3::10"}
# The ends that have IPv6, and the routes of nodes.
ADDRESSES = {("fe1", "ext0"): "2001:db8:f1::2/64", ("r1", "fe"): "2001:db8:f1::1/64",
             ("r1", "lan"): "2001:db8:c1::1/64", ("client1", "eth0"): "2001:db8:c1::10/64",
             ("r3", "lan"): "2001:db8:c3::1/64", ("client3", "eth0"): "2001:db8:c3::10/64",
             ("r1", "r3"): "2001:db8:f3::1/64", ("r3", "r1"): "2001:db8:f3::3/64",
             ("vm1", "eth0"): "2001:db8:10::10/48", ("vm2", "eth0"): "2001:db8:20:30::70/60"}
ROUTES = {"client1": "default via 2001:db8:c1::1", "client3": "default via 2001:db8:c3::1",
          "vm1": "default via 2001:db8:10::1", "vm2": "default via 2001:db8:20:30::1"}


def topology() -> Topology:
    t = outside.topology()
    t.name, t.picture = "outside6", (__doc__ or "").split("\n\n")[1]

    def widen(end: End) -> End:
        more = ADDRESSES.get((end.node, end.name))
        return replace(end, addresses=(*end.addresses, more)) if more else end

    t.links[:] = [replace(link, a=widen(link.a), b=widen(link.b)) for link in t.links]
    t.nodes[:] = [replace(node, routes=(*node.routes, ROUTES[node.name]))
                  if node.name in ROUTES else node for node in t.nodes]
    t.prefixes += [{"prefix": INDEPENDENT, "mobile": True, "gateway": "2001:db8:10::1"},
                   {"prefix": ASSIGNED, "mobile": True, "gateway": "2001:db8:20:30::1"}]
    for node in t.inventory:
        if node["id"] in NODES:
            node["addresses"].append(NODES[node["id"]])
    return t


class Lab(outside.Lab):
    """FE1 with its neighbour; beside6() starts the daemon at the element."""

    make_topology = staticmethod(topology)

    def start_routers(self) -> None:
        self.routers = {}
        for name in ("r1", "r3"):
            text = (outside.ROUTERS / f"{name}-bird6.conf").read_text()
            self.routers[name] = routing.make("bird", self, name, text)
            self.routers[name].start()

    def beside6(self, example: str) -> routing.Router:
        made = routing.make("bird", self, "fe1", (outside.EXAMPLES / f"{example}.conf").read_text())
        made.start()
        return made

    def host6(self, name: str) -> HostHandle:
        return self.host(name).at((NODES | CLIENTS)[name])
