"""In the comparison (peers.py): VICTOR with Open vSwitch as all three elements, and VICTOR told by an
orchestrator.

Told by an orchestrator, VICTOR hears of a move by a REST call, POST /v1/nodes/laptop/move, and once
it has answered by another that confirms it. The station announces nothing then, and what it sends
counts for nothing: its prefix is one of signed registrations, and the station signs none.
"""

from __future__ import annotations

import json
import re
from functools import partial
from typing import Any

from . import handoff, orchestrator, rows
from .orchestrator import Message
from .peers import ANNOUNCEMENT, ORCHESTRATOR, OURS, System
from .peers_victor import Lab as FlatLab
from .peers_victor import RoutedLab
from .runtime import Lab as RuntimeLab
from .state import LabError
from .switches import SWITCHES
from .topology import Place

SWITCHED, PACKAGES = "VICTOR with Open vSwitch", ("openvswitch-switch",)
SWITCH_PAUSE_MS = 60    # an Open vSwitch is left alone for 50 ms after each change
CONFIRM_MS = 5
ERROR = re.compile(r'"error":"([^"]*)"')
# Of a move that is to be confirmed: what the station sent at its new place has done it already.
HARMLESS = "no move is under way"


def switched(name: str, delay_ms: float) -> RoutedLab:
    return RoutedLab(name, delay_ms, ovs=SWITCHES)


def version() -> str:
    return f"{rows.version()}, Open vSwitch {rows.ovs_version()}"


# ---- VICTOR, told ----

class Told(RuntimeLab):
    """Whose laptop is moved by REST alone."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        for prefix in self.topology.prefixes:
            if prefix.get("mobile"):
                prefix["registration"] = "signed"

    def up(self) -> None:
        """Who does not sign is attached by hand."""
        super().up()
        self.tell(self.dock(handoff.HOST).place(str(self.place(handoff.HOST))))

    def wait_synchronized(self, timeout_s: float = 0, **_: Any) -> None:
        super().wait_synchronized(timeout_s, announce=False)

    def tell(self, place: Place) -> None:
        self.rest.prepare_move(handoff.HOST, place.element, place.port)
        self.rest.confirm_move(handoff.HOST)


class ToldLab(Told, FlatLab):
    """With victor-fe."""


class ToldSwitchesLab(Told, RoutedLab):
    """With Open vSwitches, in their lab."""


def request(path: str, body: Any = None) -> bytes:
    text = "" if body is None else json.dumps(body)
    return (f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(text)}\r\n\r\n{text}").encode()


def measure_told(lab: Told, moves: int, **settings: Any) -> dict[str, Any]:
    socket = lab.run_dir / "controller.sock"
    node = f"/v1/nodes/{handoff.HOST}/move"
    messages = []
    for place in lab.dock(handoff.HOST).places:
        messages += [Message("moved", place.dock_port, 0, socket,
                             request(node, {"element": place.element, "port": place.port})),
                     Message("moved", place.dock_port, CONFIRM_MS, socket,
                             request(f"{node}/confirm"))]
    orchestrator.start(lab, messages)
    figures = handoff.measure(lab, moves, orchestrator=orchestrator.socket_of(lab),
                              announce="nothing", **settings)
    check_answers(lab.daemons[orchestrator.NAME].log.read_text(), figures["moves"])
    return figures


def check_answers(said: str, moves: int) -> None:
    """LabError where the controller has not done each move as it was told."""
    accepted = said.count("HTTP/1.1 202")
    errors = [text for text in ERROR.findall(said) if HARMLESS not in text]
    if accepted != moves or errors:
        raise LabError(f"the controller accepted {accepted} of {moves} moves"
                       + "".join(f"; it says: {text}" for text in errors[:1]))


SYSTEMS = (
    System("victor-told", OURS, ORCHESTRATOR, rows.version, ToldLab, measure_told, rank=1),
    System("victor-ovs", SWITCHED, ANNOUNCEMENT, version, switched, pause_ms=SWITCH_PAUSE_MS,
           packages=PACKAGES, rank=2),
    System("victor-ovs-told", SWITCHED, ORCHESTRATOR, version, partial(ToldSwitchesLab, ovs=SWITCHES),
           measure_told, pause_ms=SWITCH_PAUSE_MS, packages=PACKAGES, rank=3),
)
