"""One migration of a guest from one machine to another, with hooks at its events.

The order of a live migration's events, and where the hooks are:

    source       active ... STOP  pre-switchover             completed      (quit)
    destination                                   RESUME
    hooks                on_stop  on_pre_switchover  on_resume_destination  on_completed

The guest stands still from STOP to RESUME. At pre-switchover the guest's state has not left yet,
so the path is switched there as a tentative move; `on_pre_switchover` must return quickly, for the
guest waits for it. If the migration then fails (cancelled, or the destination died), the source
resumes and `on_resume_source` is called: the switch must be undone.

With a QEMU whose live migration is not to be trusted (`Image.live` is False) the guest is stopped,
copied and continued, with the same hooks. Uses machine.py and qmp.py.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .machine import Machine
from .qmp import Event, Qmp, QmpClosed, QmpError

MAX_BANDWIDTH = 4 << 30           # bytes a second
DOWNTIME_LIMIT_MS = 20
CONVERGE_WITHIN_S = 60.0
SWITCH_WITHIN_S = 20.0
UNIX_SOCKET = "migration"

Hook = Callable[[int], None]


class MigrationError(Exception):
    """The migration did not happen, or went wrong; the text says which, and who runs the guest."""


class NotConverged(MigrationError):
    """The guest changes its memory faster than it is copied; cancelled, it runs at the source."""


def _nothing(at_ns: int) -> None:
    """The hook that does nothing."""


@dataclass
class Hooks:
    """Called in run()'s thread, with the event's time of arrival (monotonic ns)."""

    on_stop: Hook = _nothing
    on_pre_switchover: Hook = _nothing
    on_resume_destination: Hook = _nothing
    on_resume_source: Hook = _nothing
    on_completed: Hook = _nothing


@dataclass
class MigrationResult:
    """What happened, in monotonic nanoseconds; 0 where it did not."""

    live: bool
    rolled_back: bool = False
    begin_ns: int = 0
    stop_ns: int = 0
    pre_switchover_ns: int = 0
    resume_ns: int = 0                # the destination's, or the source's after a rollback
    completed_ns: int = 0
    qmp_downtime_ms: int | None = None
    ram_bytes: int = 0

    @property
    def total_ms(self) -> float:
        return (max(self.completed_ns, self.resume_ns) - self.begin_ns) / 1e6

    @property
    def guest_pause_ms(self) -> float:
        """STOP to RESUME. The guest's first packet comes later still: measure that at a client."""
        return (self.resume_ns - self.stop_ns) / 1e6


@dataclass
class Migration:
    """Moves the guest of `source` to `destination` (a Machine started with incoming=True).

    `host` is an address of the destination's namespace that the source's reaches; None: a UNIX
    socket, which needs no network. `port` 0 lets the system choose.

    Of the two machines the one that does not have the guest is stopped at the end, its tap
    removed with it: the source after success, the destination after a rollback or a failure.
    """

    source: Machine
    destination: Machine
    host: str | None = None
    port: int = 0
    hooks: Hooks = field(default_factory=Hooks)
    max_bandwidth: int = MAX_BANDWIDTH
    downtime_limit_ms: int = DOWNTIME_LIMIT_MS
    converge_within_s: float = CONVERGE_WITHIN_S

    def run(self) -> MigrationResult:
        """Migrates. MigrationError if the guest is not at the destination afterwards."""
        return self._attempt(None)

    def cancel_at_pre_switchover(self) -> MigrationResult:
        """Goes as far as pre-switchover, its hook included, then cancels: the source resumes."""
        return self._attempt(self._cancel)

    def kill_destination_at_pre_switchover(self) -> MigrationResult:
        """The same, but the destination's QEMU is killed there, and the source finds out itself."""
        return self._attempt(self._kill_destination)

    # ---- the frame of all three ----

    def _attempt(self, sabotage: Callable[[], None] | None) -> MigrationResult:
        self._result = MigrationResult(live=self.source.image.live)
        self._sabotage = sabotage
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._paused = False
        self._received = False      # the destination has it all: before that, it ignores "cont"
        clients = (self.source.qmp, self.destination.qmp)
        for client in clients:
            client.subscribe(self._events)
        try:
            uri = self._prepare()
            self._result.begin_ns = time.monotonic_ns()
            if self._result.live:
                self._live(uri)
            else:
                self._stop_and_copy(uri)
        except (QmpError, QmpClosed) as error:
            self._give_up()
            raise MigrationError(f"{self.source.guest.name}: {error}") from error
        except BaseException:
            self._give_up()
            raise
        finally:
            for client in clients:
                client.unsubscribe(self._events)
        (self.destination if self._result.rolled_back else self.source).stop()
        return self._result

    def _prepare(self) -> str:
        """Settings on both sides; the destination listens. Returns where."""
        source, destination = self.source.qmp, self.destination.qmp
        for client in (source, destination):
            _capability(client, "events", True)
        _capability(source, "pause-before-switchover", self._result.live)
        source.execute("migrate-set-parameters", max_bandwidth=self.max_bandwidth,
                       downtime_limit=self.downtime_limit_ms)
        if self.host is None:
            uri = f"unix:{self.destination.directory.resolve() / UNIX_SOCKET}"
            destination.execute("migrate-incoming", uri=uri)
            return uri
        host = f"[{self.host}]" if ":" in self.host else self.host
        destination.execute("migrate-incoming", uri=f"tcp:{host}:{self.port}")
        port = self.port or _listening_port(destination)
        return f"tcp:{host}:{port}"

    def _give_up(self) -> None:
        """After a failure, or an interrupt: the guest goes on at the source, unless it already
        runs at the destination; the other machine is ended."""
        if self._result.resume_ns and not self._result.rolled_back:
            self.source.stop()
            return
        self.destination.stop()
        try:
            self.source.qmp.execute("migrate_cancel")
            deadline = time.monotonic() + SWITCH_WITHIN_S
            while _status(self.source.qmp) in ("active", "device", "setup", "cancelling",
                                               "pre-switchover") and time.monotonic() < deadline:
                time.sleep(0.005)
            if self._paused:
                self._resume_source_by_hand()
        except (QmpError, QmpClosed):
            pass

    def _resume_source_by_hand(self) -> None:
        if not self.source.qmp.execute("query-status")["running"]:
            self.source.qmp.execute("cont")
        self._source_resumed(time.monotonic_ns())

    # ---- live ----

    def _live(self, uri: str) -> None:
        self.source.qmp.execute("migrate", uri=uri)
        self._until_pre_switchover(time.monotonic() + self.converge_within_s)
        if self._sabotage:
            self._sabotage()
        else:
            self._continue()
        self._until_over(time.monotonic() + SWITCH_WITHIN_S)

    def _until_pre_switchover(self, deadline: float) -> None:
        while not self._result.pre_switchover_ns:
            event = self._next(deadline)
            if event is None:
                raise NotConverged(
                    f"{self.source.guest.name}: the migration did not converge within "
                    f"{self.converge_within_s:g} s; cancelled, the guest runs at the source")
            self._handle(event)
            self._raise_if_failed(event)

    def _continue(self) -> None:
        self.source.qmp.execute("migrate-continue", state="pre-switchover")

    def _cancel(self) -> None:
        self.source.qmp.execute("migrate_cancel")

    def _kill_destination(self) -> None:
        self.destination.kill()
        self._continue()

    def _until_over(self, deadline: float) -> None:
        """Until the guest runs again and the source is done with it, whichever way it went."""
        result = self._result
        while not (result.resume_ns and (result.rolled_back or result.completed_ns)):
            event = self._next(deadline)
            if event is None:
                raise MigrationError(f"{self.source.guest.name}: no RESUME within "
                                     f"{SWITCH_WITHIN_S:g} s of pre-switchover")
            self._handle(event)
        if result.rolled_back and not self._sabotage:
            raise MigrationError(f"{self.source.guest.name}: the migration failed: "
                                 f"{self._failure()}; the guest runs at the source")
        if self._sabotage and not result.rolled_back:
            raise MigrationError(f"{self.source.guest.name}: the migration went through, "
                                 "though it should have failed")
        if not result.rolled_back:
            self._figures()

    # ---- stop and copy ----

    def _stop_and_copy(self, uri: str) -> None:
        self.source.qmp.execute("stop")
        self._until(lambda: self._paused)
        self._reached_pre_switchover(time.monotonic_ns())
        if self._sabotage:
            if self._sabotage == self._kill_destination:
                self.destination.kill()
            self._resume_source_by_hand()
            return
        self.source.qmp.execute("migrate", uri=uri)
        self._until(lambda: bool(self._result.completed_ns) and self._received)
        self.destination.qmp.execute("cont")
        self._until(lambda: bool(self._result.resume_ns))
        self._figures()

    def _until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self.converge_within_s
        while not done():
            event = self._next(deadline)
            if event is None:
                raise MigrationError(f"{self.source.guest.name}: stop-and-copy took too long")
            self._handle(event)
            self._raise_if_failed(event)

    # ---- events ----

    def _next(self, deadline: float) -> Event | None:
        try:
            return self._events.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return None

    def _handle(self, event: Event) -> None:
        """Notes an event and calls its hook, at once: what waits for the hook is the guest."""
        of_source = event.source is self.source.qmp
        status = event.data.get("status") if event.name == "MIGRATION" else None
        if of_source and event.name == "STOP":
            self._paused = True
            self._result.stop_ns = event.at_ns
            self.hooks.on_stop(event.at_ns)
        elif of_source and status == "pre-switchover":
            self._reached_pre_switchover(event.at_ns)
        elif of_source and event.name == "RESUME" and self._paused:
            self._source_resumed(event.at_ns)
        elif not of_source and event.name == "RESUME":
            self._result.resume_ns = event.at_ns
            self.hooks.on_resume_destination(event.at_ns)
        elif of_source and status == "completed":
            self._result.completed_ns = event.at_ns
            self.hooks.on_completed(event.at_ns)
        elif not of_source and status == "completed":
            self._received = True
        elif of_source and event.name == "CLOSED":
            raise MigrationError(f"{self.source.guest.name}: the source's QEMU ended")

    def _reached_pre_switchover(self, at_ns: int) -> None:
        self._result.pre_switchover_ns = at_ns
        self.hooks.on_pre_switchover(at_ns)

    def _source_resumed(self, at_ns: int) -> None:
        self._paused = False
        self._result.rolled_back = True
        self._result.resume_ns = at_ns
        self.hooks.on_resume_source(at_ns)

    def _raise_if_failed(self, event: Event) -> None:
        """Before the switch a failure leaves the guest running at the source."""
        failed = event.name == "MIGRATION" and event.data["status"] in ("failed", "cancelled")
        if failed or event.name == "CLOSED":
            raise MigrationError(f"{self.source.guest.name}: the migration failed: "
                                 f"{self._failure()}; the guest runs at the source")

    def _failure(self) -> str:
        info = self.source.qmp.execute("query-migrate")
        return info.get("error-desc") or info.get("status", "unknown")

    def _figures(self) -> None:
        info = self.source.qmp.execute("query-migrate")
        self._result.qmp_downtime_ms = info.get("downtime")
        self._result.ram_bytes = info.get("ram", {}).get("transferred", 0)


def _capability(client: Qmp, name: str, state: bool) -> None:
    client.execute("migrate-set-capabilities", capabilities=[{"capability": name, "state": state}])


def _status(client: Qmp) -> str:
    return client.execute("query-migrate").get("status", "none")


def _listening_port(client: Qmp) -> int:
    """The port that a destination told to choose one listens on."""
    addresses: list[dict[str, Any]] = client.execute("query-migrate").get("socket-address", [])
    for address in addresses:
        if "port" in address:
            return int(address["port"])
    raise MigrationError("QEMU does not tell the port that it chose: give one")
