"""Labs for the tests: brought up under a name of their own, checked when they go.

A daemon that does not end cleanly when asked to, or whose log holds a sanitizer's report, fails the
test that used it last. conftest.py shows the logs of the labs in LIVE when a test fails.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from lab import figure2
from lab.runtime import WAN, HostHandle, Lab
from lab.topology import Element, End, Host, Link, Place, Topology

SANITIZER = re.compile(r"AddressSanitizer|LeakSanitizer|UndefinedBehaviorSanitizer|runtime error:")
LOG_TAIL = 6000
TIMEOUT_S = 20.0
BPFTOOL = shutil.which("bpftool") or "/usr/sbin/bpftool"
POLL_S = 0.005

LIVE: list[Lab] = []
_numbers = itertools.count(1)


@contextlib.contextmanager
def running(make: type[Lab] = figure2.Lab, *, announce: bool = True,
            **settings: Any) -> Iterator[Lab]:
    """A lab, up and synchronized, with every host attached (unless told not to announce)."""
    lab = make(f"t{os.getpid()}n{next(_numbers)}", **settings)
    lab.up()
    LIVE.append(lab)
    try:
        lab.wait_synchronized(TIMEOUT_S, announce=announce)
        yield lab
        _end(lab)
    finally:
        LIVE.remove(lab)
        lab.down()


@contextlib.contextmanager
def latest(make: Callable[[str], contextlib.AbstractContextManager[Lab]]) -> Iterator[
        Callable[[str], Lab]]:
    """A function that gives the lab of a name: the one that is up, or else another in its place."""
    up: dict[str, Lab] = {}
    with contextlib.ExitStack() as stack:
        def get(name: str) -> Lab:
            if name not in up:
                up.clear()
                stack.pop_all().close()
                up[name] = stack.enter_context(make(name))
            return up[name]

        yield get


def _end(lab: Lab) -> None:
    """Asks every daemon to end, and complains of those that do it badly."""
    complaints = []
    for name, daemon in lab.daemons.items():
        child = daemon._child
        if child is None or name == WAN:
            continue    # the test ended it; or it is the lab's own delay line
        if child.poll() is not None:
            complaints.append(f"{name} had ended by itself: {daemon.said()}")
            continue
        child.send_signal(signal.SIGTERM)
        status = child.wait(TIMEOUT_S)
        daemon.stop()
        if status != daemon.ends_with:
            complaints.append(f"{name} ended with {status} when asked to: {daemon.said()}")
    complaints += [f"{name}: {line}" for name, line in sanitizer_reports(lab)]
    assert not complaints, "\n".join(complaints) + "\n" + all_logs(lab)


def sanitizer_reports(lab: Lab) -> list[tuple[str, str]]:
    return [(name, line) for name in lab.daemons for line in log_of(lab, name).splitlines()
            if SANITIZER.search(line)]


def log_of(lab: Lab, daemon: str) -> str:
    path = lab.daemons[daemon].log
    return path.read_text(errors="replace") if path.exists() else ""


def all_logs(lab: Lab) -> str:
    return "\n".join(f"---- {name} ----\n{log_of(lab, name)[-LOG_TAIL:]}" for name in lab.daemons)


def eventually(what: str, ready: Callable[[], Any], timeout_s: float = TIMEOUT_S) -> Any:
    """What `ready` returns once it is true; TimeoutError names what did not come."""
    deadline = time.monotonic() + timeout_s
    while not (result := ready()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {what} within {timeout_s:g} s")
        time.sleep(POLL_S)
    return result


# ---- what the controller says ----

def element(lab: Lab, name: str) -> dict[str, Any]:
    return next(e for e in lab.rest.elements() if e["name"] == name)


def flow_mods(lab: Lab) -> dict[str, int]:
    """The flow-mods that each element was sent since it first connected to this controller."""
    return {e["name"]: e["flow_mods"] for e in lab.rest.elements()}


def rules(lab: Lab, name: str) -> list[dict[str, Any]]:
    """All rules of the live element."""
    return lab.rest.get(f"/v1/elements/{name}/forwarding")["rules"]


def ports(lab: Lab, name: str) -> dict[str, dict[str, Any]]:
    return {p["name"]: p for p in lab.rest.get(f"/v1/elements/{name}/ports")["ports"]}


def _bpftool(*words: str) -> Any:
    shown = subprocess.run([BPFTOOL, "--json", *words], text=True, capture_output=True,
                           timeout=TIMEOUT_S, check=True)
    return json.loads(shown.stdout)


def pinned(lab: Lab, name: str, map_name: str) -> list[dict[str, Any]]:
    """The entries of one of the element's pinned maps."""
    return _bpftool("map", "dump", "pinned", str(state_of(lab, name) / map_name))


def pinned_shape(lab: Lab, name: str, map_name: str) -> dict[str, Any]:
    return _bpftool("map", "show", "pinned", str(state_of(lab, name) / map_name))


def state_of(lab: Lab, name: str) -> Path:
    """The element's bpffs with its pins."""
    return lab.run_dir / name


def drops(lab: Lab, name: str) -> dict[str, int]:
    """The element's dropped packets, by the reason's name."""
    found = lab.rest.get(f"/v1/elements/{name}/counters")["drops"]
    return Counts({d["reason"]: d["packets"] for d in found})


def delivered(lab: Lab, name: str) -> dict[tuple[str, str], int]:
    """Packets delivered to nodes at the element, by (ingress element, address)."""
    found = lab.rest.get(f"/v1/elements/{name}/counters")["counters"]
    return Counts({(c["ingress"], c["address"]): c["packets"] for c in found})


class Counts(dict):  # type: ignore[type-arg]
    def __missing__(self, key: Any) -> int:
        return 0


def attachment(lab: Lab, node: str) -> dict[str, Any] | None:
    return next((a for a in lab.rest.attachments() if a["node"] == node), None)


def place_of(lab: Lab, node: str) -> tuple[str, str] | None:
    """(element, port name) of a node whose attachment is active."""
    found = attachment(lab, node)
    if not found or found["state"] != "active":
        return None
    return found["element"], found["port_name"]


def wait_place(lab: Lab, node: str, element_name: str, port: str,
               timeout_s: float = TIMEOUT_S) -> None:
    eventually(f"active attachment of {node} at {element_name} {port} (now: "
               f"{attachment(lab, node)})",
               lambda: place_of(lab, node) == (element_name, port), timeout_s)


def wait_online(lab: Lab, *names: str) -> None:
    """Until the elements are online again, as they were at the start."""
    wanted = set(names or [e.name for e in lab.topology.elements])
    lab.rest.wait("elements online", lambda rest: wanted <= {
        e["name"] for e in rest.elements() if e["state"] == "online"}, TIMEOUT_S)


# ---- topologies: Figure 2, and a bit more ----

def variant(change: Callable[[Topology], None]) -> type[Lab]:
    """Figure 2 with a change."""
    def topology() -> Topology:
        made = figure2.topology()
        change(made)
        return made

    return type("Lab", (Lab,), {"make_topology": staticmethod(topology)})


def add_access(t: Topology, element_name: str, port: dict[str, Any]) -> None:
    def wider(e: Element) -> Element:
        return replace(e, access=(*e.access, port)) if e.name == element_name else e

    t.elements[:] = [wider(e) for e in t.elements]


def add_access_point(t: Topology, name: str, element_name: str, port: str, number: int) -> None:
    """One more place for the laptop."""
    t.link(name, End("air", name, bridge="laptop"), End(element_name, port))
    dock = t.docks["laptop"]
    t.docks["laptop"] = replace(dock, places=(*dock.places, Place(name, name, element_name, port)))
    add_access(t, element_name, {"match": port, "number": number})


def set_backplane_mtu(t: Topology, mtu: int) -> None:
    def narrow(link: Link) -> Link:
        return replace(link, mtu=mtu) if link.name.startswith("backplane") else link

    t.links[:] = [narrow(link) for link in t.links]


def stranger(lab: Lab, node: str, device: str, address: str = "0.0.0.0",
             mac: str = "00:00:00:00:00:00") -> HostHandle:
    """A handle for a namespace of the lab that is no host of the topology."""
    return HostHandle(Host(node, device, address, mac), lab.netns(node))

