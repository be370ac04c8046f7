"""A router on DPDK (bench/src/dpdk_router.c) as a way of bench/forward's (lab/forward_ways.py), by
the drivers that a veth can have. It is compiled here, since nothing else needs DPDK.

    dxi → dxo    net_af_xdp: AF_XDP sockets
    dpi → dpo    net_af_packet: AF_PACKET rings
"""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .lanes import Lanes, LanesError

PACKAGES = ("libdpdk-dev", "gcc", "pkg-config")
SOURCE = Path(__file__).resolve().parent.parent / "bench/src/dpdk_router.c"
HUGE = Path("/proc/sys/vm/nr_hugepages")
HUGE_PAGES = 640       # of 2 MiB
MEMORY_MB = 1152
LANES = {"dx": "net_af_xdp", "dp": "net_af_packet"}
DRIVERS = {"net_af_xdp": "iface={device},start_queue=0,queue_count=1",
           "net_af_packet": "iface={device},qpairs=1,framesz=2048,blocksz=4096,framecnt=2048"}
STOP_TIMEOUT_S = 10.0


def version() -> str:
    return subprocess.run(["pkg-config", "--modversion", "libdpdk"], text=True, check=True,
                          stdout=subprocess.PIPE).stdout.strip()


def compiled(directory: Path) -> Path:
    """The program, made in that directory."""
    made = directory / "dpdk-router"
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libdpdk"], text=True, check=True,
                           stdout=subprocess.PIPE).stdout
    subprocess.run(["cc", "-O3", "-o", str(made), str(SOURCE), *shlex.split(flags)], check=True)
    return made


@contextmanager
def huge_pages() -> Iterator[bool]:
    """Whether there are as many as it needs; those that were reserved for it go again."""
    before = HUGE.read_text()
    HUGE.write_text(str(int(before) + HUGE_PAGES))
    try:
        yield int(HUGE.read_text()) == int(before) + HUGE_PAGES
    finally:
        HUGE.write_text(before)


class Router:
    """The process in the peers' namespace; a context manager. It polls only during its turns."""

    def __init__(self, lanes: Lanes, directory: Path, capacity: int, huge: bool) -> None:
        words = ["--lcores=0@0,1@1", "--in-memory" if huge else "--no-huge", "--no-pci",
                 "--no-telemetry", "--no-shconf", "--iova-mode=va", "--log-level=*:error",
                 "-m", str(MEMORY_MB)]
        for lane, driver in LANES.items():
            for i, end in enumerate("io"):
                number = 2 * list(LANES).index(lane) + i
                words.append(f"--vdev={driver}{number}," +
                             DRIVERS[driver].format(device=lane + end))
        with (directory / "dpdk.log").open("ab") as log:
            self.process = subprocess.Popen(
                lanes.away(str(compiled(directory)), *words, "--", str(capacity)), text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        self.log = directory / "dpdk.log"
        self.packets = self.bursts = self.busy_ns = 0
        self._until("ready")

    def __enter__(self) -> "Router":
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin
        try:
            self.process.stdin.close()
            self.process.wait(STOP_TIMEOUT_S)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            self.process.kill()
            self.process.wait()

    def _until(self, word: str) -> None:
        assert self.process.stdout
        while (line := self.process.stdout.readline()) and line.strip() != word:
            pass
        if not line:
            raise LanesError(f"DPDK: {self.log.read_text().strip()[-300:] or 'it ended'}")

    def ask(self, *words: object) -> str:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline().strip()
        if not line:
            raise LanesError(f"DPDK ended at {words[0]}: {self.log.read_text().strip()[-300:]}")
        return line

    @property
    def pid(self) -> int:
        return self.process.pid

    def grow(self, count: int) -> float:
        """Routes to so many destinations; the seconds that it took."""
        begin = time.monotonic()
        self.ask("grow", count)
        return time.monotonic() - begin

    @contextmanager
    def turn(self, table: str, lane: str) -> Iterator[None]:
        """The lane is forwarded, by a core that never waits."""
        port = 2 * list(LANES).index(lane)
        self.ask("run", table, port, port + 1)
        try:
            yield
        finally:
            self.packets, self.bursts, self.busy_ns = map(int, self.ask("stop").split())

    def busy(self) -> float:
        """Nanoseconds a packet in the last turn, of the bursts that found any."""
        return self.busy_ns / max(self.packets, 1)
