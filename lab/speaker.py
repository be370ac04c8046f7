"""An Open vSwitch as the only border element, and a routing daemon on the controller's side that
speaks for it ("or by the CC", paper, section 2.4).

    client1 198.18.1.10 ── r1 (AS 64501, FRR) ── ext0 (1) FE1 (switch) bp0 ── 172.16.1.0/24 ──┐
                                                                                             core
    roamer 203.0.113.10 ┄┬─ srv0 (2) FE2 (victor-fe) bp0 ──────────────────── 172.16.2.0/24 ──┤
                         └┄ srv0 (2) FE3 (switch) bp0 ─────────────────────── 172.16.3.0/24 ──┘
    controller: cc 10.99.0.1 ── mgmt ── the elements
    speaker: FRR or BIRD, in a namespace beside the controller, at ext0, a device of the controller's

The daemon's configuration is one of docs/examples/routing as it ships, for FE1 at provider 1; or at
provider 2 (r2, BIRD, AS 64502), with the numbers changed. Nothing is at FE1 but the switch.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from . import outside, routing
from .runtime import Lab as RuntimeLab
from .topology import Bridge, Dock, Element, End, Host, Place, Topology

ROAMER, ROAMER_MAC = "203.0.113.10", "52:54:00:00:06:10"
PREFIX, GATEWAY = "203.0.113.0/24", "203.0.113.1"
ROUTER_KINDS = {1: "frr", 2: "bird"}
SPEAKER, DEVICE = "speaker", "ext0"


def topology(provider: int = 1) -> Topology:
    t = Topology(name="speaker", controller="cc", controller_address="10.99.0.1",
                 picture=(__doc__ or "").split("\n\n")[1])
    t.node("core", forwards=True)
    t.node("mgmt", bridges=(Bridge("br0"),))
    t.node("cc")
    t.node(SPEAKER)
    t.link("mgmt-cc", End("cc", "mg0", ("10.99.0.1/24",)), End("mgmt", "cc", bridge="br0"))
    for i in (1, 2, 3):
        _element(t, i, provider)
    outside.add_router(t, provider)
    t.link("external", End("fe1", "ext0"),
           End(f"r{provider}", "fe", (f"100.64.{provider}.1/24",)))
    _roamer(t)
    t.prefixes = [{"prefix": PREFIX, "mobile": True, "gateway": GATEWAY},
                  {"prefix": outside.INTERNAL, "mobile": True, "gateway": "10.10.0.1",
                   "announce": False}]
    t.backplane_links = [{"between": ["fe1", "fe2"], "cost": 10},
                         {"between": ["fe1", "fe3"], "cost": 10},
                         {"between": ["fe2", "fe3"], "cost": 10}]
    return t


def _element(t: Topology, i: int, provider: int) -> None:
    t.node(f"fe{i}", forwards=True, routes=(f"172.16.0.0/16 via 172.16.{i}.1",))
    t.link(f"backplane{i}", End(f"fe{i}", "bp0", (f"172.16.{i}.2/24", f"172.16.{i}.3/24")),
           End("core", f"net{i}", (f"172.16.{i}.1/24",)), mtu=outside.BACKPLANE_MTU)
    t.link(f"mgmt-fe{i}", End(f"fe{i}", "mg0", (f"10.99.0.{10 + i}/24",)),
           End("mgmt", f"fe{i}", bridge="br0"))
    t.elements.append(Element(
        f"fe{i}", i, f"172.16.{i}.2", f"172.16.{i}.3",
        access=() if i == 1 else ({"match": "srv0", "number": 2},),
        external=({"match": "ext0", "number": 1},) if i == 1 else (),
        outside=f"100.64.{provider}.2/24"))


def _roamer(t: Topology) -> None:
    t.node("air", bridges=(Bridge("roamer"),))
    t.node("roamer", routes=(f"default via {GATEWAY}",))
    t.link("roamer", End("roamer", "eth0", (f"{ROAMER}/24",), mac=ROAMER_MAC),
           End("air", "sta", bridge="roamer"))
    for i in (2, 3):
        t.link(f"site{i}", End("air", f"site{i}", bridge="roamer"), End(f"fe{i}", "srv0"))
    t.hosts.append(Host("roamer", "eth0", ROAMER, ROAMER_MAC))
    t.inventory.append({"id": "roamer", "mac": ROAMER_MAC, "addresses": [ROAMER]})
    t.docks["roamer"] = Dock("air", "roamer", "sta", at="site2", carrier=True, places=(
        Place("site2", "site2", "fe2", "srv0"), Place("site3", "site3", "fe3", "srv0")))


class Lab(RuntimeLab):
    """The elements, the provider's router, and the daemon that speaks for FE1: speak() starts it."""

    make_topology = staticmethod(topology)
    provider = 1

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **{"ovs": ("fe1", "fe3"), **settings})
        speaking = {"routing": {"netns": self.netns(SPEAKER), "device": DEVICE}}
        self.topology.elements = [
            replace(e, external=tuple({**p, **speaking} for p in e.external))
            for e in self.topology.elements]

    def start_router(self) -> routing.Router:
        kind = ROUTER_KINDS[self.provider]
        text = (outside.ROUTERS / f"r{self.provider}-{kind}.conf").read_text()
        self.router = routing.make(kind, self, f"r{self.provider}", text)
        self.router.start()
        return self.router

    def speak(self, example: str) -> routing.Router:
        """FRR or BIRD with that example ("frr-bgp", "bird-bgp")."""
        made = routing.make(example.partition("-")[0], self, SPEAKER,
                            outside.example(example, self.provider))
        made.start()
        self.daemon = made
        return made


class SecondLab(Lab):
    """At provider 2."""

    make_topology = staticmethod(lambda: topology(2))
    provider = 2
