"""In the comparison (peers.py): OVN, the virtual network of OpenStack and OpenShift, with three
chassis. The laptop and the client are logical ports of two logical switches, and a distributed
logical router is between them. Nobody hears an announcement: whoever manages the machines tells OVN.

    cc: ovn-northd and its two databases (ovsdb-server)         geneve between the chassis
    fe1, fe2, fe3: ovn-controller, ovs-vswitchd with br-int     ap0 of fe2 and of fe3: the laptop's

- "ovn-iface-id": the port's name (iface-id) is taken from one chassis's database and given to the other's, as
  whatever plugs virtual machines in does it: two transactions, the new place first.
- "ovn-requested-chassis": both chassis have the iface-id, requested-chassis changes: one transaction.
- "ovn-multichassis": some time before the move requested-chassis names both chassis, so that all
  packets go to both; the new one is let out and in when it hears the station's RARP
  (activation-strategy), which is said instead of the ARP announcement. Afterwards the old one is
  taken out. So it must be known beforehand where the station goes.

A transaction is one message over a connection to ovsdb-server that is open already
(orchestrator.py); nothing is forked, and the orchestrator's own way to the databases takes no time.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from . import figure2, handoff, openvswitch, orchestrator, rows, switches
from .daemons import Daemon, DaemonError
from .orchestrator import Message
from .peers import ORCHESTRATOR, System
from .state import LabError
from .topology import Place

BRIDGE = "br-int"
SOUTHBOUND_PORT = 6642
SCHEMAS = Path("/usr/share/ovn")
LAPTOP, CLIENT = handoff.HOST, handoff.PEER
CLIENT_GATEWAY_MAC = "02:00:5e:00:53:02"
START_S, POLL_S = 30.0, 0.02
PAUSE_MS = 100
# Of "ovn-multichassis": how long before the move both chassis are named, and after it the old one is
# taken out. A live migration takes longer.
PREPARE_MS, FINISH_MS = 150, 50
Transaction = list[Any]


# ---- the daemons ----

class Database(switches.Database):
    """A chassis's: what OVN and the orchestrator want to know of it."""

    def own_bridges(self) -> list[str]:
        e = self.element
        ids = {"system-id": e.name, "ovn-encap-type": "geneve", "ovn-encap-ip": e.switch_backplane,
               "ovn-remote": f"tcp:{self.topology.controller_address}:{SOUTHBOUND_PORT}",
               "ovn-bridge-datapath-type": "netdev", "ovn-monitor-all": "true"}
        words = ["set", "open_vswitch", ".", *(f'external_ids:{key}="{value}"'
                                               for key, value in ids.items()),
                 "--", "add-br", BRIDGE, "--", "set", "bridge", BRIDGE, "datapath_type=netdev",
                 "fail_mode=secure"]
        for port in (*e.access, *e.external):
            words += ["--", "add-port", BRIDGE, port["match"]]
        return words


class Central:
    """The databases and ovn-northd, at the node `cc`."""

    def __init__(self, lab: "Lab") -> None:
        self.lab, self.directory = lab, lab.run_dir / "ovn"

    def socket(self, name: str) -> Path:
        return self.directory / f"{name}.sock"

    def start(self) -> None:
        self.directory.mkdir(exist_ok=True)
        address = self.lab.topology.controller_address
        self._start_database("nb")
        self._start_database("sb", f"--remote=ptcp:{SOUTHBOUND_PORT}:{address}")
        self._add("northd", ["ovn-northd", f"--ovnnb-db=unix:{self.socket('nb')}",
                             f"--ovnsb-db=unix:{self.socket('sb')}"]).start()

    def _start_database(self, name: str, *remotes: str) -> None:
        file = self.directory / f"{name}.db"
        subprocess.run([openvswitch.find("ovsdb-tool"), "create", str(file),
                        str(SCHEMAS / f"ovn-{name}.ovsschema")], check=True, capture_output=True)
        daemon = self._add(f"ovn-{name}", [
            openvswitch.find("ovsdb-server"), f"--remote=punix:{self.socket(name)}", *remotes,
            f"--unixctl={self.directory}/{name}.ctl", str(file)])
        daemon.start()
        deadline = time.monotonic() + START_S
        while not self.socket(name).exists():
            if not daemon.running or time.monotonic() > deadline:
                raise DaemonError(f"{daemon.name}: {daemon.said()}")
            time.sleep(POLL_S)

    def _add(self, name: str, command: list[str]) -> Daemon:
        return self.lab.add_daemon(name, "cc",
                                   lambda: [*environment(self.directory), *command])

    def nbctl(self, *words: str) -> str:
        done = subprocess.run([*environment(self.directory), "ovn-nbctl",
                               f"--db=unix:{self.socket('nb')}", *words], text=True,
                              capture_output=True, timeout=START_S)
        if done.returncode != 0:
            raise DaemonError(f"ovn-nbctl {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout


def environment(directory: Path) -> list[str]:
    return [*openvswitch.environment(directory), *(f"{name}={directory}" for name in (
        "OVN_RUNDIR", "OVN_DBDIR", "OVN_LOGDIR", "OVN_SYSCONFDIR"))]


class Lab(switches.Lab):
    switch_database = Database

    def start_control(self) -> None:
        self.central = Central(self)
        self.central.start()
        self.central.nbctl(*network(self))

    def start_agents(self) -> None:
        for name in switches.SWITCHES:
            directory = self.run_dir / name
            self.add_daemon(f"{name}-ovn", name, lambda d=directory: [
                *environment(d), "ovn-controller", f"unix:{d}/db.sock"]).start()
        self.plug("fe1", "ext0", CLIENT)
        self.plug_laptop()
        self.central.nbctl("--wait=hv", f"--timeout={START_S:.0f}", "sync")

    def plug(self, element: str, port: str, name: str) -> None:
        self.daemons[f"{element}-db"].vsctl("--no-wait", "set", "interface", port,
                                            f"external_ids:iface-id={name}")

    def places(self) -> list[Place]:
        """Where the laptop is, then where it is not."""
        return sorted(self.dock(LAPTOP).places, key=lambda p: p.name != self.place(LAPTOP))

    def plug_laptop(self) -> None:
        here = self.places()[0]
        self.plug(here.element, here.port, LAPTOP)

    def messages(self, to: Place, away: Place) -> list[Message]:
        """What is said of a move."""
        return [Message("moved", to.dock_port, 0, self.chassis_socket(to), iface_id(to, LAPTOP)),
                Message("moved", to.dock_port, 0, self.chassis_socket(away), iface_id(away, None))]

    def chassis_socket(self, place: Place) -> Path:
        return self.run_dir / place.element / "db.sock"


class RequestedLab(Lab):
    """Where requested-chassis decides."""

    def plug_laptop(self) -> None:
        for place in self.places():
            self.plug(place.element, place.port, LAPTOP)
        self.central.nbctl("lsp-set-options", LAPTOP,
                           f"requested-chassis={self.places()[0].element}")

    def messages(self, to: Place, away: Place) -> list[Message]:
        return [self.requests("moved", to, 0, to.element)]

    def requests(self, word: str, to: Place, delay_ms: int, chassis: str) -> Message:
        return Message(word, to.dock_port, delay_ms, self.central.socket("nb"),
                       options({"requested-chassis": chassis, **self.also}))

    also: dict[str, str] = {}


class MultichassisLab(RequestedLab):
    """Where both are requested while the station moves."""

    also = {"activation-strategy": "rarp"}

    def messages(self, to: Place, away: Place) -> list[Message]:
        return [self.requests("prepare", to, 0, f"{away.element},{to.element}"),
                self.requests("moved", to, FINISH_MS, to.element)]


# ---- what is told to OVN ----

def network(lab: Lab) -> list[str]:
    """The logical network, as ovn-nbctl's words."""
    laptop, client = lab.host(LAPTOP), lab.host(CLIENT)
    words = ["lr-add", "router"]
    for switch, host, mac, length in (("mobile", laptop, figure2.GATEWAY_MAC, 16),
                                      ("outside", client, CLIENT_GATEWAY_MAC, 24)):
        gateway = f"{switches.GATEWAYS[host.name]}/{length}"
        words += ["--", "lrp-add", "router", f"to-{switch}", mac, gateway,
                  "--", "ls-add", switch, "--", "lsp-add", switch, f"{switch}-up",
                  "--", "lsp-set-type", f"{switch}-up", "router",
                  "--", "lsp-set-addresses", f"{switch}-up", "router",
                  "--", "lsp-set-options", f"{switch}-up", f"router-port=to-{switch}",
                  "--", "lsp-add", switch, host.name,
                  "--", "lsp-set-addresses", host.name, f"{host.mac} {host.address}"]
    return words


def transaction(database: str, *operations: dict[str, Any]) -> bytes:
    """RFC 7047, section 4.1.3."""
    return json.dumps({"method": "transact", "id": 0, "params": [database, *operations]}).encode()


def iface_id(place: Place, name: str | None) -> bytes:
    ids = [["iface-id", name]] if name else []
    return transaction("Open_vSwitch", {
        "op": "update", "table": "Interface", "where": [["name", "==", place.port]],
        "row": {"external_ids": ["map", ids]}})


def options(values: dict[str, str]) -> bytes:
    return transaction("OVN_Northbound", {
        "op": "update", "table": "Logical_Switch_Port", "where": [["name", "==", LAPTOP]],
        "row": {"options": ["map", [list(pair) for pair in values.items()]]}})


def measure(lab: Lab, moves: int, *, prepare_ms: int = 0, announce: str = "arp",
            **settings: Any) -> dict[str, Any]:
    here, there = lab.places()
    orchestrator.start(lab, [*lab.messages(here, there), *lab.messages(there, here)])
    figures = handoff.measure(lab, moves, orchestrator=orchestrator.socket_of(lab),
                              prepare_ms=prepare_ms, announce=announce, **settings)
    check_answers(lab.daemons[orchestrator.NAME].log.read_text())
    return figures


def check_answers(said: str) -> None:
    """LabError where a database has not changed one row in each transaction."""
    answers = re.findall(r'\{"id":0,"result":(\[.*?\]),"error":(.*?)\}(?=\s|\{|$)', said)
    refused = [result for result, error in answers if result != '[{"count":1}]' or error != "null"]
    if refused or not answers:
        raise LabError(f"databases refused {len(refused)} of {len(answers)} transactions: "
                       + "".join(refused[:1]))


def version() -> str:
    said = subprocess.run(["ovn-controller", "--version"], text=True, check=True,
                          stdout=subprocess.PIPE).stdout
    return f"{said.splitlines()[0].split()[-1]}, Open vSwitch {rows.ovs_version()}"


def _system(key: str, lab: Callable[[str, float], Lab], rank: int,
            run: Callable[..., dict[str, Any]] = measure, by_default: bool = True) -> System:
    return System(f"ovn-{key}", f"OVN, {key}", ORCHESTRATOR, version, lab, run, pause_ms=PAUSE_MS,
                  packages=("openvswitch-switch", "ovn-central", "ovn-host"),
                  by_default=by_default, rank=rank)


SYSTEMS = (
    _system("iface-id", Lab, 42),
    _system("requested-chassis", RequestedLab, 43, by_default=False),
    _system("multichassis", MultichassisLab, 44,
            partial(measure, prepare_ms=PREPARE_MS, announce="rarp")),
)
