"""ARP by hand: requests from a host's device, and what is answered.

"Nothing was answered" is known without waiting: behind the questions goes one that is always
answered (the gateway's address), and frames are handled in order.
"""

from __future__ import annotations

import socket
import struct
import time
from dataclasses import dataclass

from lab import frames
from lab.runtime import HostHandle

TIMEOUT_S = 5.0
BROADCAST = "ff:ff:ff:ff:ff:ff"
REQUEST, REPLY = 1, 2


@dataclass(frozen=True)
class Arp:
    """One ARP frame."""

    operation: int
    sender_mac: str
    sender: str
    target: str

    @classmethod
    def parse(cls, data: bytes) -> "Arp | None":
        if len(data) < 42 or data[12:14] != b"\x08\x06":
            return None
        operation, = struct.unpack_from("!H", data, 20)
        return cls(operation, data[22:28].hex(":"), socket.inet_ntoa(data[28:32]),
                   socket.inet_ntoa(data[38:42]))


def arp_frame(mac: str, sender: str, target: str, operation: int = REQUEST) -> bytes:
    own = frames.mac_bytes(mac)
    return (frames.mac_bytes(BROADCAST) + own
            + struct.pack("!HHHBBH", frames.ETH_P_ARP, 1, frames.ETH_P_IP, 6, 4, operation)
            + own + socket.inet_aton(sender) + bytes(6) + socket.inet_aton(target))


def rarp_frame(mac: str) -> bytes:
    """A hypervisor's announce-self: only a MAC (RFC 903 request, reverse)."""
    own = frames.mac_bytes(mac)
    return (frames.mac_bytes(BROADCAST) + own + struct.pack("!HHHBBH", 0x8035, 1, 0x0800, 6, 4, 3)
            + own + bytes(4) + own + bytes(4) + bytes(18))


def send(host: HostHandle, *data: bytes) -> None:
    with frames.open_raw(host.netns, host.device) as sock:
        for frame in data:
            sock.send(frame)


def answers(host: HostHandle, requests: list[bytes], fence: str,
            expect: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """The MACs that answered each target. Ends once the fence, and each target in `expect`, did."""
    found: dict[str, list[str]] = {}
    with frames.open_raw(host.netns, host.device, frames.ETH_P_ARP) as sock:
        for request in [*requests, arp_frame(host.mac, host.address, fence)]:
            sock.send(request)
        deadline = time.monotonic() + TIMEOUT_S
        while not {fence, *expect} <= set(found):
            sock.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                arp = Arp.parse(sock.recv(128))
            except TimeoutError:
                missing = {fence, *expect} - set(found)
                raise AssertionError(f"{host.name}: nobody answers for {missing}") from None
            if arp and arp.operation == REPLY:
                found.setdefault(arp.sender, []).append(arp.sender_mac)
    return found
