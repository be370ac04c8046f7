"""Beside VICTOR's controller (bench/controller --peers): os-ken under the same load, and how long
BIRD takes to tell host routes to a second and a third router.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from . import load

APPLICATION = Path(__file__).resolve().parent / "osken_load.py"
OSKEN, BIRD = "osken-manager", "bird"
WAIT_S = 120.0


class OskenPair(load.Pair):
    """fe-load's elements at os-ken, on one core as VICTOR's controller is."""

    def start_controller(self) -> None:
        with (self.directory / "controller.log").open("ab") as out:
            self.controller = subprocess.Popen(
                load.pinned(load.FIRST_CORE, [
                    "env", "PYTHONDONTWRITEBYTECODE=1", OSKEN, "--ofp-tcp-listen-port",
                    str(self.port), "--nouse-stderr", str(APPLICATION)]),
                stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        end = time.monotonic() + load.START_TIMEOUT_S
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            if self.controller.poll() is not None or time.monotonic() > end:
                raise load.LoadError("os-ken did not start")
            time.sleep(0.1)


def osken_version() -> str:
    said = subprocess.run([OSKEN, "--version"], text=True, check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT).stdout
    found = re.search(r"\d+\.\d+\.\d+", said)
    return found.group() if found else "?"


def bird_version() -> str:
    said = subprocess.run([BIRD, "--version"], text=True, check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT).stdout
    return said.split()[-1]


CONFIG = """log stderr all;
router id 10.255.0.{i};
protocol device {{ }}
protocol kernel {{ ipv4 {{ import none; export where source = RTS_BGP; }}; }}
template bgp peer {{
  local as 6500{i}; connect delay time 1; ipv4 {{ next hop self; import all; export all; }};
}}
"""
PEER = "protocol bgp to{j} from peer {{ local {mine}; neighbor {theirs} as 6500{j}; }}\n"
ROUTES = "protocol static hosts {{ disabled; ipv4;\ninclude \"{path}\";\n}}\n"
# the three are a chain: 1 - 2 - 3; of each link both ends
LINKS = {(1, 2): ("10.254.1.1", "10.254.1.2"), (2, 3): ("10.254.2.1", "10.254.2.2")}


def run(*command: str) -> str:
    return subprocess.run(command, text=True, check=True, stdout=subprocess.PIPE).stdout


class Routers:
    """Three namespaces in a chain, with BIRD in each; the first can have so many host routes."""

    kind = "BIRD"

    def __init__(self, routes: int) -> None:
        self.routes = routes
        self.names = {i: f"victor-r{os.getpid()}-{i}" for i in (1, 2, 3)}
        self.daemons: dict[int, subprocess.Popen[bytes]] = {}
        self.directory = tempfile.TemporaryDirectory(prefix="victor-routers-")

    def path(self, name: str) -> Path:
        return Path(self.directory.name) / name

    def up(self) -> None:
        for name in self.names.values():
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        for (a, b), addresses in LINKS.items():
            run("ip", "-n", self.names[a], "link", "add", f"to{b}", "type", "veth", "peer",
                f"to{a}", "netns", self.names[b])
            for i, port, address in ((a, f"to{b}", addresses[0]), (b, f"to{a}", addresses[1])):
                run("ip", "-n", self.names[i], "address", "add", f"{address}/24", "dev", port)
                run("ip", "-n", self.names[i], "link", "set", port, "up")
        self.start()
        for i in (1, 3):
            self.wait(lambda i=i: self.is_established(i))

    def start(self) -> None:
        self.path("hosts").write_text("".join(
            f"route 10.{n >> 16}.{n >> 8 & 255}.{n & 255}/32 blackhole;\n"
            for n in range(self.routes)))
        for i, name in self.names.items():
            config = CONFIG.format(i=i) + (ROUTES.format(path=self.path("hosts")) if i == 1 else "")
            for ends, addresses in LINKS.items():
                if i in ends:
                    at = ends.index(i)
                    config += PEER.format(j=ends[1 - at], mine=addresses[at],
                                          theirs=addresses[1 - at])
            self.path(f"{i}.conf").write_text(config)
            with self.path(f"{i}.log").open("wb") as log:
                self.daemons[i] = subprocess.Popen(
                    ["ip", "netns", "exec", name, BIRD, "-f", "-c", str(self.path(f"{i}.conf")),
                     "-s", str(self.path(f"{i}.ctl"))], stderr=log, stdout=log)

    def is_established(self, i: int) -> bool:
        """Its session with the second router, who has one with each."""
        return "Established" in self.ask(i, "show", "protocols", "to2")

    def tell(self, hosts: bool) -> None:
        """The first router's host routes are to be told, or withdrawn."""
        self.ask(1, "enable" if hosts else "disable", "hosts")

    def ask(self, i: int, *words: str) -> str:
        return subprocess.run(["birdc", "-s", str(self.path(f"{i}.ctl")), *words], text=True,
                              check=False, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT).stdout

    def wait(self, ready: Callable[[], bool], step_s: float = 0.05) -> None:
        end = time.monotonic() + WAIT_S
        while not ready():
            if time.monotonic() > end or any(d.poll() is not None for d in self.all_daemons()):
                raise load.LoadError(f"{self.kind}: ended, or not in time")
            time.sleep(step_s)

    def in_kernel(self, i: int) -> int:
        """Routes that the router's kernel has; cheap enough to ask often."""
        text = Path(f"/proc/{self.daemons[i].pid}/net/fib_triestat").read_text()
        return int(next(line for line in text.splitlines() if "Prefixes" in line).split()[-1])

    def propagate(self) -> dict[int, float]:
        """Seconds until the second and the third router's kernels have them all."""
        begun, found = time.monotonic(), {}
        self.tell(True)
        for i in (2, 3):
            self.wait(lambda i=i: self.in_kernel(i) >= self.routes, 0.01)
            found[i] = time.monotonic() - begun
        return found

    def withdraw(self) -> None:
        self.tell(False)
        for i in (2, 3):
            self.wait(lambda i=i: self.in_kernel(i) < 100)

    def cpu_s(self) -> float:
        return sum(load.cpu_s(daemon.pid) for daemon in self.all_daemons())

    def all_daemons(self) -> list[subprocess.Popen[bytes]]:
        return list(self.daemons.values())

    def down(self) -> None:
        for daemon in self.all_daemons():
            daemon.terminate()
            daemon.wait()
        for name in self.names.values():
            subprocess.run(["ip", "netns", "del", name], check=False, stderr=subprocess.DEVNULL)
        self.directory.cleanup()


@contextmanager
def routers(routes: int, kind: type[Routers] = Routers) -> Iterator[Routers]:
    made = kind(routes)
    try:
        made.up()
        yield made
    finally:
        made.down()
