"""A chain of three elements without a controller, for links of each kind: what a controller would
send comes from here, by ovs-ofctl and, where OpenFlow has no word for it, by a few bytes of our own.

    node n1 ─ fe1 ── link ── fe2 ── link ── fe3 ─ node n3        (fe1 ── fe3 too, where asked for)
                                             └─── host out, outside of VICTOR, where asked for

Backplane addresses are 172.16.K.1 and .2 of element K: on lo for provisioned devices, on the
underlay's device for IP and UDP links, where a router joins the three.
"""

from __future__ import annotations

import fcntl
import ipaddress
import json
import os
import select
import shutil
import socket
import struct
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import daemons, netns
from lab.runtime import HostHandle
from lab.topology import Host

EXPERIMENTER = 0xff564354
DROPS_REQUEST, LINK_SET, LINK_DELETE, LINKS_REQUEST = 7, 9, 10, 12
GROUP_MOD = 15
KINDS = {"ethernet": 1, "mpls": 2, "raw": 3, "ip": 4, "udp": 5}
GATEWAY_MAC = "02:00:5e:00:53:01"
LINK_PORT = 0x100000
OUTSIDE, OUTSIDE_MAC = "192.0.2.10", "02:00:00:00:02:0a"
TIMEOUT_S = 20.0
TUNSETIFF, IFF_TUN, IFF_NAPI, IFF_NO_PI = 0x400454CA, 1, 0x10, 0x1000
GRO_FLUSH_NS = 2000000


def address(k: int) -> str:
    return f"172.16.{k}.1"


def mapped(text: str) -> bytes:
    return bytes(10) + b"\xff\xff" + ipaddress.IPv4Address(text).packed


@dataclass
class LinkState:
    number: int
    up: bool
    diagnostic: int
    delay_us: int
    packets: int
    bytes: int


class Client:
    """Speaks OpenFlow 1.3 with an element's inspection socket."""

    def __init__(self, path: str) -> None:
        self.path = path

    def ask(self, kind: int, body: bytes = b"", answers: bool = False) -> bytes:
        """Sends one of VICTOR's messages and a barrier; an error fails."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(TIMEOUT_S)
            sock.connect(self.path)
            if kind != GROUP_MOD:
                kind, body = 4, struct.pack("!II", EXPERIMENTER, kind) + body
            sock.sendall(struct.pack("!BBHI", 4, 0, 8, 1)
                         + struct.pack("!BBHI", 4, kind, 8 + len(body), 2) + body
                         + struct.pack("!BBHI", 4, 20, 8, 3))
            stream, found = sock.makefile("rb"), b""
            while True:
                _, message, size, _ = struct.unpack("!BBHI", stream.read(8))
                data = stream.read(size - 8)
                assert message != 1, f"refused: {struct.unpack('!HH', data[:4])}"
                if message == 4 and answers:
                    found += data[8:]
                if message == 21:
                    return found

    def set_link(self, number: int, fe: int, kind: str, *, interval_ms: int = 50,
                 remote: str | None = None, remote_port: int | None = None,
                 labels: tuple[int, ...] = (), label_in: int = 0) -> None:
        port = (6080 if kind == "udp" else 0) if remote_port is None else remote_port
        padded = (*labels, 0, 0, 0, 0)[:4]
        self.ask(LINK_SET, struct.pack("!IIBBH16sHHB7x4II4x", number, fe, KINDS[kind], 3, interval_ms,
                                       mapped(remote or address(fe)), port, 0, len(labels), *padded,
                                       label_in))

    def set_group(self, fe: int, paths: tuple[int, ...], redirect: int) -> None:
        """MODIFY of a fast-failover group."""
        buckets = b""
        for path in paths:
            actions = b"".join(
                struct.pack("!HHHBB4s4x", 25, 16, 1, field << 1, 4, value.to_bytes(4, "big"))
                for field, value in ((32, int(ipaddress.IPv4Address(address(fe)))), (2, redirect),
                                     (3, path)))
            actions += struct.pack("!HHIH6x", 0, 16, 65000, 0xffff)
            buckets += struct.pack("!HHII4x", 16 + len(actions), 0, path, 0xffffffff) + actions
        self.ask(GROUP_MOD, struct.pack("!HBxI", 1, 3, fe) + buckets)

    def delete_link(self, number: int) -> None:
        self.ask(LINK_DELETE, struct.pack("!I4x", number))

    def links(self) -> dict[int, LinkState]:
        data = self.ask(LINKS_REQUEST, answers=True)[8:]    # one message holds them all
        found = {}
        for at in range(0, len(data), 96):
            number, up, diagnostic, delay, packets, size = struct.unpack(
                "!IBB2xI4xQQ", data[at + 64:at + 96])
            found[number] = LinkState(number, bool(up), diagnostic, delay, packets, size)
        return found


class Tun:
    """A wire of two tun devices in two namespaces, carried by a thread. They put segments together
    (GRO), as WireGuard does: what comes by them may be of many."""

    def __init__(self, ends: list[tuple[str, str]]) -> None:
        self.files: list[int] = []
        for namespace, device in ends:
            netns.inside(namespace, lambda device=device: self.files.append(self.open(device)))
            subprocess.run(["ip", "netns", "exec", namespace, "tee",
                            f"/sys/class/net/{device}/gro_flush_timeout"], input=b"%d" % GRO_FLUSH_NS,
                           check=True, stdout=subprocess.DEVNULL)
        self.cut = False
        self._stop = os.pipe()
        self.thread = threading.Thread(target=self.carry, daemon=True)
        self.thread.start()

    @staticmethod
    def open(device: str) -> int:
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        flags = IFF_TUN | IFF_NAPI | IFF_NO_PI
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", device.encode(), flags))
        return fd

    def carry(self) -> None:
        while True:
            ready, _, _ = select.select([*self.files, self._stop[0]], [], [])
            if self._stop[0] in ready:
                return
            for fd in ready:
                other = self.files[1 - self.files.index(fd)]
                for _ in range(64):
                    try:
                        packet = os.read(fd, 65536)
                        if not self.cut:
                            os.write(other, packet)
                    except (BlockingIOError, OSError):
                        break

    def close(self) -> None:
        os.write(self._stop[1], b"x")
        self.thread.join()
        for fd in (*self.files, *self._stop):
            os.close(fd)


class Chain:
    """Three elements; `join` gives them links and ways. `border`: fe3 is one, to host `out`; `taps`:
    the nodes are behind taps, as virtual machines are."""

    def __init__(self, tmp: Path, name: str, underlay: bool = False, nat: bool = False,
                 border: bool = False, taps: bool = False) -> None:
        self.tmp, self.prefix = tmp, f"vl{os.getpid()}{name}-"
        self.underlay, self.nat, self.border, self.taps = underlay, nat, border, taps
        self.relays: list[subprocess.Popen[str]] = []
        self.tuns: list[Tun] = []
        self.daemons: dict[int, daemons.Daemon] = {}
        self.devices: dict[int, list[dict[str, Any]]] = {1: [], 2: [], 3: []}
        self.namespaces = [self.ns(n) for n in ("fe1", "fe2", "fe3", "n1", "n3", "net", "out")]
        netns.create(self.namespaces)
        for namespace in self.namespaces:
            netns.batch(["link set lo up"], namespace)
            netns.sysctl(namespace, {"net.ipv4.ip_forward": "1" if namespace.endswith("net") else "0",
                                     "net.ipv6.conf.all.disable_ipv6": "1"})
        self.nodes = {k: self.make_node(k, octet) for k, octet in ((1, 5), (3, 6))}
        for k in (1, 2, 3):
            self.make_underlay(k)
        self.out = self.make_outside() if border else None

    def ns(self, name: str) -> str:
        return self.prefix + name

    def make_node(self, k: int, octet: int) -> HostHandle:
        mine, theirs, mac = f"n{k}", f"fe{k}", f"02:00:00:00:00:0{octet}"
        if self.taps:
            self.relay(mine, "eth0", theirs, "acc0")
            netns.batch([f"link set eth0 address {mac}"], self.ns(mine))
        else:
            netns.batch([f"link add eth0 netns {self.ns(mine)} address {mac} type veth "
                         f"peer name acc0 netns {self.ns(theirs)}"])
        netns.batch(["link set eth0 up", f"address add 10.10.0.{octet}/32 dev eth0",
                     "route add 10.10.0.1/32 dev eth0", "route add default via 10.10.0.1",
                     f"neigh replace 10.10.0.1 lladdr {GATEWAY_MAC} dev eth0 nud permanent"],
                    self.ns(mine))
        netns.batch(["link set acc0 up"], self.ns(theirs))
        return HostHandle(Host(mine, "eth0", f"10.10.0.{octet}", mac), self.ns(mine))

    def relay(self, a: str, device_a: str, b: str, device_b: str) -> None:
        """A wire of two taps that leave checksums and segmentation to whoever comes later."""
        process = subprocess.Popen(
            [daemons.program("tests/bpf/bpf-relay"), f"/run/netns/{self.ns(a)}", device_a,
             f"/run/netns/{self.ns(b)}", device_b],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.relays.append(process)
        assert process.stdout is not None and process.stdout.readline() == "ready\n"

    def make_outside(self) -> HostHandle:
        """Before the links: what the kernel forwards it forwards between all devices."""
        netns.sysctl(self.ns("fe3"), {"net.ipv4.ip_forward": "1"})
        netns.batch([f"link add eth0 netns {self.ns('out')} address {OUTSIDE_MAC} type veth "
                     f"peer name ext0 netns {self.ns('fe3')}"])
        netns.batch(["link set eth0 up", f"address add {OUTSIDE}/24 dev eth0",
                     "route add default via 192.0.2.1"], self.ns("out"))
        netns.batch(["link set ext0 up", "address add 192.0.2.1/24 dev ext0"], self.ns("fe3"))
        return HostHandle(Host("out", "eth0", OUTSIDE, OUTSIDE_MAC), self.ns("out"))

    def make_underlay(self, k: int) -> None:
        own = [f"address add {address(k)}/32 dev lo", f"address add 172.16.{k}.2/32 dev lo"]
        if self.underlay:
            netns.batch([f"link add bp0 netns {self.ns(f'fe{k}')} mtu 1600 type veth "
                         f"peer name r{k} netns {self.ns('net')} mtu 1600"])
            own = ["link set bp0 up", f"address add {address(k)}/24 dev bp0",
                   f"address add 172.16.{k}.2/24 dev bp0",
                   f"route add default via 172.16.{k}.254"]
            netns.batch([f"link set r{k} up", f"address add 172.16.{k}.254/24 dev r{k}"],
                        self.ns("net"))
        netns.batch(own, self.ns(f"fe{k}"))

    # ---- links ----

    def wire(self, a: int, b: int, kind: str, number: int, silent: bool = False) -> None:
        """A provisioned device at both ends, port `number`; `silent`: with a bridge between, where
        `cut` stops frames and no carrier."""
        ends = [(self.ns(f"fe{a}"), f"l{number}"), (self.ns(f"fe{b}"), f"l{number}")]
        if kind == "raw":
            self.tuns.append(Tun(ends))
        elif silent:
            bridge = [f"link add br{number} type bridge", f"link set br{number} up"]
            for k, (namespace, device) in zip((a, b), ends):
                netns.batch([f"link add {device} netns {namespace} type veth "
                             f"peer name s{number}{k} netns {self.ns('net')} mtu 1600"])
                bridge.append(f"link set s{number}{k} master br{number} up")
            netns.batch(bridge, self.ns("net"))
        else:
            netns.batch([f"link add {ends[0][1]} netns {ends[0][0]} type veth "
                         f"peer name {ends[1][1]} netns {ends[1][0]}"])
        for namespace, device in ends:
            netns.batch([f"link set {device} mtu 1600 up"], namespace)
        for k in (a, b):
            self.devices[k].append({"match": f"l{number}", "number": number, "kind": kind})

    def cut(self, number: int, k: int) -> None:
        netns.batch([f"link set s{number}{k} nomaster"], self.ns("net"))

    def backplane(self, k: int) -> dict[str, Any]:
        """Of the element's configuration."""
        return {"address": address(k), "redirect": f"172.16.{k}.2",
                **({"device": "bp0"} if self.underlay else {})}

    def start(self) -> None:
        for k in (1, 2, 3):
            config: dict[str, Any] = {"name": f"fe{k}", "id": k, "state": str(self.tmp / f"fe{k}"),
                                      "inspect": f"unix:{self.tmp}/fe{k}.mgmt",
                                      "backplane": self.backplane(k)}
            if k != 2:
                config["access"] = [{"match": "acc0", "number": 2}]
            if k == 3 and self.border:
                config["external"] = [{"match": "ext0", "number": 1}]
            if self.devices[k]:
                config["links"] = self.devices[k]
            path = self.tmp / f"fe{k}.yaml"
            path.write_text(daemons.yaml(config))
            command = [daemons.program("fe/io/victor-fe"), "--config", str(path)]
            self.daemons[k] = daemons.Daemon(f"fe{k}", self.ns(f"fe{k}"), lambda c=command: c,
                                             self.tmp / f"fe{k}.log", lambda: None)
            self.daemons[k].start()
        for k in (1, 2, 3):
            self.wait_listens(k)
        for k in (1, 2, 3):
            self.program(k)

    def wait_listens(self, k: int) -> None:
        def listens() -> bool:
            try:
                self.client(k).links()
            except (FileNotFoundError, ConnectionRefusedError):
                return False
            return True

        wait(f"fe{k} listens", listens)

    def client(self, k: int) -> Client:
        return Client(f"{self.tmp}/fe{k}.mgmt")

    def ofctl(self, k: int, command: str, *words: str) -> str:
        done = subprocess.run(["ovs-ofctl", "-O", "OpenFlow13", command,
                               f"unix:{self.tmp}/fe{k}.mgmt", *words], capture_output=True,
                              text=True, timeout=TIMEOUT_S)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def program(self, k: int) -> None:
        """All but groups' paths: what a controller would have put there."""
        flows = []
        for other in {1, 2, 3} - {k}:
            self.group(k, other, "add-group")
            flows += self.peer_flows(other)
        flows += self.more_flows(k)
        for where, node in self.nodes.items():
            mac, ip = node.mac, node.address
            if where != k:
                flows.append(f"table=3,priority=100,ip,metadata=0/0xffffff,nw_dst={ip},"
                             f"actions=group:{where}")
                continue
            flows += [f"table=0,priority=100,ip,in_port=2,actions=move:NXM_OF_IN_PORT[]->"
                      f"NXM_NX_REG0[0..15],load:0->NXM_OF_IN_PORT[],set_field:{k:#x}->reg1,"
                      "set_field:0->tun_id,dec_ttl,write_metadata:0/0x1ffffff,goto_table:1",
                      f"table=1,priority=100,ip,reg0=0x2,metadata=0/0xffffff,"
                      f"vlan_tci=0x0000/0x1fff,dl_src={mac},nw_src={ip},actions=goto_table:2",
                      f"table=3,priority=200,ip,metadata=0/0xffffff,nw_dst={ip},"
                      f"actions=set_field:{mac}->eth_dst,set_field:{GATEWAY_MAC}->eth_src,output:2"]
        if self.border:
            flows += self.outward(k)
        for flow in flows:
            self.ofctl(k, "add-flow", flow)

    def peer_flows(self, other: int) -> list[str]:
        """What comes from another element."""
        match = f"tun_src={address(other)},in_port=65000"
        rest = f"set_field:{other:#x}->reg1,set_field:0x800000->tun_id,write_metadata"
        return [f"table=0,priority=100,tun_id=0/0x800000,{match},"
                f"actions={rest}:0/0x1ffffff,goto_table:3",
                f"table=0,priority=110,tun_id=0x800000/0x800000,{match},"
                f"actions={rest}:0x1000000/0x1ffffff,goto_table:3"]

    def more_flows(self, k: int) -> list[str]:
        """For those that are more than this chain."""
        del k
        return []

    @staticmethod
    def outward(k: int) -> list[str]:
        """What is outside, by fe3."""
        flows = ["table=4,priority=120,ip,metadata=0/0xffffff,nw_dst=192.0.2.0/24,"
                 f"actions={'NORMAL' if k == 3 else 'group:3'}"]
        if k == 3:
            flows.append("table=0,priority=100,ip,in_port=1,actions=move:NXM_OF_IN_PORT[]->"
                         f"NXM_NX_REG0[0..15],load:0->NXM_OF_IN_PORT[],set_field:{k:#x}->reg1,"
                         "set_field:0->tun_id,dec_ttl,write_metadata:0/0x1ffffff,goto_table:3")
        return flows

    def group(self, k: int, fe: int, command: str, *paths: int, select: bool = False) -> object:
        """The way of element k to another: paths by their links' numbers."""
        redirect = int(ipaddress.IPv4Address(f"172.16.{fe}.2"))
        if max(paths, default=0) > 0xffff:    # ovs-ofctl knows no such ports
            return self.client(k).set_group(fe, paths, redirect)
        base = f"actions=set_field:{address(fe)}->tun_dst,set_field:{redirect:#x}->reg2"
        kind = "indirect" if not paths else "select" if select else "ff"
        buckets = [f"bucket={base},output:65000"] if not paths else [
            f"bucket={'weight=1,' if select else ''}watch_port={path},{base},"
            f"set_field:{path:#x}->reg3,output:65000" for path in paths]
        return self.ofctl(k, command, ",".join([f"group_id={fe}", f"type={kind}", *buckets]))

    def way(self, k: int, fe: int, *paths: int, select: bool = False) -> None:
        self.group(k, fe, "mod-group", *paths, select=select)

    def up(self, k: int, number: int) -> bool:
        state = self.client(k).links().get(number)
        return bool(state and state.up)

    def wait_up(self, *links: tuple[int, int]) -> None:
        for k, number in links:
            wait(f"link {number} of fe{k} is up ({self.client(k).links()})",
                 lambda k=k, number=number: self.up(k, number))

    def verdict(self, k: int, name: str) -> int:
        """A counter of the data plane's."""
        data = self.client(k).ask(DROPS_REQUEST, answers=True)
        for at in range(0, len(data), 40):
            if data[at:at + 31].rstrip(b"\0").decode() == name:
                return int.from_bytes(data[at + 32:at + 40], "big")
        raise KeyError(name)

    def sent(self, k: int, device: str) -> tuple[int, int]:
        """Frames and bytes that a device of an element's has sent; many segments are one frame."""
        said = subprocess.run(netns.enter(self.ns(f"fe{k}"), [
            "ip", "-j", "-s", "link", "show", "dev", device]), capture_output=True, text=True,
            check=True).stdout
        stats = json.loads(said)[0]["stats64"]["tx"]
        return stats["packets"], stats["bytes"]

    def close(self) -> None:
        for daemon in self.daemons.values():
            daemon.stop()
        for tun in self.tuns:
            tun.close()
        for relay in self.relays:
            relay.communicate()
        for k in self.daemons:
            subprocess.run(netns.enter(self.ns(f"fe{k}"), [
                daemons.program("fe/io/victor-fe"), "--config", f"{self.tmp}/fe{k}.yaml",
                "--remove"]), capture_output=True, timeout=TIMEOUT_S)
        netns.remove(self.namespaces)


def wait(what: str, done: Any, timeout_s: float = TIMEOUT_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s: {what}"
        time.sleep(0.02)


def can_nat() -> bool:
    return shutil.which("nft") is not None
