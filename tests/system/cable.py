"""A node behind a tap, as a virtual machine is: one tap is the element's port, the other the node's
network card, and a thread carries the packets between, with their offloads (vnet_hdr), as QEMU
does. When the cable is cut the element's tap vanishes, as it does when QEMU ends.

    element's namespace: tap0 ── (fd, this process, fd) ── eth0 in a namespace of the node's own
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import struct
import threading

from lab import netns
from lab.runtime import HostHandle, Lab
from lab.topology import Host

TUNSETIFF, TUNSETOFFLOAD, TUNSETVNETHDRSZ = 0x400454CA, 0x400454D0, 0x400454D8
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6 = 0x01, 0x02, 0x04
FRAME_MAX = 65536 + 64


def open_tap(namespace: str, device: str) -> int:
    """A tap that lives as long as its file is open."""
    opened: list[int] = []

    def make() -> None:
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        opened.append(fd)
        flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", device.encode(), flags))
        fcntl.ioctl(fd, TUNSETVNETHDRSZ, ctypes.c_int(10))
        fcntl.ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6)

    netns.inside(namespace, make)
    return opened[0]


class Cable:
    """A node, plugged into an element. Leaving the context cuts it and takes the node away."""

    def __init__(self, lab: Lab, element: str, port: str, node: str, address: str, gateway: str,
                 mac: str, ipv6: tuple[str, str] | None = None) -> None:
        """`ipv6`: the node's address/length and its gateway, too."""
        self.lab, self.element, self.port = lab, element, port
        self.node, self.address, self.gateway, self.mac = node, address, gateway, mac
        self.gso_packets = [0, 0]    # from the node, to the node
        self.gso_bytes = [0, 0]
        self.ipv6 = ipv6
        self._fds: list[int] = []
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    @property
    def host(self) -> HostHandle:
        host = Host(self.node, "eth0", self.address.partition("/")[0], self.mac)
        return HostHandle(host, self.lab.netns(self.node))

    def __enter__(self) -> "Cable":
        own = self.lab.netns(self.node)
        netns.create([own])
        netns.sysctl(own, {f"net.ipv6.conf.{which}.{key}": value for which in ("all", "default")
                           for key, value in (("disable_ipv6", "01"[not self.ipv6]),
                                              ("accept_ra", "0"))})
        try:
            self._fds.append(open_tap(own, "eth0"))
            netns.batch([f"link set eth0 address {self.mac} up", "link set lo up",
                         f"addr add {self.address} dev eth0",
                         f"route add default via {self.gateway}"], own)
            if self.ipv6:
                netns.batch([f"addr add {self.ipv6[0]} dev eth0 nodad",
                             f"route add default via {self.ipv6[1]}"], own)
            self.plug()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        for fd in self._fds:
            os.close(fd)
        self._fds.clear()
        netns.remove([self.lab.netns(self.node)])

    def plug(self) -> None:
        there = self.lab.netns(self.element)
        self._fds.append(open_tap(there, self.port))
        netns.batch([f"link set {self.port} addrgenmode none",
                     f"link set {self.port} up"], there)
        self._stop.clear()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """The element's tap vanishes."""
        if self._thread is None:
            return
        self._stop.set()
        self._thread.join()
        self._thread = None
        os.close(self._fds.pop())

    def _carry(self) -> None:
        node, element = self._fds[0], self._fds[1]
        poll = select.poll()
        poll.register(node, select.POLLIN)
        poll.register(element, select.POLLIN)
        while not self._stop.is_set():
            for fd, _ in poll.poll(20):
                to_node = fd == element
                try:
                    packet = os.read(fd, FRAME_MAX)
                    os.write(node if to_node else element, packet)
                except OSError:
                    continue    # a tap that is down, or full: the packet is lost
                if packet[1]:
                    self.gso_packets[to_node] += 1
                    self.gso_bytes[to_node] += len(packet)
