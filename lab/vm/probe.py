"""Probes that run as children in a network namespace: pings, and the test client.

`Ping` reads ping(8) line by line, so that a wait for "an answer again" needs no sleep, and counts
what is missing between the first answer and the last. `ClientProcess` drives client.py over its
stdin and stdout. Both end with their context. Uses netns.py.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from . import netns

ROOT = Path(__file__).parents[2]
PYTHON = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
TIMEOUT_S = 15.0


class ProbeError(Exception):
    """A probe did not start, or did not see what it waited for."""


class _Child:
    """A child process whose output lines a thread hands to `_line`."""

    def __init__(self, namespace: str | None, command: list[str], name: str,
                 **options: Any) -> None:
        self.name = name
        self._changed = threading.Condition()
        self._ended = False
        self._process = subprocess.Popen(netns.enter(namespace, command), text=True,
                                         stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                         start_new_session=True, **options)
        self._thread = threading.Thread(target=self._read, name=name, daemon=True)
        self._thread.start()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.kill()

    def kill(self) -> None:
        """Ends the child without waiting for what it has to say."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._thread.join()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def _line(self, line: str, at_ns: int) -> None:
        raise NotImplementedError

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            at_ns = time.monotonic_ns()
            with self._changed:
                self._line(line, at_ns)
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _wait(self, ready: Callable[[], bool], timeout_s: float, what: str) -> None:
        with self._changed:
            self._changed.wait_for(lambda: ready() or self._ended, timeout_s)
            if ready():
                return
            ended = self._ended
        if not ended:
            raise ProbeError(f"{self.name}: no {what} within {timeout_s:g} s")
        assert self._process.stderr is not None
        said = self._process.stderr.read().strip().splitlines() or [""]
        raise ProbeError(f"{self.name}: ended before {what}: {said[-1]}")


class Ping(_Child):
    """ICMP echo at an interval, counted by sequence numbers."""

    _ANSWER = re.compile(r"icmp_seq=(\d+) .*time=")

    def __init__(self, namespace: str | None, address: str, interval_ms: float = 10.0) -> None:
        self._answered: dict[int, int] = {}
        super().__init__(namespace, ["ping", "-n", "-O", "-i", f"{interval_ms / 1000:g}", address],
                         f"ping {address}", stdin=subprocess.DEVNULL)

    def _line(self, line: str, at_ns: int) -> None:
        match = self._ANSWER.search(line)
        if match:
            self._answered[int(match.group(1))] = at_ns

    def wait_answers(self, count: int, since_ns: int = 0, timeout_s: float = TIMEOUT_S) -> None:
        """Until so many answers came at or after a time."""
        self._wait(lambda: sum(at >= since_ns for at in self._answered.values()) >= count,
                   timeout_s, f"{count} answers")

    def stop(self) -> int:
        """Ends it; the number of pings lost between the first answer and the last."""
        self._process.send_signal(signal.SIGINT)
        self._wait(lambda: self._ended, TIMEOUT_S, "end")
        first, last = min(self._answered), max(self._answered)
        return last - first + 1 - len(self._answered)


class ClientProcess(_Child):
    """client.py as a child."""

    def __init__(self, namespace: str | None, address: str, interval_us: int = 2000,
                 probe_ms: float = 10.0) -> None:
        self._connected = False
        self._windows: dict[str, dict[str, Any]] = {}
        self._result: dict[str, Any] | None = None
        super().__init__(namespace, [PYTHON, "-m", "lab.vm.client", address,
                                     "--interval-us", str(interval_us),
                                     "--probe-ms", f"{probe_ms:g}"],
                         f"client of {address}", stdin=subprocess.PIPE, cwd=ROOT)

    def _line(self, line: str, at_ns: int) -> None:
        message = json.loads(line)
        if "window" in message:
            self._windows[message["window"]["name"]] = message["window"]
        self._connected = self._connected or "connected" in message
        self._result = message.get("result", self._result)

    def wait_connected(self, timeout_s: float = TIMEOUT_S) -> None:
        """Until the stream flows."""
        self._wait(lambda: self._connected, timeout_s, "stream")

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass    # it ended: the wait that follows says why

    def mark(self, name: str, timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
        """Ends a window; its figures (client.Window), once its probes are answered or lost."""
        self._say(f"mark {name}")
        self._wait(lambda: name in self._windows, timeout_s, f"window {name}")
        return self._windows[name]

    def finish(self, timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
        """Ends the client; its result, the stream's and the idle connection's fate in it."""
        self._say("quit")
        self._wait(lambda: self._result is not None, timeout_s, "result")
        assert self._result is not None
        return self._result
