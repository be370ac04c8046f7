"""How much gets from site 2 to site 3 of Figure 2, by VICTOR and by what forwards instead of it.

    neighbor ── bridge ── srv0 FE2 bp0 ── core ── bp0 FE3 srv0 ── bridge = server2

All systems have the same namespaces and links; what differs is who forwards at FE2 and FE3:
`victor-fe` with each of its tunnels, an Open vSwitch that VICTOR programs, the kernel by routes
without a tunnel (what there is to lose), and the kernel's VXLAN device in a bridge, an L2 overlay
of two sites. iperf3 sends; its two ends have a core each, so that no scheduler's mood decides who
shares one: the sender's also does all of the path, up to the receiver's socket.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import NamedTuple

from . import figure2, netns, rows, throughput_path
from .runtime import Lab
from .topology import Topology

SENDER, RECEIVER = "neighbor", "server2"    # behind port 2 of FE2, and of FE3
OVERLAY_ADDRESS = "10.10.0.200"             # the receiver's, where sites are one LAN
GATEWAY = "10.10.0.1"                       # the sender's
UDP_BYTES = 1400
LOSS_PERCENT = 0.5                          # what "small" is
SLOWER = (1.0, 0.9, 0.8, 0.65, 0.5)         # of what came through without a limit, until so few are lost
PLAIN = "plain"
CONGESTION = "cubic"                        # what most have; one that paces hides what a path costs
SENDERS_BRIDGE = "server1"
BRIDGES = ("server1", "server2", "air", "fe2", "fe3")
# As where br_netfilter is not loaded: bridges only bridge.
NO_NETFILTER = {f"net.bridge.bridge-nf-call-{table}": "0" for table in
                ("iptables", "ip6tables", "arptables")}
TICKS = os.sysconf("SC_CLK_TCK")


class TrafficError(Exception):
    """iperf3 could not; the text is one line."""


# ---- who forwards ----

class PlainLab(figure2.Lab):
    """Figure 2 with kernel routes where VICTOR would be; the same links, no tunnel."""

    ROUTES = {
        "fe2": ["addr add 10.10.0.1/16 dev srv0", "addr add 10.2.3.254/24 dev srv0",
                "route add 10.4.5.0/24 via 172.16.2.1"],
        "core": ["route add 10.10.0.0/16 via 172.16.2.2", "route add 10.2.3.0/24 via 172.16.2.2",
                 "route add 10.4.5.0/24 via 172.16.3.2"],
        "fe3": ["addr add 10.4.5.254/24 dev srv0", "route add 10.10.0.0/16 via 172.16.3.1",
                "route add 10.2.3.0/24 via 172.16.3.1"],
    }

    def __init__(self, name: str) -> None:
        super().__init__(name, start_daemons=False)

    def up(self) -> None:
        super().up()
        for node, lines in self.ROUTES.items():
            netns.batch(lines, self.netns(node))


class OverlayLab(figure2.Lab):
    """The two sites are one LAN, by a VXLAN device in a bridge at either; nothing routes."""

    def __init__(self, name: str) -> None:
        super().__init__(name, start_daemons=False)

    def up(self) -> None:
        super().up()
        for own, far in (("2", "3"), ("3", "2")):
            netns.batch([
                "link add overlay type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
                f"link add vxlan0 mtu 1500 type vxlan id 100 dstport 4789 local 172.16.{own}.2 "
                f"remote 172.16.{far}.2",
                "link set vxlan0 master overlay up", "link set srv0 master overlay",
                "link set overlay up"], self.netns(f"fe{own}"))
        netns.batch([f"addr add {OVERLAY_ADDRESS}/16 dev br0"], self.netns(RECEIVER))


def tunnel_lab(underlay: str, encapsulation: str, ovs: tuple[str, ...] = ()
               ) -> Callable[[str], Lab]:
    """Figure 2 with that tunnel between its elements."""
    def topology() -> Topology:
        return figure2.topology(underlay, encapsulation)

    kind = type("TunnelLab", (Lab,), {"make_topology": staticmethod(topology)})

    def make(name: str) -> Lab:
        found = kind(name, ovs=ovs)
        assert isinstance(found, Lab)
        return found
    return make


class System(NamedTuple):
    title: str
    make: Callable[[str], Lab]
    version: Callable[[], str] = rows.version
    is_basic: bool = False                # one TCP stream is enough
    receiver: str | None = None           # its address, if not the topology's
    package: str | None = None


SYSTEMS = {
    PLAIN: System("Linux forwarding", PlainLab, platform.release),
    "ipip": System("victor-fe, IP-in-IP", tunnel_lab("ipv4", "ipip")),
    "vxlan": System("victor-fe, VXLAN", tunnel_lab("ipv4", "vxlan")),
    "bridge": System("Linux VXLAN and bridge", OverlayLab, platform.release,
                     receiver=OVERLAY_ADDRESS),
    "ovs": System("Open vSwitch by VICTOR, VXLAN", tunnel_lab("ipv4", "vxlan", ("fe2", "fe3")),
                  rows.ovs_version, package="openvswitch-switch"),
    "ipip6": System("victor-fe, IP-in-IP over IPv6", tunnel_lab("ipv6", "ipip"), is_basic=True),
    "vxlan6": System("victor-fe, VXLAN over IPv6", tunnel_lab("ipv6", "vxlan"), is_basic=True),
}


def make_room(lab: Lab) -> None:
    """What a packet socket sends leaves no room for headers in front, where TCP's packets have
    plenty, and whoever puts one on has to copy it to where there is room. A device asks for it
    where it is in a bridge with one that wants it: not up, it does nothing else."""
    netns.batch(["link add room type vxlan id 1 dstport 4790 remote 192.0.2.99",
                 "link set room master br0"], lab.netns(SENDERS_BRIDGE))


def ready(key: str, lab: Lab) -> None:
    for node in BRIDGES:
        netns.sysctl(lab.netns(node), NO_NETFILTER)
    make_room(lab)
    if lab.start_daemons:
        lab.wait_synchronized(60)
    address = SYSTEMS[key].receiver or lab.host(RECEIVER).address
    for _ in range(50):    # what learns, learns
        if lab.host(SENDER).ping(address, timeout_s=0.2):
            return
    raise TrafficError(f"{SYSTEMS[key].title}: the receiver cannot be reached")


# ---- traffic ----

class Sent(NamedTuple):
    """What one run of iperf3 found."""

    bits_per_s: float        # received
    packets_per_s: float     # UDP: received
    lost_percent: float      # UDP
    cpu_s: float             # of the whole machine
    bytes: float             # received


def read_iperf(text: str, cpu_s: float) -> Sent:
    """What iperf3 -J says at the sender (with -R too)."""
    try:
        said = json.loads(text)
    except json.JSONDecodeError:
        raise TrafficError(f"iperf3: {text.strip()[:200] or 'it said nothing'}") from None
    if "error" in said:
        raise TrafficError(f"iperf3: {said['error']}")
    end = said["end"]
    if said["start"]["test_start"]["protocol"] != "UDP":
        got = end["sum_received"]
        return Sent(got["bits_per_second"], 0, 0, cpu_s, got["bytes"])
    got = end["sum"]
    size = said["start"]["test_start"]["blksize"]
    arrived = got["packets"] - got["lost_packets"]
    per_s = arrived / got["seconds"]
    return Sent(per_s * size * 8, per_s, got["lost_percent"], cpu_s, arrived * size)


def machine_cpu_s() -> float:
    """All that is not idle, waiting, stolen or a guest's (which is in user's)."""
    fields = [int(word) for word in Path("/proc/stat").read_text().split("\n")[0].split()[1:8]]
    return (sum(fields) - fields[3] - fields[4]) / TICKS


def iperf(lab: Lab, address: str, seconds: int, *words: str) -> Sent:
    receiver, cores = lab.host(RECEIVER), os.cpu_count() or 1
    server = receiver.popen("iperf3", "-s", "-1", "--forceflush", text=True,
                            stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert server.stdout is not None
        while "listening" not in (line := server.stdout.readline()):
            if not line:
                raise TrafficError("iperf3: the server ended")
        pinned = ["-A", "0,1"] if cores > 1 else []
        before = machine_cpu_s()
        done = lab.host(SENDER).run("iperf3", "-c", address, "-t", str(seconds), "-J", *pinned,
                                    *words, timeout_s=seconds + 20)
        return read_iperf(done.stdout, machine_cpu_s() - before)
    finally:
        server.kill()
        server.wait()


def udp(lab: Lab, address: str, seconds: int, bits_per_s: float = 0) -> Sent:
    return iperf(lab, address, seconds, "-u", "-l", str(UDP_BYTES), "-w", "4M",
                 "-b", f"{bits_per_s:.0f}")


def udp_almost_whole(send: Callable[[float], Sent], most: float) -> float:
    """The first of the rates below `most` at which so few are lost, in bits a second; 0: none."""
    for share in SLOWER:
        sent = send(most * share)
        if sent.lost_percent <= LOSS_PERCENT:
            return sent.bits_per_s
    return 0.0


# ---- what is measured ----

@dataclass
class Found:
    """Values by case, metric, unit and system, a round each."""

    values: dict[tuple[str, str, str], dict[str, list[float]]] = field(default_factory=dict)

    def add(self, case: str, metric: str, unit: str, key: str, value: float) -> None:
        self.values.setdefault((case, metric, unit), {}).setdefault(key, []).append(value)

    def rows(self) -> list[rows.Row]:
        return list(self._rows())

    def _rows(self) -> Iterator[rows.Row]:
        versions = {key: SYSTEMS[key].version() for each in self.values.values() for key in each}
        for (case, metric, unit), by_system in self.values.items():
            for key, values in by_system.items():
                yield rows.row(case, metric, unit, len(values), rows.spread(values),
                               SYSTEMS[key].title, versions[key])
        for (case, metric, _), by_system in self.values.items():
            for key, shares in beside_plain(metric, by_system):
                yield rows.row(case, f"{metric}, of plain forwarding's", "%", len(shares),
                               rows.spread(shares), SYSTEMS[key].title, versions[key])


def beside_plain(metric: str, by_system: dict[str, list[float]]
                 ) -> Iterator[tuple[str, list[float]]]:
    """Each round's own ratio, in percent: what the machine did meanwhile is in both."""
    plain = by_system.get(PLAIN, [])
    if "TCP" in metric and "CPU" not in metric:
        for key, values in by_system.items():
            if key != PLAIN:
                yield key, [100 * own / other for own, other in zip(values, plain)]


def in_turn(keys: list[str], number: int) -> list[str]:
    """A B, B A, A B ..."""
    return keys[::-1] if number % 2 else keys


class Traffic:
    """A round of each kind over the labs that are up, in turn."""

    def __init__(self, labs: dict[str, Lab], seconds: int, say: Callable[[str], None]) -> None:
        self.labs, self.seconds, self.say = labs, seconds, say
        self.found = Found()

    def address(self, key: str) -> str:
        return SYSTEMS[key].receiver or self.labs[key].host(RECEIVER).address

    def tcp(self, key: str, case: str, metric: str, *words: str) -> None:
        sent = iperf(self.labs[key], self.address(key), self.seconds, "-C", CONGESTION, *words)
        self.found.add(case, metric, "Gb/s", key, sent.bits_per_s / 1e9)
        if sent.bytes:
            self.found.add(case, f"CPU time a gigabyte, {metric}", "s", key,
                           sent.cpu_s / (sent.bytes / 1e9))

    def datagrams(self, key: str, case: str) -> None:
        lab, address = self.labs[key], self.address(key)
        most = udp(lab, address, self.seconds)
        self.found.add(case, f"UDP packets of {UDP_BYTES} bytes, no limit", "1/s", key,
                       most.packets_per_s)
        self.found.add(case, f"UDP, at most {LOSS_PERCENT} % lost", "Gb/s", key,
                       udp_almost_whole(lambda rate: udp(lab, address, self.seconds, rate),
                                        most.bits_per_s) / 1e9)

    def path(self, key: str, case: str) -> None:
        lab, address = self.labs[key], self.address(key)
        sender = lab.host(SENDER)
        arp = sender.run("cat", "/proc/net/arp").stdout
        on_link = SYSTEMS[key].receiver
        ends = throughput_path.Ends(sender.mac, throughput_path.next_mac(arp, on_link or GATEWAY),
                                    sender.address, address)
        for what, size in throughput_path.SIZES.items():
            self.found.add(case, f"CPU time of the path, {what}", "ns", key, throughput_path.cpu_ns(
                sender.netns, sender.device, throughput_path.packet(ends, size)))

    def round(self, number: int) -> None:
        keys = in_turn(list(self.labs), number)
        full = [key for key in keys if not SYSTEMS[key].is_basic]
        steps: list[tuple[list[str], Callable[[str], None]]] = [
            (keys, lambda key: self.tcp(key, "FE2 → FE3", "one TCP stream")),
            (keys, lambda key: self.tcp(key, "FE3 → FE2", "one TCP stream", "-R")),
            (full, lambda key: self.tcp(key, "FE2 → FE3", "eight TCP streams", "-P", "8")),
            ([key for key in keys if key != "ovs"], lambda key: self.path(key, "FE2 → FE3")),
            (full, lambda key: self.datagrams(key, "FE2 → FE3"))]
        for who, measure in steps:
            for key in who:
                try:
                    measure(key)
                except (TrafficError, OSError, subprocess.TimeoutExpired) as error:
                    self.say(f"{SYSTEMS[key].title}: left out of this round: {error}")

    def text(self) -> str:
        """The medians so far, of what comes first."""
        first = next(iter(self.found.values.values()), {})
        return ", ".join(f"{key} {median(values):.2f}" for key, values in first.items())
