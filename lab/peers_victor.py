"""VICTOR itself in the comparison (peers.py): Figure 2, the controller at the centre."""

from __future__ import annotations

from functools import partial
from typing import Any

from . import figure2, rows
from .peers import ANNOUNCEMENT, OURS, System

ONLINE_S = 30.0
PLACES = ("backplane1", "backplane2", "backplane3", "mgmt-fe1", "mgmt-fe2", "mgmt-fe3", "mgmt-cc")


def delays(delay_ms: float, near: bool) -> dict[str, float]:
    """`near`: the controller is at FE1's site; else at the centre."""
    if not delay_ms:
        return {}
    found = dict.fromkeys(PLACES, delay_ms / 2)
    if near:
        del found["mgmt-fe1"], found["mgmt-cc"]
        found["mgmt-fe2"] = found["mgmt-fe3"] = delay_ms
    return found


class Lab(figure2.Lab):
    """`settings`: as the runtime's."""

    def __init__(self, name: str, delay_ms: float = 0, *, near: bool = False,
                 **settings: Any) -> None:
        super().__init__(name, delays=delays(delay_ms, near), **settings)

    def up(self) -> None:
        super().up()
        self.wait_synchronized(ONLINE_S)


SYSTEMS = (
    System("victor", OURS, ANNOUNCEMENT, rows.version, Lab, rank=0),
    System("victor-near", f"{OURS}, controller at the client's site", ANNOUNCEMENT, rows.version,
           partial(Lab, near=True), by_default=False, rank=4),
)
