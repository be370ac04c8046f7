"""What FRR can do about a node that moves (peers.py): EVPN, and host routes by BGP.

    client ── ext0 FE1 bp0 ──┐
    laptop ┄┄ ap0 FE2 bp0 ── core (a switch) ── bp0 centre      172.16.0.1, .2, .3; .4
    laptop ┄┄ ap0 FE3 bp0 ──┘

EVPN ("frr-evpn", "frr-evpn-reflector"): VXLAN between the sites' bridges, which all have the
station's subnet and the same gateway (asymmetric IRB), so FE1 routes into the tunnel. The bridge
learns the station's MAC from its announcement, and the kernel its address by ARP (arp_accept);
zebra hears of both and bgpd tells them with a mobility sequence (RFC 7432, section 15). Duplicate
detection, which would freeze an address that moves five times in three minutes, is off, and zebra's
own wait before it looks at its queue is taken away. docs/handoff.md tells why it takes as long.

Host routes ("frr"): as BIRD's of peers_routes.py, whose lab it is.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable

from . import figure2, netns, peers_routes, routing
from .peers import ANNOUNCEMENT, System
from .peers_routes import CENTRE, GATEWAY, SITES, STATION
from .runtime import Lab as RuntimeLab
from .topology import Bridge, End, Topology

VNI, BRIDGE = 100, "br100"
SETTLE_MS = 110    # what its two timers of 50 ms and the old site's withdrawal take after a move

ROUTER = """hostname site{i}
zebra work-queue 0
router bgp 65000
 bgp router-id 172.16.0.{i}
 no bgp default ipv4-unicast
 coalesce-time 0
{neighbors} address-family {family}
"""
EVPN = """  advertise-all-vni
  no dup-addr-detection
"""


HOST_ROUTES = """  redistribute kernel route-map station
 exit-address-family
exit
ip prefix-list station permit {station}/32
route-map station permit 10
 match ip address prefix-list station
"""


def bgp_config(i: int, others: Iterable[int], family: str, more: str,
               reflects: bool = False) -> str:
    peers = [f"172.16.0.{j}" for j in others]
    activate = "".join(f"  neighbor {peer} activate\n" + (
        f"  neighbor {peer} route-reflector-client\n" if reflects else "") for peer in peers)
    return ROUTER.format(i=i, family=family, neighbors="".join(
        f" neighbor {peer} remote-as 65000\n neighbor {peer} timers connect 1\n"
        f" neighbor {peer} advertisement-interval 0\n" for peer in peers)) + activate + more


def evpn_config(i: int, others: Iterable[int], reflects: bool = False) -> str:
    return bgp_config(i, others, "l2vpn evpn", "" if reflects else EVPN, reflects)


def host_routes_config(i: int) -> str:
    return bgp_config(i, sorted(set(SITES) - {i}), "ipv4 unicast",
                      HOST_ROUTES.format(station=STATION))


def topology() -> Topology:
    t = Topology(name="peers-evpn", controller="", controller_address="",
                 picture=(__doc__ or "").split("\n\n")[1])
    peers_routes.add_underlay(t, (Bridge(BRIDGE, (f"{GATEWAY}/16",), figure2.GATEWAY_MAC),),
                              figure2.BACKPLANE_MTU)
    peers_routes.add_station(t, lambda i: End(f"fe{i}", "ap0", bridge=BRIDGE))
    return t


class EvpnLab(RuntimeLab):
    """`reflector`: at the centre; else a full mesh."""

    make_topology = staticmethod(topology)

    def __init__(self, name: str, delay_ms: float = 0, reflector: bool = False) -> None:
        super().__init__(name, start_daemons=False, delays=peers_routes.delays(delay_ms))
        self.reflector = reflector

    def up(self) -> None:
        super().up()
        for i in SITES:
            netns.batch([
                f"link add vxlan{VNI} type vxlan id {VNI} dstport 4789 local 172.16.0.{i} nolearning",
                f"link set vxlan{VNI} master {BRIDGE} up",
                f"link set vxlan{VNI} type bridge_slave neigh_suppress on learning off",
            ], self.netns(f"fe{i}"))
            netns.sysctl(self.netns(f"fe{i}"), {f"net.ipv4.conf.{BRIDGE}.arp_accept": "1"})
        peers_routes.know_gateway(self)
        self._start_frr()
        peers_routes.wait_reachable(self)

    def _start_frr(self) -> None:
        routers = [routing.Frr(self, f"fe{i}", evpn_config(
            i, (CENTRE,) if self.reflector else sorted(set(SITES) - {i}))) for i in SITES]
        if self.reflector:
            routers.append(routing.Frr(self, "centre", evpn_config(CENTRE, SITES, reflects=True)))
        for router in routers:
            router.start()
        peers_routes.wait_for("BGP sessions of FRR's", lambda: all(map(is_established, routers)))


class HostRoutesLab(peers_routes.Lab):
    """Full mesh."""

    def __init__(self, name: str, delay_ms: float = 0) -> None:
        super().__init__(name, "frr", delay_ms)

    def start_routers(self) -> None:
        routers = [routing.Frr(self, f"fe{i}", host_routes_config(i)) for i in SITES]
        for router in routers:
            router.start()
        peers_routes.wait_for("BGP sessions of FRR's", lambda: all(map(is_established, routers)))


def is_established(router: routing.Router) -> bool:
    families = json.loads(router.ask("show bgp summary json"))
    peers = [peer for family in families.values() for peer in family.get("peers", {}).values()]
    return len(peers) == router.text.count("remote-as") and all(
        peer["state"] == "Established" for peer in peers)


def version() -> str:
    said = subprocess.run([routing.FRR_PATH / "bgpd", "--version"], text=True, check=True,
                          stdout=subprocess.PIPE).stdout
    return said.split()[2]


SYSTEMS = (
    System("frr-evpn", "FRR EVPN, full mesh", ANNOUNCEMENT, version, EvpnLab,
           pause_ms=SETTLE_MS, packages=("frr",), rank=30),
    System("frr-evpn-reflector", "FRR EVPN, route reflector", ANNOUNCEMENT, version,
           lambda name, delay_ms: EvpnLab(name, delay_ms, reflector=True),
           pause_ms=SETTLE_MS, packages=("frr",), by_default=False, rank=31),
    System("frr", "FRR, /32 by iBGP full mesh", ANNOUNCEMENT, version, HostRoutesLab,
           pause_ms=SETTLE_MS, packages=("frr",), by_default=False, rank=32),
)
