"""An Open vSwitch of its own in an element's namespace, as docs/open-vswitch.md tells people to make
one: the bridge that is the forwarding element, with the access and external ports and the tunnel
port, and a bridge that has the underlay device and its address, because a userspace datapath sends
its tunnels out by a bridge of its own.

        ovsdb-server ── ovs-vswitchd
                        ├─ victor    OpenFlow ── victor-controller;  srv0, ap0, vxlan0
                        └─ underlay  172.16.2.2;  bp0

Each has its directories for itself, so that several can be on one machine. No kernel module.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from . import netns, pki
from .daemons import SOUTHBOUND_PORT, Daemon, DaemonError
from .topology import Element, End, Topology

BRIDGE, UNDERLAY, TUNNEL = "victor", "underlay", "vxlan0"
TUNNEL_PORT = 65001
SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
SBIN = "/usr/sbin:/usr/local/sbin"
START_TIMEOUT_S = 20.0
POLL_S = 0.005


def find(name: str) -> str:
    """A program of Open vSwitch."""
    for directory in (os.environ["PATH"] + ":" + SBIN).split(":"):
        if os.access(f"{directory}/{name}", os.X_OK):
            return f"{directory}/{name}"
    raise DaemonError(f"{name} is not installed; apt-get install openvswitch-switch")


class Database(Daemon):
    """ovsdb-server, with the bridges described in its database before anybody reads it."""

    ends_with = -signal.SIGTERM

    def __init__(self, element: Element, topology: Topology, namespace: str, run_dir: Path,
                 changed: Callable[[], None]) -> None:
        self.element, self.topology = element, topology
        self.directory = run_dir / element.name
        super().__init__(f"{element.name}-db", namespace, self._command,
                         run_dir / f"{element.name}-db.log", changed)

    @property
    def socket(self) -> Path:
        return self.directory / "db.sock"

    def _command(self) -> list[str]:
        self.directory.mkdir(exist_ok=True)
        if not (self.directory / "conf.db").exists():
            subprocess.run([find("ovsdb-tool"), "create", str(self.directory / "conf.db"),
                            str(SCHEMA)], check=True, capture_output=True)
        return [*environment(self.directory), find("ovsdb-server"),
                f"--remote=punix:{self.socket}", f"--pidfile={self.directory}/ovsdb-server.pid",
                f"--unixctl={self.directory}/ovsdb-server.ctl", str(self.directory / "conf.db")]

    def start(self) -> None:
        fresh = not (self.directory / "conf.db").exists()
        self.socket.unlink(missing_ok=True)
        super().start()
        _wait(self, "ovsdb-server's socket", self.socket.exists)
        if fresh:
            self.vsctl("--no-wait", "init")
            if self.topology.pki:
                own = pki.files(self.topology, "fe", self.element.name)
                self.vsctl("--no-wait", "set-ssl", own["key"], own["certificate"], own["ca"])
            self.vsctl("--no-wait", *self.bridges())

    def vsctl(self, *words: str) -> str:
        """Runs ovs-vsctl on this database."""
        done = subprocess.run([find("ovs-vsctl"), f"--db=unix:{self.socket}", *words],
                              capture_output=True, text=True, timeout=START_TIMEOUT_S)
        if done.returncode != 0:
            raise DaemonError(f"ovs-vsctl {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def bridges(self) -> list[str]:
        """One transaction; the words are those of docs/open-vswitch.md."""
        e = self.element
        scheme = "ssl" if self.topology.pki else "tcp"
        controller = f"{scheme}:{self.topology.controller_address}:{SOUTHBOUND_PORT}"
        words = ["add-br", BRIDGE, "--", "set", "bridge", BRIDGE, "datapath_type=netdev",
                 "protocols=OpenFlow13", "fail_mode=secure",
                 f"other-config:datapath-id={e.id:016x}", "other-config:disable-in-band=true",
                 "--", "set-controller", BRIDGE, controller,
                 "--", "set", "controller", BRIDGE, "connection_mode=out-of-band",
                 "max_backoff=1000", "controller_rate_limit=1000", "controller_burst_limit=100"]
        for port in (*e.access, *e.external):
            words += ["--", "add-port", BRIDGE, port["match"], "--", "set", "interface",
                      port["match"], f"ofport_request={port['number']}"]
        words += ["--", "add-port", BRIDGE, TUNNEL, "--", "set", "interface", TUNNEL,
                  "type=vxlan", "options:remote_ip=flow", f"options:local_ip={e.switch_backplane}",
                  "options:key=flow", f"ofport_request={TUNNEL_PORT}"]
        words += ["--", "add-br", UNDERLAY, "--", "set", "bridge", UNDERLAY,
                  "datapath_type=netdev", "fail_mode=standalone",
                  "--", "add-port", UNDERLAY, "bp0"]
        return words


class Switch(Daemon):
    """ovs-vswitchd. The underlay's device may be gone with it, and comes again with it."""

    ends_with = -signal.SIGTERM

    def __init__(self, element: Element, database: Database, ends: list[End], routes: list[str],
                 run_dir: Path, changed: Callable[[], None]) -> None:
        """`ends`: those in the namespace that would have addresses; `routes` of the underlay."""
        self.element, self.database, self.ends, self.routes = element, database, ends, routes
        super().__init__(element.name, database.namespace, self._command,
                         run_dir / f"{element.name}.log", changed)

    def _command(self) -> list[str]:
        directory = self.database.directory
        return [*environment(directory), find("ovs-vswitchd"),
                f"unix:{self.database.socket}", f"--pidfile={directory}/ovs-vswitchd.pid",
                f"--unixctl={directory}/ovs-vswitchd.ctl"]

    def start(self) -> None:
        if not self.database.running:
            self.database.start()
        super().start()
        # The bridge's own device has the bridge's name.
        _wait(self, f"device {UNDERLAY}", lambda: _has_device(self.namespace, UNDERLAY))
        netns.batch([*(f"addr replace {address} dev {UNDERLAY}" for end in self.ends
                       if end.name == "bp0" for address in end.addresses),
                     f"link set {UNDERLAY} up", *(f"route replace {r}" for r in self.routes)],
                    self.namespace)

    def ofctl(self, *words: str) -> str:
        """Runs ovs-ofctl on the bridge."""
        command = [*environment(self.database.directory), find("ovs-ofctl"), "-O", "OpenFlow13",
                   words[0], f"unix:{self.database.directory}/{BRIDGE}.mgmt", *words[1:]]
        done = subprocess.run(command, capture_output=True, text=True, timeout=START_TIMEOUT_S)
        if done.returncode != 0:
            raise DaemonError(f"ovs-ofctl {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout


def environment(directory: Path) -> list[str]:
    """What gives a program of Open vSwitch directories of its own."""
    return ["env", *(f"{name}={directory}" for name in
                     ("OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR", "OVS_SYSCONFDIR"))]


def _has_device(namespace: str, device: str) -> bool:
    found: list[bool] = []
    netns.inside(namespace, lambda: found.append(_device_exists(device)))
    return found[0]


def _device_exists(device: str) -> bool:
    import socket
    try:
        socket.if_nametoindex(device)
    except OSError:
        return False
    return True


def _wait(daemon: Daemon, what: str, ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not ready():
        if not daemon.running or time.monotonic() > deadline:
            raise DaemonError(f"{daemon.name}: no {what}: {daemon.said()}")
        time.sleep(POLL_S)
