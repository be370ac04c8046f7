"""A real VM in the two data centres: the subnet elements are its hypervisors, its tap is a port of
theirs. It migrates live between their network namespaces over the backplane's network, and its path
is switched at the source's pre-switchover, as lab/sites.py does it in Figure 2.

    with datacenters.Lab() as lab, datacenters_guest.guest(lab) as vm:
        vm.boot("s11")
        vm.migrate("s12")        # within one data centre
        vm.migrate("s21")        # to the other one
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from . import datacenters
from .runtime import Lab
from .vm import image as images
from .vm.guestctl import GuestControl
from .vm.machine import Guest, Machine, accelerator
from .vm.migrate import Hooks, Migration, MigrationResult

PORT_TIMEOUT_S = 10.0
GUEST = Guest(datacenters.GUEST, mac=datacenters.GUEST_MAC,
              address=f"{datacenters.GUEST_ADDRESS}/24", gateway="203.0.113.1")


class CenterGuest:
    """The guest, at one of the subnet elements."""

    def __init__(self, lab: Lab, image: images.Image) -> None:
        self.lab, self.image = lab, image
        self.at, self.port = "", ""
        self.machine: Machine | None = None
        self._machines: list[Machine] = []

    def boot(self, element: str) -> None:
        accelerator(self.image, lambda text: None)
        self.machine = self._start(element, incoming=False)
        self.machine.wait_ready()
        self.at, self.port = element, self.machine.tap or ""

    def migrate(self, element: str) -> MigrationResult:
        """Live; the guest's own announcement at its new place confirms the tentative move."""
        assert self.machine is not None
        destination = self._start(element, incoming=True)
        port = destination.tap or ""
        self._wait_port(element, port)

        def switch(_: int) -> None:
            self.lab.rest.prepare_move(datacenters.GUEST, element, port)

        number = datacenters.SUBNETS[element]
        result = Migration(self.machine, destination, host=f"172.16.{number}.2",
                           hooks=Hooks(on_pre_switchover=switch)).run()
        self.machine, self.at, self.port = destination, element, port
        return result

    def memory_is_right(self) -> bool:
        """And the guest's kernel has nothing to complain of."""
        assert self.machine is not None
        control = GuestControl(self.lab.netns("client1"), datacenters.GUEST_ADDRESS)
        return not self.machine.faults() and control.status()["corruptions"] == 0

    def close(self) -> None:
        for machine in self._machines:
            machine.stop()

    def _start(self, element: str, incoming: bool) -> Machine:
        number = len(self._machines)
        machine = Machine(self.image, GUEST, self.lab.run_dir / f"machine{number}",
                          namespace=self.lab.netns(element), tap=f"tap{number}",
                          incoming=incoming, tied=True)
        self._machines.append(machine)
        machine.start()
        return machine

    def _wait_port(self, element: str, port: str) -> None:
        """Until the controller knows the tap."""
        self.lab.rest.wait(f"port {port} of {element}", lambda rest: any(
            p["name"] == port for p in rest.get(f"/v1/elements/{element}/ports")["ports"]),
            PORT_TIMEOUT_S)


@contextmanager
def guest(lab: Lab) -> Iterator[CenterGuest]:
    """The guest, prepared and not yet booted; gone afterwards."""
    made = CenterGuest(lab, images.prepare(progress=lambda text: None))
    try:
        yield made
    finally:
        made.close()
