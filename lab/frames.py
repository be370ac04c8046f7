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
