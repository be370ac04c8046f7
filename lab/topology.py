"""What a topology is made of, as plain data: nodes (each a network namespace), links (each a veth
pair, or two around a delay line), bridges, forwarding elements, hosts that move. figure2.py and
figure1.py declare with these words; runtime.py makes what was declared.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class End:
    """One end of a link: an interface of a node. With `bridge`, it is a port of that bridge."""

    node: str
    name: str
    addresses: tuple[str, ...] = ()
    mac: str | None = None
    bridge: str | None = None


@dataclass(frozen=True)
class Link:
    """A wire. Its name is what --delay takes."""

    name: str
    a: End
    b: End
    mtu: int = 1500


@dataclass(frozen=True)
class Bridge:
    """A LAN inside a node; `addresses` make the node itself a host on it."""

    name: str
    addresses: tuple[str, ...] = ()
    mac: str | None = None


@dataclass(frozen=True)
class Node:
    """A namespace: a host, a router (`forwards`), a forwarding element, or a switch."""

    name: str
    routes: tuple[str, ...] = ()
    bridges: tuple[Bridge, ...] = ()
    forwards: bool = False


@dataclass(frozen=True)
class Host:
    """A node that announces itself and is talked to: Lab.host() returns a handle for it."""

    name: str
    device: str
    address: str
    mac: str


@dataclass(frozen=True)
class Element:
    """A forwarding element: the node of the same name runs victor-fe with this, or (`kind` ovs) an
    Open vSwitch bridge. `next_hop` is its router outside; a victor-fe asks its kernel."""

    name: str
    id: int
    backplane: str | None                     # "172.16.2.2"; None: no IPv4 underlay
    redirect: str | None                      # "172.16.2.3", for REDIRECTED packets
    access: tuple[dict[str, Any], ...] = ()
    external: tuple[dict[str, Any], ...] = ()
    links: tuple[dict[str, Any], ...] = ()    # provisioned devices; with them there is no bp0
    binding_limit: int | None = None
    kind: str = "victor-fe"
    outside: str = ""
    next_hop: str = ""
    outside6: str = ""
    next_hop6: str = ""
    underlay: dict[str, Any] = field(default_factory=dict)    # more of `backplane:` in its config

    @property
    def switch_backplane(self) -> str:
        """An Open vSwitch has one: of IPv4 where the element has that."""
        return self.backplane or str(self.underlay["address6"])


@dataclass(frozen=True)
class Place:
    """Where a moving host can be: behind a port of an element, through a port of its dock."""

    name: str
    dock_port: str
    element: str
    port: str


@dataclass(frozen=True)
class Dock:
    """A bridge whose port towards one place at a time is active; the other end of `host_port` is
    the moving host. With `carrier`, a place that is left loses its carrier for a moment, as an
    access point does when its station goes."""

    node: str
    bridge: str
    host_port: str
    places: tuple[Place, ...]
    at: str
    carrier: bool = False

    def place(self, name: str) -> Place:
        for place in self.places:
            if place.name == name:
                return place
        raise KeyError(f"no place '{name}'; there are {', '.join(p.name for p in self.places)}")


@dataclass
class Topology:
    """Everything that is made."""

    name: str
    controller: str                                   # the node that runs victor-controller
    controller_address: str
    nodes: list[Node] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    elements: list[Element] = field(default_factory=list)
    hosts: list[Host] = field(default_factory=list)
    docks: dict[str, Dock] = field(default_factory=dict)      # by the moving host's name
    prefixes: list[dict[str, Any]] = field(default_factory=list)
    inventory: list[dict[str, Any]] = field(default_factory=list)
    backplane_links: list[dict[str, Any]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)    # more of the controller's config
    picture: str = ""
    pki: str = ""    # where the certificates are; empty: the southbound is plain TCP

    def node(self, name: str, **settings: Any) -> None:
        self.nodes.append(Node(name, **settings))

    def link(self, name: str, a: End, b: End, mtu: int = 1500) -> None:
        self.links.append(Link(name, a, b, mtu))

    def use_openvswitch(self, names: Iterable[str]) -> None:
        """These elements are Open vSwitch bridges."""
        known = {element.name for element in self.elements}
        for name in names:
            if name not in known:
                raise KeyError(f"no element '{name}'; there are {', '.join(sorted(known))}")
        self.elements = [replace(e, kind="ovs") if e.name in names else e for e in self.elements]
        self.nodes = [replace(n, forwards=False, routes=()) if n.name in names else n
                      for n in self.nodes]

    def element(self, name: str) -> Element | None:
        return next((e for e in self.elements if e.name == name), None)

    def link_named(self, name: str) -> Link:
        for link in self.links:
            if link.name == name:
                return link
        raise KeyError(f"no link '{name}'; there are {', '.join(l.name for l in self.links)}")
