"""A real VM between the sites of Figure 2: live migrations from site 2 to site 3 and back.

The guest's tap joins a site's LAN, behind port 2 of its element. A migration's path is switched at
the source's pre-switchover, as a tentative move by REST, and switched back if the source resumes.
All the time the client outside holds a TCP stream, an idle TCP connection and pings, and the fixed
neighbour in the guest's first subnet holds a TCP connection, its ARP cache warm.

    with figure2.Lab() as lab, sites.guest(lab) as vm:
        vm.boot()
        row = vm.migrate("site3")            # what was measured
        row = vm.roll_back("site2", Migration.cancel_at_pre_switchover)

What the network adds is taken from captures, with the kernel's timestamps: on the guest's new tap,
and at the client. Uses lab/vm for the guest, figure2 for the sites.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from . import figure2, frames
from .frames import Capture, Frame
from .rest import RestError
from .runtime import Lab
from .vm import image as images
from .vm import probe
from .vm.guestctl import ECHO_PORT, GuestControl
from .vm.machine import Guest, Machine, accelerator
from .vm.migrate import Hooks, Migration, MigrationResult

NODE = "vm1"
SERVERS = {"site2": ("server1", "10.2.3.1"), "site3": ("server2", "10.4.5.1")}
GUEST = Guest("vm1", mac=figure2.VM_MAC, address=f"{figure2.VM_ADDRESS}/16", gateway="10.10.0.1")
PING_MS = 10.0
SETTLED_ANSWERS = 30         # pings answered after a migration before it is judged
PROBE_S = 0.001
PROBE_PORT = 9
AFTER_S = 0.05               # probes go on so long after RESUME
CHECK_TIMEOUT_S = 5.0

Progress = Callable[[str], None]
How = Callable[[Migration], MigrationResult]


class CheckFailed(Exception):
    """Something that must hold for every migration did not."""


def check(holds: bool, what: str) -> None:
    if not holds:
        raise CheckFailed(what)


def to_wall(monotonic_ns: int) -> float:
    """A moment of CLOCK_MONOTONIC on the captures' clock."""
    return time.time() - (time.monotonic_ns() - monotonic_ns) / 1e9


class Prober:
    """Packets from the client to the guest, one a millisecond, around a switch: so that it shows
    when the client's packets reach a tap. Their checksum is wrong, and the guest drops them."""

    def __init__(self, lab: Lab) -> None:
        self._socket = lab.host("client").socket(socket.SOCK_RAW, protocol=socket.IPPROTO_UDP)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        datagram = struct.pack("!HHHH", PROBE_PORT, PROBE_PORT, 8, 0xDEAD)
        while not self._stop.wait(PROBE_S):
            self._socket.sendto(datagram, (figure2.VM_ADDRESS, 0))

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._socket.close()


class Neighbor:
    """The fixed host's TCP connection with the guest: an echo through it shows both directions."""

    def __init__(self, lab: Lab) -> None:
        self.socket = lab.host("neighbor").socket()
        self.socket.settimeout(CHECK_TIMEOUT_S)
        self.socket.connect((figure2.VM_ADDRESS, ECHO_PORT))

    def check(self) -> float:
        """Sends and receives; how long it took, in milliseconds."""
        word = struct.pack("!Q", time.monotonic_ns())
        begin = time.monotonic()
        self.socket.sendall(word)
        answer = b""
        while len(answer) < len(word):
            got = self.socket.recv(len(word))
            check(bool(got), "the neighbour's TCP connection was closed")
            answer += got
        check(answer == word, "the neighbour's TCP connection carries something else")
        return (time.monotonic() - begin) * 1000

    def close(self) -> None:
        self.socket.close()


@dataclass
class _Seen:
    """What was on the guest's tap and at the client around one switch."""

    tap: list[Frame]
    client: list[Frame]

    def added_up_ms(self) -> float | None:
        """From the guest's first packet for the client on the tap to the first that arrives."""
        sent = _first(self.tap, lambda f: not f.outgoing and _is_up(f))
        got = None if sent is None else _first(
            self.client, lambda f: not f.outgoing and _is_up(f) and f.at >= sent.at)
        return None if sent is None or got is None else (got.at - sent.at) * 1000

    def reached_ms(self, resume: float) -> float | None:
        """From RESUME until a packet of the client's is on the tap; 0 if one was there before."""
        seen = _first(self.tap, lambda f: f.outgoing and _is_down(f))
        return None if seen is None else max(0.0, (seen.at - resume) * 1000)

    def reached_again_ms(self, resume: float) -> float | None:
        """The same on the source's tap, where packets of before the switch were, too."""
        seen = _first(self.tap, lambda f: f.outgoing and _is_down(f) and f.at >= resume)
        return None if seen is None else (seen.at - resume) * 1000


def _first(frames_seen: list[Frame], wanted: Callable[[Frame], bool]) -> Frame | None:
    return next((frame for frame in frames_seen if wanted(frame)), None)


def _is_up(frame: Frame) -> bool:
    return (frame.is_ipv4 and frame.source == figure2.VM_ADDRESS
            and frame.destination == figure2.CLIENT_ADDRESS)


def _is_down(frame: Frame) -> bool:
    return (frame.is_ipv4 and frame.source == figure2.CLIENT_ADDRESS
            and frame.destination == figure2.VM_ADDRESS)


class SiteGuest:
    """The guest, at one of the sites."""

    def __init__(self, lab: Lab, image: images.Image, progress: Progress) -> None:
        self.lab, self.image, self.progress = lab, image, progress
        self.machine: Machine | None = None
        self.at = "site2"
        self._machines: list[Machine] = []

    @property
    def control(self) -> GuestControl:
        return GuestControl(self.lab.netns("client"), figure2.VM_ADDRESS)

    def _new_machine(self, site: str, incoming: bool) -> Machine:
        number = len(self._machines)
        server, _ = SERVERS[site]
        machine = Machine(self.image, GUEST, self.lab.run_dir / f"machine{number}",
                          namespace=self.lab.netns(server), tap=f"tap{number}", bridge="br0",
                          incoming=incoming, tied=True)
        self._machines.append(machine)
        return machine

    def boot(self, site: str = "site2") -> float:
        """Boots the guest, in place of the topology's stand-in; how long it took, in seconds."""
        begin = time.monotonic()
        self.lab.move("vm", None)
        accelerator(self.image, self.progress)
        self.machine, self.at = self._new_machine(site, incoming=False), site
        self.machine.start()
        self.machine.wait_ready()
        return time.monotonic() - begin

    def close(self) -> None:
        for machine in self._machines:
            machine.stop()

    def check(self) -> None:
        """The guest's memory is right, and its kernel has nothing to complain of."""
        assert self.machine is not None
        faults = self.machine.faults()
        check(not faults, f"the guest's console: {faults[:1]}")
        status = self.control.status()
        check(status["corruptions"] == 0, f"the guest's memory is corrupt: {status}")

    # ---- one migration ----

    def _hooks(self, site: str, prober: Prober) -> Hooks:
        place = self.lab.dock("vm").place(site)
        rest = self.lab.rest

        def switch(_: int) -> None:
            prober.start()
            rest.prepare_move(NODE, place.element, place.port)

        def undo(_: int) -> None:
            try:
                rest.revert_move(NODE)
            except RestError as error:    # the guest's own word was quicker
                if error.status != 404:    # there is no move any more
                    raise

        return Hooks(on_pre_switchover=switch, on_resume_source=undo)

    def migrate(self, site: str) -> dict[str, Any]:
        """Live, to another site; what was measured of it. The guest's own announcement there
        confirms the tentative move."""
        destination = self._destination(site)
        result, seen = self._attempt(site, destination, destination, Migration.run)
        self.machine, self.at = destination, site
        reached, added = seen.reached_ms(to_wall(result.resume_ns)), seen.added_up_ms()
        check(reached is not None, "no packet of the client's reached the guest's new tap")
        check(added is not None, "no packet of the guest's reached the client from its new site")
        return {"guest_pause_ms": round(result.guest_pause_ms, 1),
                "network_added_ms": round(max(reached or 0.0, added or 0.0), 2),
                "added_to_guest_ms": round(reached or 0.0, 2),
                "added_from_guest_ms": round(added or 0.0, 2),
                "total_ms": round(result.total_ms, 1), "live": result.live}

    def roll_back(self, site: str, how: How) -> dict[str, Any]:
        """A migration that comes to nothing at pre-switchover; how soon the source is reached."""
        assert self.machine is not None
        destination = self._destination(site)
        result, seen = self._attempt(site, destination, self.machine, how)
        check(result.rolled_back, "the migration was not rolled back")
        again = seen.reached_again_ms(to_wall(result.resume_ns))
        check(again is not None, "no packet of the client's reached the source again")
        return {"guest_pause_ms": round(result.guest_pause_ms, 1),
                "source_reached_ms": round(again or 0.0, 2)}

    def _destination(self, site: str) -> Machine:
        machine = self._new_machine(site, incoming=True)
        machine.start()
        return machine

    def _attempt(self, site: str, destination: Machine, watched: Machine,
                 how: How) -> tuple[MigrationResult, _Seen]:
        """A migration with captures on one machine's tap and at the client."""
        assert self.machine is not None and watched.namespace and watched.tap
        with ExitStack() as stack:
            prober = Prober(self.lab)
            stack.callback(prober.stop)
            tap = stack.enter_context(Capture(watched.namespace, watched.tap, frames.ETH_P_ALL))
            client = stack.enter_context(self.lab.host("client").capture())
            result = how(Migration(self.machine, destination, host=SERVERS[site][1],
                                   hooks=self._hooks(site, prober)))
            # Long enough for the guest's first words, which come tens of ms after RESUME.
            self._wait_answer(result.resume_ns)
            time.sleep(AFTER_S)
            return result, _Seen(list(tap.read()), list(client.read()))

    def _wait_answer(self, since_ns: int) -> None:
        with probe.Ping(self.lab.netns("client"), figure2.VM_ADDRESS, PING_MS) as ping:
            ping.wait_answers(1, since_ns)


@contextmanager
def guest(lab: Lab, progress: Progress = lambda text: None) -> Iterator[SiteGuest]:
    """The guest, prepared and not yet booted; gone afterwards."""
    made = SiteGuest(lab, images.prepare(progress=progress), progress)
    try:
        yield made
    finally:
        made.close()


# ---- the measurement of ./demo ----

def run_sites(lab: Lab, count: int, progress: Progress = lambda text: None) -> dict[str, Any]:
    """`count` migrations from site to site under load, and both ways back. CheckFailed if a
    connection broke, or the guest is corrupt."""
    with guest(lab, progress) as vm:
        progress(f"guest booted at site 2 in {vm.boot():.1f} s")
        rows = to_and_fro(vm, count, progress)
        back = roll_backs(vm, progress)
    return {"migrations": len(rows), "live": all(row["live"] for row in rows),
            "tcp_contiguous": True, "idle_tcp_alive": True, "neighbor_tcp_alive": True,
            **{key: [row[key] for row in rows] for key in (
                "tcp_gap_ms", "guest_pause_ms", "network_added_ms", "pings_lost_at_10ms")},
            "rollback_ms": back}


def to_and_fro(vm: SiteGuest, count: int, progress: Progress) -> list[dict[str, Any]]:
    """Ping-pong between the sites, under the client's stream and pings and the neighbour's TCP."""
    rows = []
    neighbor = Neighbor(vm.lab)
    try:
        with probe.ClientProcess(vm.lab.netns("client"), figure2.VM_ADDRESS) as client:
            client.wait_connected()
            for number in range(1, count + 1):
                neighbor.check()
                row = _under_load(vm, client, f"migration {number}")
                rows.append(row)
                neighbor.check()
                progress(f"migration {number}/{count} to {vm.at}: TCP gap {row['tcp_gap_ms']} ms, "
                         f"{row['pings_lost_at_10ms']} pings lost, guest paused "
                         f"{row['guest_pause_ms']} ms, the network added "
                         f"{row['network_added_ms']} ms")
            result = client.finish()
    finally:
        neighbor.close()
    check(result["contiguous"], f"the TCP stream broke: {result['error']}")
    check(result["idle_alive"], "the idle TCP connection is dead")
    return rows


def _under_load(vm: SiteGuest, client: probe.ClientProcess, name: str) -> dict[str, Any]:
    with probe.Ping(vm.lab.netns("client"), figure2.VM_ADDRESS, PING_MS) as ping:
        ping.wait_answers(SETTLED_ANSWERS)
        client.mark(f"before {name}")
        row = vm.migrate("site3" if vm.at == "site2" else "site2")
        ping.wait_answers(SETTLED_ANSWERS, since_ns=time.monotonic_ns())
        row["tcp_gap_ms"] = round(client.mark(name)["max_gap_ms"], 1)
        row["pings_lost_at_10ms"] = ping.stop()
    vm.check()
    return row


def roll_backs(vm: SiteGuest, progress: Progress) -> dict[str, float]:
    """With an idle guest: cancelled at pre-switchover, and the destination killed there."""
    ways: dict[str, How] = {"cancelled": Migration.cancel_at_pre_switchover,
                            "destination_died": Migration.kill_destination_at_pre_switchover}
    rows = {}
    for name, how in ways.items():
        row = vm.roll_back("site3" if vm.at == "site2" else "site2", how)
        vm.check()
        rows[name] = row["source_reached_ms"]
        progress(f"{name.replace('_', ' ')} at pre-switchover: the source was reached again "
                 f"{row['source_reached_ms']} ms after its RESUME")
    return rows
