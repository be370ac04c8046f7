"""Talks to the guest's agent (guest/agent.c) over the network: its health, its load, throughput.

Works from any network namespace that reaches the guest. Uses netns.py.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from typing import Any

from . import netns

STREAM_PORT, ECHO_PORT, SINK_PORT, SOURCE_PORT, CONTROL_PORT = range(7000, 7005)
TIMEOUT_S = 10.0


class GuestControl:
    """The agent in the guest at an address, asked from a namespace."""

    def __init__(self, namespace: str | None, address: str) -> None:
        self.namespace, self.address = namespace, address

    def connect(self, port: int, timeout_s: float = TIMEOUT_S) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        sock = netns.make_socket(self.namespace, family)
        try:
            sock.settimeout(timeout_s)
            sock.connect((self.address, port))
        except BaseException:
            sock.close()
            raise
        return sock

    def command(self, line: str) -> dict[str, Any]:
        """One command line to the control port; its answer."""
        with self.connect(CONTROL_PORT) as sock, sock.makefile("rw") as stream:
            stream.write(line + "\n")
            stream.flush()
            return json.loads(stream.readline())

    def status(self) -> dict[str, Any]:
        """uptime_ms, corruptions, dirty_mb_per_s, pages_checked."""
        return self.command("status")

    def set_dirty_rate(self, megabytes_per_s: int) -> None:
        """Makes the guest rewrite its 8 MB of watched memory round and round; 0 stops."""
        self.command(f"dirty {megabytes_per_s}")

    # ---- throughput, bits a second ----

    def download_rate(self, seconds: float) -> float:
        """One TCP stream from the guest."""
        with self.connect(SOURCE_PORT) as sock:
            return _rate(seconds, lambda: len(sock.recv(1 << 18)))

    def upload_rate(self, seconds: float) -> float:
        """One TCP stream to the guest, counted by what the guest has received at the end."""
        data = bytes(1 << 18)
        with self.connect(SINK_PORT) as sock:
            begin = time.monotonic()
            _rate(seconds, lambda: sock.send(data))
            sock.shutdown(socket.SHUT_WR)
            received = int(sock.makefile().readline())
            return received * 8 / (time.monotonic() - begin)


def _rate(seconds: float, step: Callable[[], int]) -> float:
    begin = now = time.monotonic()
    total = 0
    while now < begin + seconds:
        total += step()
        now = time.monotonic()
    return total * 8 / (now - begin)
