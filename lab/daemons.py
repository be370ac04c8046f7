"""The daemons of a lab: their configurations, and their processes in namespaces.

A process is known by its pid and the time it started, so that another run of the lab can end it and
never ends a stranger that was given the number since.
"""

from __future__ import annotations

import functools
import os
import select
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import netns, pki
from .signals import uninterrupted
from .topology import Element, Topology

STOP_TIMEOUT_S = 3.0
SOUTHBOUND_PORT = 6653
GATEWAY_MAC = "02:00:5e:00:53:01"


class DaemonError(Exception):
    """A daemon did not start, or ended; the text is one line."""


def build_dir() -> Path:
    """Where meson built the programs: $VICTOR_BUILD, or build/ in the tree."""
    return Path(os.environ.get("VICTOR_BUILD") or Path(__file__).resolve().parent.parent / "build")


def program(path: str) -> str:
    """A built program, or the error that says how to build it."""
    found = build_dir() / path
    if not found.exists():
        raise DaemonError(f"{found}: not built; run: meson setup {build_dir()} && "
                          f"meson compile -C {build_dir()}   (or set VICTOR_BUILD)")
    return str(found)


# ---- configurations ----

def yaml(value: Any, indent: int = 0) -> str:
    """YAML as a person would write it: blocks for what is long, one line for what is short."""
    pad = "  " * indent
    if isinstance(value, dict):
        return "".join(f"{pad}{key}:{_yaml_value(item, indent)}\n" for key, item in value.items())
    return "\n".join(f"{pad}- {_yaml_inline(item)}" for item in value)


def _yaml_value(item: Any, indent: int) -> str:
    if isinstance(item, list) and item and isinstance(item[0], dict):
        return "\n" + yaml(item, indent + 1)
    return " " + _yaml_inline(item)


def _yaml_inline(item: Any) -> str:
    if isinstance(item, dict):
        return "{ " + ", ".join(f"{k}: {_yaml_inline(v)}" for k, v in item.items()) + " }"
    if isinstance(item, (list, tuple)):
        return "[ " + ", ".join(map(_yaml_inline, item)) + " ]" if item else "[]"
    if isinstance(item, bool):
        return "true" if item else "false"
    text = str(item)
    plain = isinstance(item, (int, float)) or not set(text) & set(":*{}[],#&!|>'\"%@` ")
    return text if plain else f'"{text}"'


def element_config(element: Element, topology: Topology, run_dir: Path,
                   log_level: str = "info") -> dict[str, Any]:
    config: dict[str, Any] = {
        "name": element.name, "id": element.id, **pki.settings(topology, "fe", element.name),
        "controllers": [f"{pki.scheme(topology)}:{topology.controller_address}:{SOUTHBOUND_PORT}"],
        "inspect": f"unix:{run_dir}/{element.name}.mgmt",
        "state": str(run_dir / element.name),
        "backplane": {**({} if element.links else {"device": "bp0"}), **_pair(element),
                      **element.underlay},
    }
    if element.links:
        config["links"] = list(element.links)
    if element.binding_limit:
        config["binding_limit"] = element.binding_limit
    if element.access:
        config["access"] = list(element.access)
    if element.external:
        config["external"] = list(element.external)
    return {**config, "log": log_level}


def declared_elements(topology: Topology) -> list[dict[str, Any]]:
    """What the controller must be told of elements that cannot tell it."""
    return [{"name": e.name, "id": e.id, "kind": e.kind,
             "backplane": {"address": e.switch_backplane, "mtu": _underlay_mtu(e, topology)},
             "ports": [{"match": p["match"], "role": "access",
                        **{k: p[k] for k in ("identity",) if k in p}}
                       for p in e.access]
             + [{"match": p["match"], "role": "external", **_outside(e),
                 **{k: p[k] for k in ("routing",) if k in p}} for p in e.external]}
            for e in topology.elements if e.kind == "ovs"]


def _outside(element: Element) -> dict[str, Any]:
    ways = {"address": element.outside, "next_hop": element.next_hop,
            "address6": element.outside6, "next_hop6": element.next_hop6}
    return {key: value for key, value in ways.items() if value}


def _underlay_mtu(element: Element, topology: Topology) -> int:
    return min((link.mtu for link in topology.links for end in (link.a, link.b)
                if (end.node, end.name) == (element.name, "bp0")), default=0)


def _pair(element: Element) -> dict[str, Any]:
    if element.backplane is None:
        return {}
    return {"address": element.backplane, "redirect": element.redirect}


def controller_config(topology: Topology, run_dir: Path, log_level: str = "info",
                      **settings: Any) -> dict[str, Any]:
    return {
        "name": "victor",
        "southbound": [f"{pki.scheme(topology)}:{topology.controller_address}:{SOUTHBOUND_PORT}"],
        "northbound": [f"unix:{run_dir}/controller.sock"],
        **pki.settings(topology, "controller", pki.CONTROLLER),
        "state": str(run_dir / "controller"),
        "admission": "strict",
        "shared_ports": "trust",     # the paper's: an ARP message is the registration
        "gateway_mac": GATEWAY_MAC,
        "timers": {"port_grace_ms": 2000},
        **({"elements": declared} if (declared := declared_elements(topology)) else {}),
        "prefixes": topology.prefixes,
        "nodes": topology.inventory,
        "links": topology.backplane_links,
        "log": log_level,
        **topology.settings,
        **settings,
    }


# ---- processes ----

REAL_TIME = ["chrt", "--rr", "2"]    # as the packages' units; lab-handoff's probes come after them


@functools.cache
def real_time() -> list[str]:
    """What puts a command on real-time priority; nothing, where that is not allowed."""
    try:
        allowed = subprocess.run([*REAL_TIME, "true"], stderr=subprocess.DEVNULL).returncode == 0
    except FileNotFoundError:
        allowed = False
    return REAL_TIME if allowed else []


def start_time(pid: int) -> str:
    """When a process started (field 22 of its stat)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


@dataclass
class Process:
    """A process that may outlive whoever started it."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> "Process":
        return cls(pid, start_time(pid))

    def open(self) -> int | None:
        """A pidfd, or None if the process is gone."""
        try:
            pidfd = os.pidfd_open(self.pid)
        except OSError:
            return None
        try:
            if start_time(self.pid) == self.started:
                return pidfd
        except OSError:
            pass
        os.close(pidfd)
        return None

    def end(self, *signals: signal.Signals) -> None:
        """Sends each signal in turn until the process is gone."""
        pidfd = self.open()
        if pidfd is None:
            return
        try:
            for number in signals:
                try:
                    signal.pidfd_send_signal(pidfd, number)
                except ProcessLookupError:
                    return
                if select.select([pidfd], [], [], STOP_TIMEOUT_S)[0]:
                    return
        finally:
            os.close(pidfd)


class Daemon:
    """One daemon of the lab, in its namespace; it may be ended and started again at will."""

    ends_with = 0    # its exit status, asked by SIGTERM

    def __init__(self, name: str, namespace: str, command: Callable[[], list[str]], log: Path,
                 changed: Callable[[], None]) -> None:
        """`command` is asked at each start; `changed` is called when the process is another."""
        self.name, self.namespace, self.command, self.log = name, namespace, command, log
        self.changed = changed
        self.process: Process | None = None
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [*real_time(), *netns.enter(self.namespace, self.command())]
        with open(self.log, "ab") as log, uninterrupted():
            self._child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                           stderr=log, start_new_session=True)
            self.process = Process.of(self._child.pid)
            self.changed()

    @property
    def running(self) -> bool:
        if self._child is not None:
            return self._child.poll() is None
        pidfd = self.process.open() if self.process else None
        if pidfd is None:
            return False
        os.close(pidfd)
        return True

    def stop(self) -> None:
        """Asks it to end, and insists after a while."""
        self._end(signal.SIGTERM, signal.SIGKILL)

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def _end(self, *signals: signal.Signals) -> None:
        if self.process is not None:
            self.process.end(*signals)
        if self._child is not None:
            self._child.wait()
        self._child = self.process = None

    def said(self) -> str:
        """The last line of its log."""
        text = self.log.read_text(errors="replace").strip() if self.log.exists() else ""
        return text.splitlines()[-1] if text else "(it said nothing)"
