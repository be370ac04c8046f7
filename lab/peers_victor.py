"""VICTOR itself in the comparison (peers.py): Figure 2, the controller at the centre."""

from __future__ import annotations

from . import figure2, rows
from .peers import ANNOUNCEMENT, OURS, System

ONLINE_S = 30.0
PLACES = ("backplane1", "backplane2", "backplane3", "mgmt-fe1", "mgmt-fe2", "mgmt-fe3", "mgmt-cc")


class Lab(figure2.Lab):
    """`settings`: as the runtime's."""

    def __init__(self, name: str, delay_ms: float = 0, **settings: object) -> None:
        delays = {link: delay_ms / 2 for link in PLACES} if delay_ms else {}
        super().__init__(name, delays=delays, **settings)

    def up(self) -> None:
        super().up()
        self.wait_synchronized(ONLINE_S)


SYSTEMS = (System("victor", OURS, ANNOUNCEMENT, rows.version, Lab, rank=0),)
