"""Frames by packet socket: a host's announcement of itself, and captures with kernel timestamps.

Times are seconds of CLOCK_REALTIME, the clock of QMP's events too.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from . import netns

ETH_P_ALL, ETH_P_IP, ETH_P_ARP = 0x0003, 0x0800, 0x0806
SO_TIMESTAMPNS = 35
SO_RCVBUFFORCE = 33
PACKET_IGNORE_OUTGOING, SOL_PACKET = 23, 263
RECEIVE_BUFFER = 16 << 20
SNAP_LENGTH = 128


def mac_bytes(text: str) -> bytes:
    return bytes(int(part, 16) for part in text.split(":"))


def announcement(mac: str, address: str) -> bytes:
    """A gratuitous ARP request, as a host sends when it comes up (RFC 5227)."""
    sender, ip = mac_bytes(mac), socket.inet_aton(address)
    return (b"\xff" * 6 + sender + struct.pack("!HHHBBH", ETH_P_ARP, 1, ETH_P_IP, 6, 4, 1)
            + sender + ip + bytes(6) + ip)


def icmpv6(mac: str, source: str, destination: str, body: bytes) -> bytes:
    """A frame with an ICMPv6 message, its checksum filled in, to the destination's group MAC."""
    ends = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, destination)
    pseudo = ends + struct.pack("!II", len(body), 58) + body
    total = sum(struct.unpack(f"!{len(pseudo) // 2}H", pseudo))
    total = (total & 0xFFFF) + (total >> 16)
    check = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    return (b"\x33\x33" + ends[28:] + mac_bytes(mac)
            + struct.pack("!HIHBB", 0x86DD, 6 << 28, len(body), 58, 255) + ends
            + body[:2] + struct.pack("!H", check) + body[4:])


def advertisement(mac: str, address: str, link_layer: str | None = None) -> bytes:
    """An unsolicited neighbour advertisement to all nodes (RFC 4861, section 7.2.6); `link_layer`
    is the MAC that its body names."""
    body = (struct.pack("!BBHI", 136, 0, 0, 0x20000000) + socket.inet_pton(socket.AF_INET6, address)
            + b"\x02\x01" + mac_bytes(link_layer or mac))
    return icmpv6(mac, address, "ff02::1", body)


def detection(mac: str, address: str) -> bytes:
    """The neighbour solicitation of duplicate address detection (RFC 4862, section 5.4.2)."""
    target = socket.inet_pton(socket.AF_INET6, address)
    group = socket.inet_ntop(socket.AF_INET6, bytes.fromhex("ff02" + "00" * 9 + "01ff") + target[13:])
    return icmpv6(mac, "::", group, struct.pack("!BBHI", 135, 0, 0, 0) + target)


def open_raw(namespace: str, device: str, protocol: int = 0) -> socket.socket:
    """A packet socket on a device; with protocol 0 it only sends."""
    sock = netns.make_socket(namespace, socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.bind((device, protocol))
    return sock


@dataclass(frozen=True)
class Frame:
    """One frame that a device received or sent."""

    at: float
    data: bytes
    outgoing: bool

    @property
    def is_ipv4(self) -> bool:
        return len(self.data) >= 34 and self.data[12:14] == b"\x08\x00"

    @property
    def source(self) -> str:
        return socket.inet_ntoa(self.data[26:30])

    @property
    def destination(self) -> str:
        return socket.inet_ntoa(self.data[30:34])

    @property
    def ttl(self) -> int:
        return self.data[22]


class Capture:
    """What passes a device from now on, kept by the kernel until it is read."""

    def __init__(self, namespace: str, device: str, protocol: int = ETH_P_IP) -> None:
        self.socket = netns.make_socket(namespace, socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.bind((device, protocol))
        self.socket.setblocking(False)

    def read(self) -> Iterator[Frame]:
        """The frames so far, oldest first; they are read once."""
        while True:
            try:
                data, extra, _, address = self.socket.recvmsg(SNAP_LENGTH, 64)
            except (BlockingIOError, OSError):
                return
            yield Frame(_timestamp(extra), data, address[2] == socket.PACKET_OUTGOING)

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> "Capture":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _timestamp(extra: list[tuple[int, int, bytes]]) -> float:
    for level, kind, value in extra:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, nanoseconds = struct.unpack("qq", value)
            return seconds + nanoseconds / 1e9
    return 0.0
