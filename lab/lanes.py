"""bench-lanes (bench/src/lanes.c): frames from a generator by a way that is measured to a sink, for
several ways in turn; processes of others' ways, in its network namespace.
"""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

from .daemons import program

AWAY_FD = 100        # as in bench/src/lanes_internal.h
FULL = 0.99          # of the frames have to arrive by a way that loses none
WARM_TIMEOUT_S = 20.0    # a new device takes a second until it sends
THREAD_TIMEOUT_S = 5.0


class LanesError(Exception):
    """A way did not do what it is for; the text is one line."""


class Lanes:
    """The process; a context manager.  Its namespaces end with it."""

    def __init__(self, family: int, limit: int) -> None:
        self.family = family
        self.process = subprocess.Popen([program("bench/src/bench-lanes"), str(family), str(limit)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> "Lanes":
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin
        try:
            self.process.stdin.close()
            self.process.wait(60)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            self.process.kill()
            self.process.wait()

    def ask(self, *words: object) -> dict[str, Any]:
        assert self.process.stdin and self.process.stdout
        try:
            self.process.stdin.write(" ".join(map(str, words)) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        line = self.process.stdout.readline()
        if not line:
            raise LanesError(f"bench-lanes ended at: {' '.join(map(str, words))}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def inside(self, *command: str) -> list[str]:
        """The command, to be run in its network namespace, with the sysfs of that."""
        return ["nsenter", f"--target={self.process.pid}", "--net", "--mount", "--wd=/", *command]

    def away(self, *command: str) -> list[str]:
        """The command, to be run in the network namespace of the peers' devices, with that's sysfs."""
        return ["nsenter", f"--net=/proc/{self.process.pid}/fd/{AWAY_FD}", "unshare", "--mount", "sh",
                "-c", 'mount -t sysfs sysfs /sys && exec "$@"', "sh", *command]

    def run(self, *command: str) -> str:
        done = subprocess.run(self.inside(*command), text=True, capture_output=True)
        if done.returncode != 0:
            raise LanesError(f"{' '.join(command)}: {done.stderr.strip()[-300:]}")
        return done.stdout

    # ---- measurements ----

    def lockstep(self, lane: str, case: str, spread: int, ms: int, pids: list[int] | None = None,
                 core: int = 0) -> dict[str, Any]:
        """'ns': CPU time of generator, way and sink a frame; 'carried': the part that arrived."""
        found = self.ask("measure", lane, case, spread, "lockstep", core, ms, *(pids or []))
        frames = found["sent"] if case == "drop" else found["received"]
        found["carried"] = found["received"] / max(found["sent"], 1)
        found["ns"] = (found["generator_ns"] + found["others_ns"]) / max(frames, 1)
        return found

    def free(self, lane: str, spread: int, ms: int, pids: list[int]) -> dict[str, Any]:
        """The generator on the first core, the way (pids) on the second: 'ns' is the second core's
        CPU time for each frame that arrives."""
        found = self.ask("measure", lane, "local", spread, "free", 0, ms, *pids)
        found["ns"] = found["others_ns"] / max(found["received"], 1)
        return found

    def cores(self, lane: str, spread: int, ms: int, cores: str) -> dict[str, Any]:
        """In lockstep on these, each with a generator."""
        return self.ask("measure", lane, "local", spread, "lockstep", cores, ms)

    def warm(self, lane: str, case: str, spread: int, ms: int, pids: list[int] | None = None) -> None:
        """Until the way carries all."""
        end = time.monotonic() + WARM_TIMEOUT_S
        while True:
            found = self.lockstep(lane, case, spread, ms, pids)
            if case == "drop" or found["carried"] > FULL:
                return
            if time.monotonic() > end:
                break
        raise LanesError(f"{lane} carries {found['received']} of {found['sent']} frames, {case}")

    # ---- the kernel's way on another core ----

    def thread(self, device: str, core: int) -> list[int]:
        """The device's receiving becomes threads on that core; their process ids. They have precedence
        over everything else there, as the generator has (bench/src/lanes_run.c)."""
        before = set(_threads(device))
        self._threaded(device, 1)
        end = time.monotonic() + THREAD_TIMEOUT_S
        while not (made := set(_threads(device)) - before):
            if time.monotonic() > end:
                raise LanesError(f"{device}: no NAPI threads")
            time.sleep(0.01)
        for pid in made:
            subprocess.run(["taskset", "-pc", str(core), str(pid)], check=True,
                           stdout=subprocess.DEVNULL)
            subprocess.run(["chrt", "-f", "-p", "1", str(pid)], stderr=subprocess.DEVNULL)
        return sorted(made)

    def unthread(self, device: str) -> None:
        self._threaded(device, 0)

    def _threaded(self, device: str, on: int) -> None:
        self.run("sh", "-c", f"echo {on} > /sys/class/net/{device}/threaded")


def _threads(device: str) -> list[int]:
    """Kernel threads of devices of this name, in whatever namespace."""
    found = []
    for path in Path("/proc").iterdir():
        try:
            if path.name.isdigit() and \
                    (path / "comm").read_text().startswith(f"napi/{device}-"[:15]):
                found.append(int(path.name))
        except OSError:
            pass
    return found
