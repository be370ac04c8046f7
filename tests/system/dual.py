"""Dual-stack nodes (lab/figure2dual.py): where they are bound, and TCP with them."""

from __future__ import annotations

import socket

import labs
from lab.runtime import HostHandle, Lab


def local_at(lab: Lab, element: str, address: str) -> bool:
    return any(rule["flow"] == f"ipv6_dst={address}" and "out:0" not in rule["action"]
               and "out:" in rule["action"] for rule in labs.rules(lab, element))


def connect6(client: HostHandle, source: str, server: HostHandle,
             address: str) -> tuple[socket.socket, socket.socket]:
    with server.socket(family=socket.AF_INET6) as listener:
        listener.bind((address, 0))
        listener.listen(1)
        listener.settimeout(20)
        near = client.socket(family=socket.AF_INET6)
        near.settimeout(20)
        near.bind((source, 0))
        near.connect(listener.getsockname())
        far, _ = listener.accept()
        far.settimeout(20)
    return near, far


def connect4(client: HostHandle, server: HostHandle) -> tuple[socket.socket, socket.socket]:
    with server.socket() as listener:
        listener.bind((server.address, 0))
        listener.listen(1)
        listener.settimeout(20)
        near = client.socket()
        near.settimeout(20)
        near.connect(listener.getsockname())
        far, _ = listener.accept()
        far.settimeout(20)
    return near, far


def talk(pair: tuple[socket.socket, socket.socket], size: int = 1 << 18) -> None:
    """So much in each direction, whole."""
    data = bytes(range(256)) * (size // 256)
    for sender, receiver in (pair, pair[::-1]):
        at = 0
        got = b""
        sender.setblocking(True)
        receiver.settimeout(20)
        while len(got) < len(data):
            if at < len(data):
                at += sender.send(data[at:at + 16384])
            if len(got) < at:
                got += receiver.recv(65536)
        assert got == data


def neighbor_mac(host: HostHandle, address: str) -> str:
    words = host.run("ip", "-6", "neigh", "show", address).stdout.split()
    return words[words.index("lladdr") + 1] if "lladdr" in words else ""
