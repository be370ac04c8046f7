"""Runs lab-handoff (handoff.c) in a lab of Figure 2: the laptop roams between AP1 and AP2.

    with figure2.Lab() as lab:
        lab.wait_synchronized()
        figures = handoff.measure(lab, moves=1000)      # lab-handoff's JSON
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

from . import netns
from .daemons import program
from .runtime import Lab
from .state import LabError

HOST, PEER = "laptop", "client"
START_S = 30.0
PAUSE_MS = 15                # lab-handoff's own, after a move; then up to that much more


def _command(lab: Lab, moves: int, peer: str, seed: int, details: bool, pause_ms: int,
             flight_ms: float, failures: int, orchestrator: str | None,
             prepare_ms: int, announce: str) -> list[str]:
    dock, host, other = lab.dock(HOST), lab.host(HOST), lab.host(peer)
    at = lab.place(HOST)
    ports = sorted(dock.places, key=lambda place: place.name != at)
    return [program("lab/lab-handoff"), "--air", netns.path_of(lab.netns(dock.node)),
            "--ports", ",".join(place.dock_port for place in ports),
            "--host", netns.path_of(host.netns), "--host-device", host.device,
            "--host-address", host.address, "--host-mac", host.mac,
            "--peer", netns.path_of(other.netns), "--peer-address", other.address,
            "--moves", str(moves), "--seed", str(seed), "--pause-ms", str(pause_ms), "--progress",
            "--flight-us", str(round(flight_ms * 1000)), "--failures", str(failures),
            "--announce", announce,
            *(["--orchestrator", orchestrator, "--prepare-ms", str(prepare_ms)]
              if orchestrator else []), *(["--details"] if details else [])]


def measure(lab: Lab, moves: int, *, peer: str = PEER, seed: int = 1, details: bool = False,
            pause_ms: int = PAUSE_MS, flight_ms: float = 0, failures: int = 3,
            orchestrator: str | None = None, prepare_ms: int = 0, announce: str = "arp",
            progress: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """So many moves; the figures. LabError if nothing flows to begin with. `pause_ms`: what a move
    needs at least to be told everywhere, before the next one; `flight_ms`: the delay lines between
    the two hosts, one way; `failures`: moves that never end, before it gives up; `orchestrator`: a
    datagram socket that is told of moves, and `prepare_ms` before them (handoff.c says how);
    `announce`: by arp, by rarp, or nothing."""
    process = subprocess.Popen(
        _command(lab, moves, peer, seed, details, pause_ms, flight_ms, failures, orchestrator,
                 prepare_ms, announce), text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, start_new_session=True)
    try:
        said = _follow(process, moves, progress)
        assert process.stdout is not None
        text = process.stdout.read()
        process.wait(START_S)    # it has closed its stderr: it ends
    finally:
        process.kill()
        process.wait()
    if not text:
        raise LabError(said or "lab-handoff ended without a result")
    figures = json.loads(text)
    lab.moved(HOST, _place_of(lab, figures["at"]))
    return figures


def _follow(process: subprocess.Popen[str], moves: int, progress: Callable[[str], None]) -> str:
    """Hands on the count of moves; returns the last line that is no count."""
    said = ""
    assert process.stderr is not None
    for line in process.stderr:
        if line.strip().isdigit():
            progress(f"{line.strip()}/{moves} moves")
        else:
            said = line.strip()
    return said


def _place_of(lab: Lab, port: str) -> str:
    return next(place.name for place in lab.dock(HOST).places if place.dock_port == port)
