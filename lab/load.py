"""A controller alone on one core, and fe-load's elements (lab/fe_load.c) on another."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import daemons

FIRST_CORE = 0
FIRST_ADDRESS = 1024    # lab/load.h
START_TIMEOUT_S = 300.0    # with a million nodes in the store, on a busy machine
HZ = os.sysconf("SC_CLK_TCK")


class LoadError(Exception):
    """What was asked for did not happen in time; the text is one line."""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def pinned(core: int, command: list[str]) -> list[str]:
    return ["taskset", "-c", str(core % (os.cpu_count() or 1)), *command]


def status_kib(pid: int, field: str) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in text.splitlines() if line.startswith(field + ":")).split()[1])


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / HZ


def address(node: int) -> bytes:
    return (0x0a000000 + FIRST_ADDRESS + node).to_bytes(4, "big")


class Pair:
    """The controller and the generator; a context manager."""

    def __init__(self, nodes: int) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="victor-load-")
        self.directory = Path(self._directory.name)
        self.port = free_port()
        self.config = self.directory / "controller.yaml"
        self.config.write_text(daemons.yaml({
            "southbound": [f"tcp:127.0.0.1:{self.port}"],
            "northbound": [f"unix:{self.directory}/controller.sock"],
            "insecure": True, "state": str(self.directory / "state"), "admission": "open",
            "prefixes": [{"prefix": "10.0.0.0/8", "mobile": True, "gateway": "10.0.0.1"}]}))
        self.start_controller()
        self.generator = subprocess.Popen(
            pinned(FIRST_CORE + 1, [daemons.program("lab/fe-load"), "127.0.0.1", str(self.port),
                                    str(nodes)]),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def start_controller(self) -> None:
        log = self.directory / "controller.log"
        ready = self.directory / "controller.sock"
        ready.unlink(missing_ok=True)
        with log.open("ab") as out:
            self.controller = subprocess.Popen(
                pinned(FIRST_CORE, [daemons.program("controller/io/victor-controller"),
                                    "--config", str(self.config)]),
                stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        end = time.monotonic() + START_TIMEOUT_S
        while not ready.exists():
            if self.controller.poll() is not None or time.monotonic() > end:
                raise LoadError(f"the controller did not start: {log.read_text()[-300:]}")
            time.sleep(0.005)

    def declare_nodes(self, count: int) -> None:
        """As if people had put them by REST, which would take a while; the controller is stopped."""
        with sqlite3.connect(self.directory / "state" / "controller.db") as db:
            db.executemany(
                "INSERT INTO nodes (id, vrf, mac, addresses, mobile, elements) "
                "VALUES (?, 0, ?, ?, 1, '')",
                ((f"vm-{i}", "52:54:" + ":".join(f"{x:02x}" for x in address(i)),
                  ".".join(map(str, address(i)))) for i in range(count)))
        db.close()

    def stop_controller(self) -> None:
        self.controller.send_signal(signal.SIGTERM)
        self.controller.wait()

    def ask(self, *words: object, say: Callable[[str], None] | None = None) -> dict[str, Any]:
        """A command's answer; 'say' hears how far it is, where that takes long."""
        assert self.generator.stdin and self.generator.stdout
        self.generator.stdin.write(" ".join(map(str, words)) + "\n")
        self.generator.stdin.flush()
        answer: dict[str, Any] = json.loads(self.generator.stdout.readline() or "{}")
        while "complete" in answer:
            if say:
                say(f"{answer['complete']} of {answer['of']} elements in step")
            answer = json.loads(self.generator.stdout.readline() or "{}")
        if not answer.get("done"):
            raise LoadError(f"{' '.join(map(str, words))}: {str(answer or 'fe-load ended'):.100}")
        return answer

    def rss_kib(self) -> int:
        return status_kib(self.controller.pid, "VmRSS")

    def cpu_s(self) -> float:
        return cpu_s(self.controller.pid)

    def __enter__(self) -> "Pair":
        return self

    def __exit__(self, *_: object) -> None:
        for process in (self.generator, self.controller):
            if process.poll() is None:
                process.kill()
            process.wait()
        self._directory.cleanup()
