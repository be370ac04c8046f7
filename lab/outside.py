"""Border elements among stock routers: two ways into VICTOR, two providers, a network behind them.

    client1 198.18.1.10 ── r1 (AS 64501, FRR)  ── ix1 ── ext0 (1) FE1 bp0 ── 172.16.1.0/24 ──┐
                            │  │                                                            core
    client3 198.18.3.10 ──  │  r3 (AS 64503, BIRD)        vm1, vm2, vm3 ─ FE3 bp0 ── .3.0/24 ┤
                            │  │                                                             │
    client2 198.18.2.10 ── r2 (AS 64502, BIRD) ── ix2 ── ext0 (1) FE2 bp0 ── 172.16.2.0/24 ──┘

Beside FE1 and FE2 runs FRR or BIRD with a configuration of docs/examples/routing, taken literally
(FE2's: with its own addresses). r1, r2 and r3 are routers that know nothing of VICTOR; r3 drops
prefixes longer than /24. ix1 and ix2 are switches: a dead element does not take its neighbour's
carrier along. 203.0.113.0/24 is provider-independent, 198.51.100.64/26 a part of r1's block, and
10.10.0.0/16 internal.
"""

from __future__ import annotations

import time
from pathlib import Path

from . import netns, routing
from .runtime import Lab as RuntimeLab
from .topology import Bridge, Element, End, Host, Topology

BACKPLANE_MTU = 1600
INDEPENDENT, ASSIGNED, BLOCK, INTERNAL = ("203.0.113.0/24", "198.51.100.64/26", "198.51.100.0/24",
                                          "10.10.0.0/16")
EXAMPLES = Path(__file__).resolve().parent.parent / "docs/examples/routing"
ROUTERS = Path(__file__).resolve().parent / "routers"
NODES = {"vm1": "203.0.113.10", "vm2": "198.51.100.70", "vm3": "10.10.0.11"}
GATEWAYS = {"vm1": "203.0.113.1/24", "vm2": "198.51.100.65/26", "vm3": "10.10.0.1/16"}


def topology() -> Topology:
    t = Topology(name="outside", controller="cc", controller_address="10.99.0.1",
                 picture=(__doc__ or "").split("\n\n")[1])
    t.node("core", forwards=True)
    t.node("mgmt", bridges=(Bridge("br0"),))
    t.node("cc")
    t.link("mgmt-cc", End("cc", "mg0", ("10.99.0.1/24",)), End("mgmt", "cc", bridge="br0"))
    for i in (1, 2, 3):
        _element(t, i)
        add_router(t, i)
    for a, b in ((1, 2), (1, 3), (2, 3)):
        t.link(f"r{a}-r{b}", End(f"r{a}", f"r{b}", (f"100.64.{a}{b}.{a}/24",)),
               End(f"r{b}", f"r{a}", (f"100.64.{a}{b}.{b}/24",)))
    for number, name in enumerate(NODES, start=2):
        _node(t, name, number)
    t.prefixes = [{"prefix": INDEPENDENT, "mobile": True, "gateway": "203.0.113.1"},
                  {"prefix": ASSIGNED, "mobile": True, "gateway": "198.51.100.65"},
                  {"prefix": INTERNAL, "mobile": True, "gateway": "10.10.0.1", "announce": False}]
    t.backplane_links = [{"between": ["fe1", "fe2"], "cost": 20},
                         {"between": ["fe1", "fe3"], "cost": 10},
                         {"between": ["fe2", "fe3"], "cost": 15}]
    return t


def _element(t: Topology, i: int) -> None:
    border = i < 3
    t.node(f"fe{i}", forwards=True, routes=(f"172.16.0.0/16 via 172.16.{i}.1",))
    t.link(f"backplane{i}", End(f"fe{i}", "bp0", (f"172.16.{i}.2/24", f"172.16.{i}.3/24")),
           End("core", f"net{i}", (f"172.16.{i}.1/24",)), mtu=BACKPLANE_MTU)
    t.link(f"mgmt-fe{i}", End(f"fe{i}", "mg0", (f"10.99.0.{10 + i}/24",)),
           End("mgmt", f"fe{i}", bridge="br0"))
    access = () if border else tuple({"match": name, "number": number}
                                     for number, name in enumerate(NODES, start=2))
    t.elements.append(Element(f"fe{i}", i, f"172.16.{i}.2", f"172.16.{i}.3", access=access,
                              external=({"match": "ext0", "number": 1},) if border else ()))
    if border:
        t.node(f"ix{i}", bridges=(Bridge("br0"),))
        t.link(f"external{i}", End(f"fe{i}", "ext0", (f"100.64.{i}.2/24",)),
               End(f"ix{i}", "fe", bridge="br0"))
        t.link(f"provider{i}", End(f"r{i}", "fe", (f"100.64.{i}.1/24",)),
               End(f"ix{i}", "r", bridge="br0"))


def add_router(t: Topology, i: int) -> None:
    """A provider's router with a client behind it."""
    t.node(f"r{i}", forwards=True)
    t.node(f"client{i}", routes=(f"default via 198.18.{i}.1",))
    mac = f"02:00:00:00:0{i}:0a"
    t.link(f"client{i}", End(f"client{i}", "eth0", (f"198.18.{i}.10/24",), mac=mac),
           End(f"r{i}", "lan", (f"198.18.{i}.1/24",)))
    t.hosts.append(Host(f"client{i}", "eth0", f"198.18.{i}.10", mac))


def _node(t: Topology, name: str, number: int) -> None:
    gateway, _, length = GATEWAYS[name].partition("/")
    address, mac = NODES[name], f"52:54:00:00:04:0{number}"
    t.node(name, routes=(f"default via {gateway}",))
    t.link(name, End(name, "eth0", (f"{address}/{length}",), mac=mac), End("fe3", name))
    t.hosts.append(Host(name, "eth0", address, mac))
    t.inventory.append({"id": name, "mac": mac, "addresses": [address]})


def example(name: str, i: int = 1) -> str:
    """A configuration as it ships, which is for element fe1 at provider 1; or fe2's, at 2."""
    text = (EXAMPLES / f"{name}.conf").read_text()
    return text.replace("100.64.1.", f"100.64.{i}.").replace("64501", f"6450{i}").replace(
        "fe1", f"fe{i}")


class Lab(RuntimeLab):
    """The elements and the routers around them; beside() starts the daemons at the elements."""

    make_topology = staticmethod(topology)

    def start_routers(self) -> None:
        self.routers = {}
        for i, kind in enumerate(("frr", "bird", "bird"), start=1):
            text = (ROUTERS / f"r{i}-{kind}.conf").read_text()
            self.routers[f"r{i}"] = routing.make(kind, self, f"r{i}", text)
            self.routers[f"r{i}"].start()

    def beside(self, example_name: str) -> dict[str, routing.Router]:
        """Daemons beside FE1 and FE2 with that example ("frr-bgp", "bird-ospf", ...), started."""
        kind = example_name.partition("-")[0]
        made = {f"fe{i}": routing.make(kind, self, f"fe{i}", example(example_name, i))
                for i in (1, 2)}
        for router in made.values():
            router.start()
        return made

    def power_off(self, element: str) -> float:
        """As when the machine dies: nothing of it is on any wire any more. When that was."""
        devices = ["mg0", *["ext0"] * (element != "fe3"), "bp0"]    # a dead one tells nobody
        netns.batch([f"link set {d} down" for d in devices], self.netns(element))
        return time.monotonic()

    def power_on(self, element: str) -> None:
        i = element[-1]
        devices = ["ext0"] * (element != "fe3") + ["bp0", "mg0"]
        netns.batch([*(f"link set {d} up" for d in devices),
                     f"route replace 172.16.0.0/16 via 172.16.{i}.1"], self.netns(element))
