"""A chain (chain.py) with links of every kind between each two neighbours at once, so that what comes
to fe2 by one kind goes on by another; over IPv4 or IPv6, in IP-in-IP or VXLAN, for nodes of both
families.

    node n1 ─ fe1 ══ five links ══ fe2 ══ five links ══ fe3 ─ node n3
                                                         └─── host out, outside of VICTOR
"""

from __future__ import annotations

import ipaddress
import struct
import subprocess
from pathlib import Path
from typing import Any

import chain
from chain import GATEWAY_MAC, GROUP_MOD, LINK_PORT, LINK_SET, Chain
from lab import netns
from lab.runtime import HostHandle

NUMBERS = {"ethernet": 21, "mpls": 31, "raw": 41}    # of the wire fe1 - fe2; fe2 - fe3's is one more
ROUTED = ("ip", "udp")
KINDS = (*NUMBERS, *ROUTED)
TUNNEL_PORTS = {"ipip": 65000, "vxlan": 65001}
UNDERLAY_MTU = 1700
OUTSIDE6, OUTSIDE6_GATEWAY = "2001:db8:20::10", "2001:db8:20::1"
ANY = 0xffffffff
TUN_DST, TUN_IPV6_DST, XXREG1 = 32, 110, 112    # NXM_NX


def set_field(field: int, value: bytes) -> bytes:
    size = 8 + len(value)
    padded = (size + 7) // 8 * 8
    return struct.pack("!HHHBB", 25, padded, 1, field << 1, len(value)) + value + bytes(padded - size)


def address6(k: int) -> str:
    return f"fd00:172:16:{k}::1"


def node6(k: int) -> str:
    return f"2001:db8:10::{k}"


def packed(text: str) -> bytes:
    return chain.mapped(text) if "." in text else ipaddress.IPv6Address(text).packed


class Crossing(Chain):
    """Started and with all links but IP and UDP ones, of which there is one at a time (`cross`)."""

    def __init__(self, tmp: Path, name: str, family: str = "ipv4", outer: str = "ipip",
                 **settings: bool) -> None:
        self.family, self.outer = family, outer
        super().__init__(tmp, name, underlay=True, border=True, **settings)
        for k, node in self.nodes.items():
            self.add_ipv6(k, node)
        for kind, number in NUMBERS.items():
            self.wire(1, 2, kind, number)
            self.wire(2, 3, kind, number + 1)
        self.set_mtus(UNDERLAY_MTU)
        self.start()
        for kind, number in NUMBERS.items():
            for a, b, n in ((1, 2, number), (2, 1, number), (2, 3, number + 1), (3, 2, number + 1)):
                labels = {"labels": (1000 + a, 2000 + a), "label_in": 1000 + b} \
                    if kind == "mpls" else {}
                self.set_link(a, n, b, kind, **labels)
        self.wait_up(*((k, number + n) for number in NUMBERS.values()
                       for k, n in ((1, 0), (2, 0), (2, 1), (3, 1))))

    def backplane_address(self, k: int, redirect: bool = False) -> str:
        if self.family == "ipv6":
            return f"fd00:172:16:{k}::{2 if redirect else 1}"
        return f"172.16.{k}.{2 if redirect else 1}"

    def add_ipv6(self, k: int, node: HostHandle) -> None:
        netns.sysctl(self.ns(f"n{k}"), {"net.ipv6.conf.all.disable_ipv6": "0",
                                        "net.ipv6.conf.eth0.disable_ipv6": "0",
                                        "net.ipv6.conf.eth0.accept_ra": "0"})
        netns.batch([f"address add {node6(k)}/128 dev eth0 nodad", "route add fe80::1 dev eth0",
                     "route add default via fe80::1 dev eth0",
                     f"neigh replace fe80::1 lladdr {GATEWAY_MAC} dev eth0 nud permanent"],
                    self.ns(f"n{k}"))

    def make_outside(self) -> HostHandle:
        out = super().make_outside()
        for where, device in (("fe3", "ext0"), ("out", "eth0")):
            netns.sysctl(self.ns(where), {"net.ipv6.conf.all.disable_ipv6": "0",
                                          f"net.ipv6.conf.{device}.disable_ipv6": "0",
                                          "net.ipv6.conf.all.forwarding": "1"})
        netns.batch([f"address add {OUTSIDE6_GATEWAY}/64 dev ext0 nodad"], self.ns("fe3"))
        netns.batch([f"address add {OUTSIDE6}/64 dev eth0 nodad",
                     f"route add default via {OUTSIDE6_GATEWAY}"], self.ns("out"))
        return out

    def make_underlay(self, k: int) -> None:
        super().make_underlay(k)
        if self.family == "ipv4":
            return
        for where in (f"fe{k}", "net"):
            netns.sysctl(self.ns(where), {"net.ipv6.conf.all.disable_ipv6": "0",
                                          "net.ipv6.conf.all.forwarding": "1"})
        netns.batch([f"address add fd00:172:16:{k}::254/64 dev r{k} nodad"], self.ns("net"))
        netns.batch([f"address add {self.backplane_address(k)}/64 dev bp0 nodad",
                     f"address add {self.backplane_address(k, True)}/64 dev bp0 nodad",
                     f"route add default via fd00:172:16:{k}::254"], self.ns(f"fe{k}"))

    def set_mtus(self, mtu: int) -> None:
        for k in (1, 2, 3):
            netns.batch([f"link set bp0 mtu {mtu}"], self.ns(f"fe{k}"))
            netns.batch([f"link set r{k} mtu {mtu}"], self.ns("net"))
            netns.batch([f"link set {d['match']} mtu {mtu}" for d in self.devices[k]],
                        self.ns(f"fe{k}"))

    def backplane(self, k: int) -> dict[str, Any]:
        if self.family == "ipv4":
            return super().backplane(k)
        return {"device": "bp0", "address6": self.backplane_address(k),
                "redirect6": self.backplane_address(k, True)}

    # ---- programming ----

    def set_link(self, k: int, number: int, fe: int, kind: str, labels: tuple[int, ...] = (),
                 label_in: int = 0) -> None:
        self.client(k).ask(LINK_SET, struct.pack(
            "!IIBBH16sHHB7x4II4x", number, fe, chain.KINDS[kind], 5, 200,
            packed(self.backplane_address(fe)), 6080 if kind == "udp" else 0, 0, len(labels),
            *(*labels, 0, 0, 0, 0)[:4], label_in))

    def peer_flows(self, other: int) -> list[str]:
        source = ("tun_ipv6_src=" if self.family == "ipv6" else "tun_src=") \
            + self.backplane_address(other)
        match, base = f"{source},in_port={TUNNEL_PORTS[self.outer]}", f"set_field:{other:#x}->reg1"
        if self.outer == "ipip":
            return [f"table=0,priority={100 + 10 * marked},tun_id={marked << 23:#x}/0x800000,{match},"
                    f"actions={base},set_field:0x800000->tun_id,"
                    f"write_metadata:{marked << 24:#x}/0x1ffffff,goto_table:3" for marked in (0, 1)]
        moved = ("move:NXM_NX_TUN_ID[0..22]->OXM_OF_METADATA[0..22],"
                 "load:1->NXM_NX_TUN_ID[23],load:0->NXM_OF_IN_PORT[]")
        return [f"table=0,priority={100 + 10 * marked},tun_id={marked << 23:#x}/0x800000,{match},"
                f"actions={base},{moved},write_metadata:{marked << 24:#x}/0x1000000,goto_table:3"
                for marked in (0, 1)]

    def more_flows(self, k: int) -> list[str]:
        """The nodes' IPv6."""
        flows = []
        for where, node in self.nodes.items():
            mac, ip = node.mac, node6(where)
            if where != k:
                flows.append(f"table=3,priority=100,ipv6,metadata=0/0xffffff,ipv6_dst={ip},"
                             f"actions=group:{where}")
                continue
            flows += [f"table=0,priority=100,ipv6,in_port=2,actions=move:NXM_OF_IN_PORT[]->"
                      f"NXM_NX_REG0[0..15],load:0->NXM_OF_IN_PORT[],set_field:{k:#x}->reg1,"
                      "set_field:0->tun_id,dec_ttl,write_metadata:0/0x1ffffff,goto_table:1",
                      f"table=1,priority=100,ipv6,reg0=0x2,metadata=0/0xffffff,"
                      f"vlan_tci=0x0000/0x1fff,dl_src={mac},ipv6_src={ip},actions=goto_table:2",
                      f"table=3,priority=200,ipv6,metadata=0/0xffffff,ipv6_dst={ip},"
                      f"actions=set_field:{mac}->eth_dst,set_field:{GATEWAY_MAC}->eth_src,output:2"]
        flows.append("table=4,priority=64,ipv6,metadata=0/0xffffff,ipv6_dst=2001:db8:20::/64,"
                     f"actions={'NORMAL' if k == 3 else 'group:3'}")
        if k == 3:
            flows.append("table=0,priority=100,ipv6,in_port=1,actions=move:NXM_OF_IN_PORT[]->"
                         f"NXM_NX_REG0[0..15],load:0->NXM_OF_IN_PORT[],set_field:{k:#x}->reg1,"
                         "set_field:0->tun_id,dec_ttl,write_metadata:0/0x1ffffff,goto_table:3")
        return flows

    def group(self, k: int, fe: int, command: str, *paths: int, select: bool = False) -> object:
        """Bytes, for ovs-ofctl knows no ports as large as those of IP and UDP links."""
        buckets = b""
        for path in paths or (0,):
            actions = self.aim(fe) + (set_field(3, path.to_bytes(4, "big")) if path else b"")
            actions += struct.pack("!HHIH6x", 0, 16, TUNNEL_PORTS[self.outer], 0xffff)
            buckets += struct.pack("!HHII4x", 16 + len(actions), 0, path or ANY, ANY) + actions
        return self.client(k).ask(GROUP_MOD, struct.pack(
            "!HBxI", command == "mod-group", 3 if paths else 2, fe) + buckets)

    def aim(self, fe: int) -> bytes:
        to, redirect = (packed(self.backplane_address(fe, second)) for second in (False, True))
        if self.family == "ipv6":
            return set_field(TUN_IPV6_DST, to) + set_field(XXREG1, redirect)
        return set_field(TUN_DST, to[12:]) + set_field(2, redirect[12:])

    # ---- ways ----

    def cross(self, first: str, second: str) -> None:
        """From now on fe1 - fe2 is by links of the first kind, fe2 - fe3 by the second."""
        numbers = []
        for a, b, kind in ((1, 2, first), (2, 3, second)):
            if kind in ROUTED:
                for k, other in ((a, b), (b, a)):
                    self.set_link(k, LINK_PORT + other, other, kind)
                numbers.append((LINK_PORT + b, LINK_PORT + a))
            else:
                numbers.append((NUMBERS[kind] + a - 1,) * 2)
        (out, back), (on, home) = numbers
        for k, fe, path in ((1, 2, out), (1, 3, out), (2, 3, on), (2, 1, back), (3, 2, home),
                            (3, 1, home)):
            self.way(k, fe, path)

    def point(self, k: int, node: int, fe: int) -> None:
        """Element k sends that node's packets to that element."""
        for match in (f"ip,metadata=0/0xffffff,nw_dst={self.nodes[node].address}",
                      f"ipv6,metadata=0/0xffffff,ipv6_dst={node6(node)}"):
            self.ofctl(k, "add-flow", f"table=3,priority=100,{match},actions=group:{fe}")

    def set_offloads(self, k: int, state: str) -> None:
        """Whether the element's devices towards other elements take packets of many segments."""
        for device in ("bp0", *(d["match"] for d in self.devices[k])):
            subprocess.run(netns.enter(self.ns(f"fe{k}"), [
                "ethtool", "-K", device, "tso", state, "gso", state]), check=True,
                capture_output=True)

    def outside(self, family: str) -> HostHandle:
        assert self.out is not None
        return self.out.at(OUTSIDE6) if family == "ipv6" else self.out

    def node(self, k: int, family: str) -> HostHandle:
        return self.nodes[k].at(node6(k)) if family == "ipv6" else self.nodes[k]
