"""The controller's end of signed registration, made from docs/registration.md alone: what tests of
victor-register talk to where no controller is wanted. BLAKE2b is Python's own."""

from __future__ import annotations

import hashlib
import ipaddress
import socket
import struct
import threading
import time
from dataclasses import dataclass, field

PORT = 6654
FIXED = struct.Struct("!4sBBHBBHIQQQ6sBBIIQBBBBBBH")
SOLICIT, ADVERTISE, REGISTER, RENEW, DEREGISTER, REPLY = range(1, 7)
DONE, REFUSED, CHALLENGE = 1, 2, 3
STALE_EPOCH, STALE_SEQUENCE, ELSEWHERE = 4, 5, 6
TIMEOUT_S = 20.0


@dataclass
class Message:
    kind: int
    node: str
    device: str = ""
    sequence: int = 0
    epoch: int = 0
    element: int = 0
    port: int = 0
    vlan: int = 0
    mac: bytes = bytes(6)
    lifetime: int = 0
    flags: int = 0
    result: int = 0
    reason: int = 0
    now: int = 0
    highest: int = 0
    name: str = ""
    text: str = ""
    grant: bytes = b""
    addresses: list[str] = field(default_factory=list)

    def encoded(self, key: bytes | None) -> bytes:
        """With its signature; without a key: algorithm 0, and none."""
        names = [self.node, self.device, self.name, self.text]
        rest = "".join(names).encode() + self.grant
        size = FIXED.size + len(rest) + (32 if key else 0)
        fixed = FIXED.pack(b"VREG", 1, self.kind, size, 1 if key else 0, self.flags, self.vlan,
                           self.port, self.element, self.epoch, self.sequence, self.mac,
                           self.result, self.reason, self.lifetime, self.now, self.highest,
                           *(len(n) for n in names), 0, 0, len(self.grant))
        return fixed + rest + (tag(fixed + rest, key) if key else b"")


def tag(data: bytes, key: bytes) -> bytes:
    return hashlib.blake2b(data, key=key, digest_size=32).digest()


def decoded(data: bytes, key: bytes) -> Message:
    """Of a node's message, signed with BLAKE2b; asserts that it is as the document says."""
    (magic, version, kind, size, algorithm, flags, vlan, port, element, epoch, sequence, mac, result,
     reason, lifetime, now, highest, node, device, name, text, count, zero, grant) = \
        FIXED.unpack_from(data)
    assert (magic, version, size, algorithm) == (b"VREG", 1, len(data), 1)
    assert not (flags or result or reason or now or highest or name or text or zero)
    assert tag(data[:-32], key) == data[-32:]
    rest = data[FIXED.size:-32]
    assert len(rest) == node + device + 16 * count + grant
    m = Message(kind, rest[:node].decode(), rest[node:node + device].decode(), sequence, epoch,
                element, port, vlan, mac, lifetime)
    at = node + device
    for _ in range(count):
        address = ipaddress.IPv6Address(rest[at:at + 16])
        m.addresses.append(str(address.ipv4_mapped or address))
        at += 16
    m.grant = rest[at:]
    return m


class Speaker(threading.Thread):
    """Answers on a socket of the element's namespace; what it is asked is in 'heard'."""

    def __init__(self, sock: socket.socket, key: bytes):
        super().__init__(daemon=True)
        self.sock, self.key = sock, key
        self.epoch, self.place, self.name = 0x5C0F, (2, 7, 0), "fe2"
        self.refuses = 0          # a reason
        self.unsigned = 0         # a reason: every answer is an unsigned hint
        self.highest: dict[str, int] = {}
        self.heard: list[Message] = []
        self.last_from = None
        self.problem: Exception | None = None
        self.changed = threading.Condition()
        sock.settimeout(0.1)
        self.is_ended = False
        self.start()

    def end(self) -> None:
        self.is_ended = True
        self.join()
        self.sock.close()
        if self.problem:
            raise self.problem

    def run(self) -> None:
        while not self.is_ended:
            try:
                data, sender = self.sock.recvfrom(2048)
            except TimeoutError:
                continue
            try:
                m = decoded(data, self.key)
                answer = self.answer(m)
            except Exception as error:    # the test's thread is to see it
                self.problem = error
                return
            self.sock.sendto(answer, sender)
            with self.changed:
                self.heard.append(m)
                self.last_from = sender
                self.changed.notify_all()

    def answer(self, m: Message, key: bytes | None = None) -> bytes:
        element, port, vlan = self.place
        if self.unsigned:
            return Message(REPLY, m.node, m.device, m.sequence, result=REFUSED,
                           reason=self.unsigned).encoded(None)
        a = Message(REPLY, m.node, m.device, m.sequence, self.epoch, element, port, vlan, now=93,
                    name=self.name)
        if m.kind == SOLICIT:
            a.kind = ADVERTISE
            return a.encoded(key or self.key)
        a.reason = self.judge(m)
        a.result = CHALLENGE if a.reason else DONE
        if not a.reason and self.refuses:
            a.result, a.reason, a.text = REFUSED, self.refuses, "says the test"
        if a.result == DONE and m.kind != DEREGISTER:
            a.lifetime = m.lifetime
        a.highest = self.highest.get(m.device, 0)
        return a.encoded(key or self.key)

    def judge(self, m: Message) -> int:
        if m.epoch != self.epoch:
            return STALE_EPOCH
        if m.sequence <= self.highest.get(m.device, 0):
            return STALE_SEQUENCE
        self.highest[m.device] = m.sequence
        return ELSEWHERE if (m.element, m.port, m.vlan) != self.place else 0

    def push(self, node: str, device: str = "") -> None:
        """An unsolicited ADVERTISE to whoever spoke last."""
        element, port, vlan = self.place
        self.sock.sendto(Message(ADVERTISE, node, device, 0, self.epoch, element, port, vlan, now=93,
                                 name=self.name, flags=1).encoded(self.key), self.last_from)

    def wait(self, kind: int, since: int, what=lambda m: True) -> Message:
        """The first message of this kind, of those heard since so many."""
        deadline = time.monotonic() + TIMEOUT_S
        with self.changed:
            while True:
                for m in self.heard[since:]:
                    if m.kind == kind and what(m):
                        return m
                if self.problem:
                    raise self.problem
                left = deadline - time.monotonic()
                assert left > 0, f"no message of kind {kind}; heard: {self.heard[since:]}"
                self.changed.wait(left)
