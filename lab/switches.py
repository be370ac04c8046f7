"""Figure 2 with three Open vSwitches, and another controller than VICTOR's: what peers_ovn.py and
peers_osken.py have in common. The daemons are openvswitch.py's, the bridges the peer's own.
"""

from __future__ import annotations

import time

from . import figure2, handoff, openvswitch
from .peers_victor import PLACES
from .state import LabError

SWITCHES = ("fe1", "fe2", "fe3")
GATEWAYS = {handoff.HOST: "10.10.0.1", handoff.PEER: "192.0.2.1"}
REACHABLE_S = 30.0


class Database(openvswitch.Database):
    """An element's; own_bridges() describes the bridge that forwards."""

    def own_bridges(self) -> list[str]:
        raise NotImplementedError

    def bridges(self) -> list[str]:
        """With the one that has the underlay's device and address, as in openvswitch.py."""
        return [*self.own_bridges(), "--", "add-br", openvswitch.UNDERLAY,
                "--", "set", "bridge", openvswitch.UNDERLAY, "datapath_type=netdev",
                "fail_mode=standalone", "--", "add-port", openvswitch.UNDERLAY, "bp0"]


class Lab(figure2.Lab):
    """`delay_ms` as in peers.py."""

    def __init__(self, name: str, delay_ms: float = 0) -> None:
        super().__init__(name, ovs=SWITCHES, delays={link: delay_ms / 2 for link in PLACES}
                         if delay_ms else {})

    def start_control(self) -> None:
        """What runs at `cc`, before the switches."""

    def start_agents(self) -> None:
        """What runs beside each switch, after it."""

    def _start_all(self) -> None:
        self.start_control()
        for name in SWITCHES:
            self.fe(name).start()
        self.start_agents()

    def up(self) -> None:
        super().up()
        self.wait_reachable()

    def wait_reachable(self) -> None:
        """The hosts announce themselves until what hears them has begun to listen."""
        deadline = time.monotonic() + REACHABLE_S
        client, laptop = self.host(handoff.PEER), self.host(handoff.HOST)
        while not (client.ping(laptop.address) and laptop.ping(client.address)):
            if time.monotonic() > deadline:
                raise LabError(f"the client does not reach the station; logs: {self.run_dir}")
            client.announce()
            laptop.announce()
