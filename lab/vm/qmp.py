"""A client of QEMU's monitor protocol (QMP) over a UNIX socket.

One thread reads, stamps each message with the monotonic clock the moment it is there, and hands
events to whoever subscribed; `execute` and `wait_event` may be called from any thread but never
from a subscriber's. Used by machine.py and migrate.py; talks to no module of ours.
"""

from __future__ import annotations

import json
import os
import queue
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

EXECUTE_TIMEOUT_S = 20.0
HISTORY_LIMIT = 1000


class QmpError(Exception):
    """QEMU refused a command: its error class and description."""

    def __init__(self, command: str, error_class: str, desc: str) -> None:
        super().__init__(f"{command}: {desc} ({error_class})")
        self.command, self.error_class, self.desc = command, error_class, desc


class QmpClosed(Exception):
    """The connection is gone: QEMU ended, or closed it."""


class QmpTimeout(Exception):
    """No answer, or no event, by the deadline."""


@dataclass(frozen=True)
class Event:
    """An event: when we read it (monotonic ns), and from whom."""

    name: str
    data: dict[str, Any]
    at_ns: int
    source: "Qmp" = field(repr=False)


Predicate = Callable[[Event], bool]


class Qmp:
    """One connection. Use as a context manager, or close()."""

    def __init__(self, path: str | Path, name: str = "qemu", timeout_s: float = 10.0,
                 alive: Callable[[], bool] = lambda: True) -> None:
        self.name = name
        self._socket = _connect(Path(path), timeout_s, alive)
        self._send_lock = threading.Lock()
        self._changed = threading.Condition()
        self._answers: dict[int, dict[str, Any]] = {}
        self._abandoned: set[int] = set()
        self._events: list[Event] = []
        self._subscribers: list[queue.SimpleQueue[Event]] = []
        self._next_id = 0
        self._greeting: dict[str, Any] | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._read, name=f"qmp {name}", daemon=True)
        self._thread.start()
        try:
            self._wait(lambda: self._greeting is not None, timeout_s, "its greeting")
            self.execute("qmp_capabilities")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Qmp":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        if threading.current_thread() is not self._thread:
            self._thread.join()
        self._socket.close()

    @property
    def closed(self) -> bool:
        return self._closed

    def execute(self, command: str, timeout_s: float = EXECUTE_TIMEOUT_S, **arguments: Any) -> Any:
        """Runs a command and returns its answer. Argument names: '_' stands for '-'."""
        message: dict[str, Any] = {"execute": command}
        if arguments:
            message["arguments"] = {k.replace("_", "-"): v for k, v in arguments.items()}
        with self._send_lock:
            self._next_id += 1
            ident = message["id"] = self._next_id
            try:
                self._socket.sendall(json.dumps(message).encode() + b"\n")
            except OSError as error:
                raise QmpClosed(f"{self.name}: {command}: the monitor is gone") from error
        try:
            self._wait(lambda: ident in self._answers, timeout_s, f"the answer to {command}")
        except QmpTimeout:
            with self._changed:
                self._abandoned.add(ident)
            raise
        answer = self._answers.pop(ident)
        if "error" in answer:
            raise QmpError(command, answer["error"]["class"], answer["error"]["desc"])
        return answer["return"]

    # ---- events ----

    def subscribe(self, events: "queue.SimpleQueue[Event]") -> None:
        """From now on each event goes into the queue as well; queues may be shared by clients.

        When the connection ends, an event named CLOSED (ours, not QEMU's) is the last one.
        """
        with self._changed:
            self._subscribers.append(events)

    def unsubscribe(self, events: "queue.SimpleQueue[Event]") -> None:
        with self._changed:
            if events in self._subscribers:
                self._subscribers.remove(events)

    def wait_event(self, name: str, timeout_s: float, predicate: Predicate = lambda event: True,
                   since_ns: int = 0) -> Event:
        """The first event of that name, read at `since_ns` or later, that the predicate accepts."""
        found: list[Event] = []

        def seen() -> bool:
            found.extend(e for e in self._events
                         if e.name == name and e.at_ns >= since_ns and predicate(e))
            return bool(found)

        self._wait(seen, timeout_s, f"event {name}")
        return found[0]

    # ---- the reader ----

    def _wait(self, ready: Callable[[], bool], timeout_s: float, what: str) -> None:
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not ready():
                if self._closed:
                    raise QmpClosed(f"{self.name}: gone before {what}")
                left = deadline - time.monotonic()
                if left <= 0:
                    raise QmpTimeout(f"{self.name}: no {what} within {timeout_s:g} s")
                self._changed.wait(left)

    def _read(self) -> None:
        pending = b""
        while True:
            try:
                data = self._socket.recv(65536)
            except OSError:
                data = b""
            at_ns = time.monotonic_ns()
            if not data:
                break
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                if line.strip():
                    self._dispatch(json.loads(line), at_ns)
        with self._changed:
            self._closed = True
            self._publish(Event("CLOSED", {}, time.monotonic_ns(), self))
            self._changed.notify_all()

    def _dispatch(self, message: dict[str, Any], at_ns: int) -> None:
        with self._changed:
            if "event" in message:
                self._publish(Event(message["event"], message.get("data", {}), at_ns, self))
            elif "QMP" in message:
                self._greeting = message["QMP"]
            elif message.get("id") in self._abandoned:
                self._abandoned.discard(message["id"])
            else:
                self._answers[message.get("id", 0)] = message
            self._changed.notify_all()

    def _publish(self, event: Event) -> None:
        self._events.append(event)
        del self._events[:-HISTORY_LIMIT]
        for subscriber in self._subscribers:
            subscriber.put(event)


def _connect(path: Path, timeout_s: float, alive: Callable[[], bool]) -> socket.socket:
    """Connects, retrying while QEMU is not listening yet.

    By way of the directory's descriptor: a UNIX socket's own path may have 107 bytes only.
    """
    deadline = time.monotonic() + timeout_s
    directory = os.open(path.parent, os.O_PATH | os.O_CLOEXEC)
    try:
        while True:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                sock.connect(f"/proc/self/fd/{directory}/{path.name}")
                return sock
            except (FileNotFoundError, ConnectionRefusedError) as error:
                sock.close()
                if not alive():
                    raise QmpClosed(f"{path}: QEMU ended before it listened") from error
                if time.monotonic() > deadline:
                    raise QmpTimeout(f"{path}: nobody listens") from error
                time.sleep(0.005)
    finally:
        os.close(directory)
