"""The paper's Figure 2: three forwarding elements in three L3 networks, one way out.

    client 192.0.2.10 ────────── ext0 (1) FE1 bp0 ── 172.16.1.0/24 ──┐
                                                                     │
    server1 10.2.3.1 ───┬─────── srv0 (2) FE2 bp0 ── 172.16.2.0/24 ──┤
    neighbor 10.10.0.12 ┤   AP1 ─ ap0 (3) ┘                         core
    (vm 10.10.0.11) ┄┄┄┄┘    ┆                                       │
    laptop 10.10.0.36 ┄┄┄┄┄┄┄┤                                       │
    (vm) ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┐    ┆                                       │
    server2 10.4.5.1 ───┴─────── srv0 (2) FE3 bp0 ── 172.16.3.0/24 ──┘
                            AP2 ─ ap0 (3) ┘
    controller: cc 10.99.0.1 ── mgmt ── 10.99.0.11, .12, .13 of FE1, FE2, FE3

The laptop is behind AP1 or AP2; `vm` stands in for a virtual machine at site 2 or 3, until a real
one (sites.py) takes its place on the same LANs. FE2 and FE3 have no way out but FE1.
"""

from __future__ import annotations

from .runtime import Lab as RuntimeLab
from .topology import Bridge, Dock, Element, End, Host, Place, Topology

GATEWAY_MAC = "02:00:5e:00:53:01"
BACKPLANE_MTU = 1600
VM_MAC, VM_ADDRESS = "52:54:00:00:00:05", "10.10.0.11"
CLIENT_ADDRESS = "192.0.2.10"


def topology(underlay: str = "ipv4", encapsulation: str | None = None) -> Topology:
    """`underlay`: ipv4, ipv6, or both (of which IPv4 is used); `encapsulation`: ipip or vxlan."""
    t = Topology(name="figure2", controller="cc", controller_address="10.99.0.1",
                 picture=(__doc__ or "").split("\n\n")[1])
    _underlay(t, underlay)
    _management(t, ("fe1", "fe2", "fe3"))
    _outside(t)
    _site(t, 2, "server1", "10.2.3.1/24", "10.2.3.254")
    _site(t, 3, "server2", "10.4.5.1/24", "10.4.5.254")
    _neighbor(t)
    _laptop(t)
    _vm(t)
    _inventory(t)
    if encapsulation:
        t.settings["encapsulation"] = encapsulation
    return t


def _underlay(t: Topology, family: str) -> None:
    """Three L3 networks of their own, joined by a router that knows nothing of VICTOR."""
    t.node("core", forwards=True)
    for i in (1, 2, 3):
        v4, v6 = f"172.16.{i}.", f"fd00:172:16:{i}::"
        has_v4, has_v6 = family != "ipv6", family != "ipv4"
        routes = ((f"172.16.0.0/16 via {v4}1",) if has_v4 else ()) + (
            (f"fd00:172:16::/48 via {v6}1",) if has_v6 else ())
        t.node(f"fe{i}", routes=routes, forwards=True)
        near, far = ((f"{v4}2/24", f"{v4}3/24"), (f"{v4}1/24",)) if has_v4 else ((), ())
        if has_v6:
            near, far = (*near, f"{v6}2/64", f"{v6}3/64"), (*far, f"{v6}1/64")
        t.link(f"backplane{i}", End(f"fe{i}", "bp0", near), End("core", f"net{i}", far),
               mtu=BACKPLANE_MTU)
        t.elements.append(Element(
            f"fe{i}", i, f"{v4}2" if has_v4 else None, f"{v4}3" if has_v4 else None,
            underlay={"address6": f"{v6}2", "redirect6": f"{v6}3"} if has_v6 else {},
            access=() if i == 1 else ({"match": "srv0", "number": 2},
                                      {"match": "ap0", "number": 3}),
            external=({"match": "ext0", "number": 1},) if i == 1 else (),
            outside="192.0.2.1/24", next_hop=CLIENT_ADDRESS))
    t.backplane_links = [{"between": ["fe1", "fe2"], "cost": 10},
                         {"between": ["fe1", "fe3"], "cost": 10},
                         {"between": ["fe2", "fe3"], "cost": 10}]


def _management(t: Topology, elements: tuple[str, ...]) -> None:
    t.node("mgmt", bridges=(Bridge("br0"),))
    t.node("cc")
    t.link("mgmt-cc", End("cc", "mg0", ("10.99.0.1/24",)), End("mgmt", "cc", bridge="br0"))
    for number, name in enumerate(elements, start=11):
        t.link(f"mgmt-{name}", End(name, "mg0", (f"10.99.0.{number}/24",)),
               End("mgmt", name, bridge="br0"))


def _outside(t: Topology) -> None:
    """The external server, a stock neighbour of FE1's: plain routes to what FE1 says it covers."""
    t.node("client", routes=("default via 192.0.2.1",))
    t.link("outside", End("client", "eth0", (f"{CLIENT_ADDRESS}/24",), mac="02:00:00:00:02:0a"),
           End("fe1", "ext0", ("192.0.2.1/24",)))
    t.hosts.append(Host("client", "eth0", CLIENT_ADDRESS, "02:00:00:00:02:0a"))


def _site(t: Topology, fe: int, server: str, address: str, gateway: str) -> None:
    """A LAN with a fixed server on it; its uplink is the element's port 2."""
    mac = f"02:00:00:00:0{fe}:01"
    t.node(server, bridges=(Bridge("br0", (address,), mac),), routes=(f"default via {gateway}",))
    t.link(f"site{fe}", End(server, "up0", bridge="br0"), End(f"fe{fe}", "srv0"))
    t.hosts.append(Host(server, "br0", address.partition("/")[0], mac))


def _neighbor(t: Topology) -> None:
    """A fixed host with a mobile prefix's address, beside the VM in its original subnet."""
    t.node("neighbor", routes=("default via 10.10.0.1",))
    t.link("neighbor", End("neighbor", "eth0", ("10.10.0.12/16",), mac="02:00:00:00:00:12"),
           End("server1", "neighbor", bridge="br0"))
    t.hosts.append(Host("neighbor", "eth0", "10.10.0.12", "02:00:00:00:00:12"))


def _laptop(t: Topology) -> None:
    t.node("air", bridges=(Bridge("laptop"), Bridge("rack")))
    t.node("laptop", routes=("default via 10.10.0.1",))
    t.link("wlan", End("laptop", "wlan0", ("10.10.0.36/16",), mac="02:00:00:00:00:36"),
           End("air", "sta", bridge="laptop"))
    t.link("ap1", End("air", "ap1", bridge="laptop"), End("fe2", "ap0"))
    t.link("ap2", End("air", "ap2", bridge="laptop"), End("fe3", "ap0"))
    t.hosts.append(Host("laptop", "wlan0", "10.10.0.36", "02:00:00:00:00:36"))
    t.docks["laptop"] = Dock("air", "laptop", "sta", at="ap1", carrier=True, places=(
        Place("ap1", "ap1", "fe2", "ap0"), Place("ap2", "ap2", "fe3", "ap0")))


def _vm(t: Topology) -> None:
    """The stand-in: with it, all but the migration itself can be tested without QEMU."""
    t.node("vm", routes=("default via 10.10.0.1",))
    t.link("vm", End("vm", "eth0", (f"{VM_ADDRESS}/16",), mac=VM_MAC),
           End("air", "vm", bridge="rack"))
    t.link("rack2", End("air", "rack2", bridge="rack"), End("server1", "rack", bridge="br0"))
    t.link("rack3", End("air", "rack3", bridge="rack"), End("server2", "rack", bridge="br0"))
    t.hosts.append(Host("vm", "eth0", VM_ADDRESS, VM_MAC))
    t.docks["vm"] = Dock("air", "rack", "vm", at="site2", places=(
        Place("site2", "rack2", "fe2", "srv0"), Place("site3", "rack3", "fe3", "srv0")))


def _inventory(t: Topology) -> None:
    t.prefixes = [
        {"prefix": "10.10.0.0/16", "mobile": True, "gateway": "10.10.0.1"},
        {"prefix": "10.2.3.0/24", "gateway": "10.2.3.254", "elements": ["fe2"]},
        {"prefix": "10.4.5.0/24", "gateway": "10.4.5.254", "elements": ["fe3"]},
    ]
    t.inventory = [
        {"id": "server1", "mac": "02:00:00:00:02:01", "addresses": ["10.2.3.1"],
         "elements": ["fe2"]},
        {"id": "server2", "mac": "02:00:00:00:03:01", "addresses": ["10.4.5.1"],
         "elements": ["fe3"]},
        {"id": "vm1", "mac": VM_MAC, "addresses": [VM_ADDRESS]},
        {"id": "laptop", "mac": "02:00:00:00:00:36", "addresses": ["10.10.0.36"]},
        {"id": "neighbor", "mac": "02:00:00:00:00:12", "addresses": ["10.10.0.12"],
         "elements": ["fe2"]},
    ]


class Lab(RuntimeLab):
    """Figure 2, up for as long as the context lasts."""

    make_topology = staticmethod(topology)
