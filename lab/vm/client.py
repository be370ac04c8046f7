"""The test client: is the guest's TCP stream whole, is an idle connection alive, what is lost?

Three things at once, to the guest's agent: a TCP stream whose counters must come each once and in
order; a TCP connection that stays idle until the end and must then still echo; UDP probes at an
interval. One select loop, one timestamp a read, light enough for a busy machine.

    /usr/bin/python3 -m lab.vm.client 10.10.0.11 [--interval-us N] [--probe-ms N]

It prints {"connected": ...} once the stream flows. A line "mark NAME" on stdin ends a window; its
figures are printed as soon as the next record is there and its probes are answered or a second
old. End of stdin, "quit" or SIGTERM ends the run and prints all of it: one JSON object a line. Exit status 1 if the stream was
broken. Times are CLOCK_MONOTONIC, so they compare with those of other processes here. Imported,
`Client` is the same without stdin. Talks to no module of ours.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import signal
import socket
import struct
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

STREAM_PORT, ECHO_PORT = 7000, 7001
ANSWER_WITHIN_NS = 1_000_000_000
CONNECT_TIMEOUT_S = 10.0
NEVER_NS = 1 << 62
RECORD = struct.Struct(">Q")


@dataclass
class Window:
    """From one mark to the next."""

    name: str
    begin_ns: int
    end_ns: int = 0
    records: int = 0
    first_sequence: int | None = None
    max_gap_ms: float = 0.0
    gap_begin_ns: int = 0             # the last record before the largest gap
    gap_end_ns: int = 0               # the first after it
    probes_sent: int = 0
    probes_lost: int = 0

    def gap(self, begin_ns: int, end_ns: int) -> None:
        if (end_ns - begin_ns) / 1e6 > self.max_gap_ms:
            self.max_gap_ms = (end_ns - begin_ns) / 1e6
            self.gap_begin_ns, self.gap_end_ns = begin_ns, end_ns


class StreamBroken(Exception):
    """The stream ended, or a counter is not the next one."""


class Stream:
    """The counters: each must be the one before plus one."""

    def __init__(self, address: str, interval_us: int) -> None:
        self.socket = socket.create_connection((address, STREAM_PORT), CONNECT_TIMEOUT_S)
        self.socket.sendall(f"{interval_us}\n".encode())
        self.expected = 0
        self.last_ns = time.monotonic_ns()
        self._partial = b""

    def read(self, window: Window) -> None:
        data = self.socket.recv(65536)
        now = time.monotonic_ns()
        if not data:
            raise StreamBroken(f"the stream ended after {self.expected} records")
        if self.expected:
            window.gap(self.last_ns, now)
        self.last_ns = now
        data = self._partial + data
        whole = len(data) - len(data) % RECORD.size
        self._partial = data[whole:]
        for (sequence,) in RECORD.iter_unpack(data[:whole]):
            if sequence != self.expected:
                raise StreamBroken(f"record {sequence} came where {self.expected} was due")
            if window.first_sequence is None:
                window.first_sequence = sequence
            self.expected += 1
            window.records += 1


class Probes:
    """UDP probes to the agent's echo; a probe counts for the window that it was sent in."""

    def __init__(self, address: str, interval_ms: float) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.connect((address, STREAM_PORT))
        self.socket.setblocking(False)
        self.interval_ns = int(interval_ms * 1e6)
        self.next_ns = time.monotonic_ns()
        self.refused = 0
        self._sequence = 0
        self._waiting: dict[int, tuple[int, Window]] = {}

    def send_if_due(self, now: int, window: Window) -> None:
        if now < self.next_ns:
            return
        # Late by more than a probe: go on from now, or the missed ones would come as a burst.
        self.next_ns = max(self.next_ns + self.interval_ns, now)
        self._waiting[self._sequence] = (now, window)
        window.probes_sent += 1
        try:
            self.socket.send(RECORD.pack(self._sequence))
        except OSError:
            self.refused += 1    # unreachable now: it stays unanswered, so it counts as lost
        self._sequence += 1

    def read(self) -> None:
        try:
            data = self.socket.recv(64)
        except OSError:
            self.refused += 1
            return
        if len(data) == RECORD.size:
            self._waiting.pop(RECORD.unpack(data)[0], None)

    def expire(self, now: int) -> None:
        """Probes unanswered for a second are lost, even if an answer still comes."""
        while self._waiting:
            sequence, (sent_ns, window) = next(iter(self._waiting.items()))
            if now - sent_ns < ANSWER_WITHIN_NS:
                return
            window.probes_lost += 1
            del self._waiting[sequence]

    def outstanding(self, window: Window) -> bool:
        return any(of is window for _, of in self._waiting.values())


class Client:
    """All three, in one loop. `step` runs it for a moment; `finish` closes and reports."""

    def __init__(self, address: str, interval_us: int = 2000, probe_ms: float = 10.0) -> None:
        self.idle = socket.create_connection((address, ECHO_PORT), CONNECT_TIMEOUT_S)
        self.stream = Stream(address, interval_us)
        self.probes = Probes(address, probe_ms) if probe_ms > 0 else None
        self.window = Window("start", time.monotonic_ns())
        self.done: list[Window] = []
        self.settled: list[Window] = []
        self.error: str | None = None
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.stream.socket, selectors.EVENT_READ, self._read_stream)
        if self.probes:
            self.selector.register(self.probes.socket, selectors.EVENT_READ, self.probes.read)

    def _read_stream(self) -> None:
        before_ns = self.stream.last_ns
        try:
            self.stream.read(self.window)
        except (StreamBroken, OSError) as error:
            self.error = str(error)
            self.selector.unregister(self.stream.socket)
        for window in self.done:
            # A gap that was open at the mark belongs to the window before it as well.
            if before_ns <= window.end_ns:
                window.gap(before_ns, self.stream.last_ns)

    def step(self, at_most_s: float = 0.1) -> None:
        """Waits for the next thing to do, at most so long, and does it."""
        now = time.monotonic_ns()
        wait_s = at_most_s
        if self.probes:
            self.probes.send_if_due(now, self.window)
            wait_s = min(wait_s, max(0.0, (self.probes.next_ns - time.monotonic_ns()) / 1e9))
        for key, _ in self.selector.select(wait_s):
            key.data()
        if self.probes:
            self.probes.expire(time.monotonic_ns())
        self._settle()

    def mark(self, name: str) -> None:
        """Ends the window and names it; its figures settle once its probes have, and the next
        record is there."""
        now = time.monotonic_ns()
        self.window.name, self.window.end_ns = name, now
        self.done.append(self.window)
        self.window = Window("", now)

    def _settle(self) -> None:
        while self.done:
            window = self.done[0]
            flowing = self.stream.last_ns > window.end_ns or self.error is not None
            if not flowing or (self.probes and self.probes.outstanding(window)):
                return
            self.settled.append(self.done.pop(0))

    def idle_alive(self) -> bool:
        """Whether the connection that was idle all the time still echoes."""
        word = b"still there?"
        try:
            self.idle.sendall(word)
            answer = b""
            while len(answer) < len(word):
                got = self.idle.recv(len(word) - len(answer))
                if not got:
                    return False
                answer += got
            return answer == word
        except OSError:
            return False

    def finish(self) -> dict[str, Any]:
        """Ends the last window, waits for its probes, and reports on all."""
        self.mark("end")
        if self.probes:
            self.probes.next_ns = NEVER_NS
        deadline = time.monotonic_ns() + 2 * ANSWER_WITHIN_NS
        while self.done and time.monotonic_ns() < deadline:
            self.step()
        for window in self.done:      # a stream that stands still: the gap so far
            window.gap(self.stream.last_ns, time.monotonic_ns())
        self.settled += self.done
        alive = self.idle_alive()
        for sock in (self.stream.socket, self.idle, self.probes.socket if self.probes else None):
            if sock is not None:
                sock.close()
        self.selector.close()
        return {"contiguous": self.error is None and self.stream.expected > 0,
                "error": self.error, "records": self.stream.expected, "idle_alive": alive,
                "max_gap_ms": max(w.max_gap_ms for w in self.settled),
                "probes_sent": sum(w.probes_sent for w in self.settled),
                "probes_lost": sum(w.probes_lost for w in self.settled),
                "windows": [asdict(w) for w in self.settled]}


# ---- as a program ----

class Program:
    """The client with stdin as its master."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.stopping = False
        self._input = b""
        self._printed = 0
        client.selector.register(0, selectors.EVENT_READ, self._read_commands)

    def stop(self, *_: object) -> None:
        self.stopping = True

    def _read_commands(self) -> None:
        data = os.read(0, 4096)
        if not data:
            self.client.selector.unregister(0)
            self.stopping = True
        *lines, self._input = (self._input + data).split(b"\n")
        for line in lines:
            word, _, name = line.decode().partition(" ")
            if word == "mark":
                self.client.mark(name)
            elif word == "quit":
                self.stopping = True

    def run(self) -> int:
        signal.signal(signal.SIGTERM, self.stop)
        while not self.stopping and self.client.stream.expected == 0 and not self.client.error:
            self.client.step()
        _print({"connected": True, "at_ns": time.monotonic_ns()})
        while not self.stopping and not self.client.error:
            self.client.step()
            for window in self.client.settled[self._printed:]:
                self._printed += 1
                _print({"window": asdict(window)})
        result = self.client.finish()
        _print({"result": result})
        return 0 if result["contiguous"] and result["idle_alive"] else 1


def _print(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="lab.vm.client", description=__doc__.splitlines()[0])
    parser.add_argument("address", help="the guest's address")
    parser.add_argument("--interval-us", type=int, default=2000,
                        help="microseconds between the stream's records; 0: no pause")
    parser.add_argument("--probe-ms", type=float, default=10.0,
                        help="milliseconds between UDP probes; 0: none")
    options = parser.parse_args()
    try:
        client = Client(options.address, options.interval_us, options.probe_ms)
    except OSError as error:
        print(f"lab.vm.client: {options.address}: {error.strerror or error}", file=sys.stderr)
        return 1
    return Program(client).run()


if __name__ == "__main__":
    sys.exit(main())
