"""What routes can do about a node that moves, for comparison: three sites as in Figure 2, without
VICTOR, on one flat underlay, since the next hop of a host route must be on the link.

    client ── ext0 FE1 bp0 ──┐
    laptop ┄┄ ap0 FE2 bp0 ── core (a switch)        172.16.0.1, .2, .3
    laptop ┄┄ ap0 FE3 bp0 ──┘

The station's announcement is heard at its access port by lab-attach (attach.c), which writes host
routes: at all sites ("routes", the bound), or at the two access ports, and BIRD tells the others by
iBGP in full mesh ("bird"). Neighbours are known beforehand; both favour the peer.
"""

from __future__ import annotations

import subprocess
import time

from . import figure2, netns, routing
from .daemons import program
from .runtime import Lab as RuntimeLab
from .state import LabError
from .topology import Bridge, Dock, End, Host, Place, Topology

STATION, STATION_MAC, GATEWAY = "10.10.0.36", "02:00:00:00:00:36", "10.10.0.1"
SITES = (1, 2, 3)
REACHABLE_S = 20

BIRD = """log stderr all;
router id 172.16.0.{i};
protocol device {{ scan time 10; }}
protocol direct {{ ipv4; interface -"ap0", "*"; }}
protocol kernel {{
  learn; persist; scan time 2;
  ipv4 {{ import all; export filter {{ if source = RTS_BGP then accept; reject; }}; }};
}}
"""
BIRD_PEER = """protocol bgp to{j} {{
  local 172.16.0.{i} as 65000; neighbor 172.16.0.{j} as 65000; multihop; connect delay time 1;
  ipv4 {{
    add paths on; next hop self; import all;
    export filter {{ if net = {station}/32 then accept; reject; }};
  }};
}}
"""


def topology() -> Topology:
    t = Topology(name="peers", controller="", controller_address="",
                 picture=(__doc__ or "").split("\n\n")[1])
    t.node("core", bridges=(Bridge("br0"),))
    for i in SITES:
        others = () if i == 1 else ("192.0.2.0/24 via 172.16.0.1",)
        t.node(f"fe{i}", routes=others, forwards=True)
        t.link(f"backplane{i}", End(f"fe{i}", "bp0", (f"172.16.0.{i}/24",)),
               End("core", f"net{i}", bridge="br0"))
    t.node("client", routes=("default via 192.0.2.1",))
    t.link("outside", End("client", "eth0", (f"{figure2.CLIENT_ADDRESS}/24",)),
           End("fe1", "ext0", ("192.0.2.1/24",)))
    t.hosts.append(Host("client", "eth0", figure2.CLIENT_ADDRESS, ""))
    t.node("air", bridges=(Bridge("laptop"),))
    t.node("laptop", routes=(f"default via {GATEWAY}",))
    t.link("wlan", End("laptop", "wlan0", (f"{STATION}/16",), mac=STATION_MAC),
           End("air", "sta", bridge="laptop"))
    for i in (2, 3):
        t.link(f"ap{i - 1}", End("air", f"ap{i - 1}", bridge="laptop"),
               End(f"fe{i}", "ap0", (f"{GATEWAY}/32",), mac=figure2.GATEWAY_MAC))
    t.hosts.append(Host("laptop", "wlan0", STATION, STATION_MAC))
    t.docks["laptop"] = Dock("air", "laptop", "sta", at="ap1", carrier=True, places=(
        Place("ap1", "ap1", "fe2", "ap0"), Place("ap2", "ap2", "fe3", "ap0")))
    return t


class Lab(RuntimeLab):
    """`system`: routes or bird."""

    make_topology = staticmethod(topology)

    def __init__(self, name: str, system: str) -> None:
        super().__init__(name, start_daemons=False)
        self.system = system

    def up(self) -> None:
        super().up()
        for i in (2, 3):
            netns.batch([f"neigh replace {STATION} lladdr {STATION_MAC} dev ap0 nud permanent"],
                        self.netns(f"fe{i}"))
        netns.batch([f"neigh replace {GATEWAY} lladdr {figure2.GATEWAY_MAC} dev wlan0 "
                     "nud permanent"], self.netns("laptop"))
        sites = [f"{netns.path_of(self.netns(f'fe{i}'))},172.16.0.{i}{'' if i == 1 else ',ap0'}"
                 for i in SITES]
        how = ["--everywhere"] if self.system == "routes" else []
        self.add_daemon("attach", "core",
                        lambda: [program("lab/lab-attach"), *how, STATION, *sites])
        if self.system == "bird":
            for i in SITES:
                peers = [BIRD_PEER.format(i=i, j=j, station=STATION) for j in SITES if j != i]
                routing.Bird(self, f"fe{i}", BIRD.format(i=i) + "".join(peers)).start()
        self.daemons["attach"].start()

    def wait_reachable(self) -> None:
        """The station announces itself until what hears it has begun to listen."""
        self.host("laptop").announce()
        deadline = time.monotonic() + REACHABLE_S
        while not self.host("client").ping(STATION):
            if time.monotonic() > deadline:
                raise LabError(f"{self.system}: the client does not reach the station")
            self.host("laptop").announce()

    def version(self) -> str:
        if self.system == "routes":
            return "iproute2's way"
        said = subprocess.run([routing.BIRD, "--version"], text=True, check=True,
                              stderr=subprocess.PIPE).stderr
        return said.split()[-1]
