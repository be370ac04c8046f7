"""The paper's section 3: two data centres, each a border element and two subnet elements.

    client1 ── r1 (AS 64501, FRR)  ── ext0 (1) B1 ─┐            ┌─ S11 ─ rack11 ┄┐
                │                                  ├── core1 ───┤                ┆
                │                                  │     │      └─ S12 ─ rack12 ┄┤
                │                                  │     │                     (web 203.0.113.10)
                │                                  │     │      ┌─ S21 ─ rack21 ┄┤
                │                                  │   core2 ───┤                ┆
    client2 ── r2 (AS 64502, BIRD) ── ext0 (1) B2 ─┘            └─ S22 ─ rack22 ┄┘

`web` is in one rack at a time. Beside B1 runs FRR, beside B2 BIRD, both with the examples of
docs/examples/routing; S11 to S22 have no routing daemon and no way out of their own. Taps at S11 to S22
are ports, for a VM of the test's own (datacenters_guest.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import outside, routing
from .runtime import Lab as RuntimeLab
from .topology import Bridge, Dock, Element, End, Host, Place, Topology

WEB, WEB_MAC = "203.0.113.10", "52:54:00:00:05:10"
GUEST, GUEST_ADDRESS, GUEST_MAC = "guest", "203.0.113.20", "52:54:00:00:05:20"
BORDERS = {"b1": 1, "b2": 2}
SUBNETS = {"s11": 11, "s12": 12, "s21": 21, "s22": 22}
RACKS = {"rack11": "s11", "rack12": "s12", "rack21": "s21", "rack22": "s22"}
ROUTERS = Path(__file__).resolve().parent / "routers"


def topology() -> Topology:
    t = Topology(name="datacenters", controller="cc", controller_address="10.99.0.1",
                 picture=(__doc__ or "").split("\n\n")[1])
    t.node("mgmt", bridges=(Bridge("br0"),))
    t.node("cc")
    t.link("mgmt-cc", End("cc", "mg0", ("10.99.0.1/24",)), End("mgmt", "cc", bridge="br0"))
    for dc in (1, 2):
        t.node(f"core{dc}", forwards=True, routes=tuple(
            f"172.16.{n}.0/24 via 172.31.0.{3 - dc}" for n in _numbers(3 - dc)))
    t.link("wan", End("core1", "wan", ("172.31.0.1/30",)), End("core2", "wan", ("172.31.0.2/30",)),
           mtu=outside.BACKPLANE_MTU)
    for name, number in {**BORDERS, **SUBNETS}.items():
        _element(t, name, number)
    for i in (1, 2):
        outside.add_router(t, i)
        t.link(f"provider{i}", End(f"r{i}", "fe", (f"100.64.{i}.1/24",)),
               End(f"b{i}", "ext0", (f"100.64.{i}.2/24",)))
    t.link("r1-r2", End("r1", "r2", ("100.64.12.1/24",)), End("r2", "r1", ("100.64.12.2/24",)))
    _web(t)
    t.prefixes = [{"prefix": outside.INDEPENDENT, "mobile": True, "gateway": "203.0.113.1"}]
    t.backplane_links = [
        {"between": [a, b], "cost": 10 if _center(a) == _center(b) else 100}
        for a in (*BORDERS, *SUBNETS) for b in (*BORDERS, *SUBNETS) if a < b]
    return t


def _center(name: str) -> str:
    return name[1]


def _numbers(dc: int) -> list[int]:
    return [n for name, n in {**BORDERS, **SUBNETS}.items() if _center(name) == str(dc)]


def _element(t: Topology, name: str, number: int) -> None:
    t.node(name, forwards=True, routes=(f"172.16.0.0/12 via 172.16.{number}.1",))
    t.link(f"backplane-{name}",
           End(name, "bp0", (f"172.16.{number}.2/24", f"172.16.{number}.3/24")),
           End(f"core{_center(name)}", name, (f"172.16.{number}.1/24",)),
           mtu=outside.BACKPLANE_MTU)
    t.link(f"mgmt-{name}", End(name, "mg0", (f"10.99.0.{100 + number}/24",)),
           End("mgmt", name, bridge="br0"))
    border = name in BORDERS
    t.elements.append(Element(
        name, number, f"172.16.{number}.2", f"172.16.{number}.3",
        access=() if border else ({"match": "lan0", "number": 2}, {"match": "tap*"}),
        external=({"match": "ext0", "number": 1},) if border else ()))


def _web(t: Topology) -> None:
    t.node("hall", bridges=(Bridge("racks"),))
    t.node("web", routes=("default via 203.0.113.1",))
    t.link("web", End("web", "eth0", (f"{WEB}/24",), mac=WEB_MAC),
           End("hall", "web", bridge="racks"))
    for rack, element in RACKS.items():
        t.link(rack, End("hall", rack, bridge="racks"), End(element, "lan0"))
    t.hosts.append(Host("web", "eth0", WEB, WEB_MAC))
    t.inventory.append({"id": "web", "mac": WEB_MAC, "addresses": [WEB]})
    t.inventory.append({"id": GUEST, "mac": GUEST_MAC, "addresses": [GUEST_ADDRESS]})
    t.docks["web"] = Dock("hall", "racks", "web", at="rack11", places=tuple(
        Place(rack, rack, element, "lan0") for rack, element in RACKS.items()))


class Lab(RuntimeLab):
    """Both data centres and their providers."""

    make_topology = staticmethod(topology)

    def _present_nodes(self) -> list[dict[str, Any]]:
        """The guest comes later, if at all."""
        return [node for node in super()._present_nodes() if node["id"] != GUEST]

    def start_routers(self) -> None:
        self.routers = {}
        for i, kind in enumerate(("frr", "bird"), start=1):
            text = (ROUTERS / f"r{i}-{kind}.conf").read_text()
            self.routers[f"r{i}"] = routing.make(kind, self, f"r{i}", text)
            self.routers[f"b{i}"] = routing.make(kind, self, f"b{i}",
                                                 outside.example(f"{kind}-bgp", i))
        for router in self.routers.values():
            router.start()
