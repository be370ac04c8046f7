"""Tells a control plane of a station's moves by messages that are made beforehand: lab-handoff says
the word, lab-orchestrator (orchestrator.c) writes them.

    words = [Message("moved", "ap2", 0, lab.run_dir / "controller.sock", b"POST ..."), ...]
    orchestrator.start(lab, words)
    handoff.measure(lab, moves, orchestrator=orchestrator.socket_of(lab), ...)
    lab.daemons[orchestrator.NAME].log.read_text()      # what the control plane answered
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

from .daemons import DaemonError, program
from .runtime import Lab

NAME = "orchestrator"
START_S, POLL_S = 10.0, 0.01


class Message(NamedTuple):
    word: str         # "moved" or "prepare"
    port: str         # the dock's, that the station moves to
    delay_ms: int     # after the word
    socket: Path
    bytes: bytes


def socket_of(lab: Lab) -> str:
    return str(lab.run_dir / f"{NAME}.sock")


def start(lab: Lab, messages: list[Message]) -> None:
    """It ends with the lab. What the messages are for must be listening."""
    steps = []
    for number, message in enumerate(messages):
        path = lab.run_dir / f"{NAME}-{number}"
        path.write_bytes(message.bytes)
        steps.append(f"{message.word},{message.port},{message.delay_ms},{message.socket},{path}")
    daemon = lab.add_daemon(NAME, lab.topology.controller, lambda: [
        program("lab/lab-orchestrator"), socket_of(lab), *steps])
    daemon.start()
    deadline = time.monotonic() + START_S
    while not Path(socket_of(lab)).exists():
        if not daemon.running or time.monotonic() > deadline:
            raise DaemonError(f"{NAME}: {daemon.said()}")
        time.sleep(POLL_S)
