"""The lab itself: nothing is left behind, however it ends. No topology but the lab's own."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import labs
import pytest
from lab import netns

ROOT = Path(__file__).resolve().parents[2]
COMMAND = ["/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable,
           str(ROOT / "lab" / "lab")]
INSTANCE = f"l{os.getpid()}"
RUN = Path("/run/victor-lab")
TIMEOUT_S = 30.0


def lab(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, "--instance", INSTANCE, *words], text=True, timeout=TIMEOUT_S,
                          capture_output=True, stdin=subprocess.DEVNULL)


def traces() -> list[str]:
    """All that is left of the lab: namespaces, processes, mounts, files."""
    left = netns.existing(f"vl-{INSTANCE}-")
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and int(path.name) != os.getpid():
            try:
                words = (path / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if f"/{INSTANCE}/" in words or f"{INSTANCE}\0" in words:
                left.append(f"process {path.name}: {words}".replace("\0", " "))
    left += [line for line in Path("/proc/mounts").read_text().splitlines() if INSTANCE in line]
    if RUN.exists():
        left += [str(path) for path in RUN.rglob(f"*{INSTANCE}*")]
    return left


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    assert traces() == []
    yield
    left = traces()
    lab("down")
    assert left == []


@pytest.mark.parametrize("topology", ["figure2", "figure1"])
def test_a_lab_comes_up_and_goes_without_a_trace(topology: str) -> None:
    up = lab("up", topology)
    assert up.returncode == 0, up.stderr
    assert "synchronized" in up.stderr, "the progress is told"
    status = lab("status")
    assert status.returncode == 0 and topology in status.stdout
    assert status.stdout.count(" running ") == (5 if topology == "figure1" else 4)
    assert traces() != []
    down = lab("down")
    assert down.returncode == 0, down.stderr


def test_a_lab_of_another_process_can_be_worked_with() -> None:
    assert lab("up").returncode == 0
    moved = lab("move", "laptop", "ap2")
    assert moved.returncode == 0 and "ap2" in moved.stdout, moved.stderr
    server = lab("server")
    assert server.returncode == 0
    shell = lab("shell", "client", "ping", "-n", "-c1", "-W5", "10.10.0.36")
    assert "1 received" in shell.stdout, shell.stdout + shell.stderr
    second = lab("up")
    assert second.returncode == 1 and len(second.stderr.splitlines()) == 1, second.stderr
    assert "down" in second.stderr, "it says what to do"
    assert lab("down").returncode == 0


def test_a_lab_whose_daemons_were_killed_goes_without_a_trace() -> None:
    assert lab("up").returncode == 0
    for name in netns.existing(f"vl-{INSTANCE}-fe"):
        for pid in netns.members([name]):
            os.kill(pid, signal.SIGKILL)
    down = lab("down")
    assert down.returncode == 0, down.stderr


def test_down_without_a_lab_says_so() -> None:
    done = lab("down")
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert "lab up" in done.stderr


MOMENTS = [0.0, 0.15, 0.3, 0.45, 0.7, 1.0, 1.5]


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda s: f"{s:g} s")
def test_ctrl_c_while_it_comes_up_leaves_nothing(moment: float) -> None:
    """The moments are spread over the start by chance too, so that each run tries others."""
    process = subprocess.Popen([*COMMAND, "--instance", INSTANCE, "up"], text=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, start_new_session=True)
    labs.eventually("the lab's claim of its name, or its end", lambda: process.poll() is not None
                    or (RUN / f"{INSTANCE}.json").exists())
    time.sleep(moment + random.uniform(0, 0.1))    # not a wait for anything: the moment is the test
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=TIMEOUT_S)
    if process.returncode == 0:
        assert lab("down").returncode == 0    # it was up already
        return
    assert process.returncode == 130, said
    assert "Traceback" not in said
