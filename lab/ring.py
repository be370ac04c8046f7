"""A partial mesh: ten forwarding elements in a ring with two chords, over provisioned layer-2 links.

          fe1 ── fe2 ── fe3 ── fe4 ── fe5
           │ \\           │             │        every link of the ring costs 10,
           │  \\__________│___          │        the chords fe1 - fe6 and fe3 - fe8 15;
          fe10 ─ fe9 ── fe8 ── fe7 ── fe6       there is no underlay: these wires are all
    client ── fe1     laptop: at fe4 or fe9     server ── fe6

A link is named after its ends ("fe1-fe2"), the device at each end after the other ("to2").
"""

from __future__ import annotations

from .runtime import Lab as RuntimeLab
from .topology import Bridge, Dock, Element, End, Host, Place, Topology

COUNT = 10
RING_COST, CHORD_COST = 10, 15
CHORDS = ((1, 6), (3, 8))
LINK_MTU = 1600
CLIENT_ADDRESS = "192.0.2.10"
PLACES = {"west": 4, "east": 9}


def wires() -> list[tuple[int, int, int]]:
    """(a, b, cost) of every link."""
    ring = [(i, i % COUNT + 1, RING_COST) for i in range(1, COUNT + 1)]
    return ring + [(a, b, CHORD_COST) for a, b in CHORDS]


def link_name(a: int, b: int) -> str:
    return f"fe{a}-fe{b}"


def topology() -> Topology:
    t = Topology(name="ring", controller="cc", controller_address="10.99.0.1",
                 picture=(__doc__ or "").split("\n\n")[1])
    t.node("mgmt", bridges=(Bridge("br0"),))
    t.node("cc")
    t.link("mgmt-cc", End("cc", "mg0", ("10.99.0.1/24",)), End("mgmt", "cc", bridge="br0"))
    for i in range(1, COUNT + 1):
        _element(t, i)
    for a, b, cost in wires():
        t.link(link_name(a, b), End(f"fe{a}", f"to{b}"), End(f"fe{b}", f"to{a}"), mtu=LINK_MTU)
        t.backplane_links.append({
            "between": [f"fe{a}", f"fe{b}"], "kind": "ethernet", "ports": [f"to{b}", f"to{a}"],
            "cost": cost, "bandwidth": 10000})
    _client(t)
    _laptop(t)
    _server(t)
    t.prefixes = [{"prefix": "10.10.0.0/16", "mobile": True, "gateway": "10.10.0.1"}]
    t.inventory = [
        {"id": "laptop", "mac": "02:00:00:00:00:36", "addresses": ["10.10.0.36"]},
        {"id": "server", "mac": "02:00:00:00:06:01", "addresses": ["10.10.0.6"],
         "elements": ["fe6"]},
    ]
    return t


def _element(t: Topology, i: int) -> None:
    """Its backplane addresses are on a bridge of its own: they belong to no wire."""
    others = [b if a == i else a for a, b, _ in wires() if i in (a, b)]
    t.node(f"fe{i}", forwards=True,
           bridges=(Bridge("self", (f"172.16.{i}.2/32", f"172.16.{i}.3/32")),))
    t.link(f"mgmt-fe{i}", End(f"fe{i}", "mg0", (f"10.99.0.{10 + i}/24",)),
           End("mgmt", f"fe{i}", bridge="br0"))
    access = [{"match": "ap0", "number": 3}] if i in PLACES.values() else []
    access += [{"match": "srv0", "number": 2}] if i == 6 else []
    t.elements.append(Element(
        f"fe{i}", i, f"172.16.{i}.2", f"172.16.{i}.3", access=tuple(access),
        external=({"match": "ext0", "number": 1},) if i == 1 else (),
        links=tuple({"match": f"to{j}", "kind": "ethernet", "number": 100 + j} for j in others)))


def _client(t: Topology) -> None:
    mac = "02:00:00:00:02:0a"
    t.node("client", routes=("default via 192.0.2.1",))
    t.link("outside", End("client", "eth0", (f"{CLIENT_ADDRESS}/24",), mac=mac),
           End("fe1", "ext0", ("192.0.2.1/24",)))
    t.hosts.append(Host("client", "eth0", CLIENT_ADDRESS, mac))


def _laptop(t: Topology) -> None:
    mac = "02:00:00:00:00:36"
    t.node("air", bridges=(Bridge("laptop"),))
    t.node("laptop", routes=("default via 10.10.0.1",))
    t.link("wlan", End("laptop", "wlan0", ("10.10.0.36/16",), mac=mac),
           End("air", "sta", bridge="laptop"))
    for name, fe in PLACES.items():
        t.link(f"ap-{name}", End("air", name, bridge="laptop"), End(f"fe{fe}", "ap0"))
    t.hosts.append(Host("laptop", "wlan0", "10.10.0.36", mac))
    t.docks["laptop"] = Dock("air", "laptop", "sta", at="west", carrier=True, places=tuple(
        Place(name, name, f"fe{fe}", "ap0") for name, fe in PLACES.items()))


def _server(t: Topology) -> None:
    mac = "02:00:00:00:06:01"
    t.node("server", routes=("default via 10.10.0.1",))
    t.link("server", End("server", "eth0", ("10.10.0.6/16",), mac=mac), End("fe6", "srv0"))
    t.hosts.append(Host("server", "eth0", "10.10.0.6", mac))


class Lab(RuntimeLab):
    """The ring, up for as long as the context lasts."""

    make_topology = staticmethod(topology)
