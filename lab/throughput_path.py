"""What the path itself takes: a packet socket sends TCP segments that nobody answers (RST), and the
thread that sends does all of the path, up to where the receiver's TCP drops them. Its CPU time a
packet has no congestion control, no copying to a receiver and no scheduler's mood in it: a machine
that others use, too, gives the same figures within a few percent.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from typing import NamedTuple

from . import frames

PACKET_VNET_HDR, PACKET_QDISC_BYPASS = 15, 20
VNET_NEEDS_CSUM, VNET_TCP4 = 1, 1
SEGMENT = 1448    # of what is in a packet of 1500 bytes, with time stamps
HEADERS = 20 + 32
SIZES = {"60000 bytes in many segments": 60000, "100 bytes": 100}
UNDISTURBED = 10    # the percentile of batches: of the least, another thread may have done some
BATCHES, BATCH = 60, 200


class NoNeighbor(OSError):
    """The text is one line."""


class Ends(NamedTuple):
    """Of a packet, at its first link: MACs and IPv4 addresses."""

    mac: str
    next_mac: str
    source: str
    destination: str


def folded(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def packet(ends: Ends, payload: int) -> bytes:
    """virtio_net_hdr, Ethernet, IPv4, TCP: as a node's TCP gives it to its device, sums to be
    filled in and segments to be cut by whoever has to."""
    addresses = socket.inet_aton(ends.source) + socket.inet_aton(ends.destination)
    size = HEADERS + payload
    ip = struct.pack("!BBHHHBBH", 0x45, 0, size, 0, 0x4000, 64, socket.IPPROTO_TCP, 0) + addresses
    ip = ip[:10] + struct.pack("!H", ~folded(ip) & 0xFFFF) + ip[12:]
    pseudo = addresses + struct.pack("!HH", socket.IPPROTO_TCP, size - len(ip))
    tcp = struct.pack("!HHIIBBHHH", 7777, 8888, 1, 1, 8 << 4, 0x14, 0, folded(pseudo), 0)
    tcp += struct.pack("!BBBBII", 1, 1, 8, 10, 1, 1)
    many = payload > SEGMENT
    head = struct.pack("=BBHHHH", VNET_NEEDS_CSUM, VNET_TCP4 if many else 0, 14 + HEADERS,
                       SEGMENT if many else 0, 14 + len(ip), 16)
    ethernet = frames.mac_bytes(ends.next_mac) + frames.mac_bytes(ends.mac) + b"\x08\x00"
    return head + ethernet + ip + tcp + bytes(payload)


def next_mac(arp: str, address: str) -> str:
    """Of /proc/net/arp's text."""
    for line in arp.splitlines()[1:]:
        words = line.split()
        if words[0] == address:
            return words[3]
    raise NoNeighbor(f"{address} is no neighbor")


def cpu_ns(namespace: str, device: str, data: bytes, batches: int = BATCHES) -> float:
    """Of this thread, a packet."""
    cores = os.sched_getaffinity(0)
    with frames.open_raw(namespace, device) as sock:
        for option in (PACKET_VNET_HDR, PACKET_QDISC_BYPASS):
            sock.setsockopt(frames.SOL_PACKET, option, 1)
        found = []
        os.sched_setaffinity(0, {min(cores)})
        try:
            for _ in range(batches):
                before = time.thread_time_ns()
                for _ in range(BATCH):
                    sock.send(data)
                found.append((time.thread_time_ns() - before) / BATCH)
        finally:
            os.sched_setaffinity(0, cores)
    return sorted(found)[batches * UNDISTURBED // 100]
