"""Traffic between hosts of a lab. TCP always, because ping hides wrong checksums and lost large
segments: a Conversation says much in both directions at once, slowly and for long; transfer() says
much at once.
"""

from __future__ import annotations

import random
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator

from lab.runtime import HostHandle

CONNECT_TIMEOUT_S = 10.0
TIMEOUT_S = 20.0
TICK_S = 0.002
CHUNK = 4096
READ = 1 << 17

# What is said: byte i of a stream is PATTERN[i mod PERIOD]; a prime, so that nothing that was lost,
# doubled or moved by a segment's length goes unnoticed.
PERIOD = 65521
_PATTERN = random.Random(53).randbytes(PERIOD)
_LONG = _PATTERN * (READ // PERIOD + 2)


def said(offset: int, size: int) -> bytes:
    begin = offset % PERIOD
    return _LONG[begin:begin + size]


def connect(client: HostHandle, server: HostHandle, port: int = 0) -> tuple[socket.socket,
                                                                            socket.socket]:
    """A TCP connection: the client's end and the server's."""
    with server.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((server.address, port))
        listener.listen(1)
        listener.settimeout(CONNECT_TIMEOUT_S)
        near = client.socket()
        try:
            near.settimeout(CONNECT_TIMEOUT_S)
            near.bind((client.address, 0))
            near.connect(listener.getsockname())
            far, _ = listener.accept()
        except BaseException:
            near.close()
            raise
    return near, far


class _Side:
    """One end of a conversation."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.sent = self.received = 0
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self) -> None:
        try:
            self.sent += self.socket.send(said(self.sent, CHUNK))
        except BlockingIOError:
            pass

    def receive(self) -> None:
        data = self.socket.recv(READ)
        if not data:
            raise ConnectionError(f"the connection ended after {self.received} bytes")
        if data != said(self.received, len(data)):
            raise ConnectionError(f"other bytes than were sent, at {self.received}")
        self.received += len(data)


class Conversation:
    """One TCP connection that both ends talk on all the time, from a thread of its own.

    Leaving the context checks that all that was said has been heard, and in order.
    """

    def __init__(self, client: HostHandle, server: HostHandle) -> None:
        self.sides = [_Side(sock) for sock in connect(client, server)]
        self.error: Exception | None = None
        self._talking = True
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Conversation":
        self._thread.start()
        self.wait_progress()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self.finish()
        finally:
            self._end.set()
            self._thread.join()
            for side in self.sides:
                side.socket.close()

    def _run(self) -> None:
        try:
            poll = select.poll()
            by_fd = {side.socket.fileno(): side for side in self.sides}
            for fd in by_fd:
                poll.register(fd, select.POLLIN)
            due = time.monotonic()
            while not self._end.is_set():
                for fd, _ in poll.poll(max(0.0, due - time.monotonic()) * 1000):
                    by_fd[fd].receive()
                if time.monotonic() >= due:
                    due = time.monotonic() + TICK_S
                    if self._talking:
                        for side in self.sides:
                            side.send()
        except Exception as error:
            self.error = error

    def heard(self) -> tuple[int, int]:
        """Bytes that the client and the server have received."""
        return self.sides[0].received, self.sides[1].received

    def _wait(self, what: str, ready: Callable[[], bool], timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not ready():
            assert self.error is None, self.error
            assert time.monotonic() < deadline, f"{what} within {timeout_s:g} s; heard " \
                f"{self.heard()} of {self.sides[1].sent}, {self.sides[0].sent}"
            time.sleep(TICK_S)
        assert self.error is None, self.error

    def wait_progress(self, size: int = 4 * CHUNK, timeout_s: float = TIMEOUT_S) -> None:
        """Until both ends have heard so much more, said from now on."""
        marks = [side.sent + size for side in self.sides]
        self._wait("the conversation stands still: no progress", lambda: all(
            hearer.received >= mark for hearer, mark in zip(reversed(self.sides), marks)),
            timeout_s)

    def finish(self) -> None:
        self._talking = False
        time.sleep(TICK_S * 2)    # the tick that may just be under way
        self._wait("not all that was said has been heard", lambda: all(
            hearer.received == speaker.sent
            for hearer, speaker in zip(reversed(self.sides), self.sides)), TIMEOUT_S)


def transfer(source: HostHandle, sink: HostHandle, size: int = 16 << 20,
             opened_by_source: bool = True) -> None:
    """So many bytes by one TCP connection, as fast as they go."""
    if opened_by_source:
        out, into = connect(source, sink)
    else:
        into, out = connect(sink, source)
    failed: list[Exception] = []
    deadline = time.monotonic() + TIMEOUT_S

    def wait(sock: socket.socket) -> socket.socket:
        sock.settimeout(max(0.001, deadline - time.monotonic()))
        return sock

    def send() -> None:
        try:
            offset = 0
            while offset < size:
                offset += wait(out).send(said(offset, min(READ, size - offset)))
            out.shutdown(socket.SHUT_WR)
        except Exception as error:
            failed.append(error)

    with out, into:
        thread = threading.Thread(target=send)
        thread.start()
        received = 0
        try:
            while data := wait(into).recv(READ):
                assert data == said(received, len(data)), f"other bytes than sent, at {received}"
                received += len(data)
        except TimeoutError:
            raise AssertionError(f"{received} of {size} bytes in {TIMEOUT_S:g} s") from None
        finally:
            thread.join()
    assert not failed, failed[0]
    assert received == size, f"{received} of {size} bytes came"


def transfer_both_ways(a: HostHandle, b: HostHandle, size: int = 8 << 20) -> None:
    transfer(a, b, size)
    transfer(b, a, size)


class Datagrams:
    """Numbered UDP datagrams from one host to another; counts those that came."""

    def __init__(self, source: HostHandle, sink: HostHandle) -> None:
        self.sink = sink.socket(socket.SOCK_DGRAM)
        self.sink.bind((sink.address, 0))
        self.sink.setblocking(False)
        self.source = source.socket(socket.SOCK_DGRAM)
        self.source.connect(self.sink.getsockname())
        self.sent = 0
        self.arrived: list[int] = []

    def __enter__(self) -> "Datagrams":
        return self

    def __exit__(self, *_: object) -> None:
        self.source.close()
        self.sink.close()

    def send(self, count: int = 1) -> None:
        for _ in range(count):
            self.source.send(b"victor %08d" % self.sent)
            self.sent += 1

    def collect(self) -> list[int]:
        """The numbers of all that arrived so far."""
        for data in self._waiting():
            self.arrived.append(int(data[7:15]))
        return self.arrived

    def _waiting(self) -> Iterator[bytes]:
        while True:
            try:
                yield self.sink.recv(64)
            except BlockingIOError:
                return


def ping_df(host: HostHandle, address: str, size: int) -> str:
    """One ping of so many bytes of payload that must not be fragmented; what ping said."""
    done = host.run("ping", "-n", "-c1", "-W2", "-Mdo", f"-s{size}", address)
    return done.stdout + done.stderr
