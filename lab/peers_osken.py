"""In the comparison (peers.py): a layer 3 router that learns from ARP, written for os-ken, the Python
framework of OpenFlow controllers that Neutron uses (osken_router.py is the application), with three
Open vSwitches that have a VXLAN port to each other one. It hears the announcement itself.
"""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

from . import figure2, openvswitch, rows, switches
from .daemons import SOUTHBOUND_PORT
from .peers import ANNOUNCEMENT, System
from .topology import Element

MANAGER = "osken-manager"
APPLICATION = Path(__file__).resolve().parent / "osken_router.py"
TUNNELS = 100    # port 102 leads to fe2
PAUSE_MS = 30


def others(element: Element) -> list[int]:
    return [i for i, name in enumerate(switches.SWITCHES, start=1) if name != element.name]


class Database(switches.Database):
    def own_bridges(self) -> list[str]:
        e = self.element
        words = ["add-br", openvswitch.BRIDGE, "--", "set", "bridge", openvswitch.BRIDGE,
                 "datapath_type=netdev", "protocols=OpenFlow13", "fail_mode=secure",
                 f"other-config:datapath-id={e.id:016x}", "other-config:disable-in-band=true",
                 "--", "set-controller", openvswitch.BRIDGE,
                 f"tcp:{self.topology.controller_address}:{SOUTHBOUND_PORT}",
                 "--", "set", "controller", openvswitch.BRIDGE, "connection_mode=out-of-band",
                 "max_backoff=1000"]
        for port in (*e.access, *e.external):
            words += ["--", "add-port", openvswitch.BRIDGE, port["match"], "--", "set",
                      "interface", port["match"], f"ofport_request={port['number']}"]
        for i in others(e):
            words += ["--", "add-port", openvswitch.BRIDGE, f"vxlan{i}", "--", "set", "interface",
                      f"vxlan{i}", "type=vxlan", f"options:remote_ip=172.16.{i}.2",
                      f"options:local_ip={e.switch_backplane}", "options:key=1",
                      f"ofport_request={TUNNELS + i}"]
        return words


class Lab(switches.Lab):
    switch_database = Database

    def start_control(self) -> None:
        config = self.run_dir / "osken.json"
        config.write_text(json.dumps({
            "gateways": sorted(switches.GATEWAYS.values()), "gateway_mac": figure2.GATEWAY_MAC,
            "tunnels": {e.id: {i: TUNNELS + i for i in others(e)}
                        for e in self.topology.elements}}))
        self.add_daemon("osken", "cc", lambda: [
            "env", f"OSKEN_ROUTER={config}", "PYTHONDONTWRITEBYTECODE=1", MANAGER,
            "--ofp-tcp-listen-port", str(SOUTHBOUND_PORT), "--nouse-stderr",
            str(APPLICATION)]).start()


def version() -> str:
    return f"{metadata.version('os-ken')}, Open vSwitch {rows.ovs_version()}"


SYSTEMS = (System("osken", "os-ken with Open vSwitch", ANNOUNCEMENT, version, Lab,
                  pause_ms=PAUSE_MS, packages=("openvswitch-switch", "python3-os-ken"), rank=40),)
