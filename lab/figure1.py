"""The paper's Figure 1: four forwarding elements, each with a way out of its own.

    client1 ── edge1 ── ext0 (1) FE1 bp0 ── 172.16.1.0/24 ──┐
    client2 ── edge2 ── ext0 (1) FE2 bp0 ── 172.16.2.0/24 ──┤
    client3 ── edge3 ── ext0 (1) FE3 bp0 ── 172.16.3.0/24 ──core
        vm2 10.10.0.2 ── vm0 (2) ┘                          │
    client4 ── edge4 ── ext0 (1) FE4 bp0 ── 172.16.4.0/24 ──┘
        vm1 10.10.0.1 ── vm0 (2) ┘

edge1 to edge4 are plain routers, joined by the LAN `internet`: a client's packets for 10.10.0.0/16
enter at the element nearest to it.
The paper's paths: VM1 → FE4 → FE3 → VM2; client2 → FE2 → FE4 → VM1; VM1 → FE4 → client2.
"""

from __future__ import annotations

from .runtime import Lab as RuntimeLab
from .topology import Bridge, Element, End, Host, Topology

BACKPLANE_MTU = 1600
ELEMENTS = (1, 2, 3, 4)


def topology() -> Topology:
    t = Topology(name="figure1", controller="cc", controller_address="10.99.0.1",
                 picture=(__doc__ or "").split("\n\n")[1])
    t.node("core", forwards=True)
    t.node("mgmt", bridges=(Bridge("br0"),))
    t.node("cc")
    t.node("internet", bridges=(Bridge("br0"),))
    t.link("mgmt-cc", End("cc", "mg0", ("10.99.0.1/24",)), End("mgmt", "cc", bridge="br0"))
    for i in ELEMENTS:
        _element(t, i)
        _edge(t, i)
    _vm(t, "vm1", 4, "10.10.0.1")
    _vm(t, "vm2", 3, "10.10.0.2")
    t.prefixes = [{"prefix": "10.10.0.0/16", "mobile": True, "gateway": "10.10.255.254"}]
    t.backplane_links = [{"between": [f"fe{a}", f"fe{b}"], "cost": 10}
                         for a in ELEMENTS for b in ELEMENTS if a < b]
    return t


def _element(t: Topology, i: int) -> None:
    t.node(f"fe{i}", forwards=True,
           routes=(f"172.16.0.0/16 via 172.16.{i}.1", f"default via 192.0.{i}.1"))
    t.link(f"backplane{i}", End(f"fe{i}", "bp0", (f"172.16.{i}.2/24", f"172.16.{i}.3/24")),
           End("core", f"net{i}", (f"172.16.{i}.1/24",)), mtu=BACKPLANE_MTU)
    t.link(f"mgmt-fe{i}", End(f"fe{i}", "mg0", (f"10.99.0.{10 + i}/24",)),
           End("mgmt", f"fe{i}", bridge="br0"))
    t.elements.append(Element(f"fe{i}", i, f"172.16.{i}.2", f"172.16.{i}.3",
                              access=({"match": "vm0", "number": 2},),
                              external=({"match": "ext0", "number": 1},)))


def _edge(t: Topology, i: int) -> None:
    """A router and a client near one element; the mobile prefix is routed to that element."""
    others = tuple(f"198.51.{j}.0/24 via 203.0.113.{j}" for j in ELEMENTS if j != i)
    t.node(f"edge{i}", forwards=True, routes=(f"10.10.0.0/16 via 192.0.{i}.2", *others))
    t.link(f"external{i}", End(f"edge{i}", "fe", (f"192.0.{i}.1/24",)),
           End(f"fe{i}", "ext0", (f"192.0.{i}.2/24",)))
    t.link(f"internet{i}", End(f"edge{i}", "net", (f"203.0.113.{i}/24",)),
           End("internet", f"edge{i}", bridge="br0"))
    t.node(f"client{i}", routes=(f"default via 198.51.{i}.1",))
    mac = f"02:00:00:00:0{i}:0a"
    t.link(f"client{i}", End(f"client{i}", "eth0", (f"198.51.{i}.10/24",), mac=mac),
           End(f"edge{i}", "lan", (f"198.51.{i}.1/24",)))
    t.hosts.append(Host(f"client{i}", "eth0", f"198.51.{i}.10", mac))


def _vm(t: Topology, name: str, element: int, address: str) -> None:
    mac = f"52:54:00:00:01:0{name[-1]}"
    t.node(name, routes=("default via 10.10.255.254",))
    t.link(name, End(name, "eth0", (f"{address}/16",), mac=mac), End(f"fe{element}", "vm0"))
    t.hosts.append(Host(name, "eth0", address, mac))
    t.inventory.append({"id": name, "mac": mac, "addresses": [address]})


class Lab(RuntimeLab):
    """Figure 1, up for as long as the context lasts."""

    make_topology = staticmethod(topology)
