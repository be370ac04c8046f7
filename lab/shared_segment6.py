"""The site of shared_segment.py with IPv6: h1 to h3 have nothing else, the rest both.

                   ┌── lan0 FE2 bp0 ──┐        h1, h2   2001:db8:10::21, ::22, gateway from router
    h1 … h6 ── lan ┼── lan0 FE3 bp0 ──┤                 advertisements
                   └── lan0 FE4 bp0 ──┤        h3       2001:db8:10::23, gateway 2001:db8:10::1
                                     core      h4 … h6  10.10.0.24-26, 2001:db8:10::24-26
    remote 2001:db8:10::50 ──── FE5 bp0 ─┤
    client 2001:db8:ff::2 ─ ext0 FE1 bp0 ┘
"""

from __future__ import annotations

from dataclasses import replace

from . import netns, shared_segment
from .runtime import Lab as RuntimeLab
from .topology import End, Host, Topology

GATEWAY = "2001:db8:10::1"
CLIENT, CLIENT_ROUTER = "2001:db8:ff::2", "2001:db8:ff::1"
ONLY_IPV6 = ("h1", "h2", "h3")
ADVERTISED = ("h1", "h2")                 # who have their gateway from advertisements
ADDRESSES = {name: f"2001:db8:10::{20 + i}" for i, name in enumerate(shared_segment.HOSTS, 1)} | {
    "remote": "2001:db8:10::50"}


def topology() -> Topology:
    t = shared_segment.topology()
    t.name, t.picture = "shared-segment6", (__doc__ or "").split("\n\n")[1]
    t.prefixes.append({"prefix": "2001:db8:10::/64", "mobile": True, "gateway": GATEWAY})
    t.links[:] = [replace(link, a=_end(link.a), b=_end(link.b)) if link.name in ADDRESSES
                  or link.name == "outside" else link for link in t.links]
    t.hosts[:] = [_host(host) for host in t.hosts]
    for node in t.inventory:
        own = [] if node["id"] in ONLY_IPV6 else node["addresses"]
        node["addresses"] = [*own, ADDRESSES[node["id"]]]
    t.nodes[:] = [replace(node, routes=_routes(node.name, node.routes)) for node in t.nodes]
    return t


def _end(end: End) -> End:
    if end.node in ADDRESSES:
        own = () if end.node in ONLY_IPV6 else end.addresses
        return replace(end, addresses=(*own, f"{ADDRESSES[end.node]}/64"))
    address = {"client": CLIENT, "fe1": CLIENT_ROUTER}.get(end.node)
    return replace(end, addresses=(*end.addresses, f"{address}/64")) if address else end


def _host(host: Host) -> Host:
    return replace(host, address=ADDRESSES[host.name]) if host.name in ONLY_IPV6 else host


def _routes(name: str, routes: tuple[str, ...]) -> tuple[str, ...]:
    if name == "client":
        return (*routes, f"default via {CLIENT_ROUTER}")
    if name not in ADDRESSES:
        return routes
    own = () if name in ONLY_IPV6 else routes
    return own if name in ADVERTISED else (*own, f"default via {GATEWAY}")


class Lab(RuntimeLab):
    """The site, up for as long as the context lasts."""

    make_topology = staticmethod(topology)
    late = ("fe4",)

    def _make_network(self) -> None:
        super()._make_network()
        for name in set(ADDRESSES) - set(ADVERTISED):
            netns.sysctl(self.netns(name), {"net.ipv6.conf.all.accept_ra": "0",
                                            "net.ipv6.conf.default.accept_ra": "0"})
