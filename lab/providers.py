"""The paper's section 2.3: three autonomous systems, with policies between them and source filters.

    client1 ── r1 (AS 64501, FRR) ──── peering ──── r2 (AS 64502, BIRD) ── client2
               │  │   \\                          /   │  │
               │ FE1   \\ provider      provider /   FE2 │
             backplane  └────── r3 (AS 64503, BIRD) ─┘ backplane
                                │  │       │
                                │ FE3    client3
                              backplane

Each element is in one system: its way out (ext0) and its backplane (bp0) lead to that system's
router, so that the backplane is the Internet. r3 is a customer of both others and carries nothing
from one to the other. Each router drops what comes from addresses that are not its customer's:
203.0.113.0/24 is provider-independent and registered at all three, 198.51.100.64/26 a part of r1's
block, which may leave by FE1 alone. `pa` and `pi` are one host of each, behind any element.
"""

from __future__ import annotations

import json
from pathlib import Path

from . import netns, outside, routing
from .runtime import Lab as RuntimeLab
from .topology import Bridge, Dock, Element, End, Host, Place, Topology

ASSIGNED, INDEPENDENT = outside.ASSIGNED, outside.INDEPENDENT
PA, PI = "198.51.100.70", "203.0.113.10"
HOSTS = {"pa": (PA, "26", "198.51.100.65", "52:54:00:00:06:01"),
         "pi": (PI, "24", "203.0.113.1", "52:54:00:00:06:02")}
EDGES = ((1, 2), (1, 3), (2, 3))
ROUTERS = Path(__file__).resolve().parent / "routers"
NETWORKS = [{"name": "as1", "as": 64501, "elements": ["fe1"], "peers": ["as2"]},
            {"name": "as2", "as": 64502, "elements": ["fe2"]},
            {"name": "as3", "as": 64503, "elements": ["fe3"], "upstreams": ["as1", "as2"]}]
BFD = {"interval_ms": 100, "multiplier": 5}
MTU = 1600


def topology() -> Topology:
    t = Topology(name="providers", controller="cc", controller_address="10.99.0.1",
                 picture=(__doc__ or "").split("\n\n")[1])
    t.node("mgmt", bridges=(Bridge("br0"),))
    t.node("cc")
    t.link("mgmt-cc", End("cc", "mg0", ("10.99.0.1/24",)), End("mgmt", "cc", bridge="br0"))
    for i in (1, 2, 3):
        outside.add_router(t, i)
        _element(t, i)
    for a, b in EDGES:
        t.link(f"r{a}-r{b}", End(f"r{a}", f"r{b}", (f"100.64.{a}{b}.{a}/24",)),
               End(f"r{b}", f"r{a}", (f"100.64.{a}{b}.{b}/24",)), mtu=MTU)
    t.node("hall", bridges=tuple(Bridge(f"{name}-lan") for name in HOSTS))
    for name in HOSTS:
        _host(t, name)
    t.prefixes = [{"prefix": INDEPENDENT, "mobile": True, "gateway": "203.0.113.1",
                   "exits": ["as1", "as2"], "announce_at": ["as1", "as2", "as3"]},
                  {"prefix": ASSIGNED, "mobile": True, "gateway": "198.51.100.65",
                   "exits": ["as1"]}]
    t.settings["networks"] = NETWORKS
    t.backplane_links = [{"between": [f"fe{a}", f"fe{b}"], "kind": "ip", "bfd": BFD}
                         for a, b in EDGES]
    return t


def _element(t: Topology, i: int) -> None:
    t.node(f"fe{i}", forwards=True, routes=(f"172.16.0.0/16 via 172.16.{i}.1",))
    t.link(f"backplane{i}", End(f"fe{i}", "bp0", (f"172.16.{i}.2/24", f"172.16.{i}.3/24")),
           End(f"r{i}", "bp", (f"172.16.{i}.1/24",)), mtu=MTU)
    t.link(f"provider{i}", End(f"r{i}", "fe", (f"100.64.{i}.1/24",)),
           End(f"fe{i}", "ext0", (f"100.64.{i}.2/24",)))
    t.link(f"mgmt-fe{i}", End(f"fe{i}", "mg0", (f"10.99.0.{10 + i}/24",)),
           End("mgmt", f"fe{i}", bridge="br0"))
    t.elements.append(Element(
        f"fe{i}", i, f"172.16.{i}.2", f"172.16.{i}.3",
        access=tuple({"match": f"{name}0", "number": n} for n, name in enumerate(HOSTS, start=2)),
        external=({"match": "ext0", "number": 1},)))


def _host(t: Topology, name: str) -> None:
    address, length, gateway, mac = HOSTS[name]
    t.node(name, routes=(f"default via {gateway}",))
    t.link(name, End(name, "eth0", (f"{address}/{length}",), mac=mac),
           End("hall", name, bridge=f"{name}-lan"))
    for i in (1, 2, 3):
        t.link(f"{name}-fe{i}", End("hall", f"{name}{i}", bridge=f"{name}-lan"), End(f"fe{i}", f"{name}0"))
    t.hosts.append(Host(name, "eth0", address, mac))
    t.inventory.append({"id": name, "mac": mac, "addresses": [address]})
    t.docks[name] = Dock("hall", f"{name}-lan", name, at="fe1", places=tuple(
        Place(f"fe{i}", f"{name}{i}", f"fe{i}", f"{name}0") for i in (1, 2, 3)))


# What each router takes by which of its interfaces: sources, or what may not be one.
def _filters(i: int) -> list[str]:
    independent, own = INDEPENDENT, {1: f"{outside.BLOCK}, ", 2: "", 3: ""}[i]
    assigned = f"{ASSIGNED}, " if i == 1 else ""
    rules = [f"iifname fe ip saddr != {{ {assigned}{independent}, 100.64.{i}.0/24 }}",
             f"iifname bp ip saddr != 172.16.{i}.0/24"]
    for a, b in EDGES:
        if i not in (a, b):
            continue
        other = a + b - i
        if other == 3:     # a customer
            rules.append(f"iifname r3 ip saddr != {{ {independent}, 198.18.3.0/24, 172.16.3.0/24, "
                         f"100.64.0.0/16 }}")
        else:              # nobody else has addresses of ours
            rules.append(f"iifname r{other} ip saddr {{ {own}198.18.{i}.0/24, 172.16.{i}.0/24 }}")
    return [f"add rule inet edge forward {rule} counter name filtered drop" for rule in rules]


class Lab(RuntimeLab):
    """The systems and their elements; start_routers() makes them talk."""

    make_topology = staticmethod(topology)

    def start_routers(self) -> None:
        self.routers = {}
        for i, kind in enumerate(("frr", "bird", "bird"), start=1):
            self._filter(i)
            text = (ROUTERS / f"as{i}-{kind}.conf").read_text()
            self.routers[f"r{i}"] = routing.make(kind, self, f"r{i}", text)
            self.routers[f"fe{i}"] = routing.make(
                kind, self, f"fe{i}", outside.example(f"{kind}-bgp-providers", i))
        for router in self.routers.values():
            router.start()

    def _filter(self, i: int) -> None:
        lines = ["add table inet edge", "add counter inet edge filtered",
                 "add counter inet edge valley", "add counter inet edge underlay",
                 "add chain inet edge forward { type filter hook forward priority 0; }"]
        lines += _filters(i)
        if i == 3:
            lines += [f"add rule inet edge forward iifname r{a} oifname r{b} counter name valley"
                      for a, b in ((1, 2), (2, 1))]
        lines += ["add rule inet edge forward ip protocol 4 counter name underlay"]
        for line in lines:
            netns.run(self.netns(f"r{i}"), "nft", line)

    def counted(self, router: int, what: str) -> int:
        """Packets that were "filtered", or carried through the "valley", or of the "underlay"."""
        said = json.loads(netns.run(self.netns(f"r{router}"), "nft", "-j", "list", "counter",
                                    "inet", "edge", what))
        return int(next(o["counter"]["packets"] for o in said["nftables"] if "counter" in o))
