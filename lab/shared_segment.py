"""A site with one LAN and several forwarding elements on it (paper, section 2.2.1).

                   ┌── lan0 (2) FE2 bp0 ── 172.16.2.0/24 ──┐
    h1 … h6 ── lan ┼── lan0 (2) FE3 bp0 ── 172.16.3.0/24 ──┤
    10.10.0.21-26  └── lan0 (2) FE4 bp0 ── 172.16.4.0/24 ──┤
                                                          core
    remote 10.10.0.50 ─ vm0 (2) FE5 bp0 ── 172.16.5.0/24 ──┤
    client 192.0.2.10 ─ ext0 (1) FE1 bp0 ── 172.16.1.0/24 ─┘

FE2, FE3 and FE4 share segment 7; FE4 comes later (`Lab.fe("fe4").start()`).
FE1 is the border of them all.
"""

from __future__ import annotations

from .runtime import Lab as RuntimeLab
from .topology import Bridge, Element, End, Host, Topology

BACKPLANE_MTU = 1600
SEGMENT = 7
HOSTS = tuple(f"h{i}" for i in range(1, 7))
SHARING = ("fe2", "fe3", "fe4")
CLIENT_ADDRESS = "192.0.2.10"


def topology() -> Topology:
    t = Topology(name="shared-segment", controller="cc", controller_address="10.99.0.1",
                 picture=(__doc__ or "").split("\n\n")[1])
    t.node("core", forwards=True)
    t.node("mgmt", bridges=(Bridge("br0"),))
    t.node("cc")
    t.node("lan", bridges=(Bridge("br0"),))
    t.link("mgmt-cc", End("cc", "mg0", ("10.99.0.1/24",)), End("mgmt", "cc", bridge="br0"))
    for i in range(1, 6):
        _element(t, i)
    for name in SHARING:
        t.link(f"lan-{name}", End(name, "lan0"), End("lan", name, bridge="br0"))
    for i, name in enumerate(HOSTS, start=1):
        _host(t, name, f"10.10.0.{20 + i}", f"52:54:00:00:00:2{i}",
              End("lan", name, bridge="br0"))
    _host(t, "remote", "10.10.0.50", "52:54:00:00:00:50", End("fe5", "vm0"))
    t.node("client", routes=("default via 192.0.2.1",))
    t.link("outside", End("client", "eth0", (f"{CLIENT_ADDRESS}/24",), mac="02:00:00:00:02:0a"),
           End("fe1", "ext0", ("192.0.2.1/24",)))
    t.hosts.append(Host("client", "eth0", CLIENT_ADDRESS, "02:00:00:00:02:0a"))
    t.prefixes = [{"prefix": "10.10.0.0/16", "mobile": True, "gateway": "10.10.0.1"}]
    t.backplane_links = [{"between": ["fe1", f"fe{i}"], "cost": 10} for i in (2, 3, 5)]
    return t


def _element(t: Topology, i: int) -> None:
    name = f"fe{i}"
    t.node(name, routes=(f"172.16.0.0/16 via 172.16.{i}.1",), forwards=True)
    t.link(f"backplane{i}", End(name, "bp0", (f"172.16.{i}.2/24", f"172.16.{i}.3/24")),
           End("core", f"net{i}", (f"172.16.{i}.1/24",)), mtu=BACKPLANE_MTU)
    t.link(f"mgmt-{name}", End(name, "mg0", (f"10.99.0.{10 + i}/24",)),
           End("mgmt", name, bridge="br0"))
    access = {1: (), 5: ({"match": "vm0", "number": 2},)}.get(
        i, ({"match": "lan0", "number": 2, "segment": SEGMENT},))
    t.elements.append(Element(name, i, f"172.16.{i}.2", f"172.16.{i}.3", access=access,
                              external=({"match": "ext0", "number": 1},) if i == 1 else ()))


def _host(t: Topology, name: str, address: str, mac: str, to: End) -> None:
    t.node(name, routes=("default via 10.10.0.1",))
    t.link(name, End(name, "eth0", (f"{address}/16",), mac=mac), to)
    t.hosts.append(Host(name, "eth0", address, mac))
    t.inventory.append({"id": name, "mac": mac, "addresses": [address]})


class Lab(RuntimeLab):
    """The site, up for as long as the context lasts."""

    make_topology = staticmethod(topology)
    late = ("fe4",)
