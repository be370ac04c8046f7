"""VICTOR itself in the comparison (peers.py): in the lab of the routes (peers_routes.py), the same
sites, centre and station, with `victor-fe` at the sites and the controller where a route reflector
would be. What differs is VICTOR's own: an access port has no address of the kernel's, an element
has a second address for packets that it sends on, and the underlay's MTU has room for a tunnel.

    client ── ext0 FE1 bp0 ──┐
    laptop ┄┄ ap0 FE2 bp0 ── core (a switch) ── bp0 centre      172.16.0.1, .2, .3; .4
    laptop ┄┄ ap0 FE3 bp0 ──┘

"victor-routed" is Figure 2 instead: sites that are subnets of their own behind a router, the
controller on a network of its own, a dozen hosts that stand still.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from . import figure2, peers_routes, rows
from .peers import ANNOUNCEMENT, OURS, System
from .peers_routes import CENTRE, SITES, STATION, STATION_MAC
from .runtime import Lab as RuntimeLab
from .topology import Element, End, Topology

ONLINE_S = 30.0
PLACES = ("backplane1", "backplane2", "backplane3", "mgmt-fe1", "mgmt-fe2", "mgmt-fe3", "mgmt-cc")


def redirect(i: int) -> str:
    return f"172.16.0.{10 + i}"


def topology(near: bool = False) -> Topology:
    """`near`: the controller is at FE1's site; else at the centre."""
    where = ("fe1", 1) if near else ("centre", CENTRE)
    t = Topology(name="peers-victor", controller=where[0],
                 controller_address=f"172.16.0.{where[1]}",
                 picture=(__doc__ or "").split("\n\n")[1])
    peers_routes.add_underlay(t, mtu=figure2.BACKPLANE_MTU, more=lambda i: (f"{redirect(i)}/24",))
    peers_routes.add_station(t, lambda i: End(f"fe{i}", "ap0"))
    for i in SITES:
        t.elements.append(Element(
            f"fe{i}", i, f"172.16.0.{i}", redirect(i),
            access=() if i == 1 else ({"match": "ap0", "number": 3},),
            external=({"match": "ext0", "number": 1},) if i == 1 else ()))
    t.backplane_links = [{"between": [f"fe{i}", f"fe{j}"], "cost": 10}
                         for i in SITES for j in SITES if i < j]
    t.prefixes = [{"prefix": "10.10.0.0/16", "mobile": True, "gateway": peers_routes.GATEWAY}]
    t.inventory = [{"id": "laptop", "mac": STATION_MAC, "addresses": [STATION]}]
    return t


class Lab(RuntimeLab):
    """`settings`: as the runtime's."""

    def __init__(self, name: str, delay_ms: float = 0, *, near: bool = False,
                 **settings: Any) -> None:
        self.make_topology = partial(topology, near)
        super().__init__(name, delays=peers_routes.delays(delay_ms), **settings)

    def up(self) -> None:
        super().up()
        peers_routes.know_gateway(self)
        self.wait_synchronized(ONLINE_S)


class RoutedLab(figure2.Lab):
    """Figure 2's lab; also of who is an Open vSwitch in it."""

    def __init__(self, name: str, delay_ms: float = 0, **settings: Any) -> None:
        super().__init__(name, delays=dict.fromkeys(PLACES, delay_ms / 2) if delay_ms else {},
                         **settings)

    def up(self) -> None:
        super().up()
        self.wait_synchronized(ONLINE_S)


SYSTEMS = (
    System("victor", OURS, ANNOUNCEMENT, rows.version, Lab, rank=0),
    System("victor-near", f"{OURS}, controller at the client's site", ANNOUNCEMENT, rows.version,
           partial(Lab, near=True), by_default=False, rank=4),
    System("victor-routed", f"{OURS}, sites behind a router", ANNOUNCEMENT, rows.version, RoutedLab,
           by_default=False, rank=5),
)
