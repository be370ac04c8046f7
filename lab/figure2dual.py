"""Figure 2 with dual-stack nodes: the same sites, elements and hosts, and IPv6 beside IPv4.

    client 2001:db8:ff::2 ─── ext0 FE1 (2001:db8:ff::1)      the laptop has 2001:db8:10::36
    vm: makes its own address of the prefix 2001:db8:10::/64, gateway ::1, from router advertisements

The tunnels between the elements are IPv4's unless the topology is made otherwise.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from . import figure2, netns
from .runtime import Lab as RuntimeLab
from .topology import Topology

PREFIX, GATEWAY = "2001:db8:10::/64", "2001:db8:10::1"
ROUTER = "fe80::5eff:fe00:5301"                  # of figure2.GATEWAY_MAC
CLIENT, CLIENT_ROUTER = "2001:db8:ff::2", "2001:db8:ff::1"
LAPTOP = "2001:db8:10::36"
VM = "2001:db8:10:0:5054:ff:fe00:5"              # of figure2.VM_MAC (RFC 4291, appendix A)


def topology(**options: Any) -> Topology:
    t = figure2.topology(**options)
    t.name, t.picture = "figure2-dual", (__doc__ or "").split("\n\n")[1]
    t.prefixes.append({"prefix": PREFIX, "mobile": True, "autoconf": True, "gateway": GATEWAY})
    t.elements = [replace(e, outside6=f"{CLIENT_ROUTER}/64", next_hop6=CLIENT) if e.external else e
                  for e in t.elements]
    for node in t.inventory:
        if node["id"] in ("laptop", "vm1"):
            node["addresses"].append(LAPTOP if node["id"] == "laptop" else VM)
    return t


class Lab(RuntimeLab):
    """Figure 2 with IPv6, up for as long as the context lasts."""

    make_topology = staticmethod(topology)

    def _make_network(self) -> None:
        super()._make_network()
        # A switch's ports have no addresses, and its kernel no business with what comes in by them.
        own = [e.name for e in self.topology.elements if e.kind != "ovs"]
        for name in own:
            self._enable(name, **{"all.forwarding": "1"})
        self._enable("client")
        self._enable("laptop", **{"all.accept_ra": "0", "wlan0.accept_ra": "0"})
        if "fe1" in own:
            netns.batch([f"addr add {CLIENT_ROUTER}/64 dev ext0 nodad"], self.netns("fe1"))
        netns.batch([f"addr add {CLIENT}/64 dev eth0 nodad",
                     f"route add default via {CLIENT_ROUTER}"], self.netns("client"))
        netns.batch([f"addr add {LAPTOP}/64 dev wlan0 nodad",
                     f"route add default via {GATEWAY}"], self.netns("laptop"))

    def _enable(self, node: str, **settings: str) -> None:
        keys = {"all.disable_ipv6": "0", "default.disable_ipv6": "0", **settings}
        netns.sysctl(self.netns(node), {f"net.ipv6.conf.{k}": v for k, v in keys.items()})

    def start_autoconfiguration(self) -> None:
        """The vm's kernel comes up with IPv6: duplicate address detection, router solicitation."""
        self._enable("vm")
