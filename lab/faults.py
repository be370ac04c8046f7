"""Faults on a lab of Figure 2 (or one that is made like it), each injected, healed by itself, and
observed from outside: pings that were lost, the longest time without an answer, what the controller
sent afterwards. The tests and bench/faults share these.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from . import netns
from .daemons import SOUTHBOUND_PORT, program
from .runtime import Lab
from .vm.probe import Ping

HEAL_TIMEOUT_S = 60.0
POLL_S = 0.01
INTERVAL_MS = 5.0
LATER_RELEASE = "tests/trial/victor-fe-trial"


@dataclass
class Outcome:
    lost: int              # pings, of all that were sent
    longest_ms: float      # between two answers
    healed_s: float        # from the fault's end until all elements are online again
    flow_mods: int         # sent since, to all elements


def wait_for(what: str, ready: Callable[[], Any]) -> None:
    deadline = time.monotonic() + HEAL_TIMEOUT_S
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {what} within {HEAL_TIMEOUT_S:g} s")
        time.sleep(POLL_S)


def states(lab: Lab) -> dict[str, str]:
    return {e["name"]: e["state"] for e in lab.rest.elements()}


def all_online(lab: Lab) -> bool:
    wanted = {e.name for e in lab.topology.elements}
    try:
        return wanted <= {name for name, state in states(lab).items() if state == "online"}
    except OSError:
        return False


def start_controller(lab: Lab) -> None:
    lab.rest.close()
    lab.controller.start()
    lab.rest.wait("the controller", lambda rest: rest.get("/v1/status"), HEAL_TIMEOUT_S)


# ---- the faults; each returns when it is over, not when it is healed ----

def controller_killed(lab: Lab) -> None:
    lab.controller.kill()
    time.sleep(1)
    start_controller(lab)


def store_lost(lab: Lab) -> None:
    lab.controller.kill()
    for path in (lab.run_dir / "controller").iterdir():
        path.unlink()
    start_controller(lab)


def agent_killed(lab: Lab) -> None:
    lab.fe("fe2").kill()
    wait_for("news of the dead agent", lambda: states(lab)["fe2"] != "online")
    lab.fe("fe2").start()


def all_killed(lab: Lab) -> None:
    lab.controller.kill()
    for element in lab.topology.elements:
        lab.fe(element.name).kill()
    for element in lab.topology.elements:
        lab.fe(element.name).start()
    start_controller(lab)


def agent_upgraded(lab: Lab) -> None:
    """By one with another layout of its maps."""
    daemon = lab.fe("fe2")
    asked = daemon.command
    daemon.kill()
    daemon.command = lambda: [program(LATER_RELEASE), *asked()[1:]]
    daemon.start()


def controller_silent(lab: Lab) -> None:
    """Its kernel accepts and acknowledges; it says nothing."""
    process = lab.controller.process
    assert process
    heard = {e.name: _complaints(lab, e.name) for e in lab.topology.elements}
    _signal(lab, signal.SIGSTOP)
    try:
        wait_for("complaints of all elements", lambda: all(
            _complaints(lab, name) > count for name, count in heard.items()))
    finally:
        _signal(lab, signal.SIGCONT)


def _signal(lab: Lab, number: signal.Signals) -> None:
    process = lab.controller.process
    assert process
    pidfd = process.open()
    assert pidfd is not None
    try:
        signal.pidfd_send_signal(pidfd, number)
    finally:
        os.close(pidfd)


def _complaints(lab: Lab, element: str) -> int:
    """How often it has said that something is wrong with its controller."""
    log = lab.fe(element).log
    return sum("agent: controller" in line and " warn " in line
               for line in log.read_text(errors="replace").splitlines())


def half_open(lab: Lab) -> None:
    """Between FE2 and the controller every packet is lost, and nobody is told."""
    heard = _complaints(lab, "fe2")
    rules = (f"table inet fault {{ chain coming {{ type filter hook input priority 0; "
             f"tcp sport {SOUTHBOUND_PORT} drop; }}; chain going {{ type filter hook output "
             f"priority 0; tcp dport {SOUTHBOUND_PORT} drop; }}; }}")
    _nft(lab, "fe2", rules)
    try:
        wait_for("FE2 offline", lambda: states(lab)["fe2"] != "online")
        wait_for("a complaint of FE2", lambda: _complaints(lab, "fe2") > heard)
    finally:
        _nft(lab, "fe2", "delete table inet fault")


def _nft(lab: Lab, node: str, rules: str) -> None:
    subprocess.run(netns.enter(lab.netns(node), ["nft", rules]), check=True, capture_output=True,
                   text=True, timeout=HEAL_TIMEOUT_S)


FAULTS: dict[str, tuple[str, Callable[[Lab], None]]] = {
    "controller-killed": ("controller killed, back after a second", controller_killed),
    "store-lost": ("controller killed, its store deleted", store_lost),
    "agent-killed": ("an element's agent killed", agent_killed),
    "agent-upgraded": ("an element's agent replaced by one with another map layout",
                       agent_upgraded),
    "all-killed": ("controller and all agents killed at once", all_killed),
    "controller-silent": ("controller accepts and acknowledges, but says nothing",
                          controller_silent),
    "half-open": ("all packets between an element and the controller lost", half_open),
}


# ---- what is noticed outside ----

def flow_mods(lab: Lab) -> dict[str, int]:
    return {e["name"]: e["flow_mods"] for e in lab.rest.elements()}


def longest_gap_ms(ping: Ping) -> float:
    at = sorted(ping._answered.values())
    return max(((b - a) / 1e6 for a, b in zip(at, at[1:])), default=0.0)


def observe(lab: Lab, fault: Callable[[Lab], None], *,
            pairs: tuple[tuple[str, str], ...] = (("client", "laptop"), ("laptop", "server2"))
            ) -> Outcome:
    """The fault under pings between these hosts, until everything is well again."""
    before = flow_mods(lab)
    term = lab.rest.get("/v1/status")["term"]
    pings = [Ping(lab.netns(source), lab.host(target).address, INTERVAL_MS)
             for source, target in pairs]
    try:
        for ping in pings:
            ping.wait_answers(20)
        fault(lab)
        over = time.monotonic()
        wait_for("all elements online", lambda: all_online(lab))
        healed_s = time.monotonic() - over
        for ping in pings:
            ping.wait_answers(20, time.monotonic_ns())
        lost = sum(ping.stop() for ping in pings)
    finally:
        for ping in pings:
            ping.kill()
    after = flow_mods(lab)
    anew = lab.rest.get("/v1/status")["term"] != term    # the controller counts from its start
    sent = sum(after.values()) - (0 if anew else sum(before.values()))
    return Outcome(lost, max(map(longest_gap_ms, pings)), healed_s, sent)


def moved_meanwhile(lab: Lab, seconds: float) -> float:
    """The laptop moves while the controller is dead for so long: ms without an answer."""
    laptop = lab.host("laptop")
    place = "ap1" if lab.place("laptop") != "ap1" else "ap2"
    with Ping(lab.netns("client"), laptop.address, INTERVAL_MS) as ping:
        ping.wait_answers(20)
        lab.controller.kill()
        lab.move("laptop", place)
        time.sleep(seconds)
        start_controller(lab)
        wait_for("all elements online", lambda: all_online(lab))
        ping.wait_answers(20, time.monotonic_ns())
        return longest_gap_ms(ping)


def figures(outcome: Outcome) -> dict[str, Any]:
    return {key: round(value, 3) for key, value in asdict(outcome).items()}
