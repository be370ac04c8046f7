"""The control: a guest migrates within one plain LAN, without VICTOR.

One bridge in one namespace, a client in another, and two QEMUs that hand the guest to and fro
under a TCP stream, an idle TCP connection, UDP probes and pings. What the guest's own pause and
QEMU cost is measured here, so that what VICTOR adds can be told from it. Then both ways in which a
migration can end back at its source, and one that cannot converge.

    /usr/bin/python3 -m lab.vm.selftest [-n N]       (as root)

Uses image.py, machine.py, migrate.py, guestctl.py and probe.py.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import image, netns, probe
from .guestctl import GuestControl
from .machine import Guest, Machine, MachineError, accelerator
from .migrate import Migration, MigrationError, MigrationResult, NotConverged

GUEST = Guest("guest", mac="52:54:00:00:00:05", address="10.10.0.11/16", gateway="10.10.0.1")
ADDRESS = "10.10.0.11"
CLIENT_ADDRESS = "10.10.0.1/16"
PING_MS = 10.0
SETTLED_ANSWERS = 30              # pings answered after a migration before it is judged

Progress = Callable[[str], None]


class CheckFailed(Exception):
    """Something that must hold for every migration did not."""


def check(holds: bool, what: str) -> None:
    if not holds:
        raise CheckFailed(what)


@dataclass
class Lan:
    """The plain LAN, and the machine that has the guest now."""

    image: image.Image
    directory: Path
    switch: str
    client: str
    machine: Machine | None = None
    machines: list[Machine] = field(default_factory=list)

    def new_machine(self, incoming: bool) -> Machine:
        number = len(self.machines)
        machine = Machine(self.image, GUEST, self.directory / f"machine{number}",
                          namespace=self.switch, tap=f"tap{number}", bridge="lan",
                          incoming=incoming, tied=True)
        self.machines.append(machine)
        return machine

    @property
    def control(self) -> GuestControl:
        return GuestControl(self.client, ADDRESS)

    def boot(self) -> float:
        """Boots the guest; how long it took, in seconds."""
        begin = time.monotonic()
        self.machine = self.new_machine(incoming=False)
        self.machine.start()
        self.machine.wait_ready()
        return time.monotonic() - begin

    def migration(self, **options: Any) -> Migration:
        """A migration from the machine that has the guest to a new one."""
        assert self.machine is not None
        destination = self.new_machine(incoming=True)
        destination.start()
        return Migration(self.machine, destination, host="127.0.0.1", **options)

    def migrate(self) -> MigrationResult:
        migration = self.migration()
        result = migration.run()
        self.machine = migration.destination
        return result

    def check_guest(self) -> None:
        """The guest's memory is right, and its kernel has nothing to complain of."""
        assert self.machine is not None
        faults = self.machine.faults()
        check(not faults, f"the guest's console: {faults[:1]}")
        status = self.control.status()
        check(status["corruptions"] == 0, f"the guest's memory is corrupt: {status}")


@contextmanager
def lan(cache: Path | str | None, progress: Progress) -> Iterator[Lan]:
    """The LAN, gone afterwards with all that runs in it."""
    prepared = image.prepare(cache, progress)
    accelerator(prepared, progress)
    prefix = f"vmkit-{os.getpid()}"
    switch, client = f"{prefix}-lan", f"{prefix}-client"
    made = Lan(prepared, Path(tempfile.mkdtemp(prefix="victor-selftest-")), switch, client)
    namespaces: list[str] = []
    try:
        for name in (switch, client):
            namespaces.append(name)
            netns.ip(None, f"netns add {name}")
            netns.ip(name, "link set lo up")
        netns.ip(switch, "link add lan type bridge")
        netns.ip(switch, "link set lan addrgenmode none up")
        netns.ip(switch, f"link add port0 type veth peer name eth0 netns {client}")
        netns.ip(switch, "link set port0 addrgenmode none master lan up")
        netns.ip(client, f"addr add {CLIENT_ADDRESS} dev eth0")
        netns.ip(client, "link set eth0 up")
        yield made
    finally:
        for machine in made.machines:
            machine.stop()
        for name in namespaces:
            try:
                netns.ip(None, f"netns del {name}")
            except netns.CommandError:
                pass    # interrupted before it was made
        shutil.rmtree(made.directory, ignore_errors=True)


# ---- migrations to and fro ----

def _one_migration(setting: Lan, client: probe.ClientProcess, name: str) -> dict[str, Any]:
    """One migration under load; what the client saw of it."""
    with probe.Ping(setting.client, ADDRESS, PING_MS) as ping:
        ping.wait_answers(SETTLED_ANSWERS)
        client.mark(f"before {name}")
        result = setting.migrate()
        ping.wait_answers(SETTLED_ANSWERS, since_ns=result.resume_ns)
        window = client.mark(name)
        lost = ping.stop()
    setting.check_guest()
    return {"tcp_gap_ms": round(window["max_gap_ms"], 1), "pings_lost_at_10ms": lost,
            "guest_pause_ms": round(result.guest_pause_ms, 1),
            "total_ms": round(result.total_ms, 1), "udp_lost": window["probes_lost"],
            "qmp_downtime_ms": result.qmp_downtime_ms, "live": result.live}


def _to_and_fro(setting: Lan, count: int, progress: Progress) -> list[dict[str, Any]]:
    rows = []
    with probe.ClientProcess(setting.client, ADDRESS) as client:
        client.wait_connected()
        for number in range(1, count + 1):
            row = _one_migration(setting, client, f"migration {number}")
            rows.append(row)
            progress(f"same LAN: migration {number}/{count}: TCP gap {row['tcp_gap_ms']} ms, "
                     f"{row['pings_lost_at_10ms']} pings lost, "
                     f"guest paused {row['guest_pause_ms']} ms, {row['total_ms']} ms in all")
        result = client.finish()
    check(result["contiguous"], f"the TCP stream broke: {result['error']}")
    check(result["idle_alive"], "the idle TCP connection is dead")
    return rows


def run_same_lan(count: int, progress: Progress = lambda line: None,
                 cache: Path | str | None = None) -> dict[str, Any]:
    """The control of ./demo: `count` migrations within one LAN, and their figures.

    CheckFailed if a stream broke, the idle connection died, or the guest is corrupt.
    """
    with lan(cache, progress) as setting:
        progress(f"same LAN: guest booted in {setting.boot():.1f} s")
        return _figures(_to_and_fro(setting, count, progress))


def _figures(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"migrations": len(rows), "live": all(row["live"] for row in rows),
            **{key: [row[key] for row in rows]
               for key in ("tcp_gap_ms", "pings_lost_at_10ms", "guest_pause_ms")}}


# ---- the ways back ----

def _check_roll_back(setting: Lan, name: str,
                     how: Callable[[Migration], MigrationResult], progress: Progress) -> None:
    """The guest must be back at the source, and its connections must not have noticed."""
    with probe.ClientProcess(setting.client, ADDRESS) as client:
        client.wait_connected()
        result = how(setting.migration())
        check(result.rolled_back, f"{name}: not rolled back")
        with probe.Ping(setting.client, ADDRESS, PING_MS) as ping:
            ping.wait_answers(SETTLED_ANSWERS)
        window = client.mark(name)
        outcome = client.finish()
    check(outcome["contiguous"] and outcome["idle_alive"], f"{name}: a connection broke")
    setting.check_guest()
    progress(f"{name}: back at the source {result.guest_pause_ms:.1f} ms after STOP, "
             f"TCP gap {window['max_gap_ms']:.1f} ms")


def _check_no_convergence(setting: Lan, progress: Progress) -> None:
    """A guest that dirties faster than it is copied stays where it is, and is told apart."""
    setting.control.set_dirty_rate(100)
    try:
        setting.migration(max_bandwidth=30 << 20, converge_within_s=5.0).run()
    except NotConverged as error:
        progress(f"no convergence: {error}")
    else:
        raise CheckFailed("a guest that dirties 100 MB/s converged at 30 MB/s")
    setting.control.set_dirty_rate(0)
    setting.check_guest()


def main() -> int:
    parser = argparse.ArgumentParser(prog="lab.vm.selftest", description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=4, metavar="N", help="migrations to and fro")
    parser.add_argument("--cache", help="where the guest's image is kept")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON as well")
    options = parser.parse_args()
    progress: Progress = lambda line: print(line, file=sys.stderr, flush=True)
    try:
        with lan(options.cache, progress) as setting:
            progress(f"guest booted in {setting.boot():.1f} s")
            rows = _to_and_fro(setting, options.n, progress)
            _check_roll_back(setting, "cancelled at pre-switchover",
                             Migration.cancel_at_pre_switchover, progress)
            _check_roll_back(setting, "destination died at pre-switchover",
                             Migration.kill_destination_at_pre_switchover, progress)
            if setting.image.live:
                _check_no_convergence(setting, progress)
    except (CheckFailed, MigrationError, MachineError, image.ImageError, probe.ProbeError,
            netns.CommandError) as error:
        print(f"lab.vm.selftest: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if options.json:
        print(json.dumps(_figures(rows)))
    progress("all well")
    return 0


if __name__ == "__main__":
    sys.exit(main())
