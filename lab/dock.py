"""A host that moves: its dock is a bridge without learning, a hub, with a port towards each place.
One place's port is active; the others are locked (they take in nothing) and flooded to by nobody,
while their carrier stays up, as an access point's does. So a move is one write to netlink, in which
the old port is locked and the new one opens, with nothing programmed beforehand; where the dock has
carriers, the old port's then goes down, and comes back once the host has settled.

lab/handoff.c does the same in C where microseconds count (lab/air.c); keep the two alike.
"""

from __future__ import annotations

import socket
import struct

from . import netns
from .topology import Dock

RTM_NEWLINK, RTM_SETLINK = 16, 19
NLM_F_REQUEST, NLM_F_ACK = 1, 4
NLMSG_ERROR = 2
AF_UNSPEC, AF_BRIDGE = 0, 7
IFF_UP = 1
IFLA_PROTINFO, NLA_F_NESTED = 12, 0x8000
LEARNING, UNICAST_FLOOD, FLUSH, MCAST_FLOOD, BCAST_FLOOD, LOCKED = 8, 9, 24, 27, 30, 39


class DockPorts:
    """The dock of one moving host, in the namespace of its bridge."""

    def __init__(self, namespace: str, dock: Dock) -> None:
        self.dock = dock
        self.socket = netns.make_socket(namespace, socket.AF_NETLINK, socket.SOCK_RAW)
        self.socket.bind((0, 0))
        self.index = _indexes(namespace, [p.dock_port for p in dock.places] + [dock.host_port])

    def close(self) -> None:
        self.socket.close()

    def prepare(self, at: str | None) -> None:
        """No learning anywhere, and one place, or none, active."""
        messages = [_flags(self.index[self.dock.host_port], True)]
        for place in self.dock.places:
            messages.append(_flags(self.index[place.dock_port], place.name == at))
        # What was learnt meanwhile goes: a locked port takes in frames from MACs known there.
        self._send(messages + [_flush(index) for index in self.index.values()])

    def move(self, old: str | None, new: str | None) -> None:
        """Leaves one place and joins another."""
        self._send([_flags(self.index[self.dock.place(name).dock_port], name == new)
                    for name in (old, new) if name is not None])

    def set_carrier(self, place: str, up: bool) -> None:
        """The carrier of a place's port, where the dock has carriers."""
        if self.dock.carrier:
            self._send([_link(self.index[self.dock.place(place).dock_port], up)])

    def _send(self, messages: list[bytes]) -> None:
        self.socket.send(b"".join(messages))
        for _ in messages:
            self._read_answer()

    def _read_answer(self) -> None:
        data = self.socket.recv(8192)
        kind, = struct.unpack_from("=H", data, 4)
        code, = struct.unpack_from("=i", data, 16)
        if kind == NLMSG_ERROR and code:
            raise OSError(-code, "the kernel refused to move a port")


def _indexes(namespace: str, names: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    netns.inside(namespace, lambda: found.update(
        {name: socket.if_nametoindex(name) for name in names}))
    return found


def _message(kind: int, family: int, index: int, flags: int, change: int, rest: bytes) -> bytes:
    body = struct.pack("=BxHiII", family, 0, index, flags, change) + rest
    return struct.pack("=IHHII", 16 + len(body), kind, NLM_F_REQUEST | NLM_F_ACK, 0, 0) + body


def _link(index: int, up: bool) -> bytes:
    return _message(RTM_NEWLINK, AF_UNSPEC, index, IFF_UP if up else 0, IFF_UP, b"")


def _flags(index: int, active: bool) -> bytes:
    values = {LEARNING: False, UNICAST_FLOOD: active, MCAST_FLOOD: active, BCAST_FLOOD: active,
              LOCKED: not active}
    return _port(index, b"".join(struct.pack("=HHBxxx", 5, kind, on) for kind, on in values.items()))


def _flush(index: int) -> bytes:
    return _port(index, struct.pack("=HH", 4, FLUSH))


def _port(index: int, inner: bytes) -> bytes:
    outer = struct.pack("=HH", 4 + len(inner), IFLA_PROTINFO | NLA_F_NESTED) + inner
    return _message(RTM_SETLINK, AF_BRIDGE, index, 0, 0, outer)
