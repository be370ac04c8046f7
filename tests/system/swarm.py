"""A controller on loopback, and many elements of one process (lab/fe_swarm.c) at it."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import labs
import yaml
from lab.daemons import program
from lab.rest import Rest

FIRST = 1000


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Controller:
    """victor-controller with its state in a directory; it may be killed and started at will."""

    def __init__(self, directory: Path, **settings: Any) -> None:
        self.directory, self.port = directory, free_port()
        self.state = directory / "state"
        self.socket = directory / "controller.sock"
        self.config, self.log = directory / "controller.yaml", directory / "controller.log"
        self.config.write_text(yaml.safe_dump({
            "southbound": [f"tcp:127.0.0.1:{self.port}"], "northbound": [f"unix:{self.socket}"],
            "state": str(self.state), "admission": "open",
            "prefixes": [{"prefix": "10.128.0.0/16", "mobile": True, "gateway": "10.128.0.1"}],
            **settings}))
        self.rest = Rest(str(self.socket))
        self.child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.socket.unlink(missing_ok=True)
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(
                [program("controller/io/victor-controller"), "--config", str(self.config)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        labs.eventually("the controller's socket", lambda: self.ended() or self.socket.exists())
        assert not self.ended(), self.said()

    def ended(self) -> bool:
        return self.child is None or self.child.poll() is not None

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def kill(self) -> None:
        assert self.child
        self.child.kill()
        self.child.wait()
        self.rest.close()

    def stop(self) -> None:
        if self.child and self.child.poll() is None:
            self.child.terminate()
            assert self.child.wait(labs.TIMEOUT_S) == 0, self.said()
        self.rest.close()
        assert not labs.SANITIZER.search(self.said()), self.said()

    def memory_kib(self) -> int:
        assert self.child
        status = Path(f"/proc/{self.child.pid}/status").read_text()
        return int(next(x for x in status.splitlines() if x.startswith("VmRSS")).split()[1])


class Swarm:
    def __init__(self, controller: Controller, count: int, first: int = FIRST) -> None:
        self.count, self.first = count, first
        self._child = subprocess.Popen(
            [program("lab/fe-swarm"), "127.0.0.1", str(controller.port), str(count), str(first)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words: object) -> dict[str, Any]:
        assert self._child.stdin and self._child.stdout
        self._child.stdin.write(" ".join(map(str, words)) + "\n")
        self._child.stdin.flush()
        answer = json.loads(self._child.stdout.readline())
        assert "error" not in answer, (words, answer)
        return answer

    def stats(self) -> dict[str, int]:
        return self.ask("stats")

    def wait_complete(self, count: int | None = None, timeout_s: float = 60.0) -> float:
        """Until so many are synchronised; how long that took."""
        begun = time.monotonic()
        labs.eventually("elements synchronised", lambda: self.stats()["complete"] >= (
            self.count if count is None else count), timeout_s)
        return time.monotonic() - begun

    def announce(self, element: int, address: str) -> None:
        self.ask("announce", self.first + element, address)

    def wait_at(self, element: int, address: str, elsewhere: int, timeout_s: float = 20.0) -> None:
        """Until the address is local there alone, and so many others send to there."""
        fe = self.first + element

        def ready() -> bool:
            where = self.ask("where", address)
            return (where["local"], where["at"]) == (1, fe) and where["foreign"] >= elsewhere

        labs.eventually(f"{address} at {fe}: {self.ask('where', address)}", ready, timeout_s)

    def move(self, element: int, address: str, elsewhere: int) -> None:
        """Announced again each second, as hosts do: a claim that comes before the barrier's reply is
        asked about, and nobody answers here."""
        for _ in range(20):
            self.announce(element, address)
            try:
                self.wait_at(element, address, elsewhere, 1.0)
                return
            except TimeoutError:
                continue
        self.wait_at(element, address, elsewhere, 0.0)

    def close(self) -> None:
        assert self._child.stdin
        self._child.stdin.close()
        assert self._child.wait(labs.TIMEOUT_S) == 0


@contextmanager
def running(directory: Path, count: int, **settings: Any) -> Iterator[tuple[Controller, Swarm]]:
    controller = Controller(directory, **settings)
    controller.start()
    elements = Swarm(controller, count)
    try:
        elements.wait_complete()
        yield controller, elements
        elements.close()
        controller.stop()
    finally:
        for child in (elements._child, controller.child):
            if child and child.poll() is None:
                child.kill()
                child.wait()
