"""What routes can do about a node that moves, for comparison: three sites as in Figure 2, without
VICTOR, on one flat underlay, since the next hop of a host route must be on the link.

    client ── ext0 FE1 bp0 ──┐
    laptop ┄┄ ap0 FE2 bp0 ── core (a switch) ── bp0 centre      172.16.0.1, .2, .3; .4
    laptop ┄┄ ap0 FE3 bp0 ──┘

The station's announcement is heard at its access port by lab-attach (attach.c), which writes host
routes: at all sites ("routes", the bound), or at the two access ports, and BIRD tells the others by
iBGP: in full mesh ("bird"), or by a reflector at the centre ("bird-reflector"). It is one process
for all sites, whose word takes no time whatever the delay; neighbours are known beforehand: both
favour the peer. As it would be where sites are different machines is "bird-sites": a full mesh
again, with a lab-attach at each site that has an access port, which knows of no other: it takes its
route away when its port loses its carrier.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterable

from . import figure2, netns, routing
from .daemons import program
from .peers import ANNOUNCEMENT, System
from .runtime import Lab as RuntimeLab
from .state import LabError
from .topology import Bridge, Dock, End, Host, Place, Topology

STATION, STATION_MAC, GATEWAY = "10.10.0.36", "02:00:00:00:00:36", "10.10.0.1"
SITES, CENTRE = (1, 2, 3), 4
REACHABLE_S = 20
ESTABLISHED = re.compile(r"^to\d\s.*\bEstablished\b", re.M)

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
  {client}
  ipv4 {{
    add paths on; {next_hop} import all;
    export filter {{ if net = {station}/32 then accept; reject; }};
  }};
}}
"""


def bird_config(i: int, others: Iterable[int], reflects: bool = False) -> str:
    return BIRD.format(i=i) + "".join(
        BIRD_PEER.format(i=i, j=j, station=STATION, client="rr client;" if reflects else "",
                         next_hop="" if reflects else "next hop self;") for j in others)


def topology() -> Topology:
    t = Topology(name="peers", controller="", controller_address="",
                 picture=(__doc__ or "").split("\n\n")[1])
    add_underlay(t)
    add_station(t, lambda i: End(f"fe{i}", "ap0", (f"{GATEWAY}/32",), mac=figure2.GATEWAY_MAC))
    return t


def add_underlay(t: Topology, bridges: tuple[Bridge, ...] = (), mtu: int = 1500,
                 more: Callable[[int], tuple[str, ...]] = lambda i: ()) -> None:
    """The sites, each with these bridges and `more` addresses, the centre, and the client."""
    t.node("core", bridges=(Bridge("br0"),))
    for i in SITES:
        others = () if i == 1 else ("192.0.2.0/24 via 172.16.0.1",)
        t.node(f"fe{i}", routes=others, forwards=True, bridges=bridges)
        t.link(f"backplane{i}", End(f"fe{i}", "bp0", (f"172.16.0.{i}/24", *more(i))),
               End("core", f"net{i}", bridge="br0"), mtu)
    t.node("centre")
    t.link("backplane4", End("centre", "bp0", ("172.16.0.4/24",)),
           End("core", "net4", bridge="br0"), mtu)
    t.node("client", routes=("default via 192.0.2.1",))
    t.link("outside", End("client", "eth0", (f"{figure2.CLIENT_ADDRESS}/24",)),
           End("fe1", "ext0", ("192.0.2.1/24",)))
    t.hosts.append(Host("client", "eth0", figure2.CLIENT_ADDRESS, ""))


def add_station(t: Topology, port: Callable[[int], End]) -> None:
    """`port`: the access port of a site."""
    t.node("air", bridges=(Bridge("laptop"),))
    t.node("laptop", routes=(f"default via {GATEWAY}",))
    t.link("wlan", End("laptop", "wlan0", (f"{STATION}/16",), mac=STATION_MAC),
           End("air", "sta", bridge="laptop"))
    for i in (2, 3):
        t.link(f"ap{i - 1}", End("air", f"ap{i - 1}", bridge="laptop"), port(i))
    t.hosts.append(Host("laptop", "wlan0", STATION, STATION_MAC))
    t.docks["laptop"] = Dock("air", "laptop", "sta", at="ap1", carrier=True, places=(
        Place("ap1", "ap1", "fe2", "ap0"), Place("ap2", "ap2", "fe3", "ap0")))


def delays(delay_ms: float) -> dict[str, float]:
    """Any two of the sites and the centre are so far apart."""
    return {f"backplane{i}": delay_ms / 2 for i in (*SITES, CENTRE)} if delay_ms else {}


def know_gateway(lab: RuntimeLab) -> None:
    """The station need not ask for it."""
    netns.batch([f"neigh replace {GATEWAY} lladdr {figure2.GATEWAY_MAC} dev wlan0 nud permanent"],
                lab.netns("laptop"))


def wait_reachable(lab: RuntimeLab) -> None:
    """The station announces itself until what hears it has begun to listen."""
    deadline = time.monotonic() + REACHABLE_S
    lab.host("laptop").announce()
    while not lab.host("client").ping(STATION):
        if time.monotonic() > deadline:
            raise LabError("the client does not reach the station")
        lab.host("laptop").announce()


def wait_for(what: str, ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + REACHABLE_S
    while not ready():
        if time.monotonic() > deadline:
            raise LabError(f"no {what}")
        time.sleep(0.1)


class Lab(RuntimeLab):
    """`system`: a key of SYSTEMS."""

    make_topology = staticmethod(topology)

    def __init__(self, name: str, system: str, delay_ms: float = 0) -> None:
        super().__init__(name, start_daemons=False, delays=delays(delay_ms))
        self.system = system

    def up(self) -> None:
        super().up()
        for i in (2, 3):
            netns.batch([f"neigh replace {STATION} lladdr {STATION_MAC} dev ap0 nud permanent"],
                        self.netns(f"fe{i}"))
        know_gateway(self)
        self._start_attach()
        self.start_routers()
        wait_reachable(self)

    def _start_attach(self) -> None:
        sites = [f"{netns.path_of(self.netns(f'fe{i}'))},172.16.0.{i}{'' if i == 1 else ',ap0'}"
                 for i in SITES]
        if self.system == "bird-sites":
            for i in (2, 3):
                self._start_one_attach(f"attach{i}", f"fe{i}", "--alone", STATION, sites[i - 1])
        else:
            how = ["--everywhere"] if self.system == "routes" else []
            self._start_one_attach("attach", "core", *how, STATION, *sites)

    def _start_one_attach(self, name: str, where: str, *arguments: str) -> None:
        self.add_daemon(name, where, lambda: [program("lab/lab-attach"), *arguments]).start()

    def start_routers(self) -> None:
        """Whoever tells the other sites what lab-attach wrote, and waits for its sessions."""
        if self.system == "routes":
            return
        reflector = self.system == "bird-reflector"
        routers = [routing.Bird(self, f"fe{i}", bird_config(
            i, (CENTRE,) if reflector else set(SITES) - {i})) for i in SITES]
        if reflector:
            routers.append(routing.Bird(self, "centre", bird_config(CENTRE, SITES, reflects=True)))
        for router in routers:
            router.start()
        wait_for("BGP sessions of BIRD's", lambda: all(map(self._is_established, routers)))

    @staticmethod
    def _is_established(router: routing.Router) -> bool:
        return len(ESTABLISHED.findall(router.ask("show protocols"))) == router.text.count(
            "protocol bgp")


def bird_version() -> str:
    said = subprocess.run([routing.BIRD, "--version"], text=True, check=True,
                          stderr=subprocess.PIPE).stderr
    return said.split()[-1]


SYSTEMS = (
    System("bird", "BIRD, /32 by iBGP full mesh", ANNOUNCEMENT, bird_version,
           lambda name, delay_ms: Lab(name, "bird", delay_ms), packages=("bird2",), rank=20),
    System("bird-reflector", "BIRD, /32 by iBGP route reflector", ANNOUNCEMENT, bird_version,
           lambda name, delay_ms: Lab(name, "bird-reflector", delay_ms), packages=("bird2",),
           rank=21),
    System("bird-sites", "BIRD, /32 by iBGP full mesh, each site by itself", ANNOUNCEMENT,
           bird_version, lambda name, delay_ms: Lab(name, "bird-sites", delay_ms),
           packages=("bird2",), rank=22),
    System("routes", "ip route replace everywhere", ANNOUNCEMENT, lambda: "iproute2's way",
           lambda name, delay_ms: Lab(name, "routes", delay_ms), rank=90),
)
