"""One guest: a QEMU in a network namespace, its tap, its console and its monitor.

A Machine owns what it made, the tap included, and `stop()` (or leaving the context) takes all of
it away again. Its directory keeps the serial console's log, QEMU's own log, the monitor's socket
and a state file, by which another process may `attach()`. Uses image.py, netns.py, qmp.py, and
accel.py when no accelerator is given.

A guest's packets reach the tap with their offloads (vnet_hdr): GSO packets of up to 64 KB.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from . import accel as accelerators
from . import initrd, netns
from .image import Image, Progress
from .qmp import Qmp, QmpClosed, QmpTimeout

READY_TIMEOUT_S = 60.0
QUIT_TIMEOUT_S = 3.0
KVM_TRIAL_TIMEOUT_S = 10.0
POLL_S = 0.01
KERNEL_OPTIONS = ("console=ttyS0 quiet loglevel=5 cryptomgr.notests nokaslr mitigations=off "
                  "tsc=reliable no_timer_check oops=panic audit=0")


class MachineError(Exception):
    """A guest did not start, or is not well; the text is one line."""


@dataclass(frozen=True)
class Guest:
    """What the guest is, wherever it runs: the same on both sides of a migration."""

    name: str
    mac: str = "52:54:00:00:00:05"
    address: str | None = None        # "10.10.0.11/16"
    gateway: str | None = None
    address6: str | None = None
    gateway6: str | None = None
    mtu: int | None = None
    memory_mb: int = 96
    announce: bool = True             # the guest itself sends a gratuitous ARP after a migration

    def kernel_options(self) -> str:
        options = {"addr": self.address, "gw": self.gateway, "addr6": self.address6,
                   "gw6": self.gateway6, "mtu": self.mtu}
        return " ".join(f"victor.{k}={v}" for k, v in options.items() if v is not None)


class Machine:
    """One QEMU. With `tap`, a tap is made in the namespace, up, and a port of `bridge` if named."""

    def __init__(self, image: Image, guest: Guest, directory: Path | str, *,
                 namespace: str | None = None, tap: str | None = None, bridge: str | None = None,
                 incoming: bool = False, accel: str | None = None, initrd_path: Path | None = None,
                 append: str = "", tied: bool = False) -> None:
        """`incoming`: a migration's destination, which waits for a guest instead of booting one.

        `tied`: QEMU is killed when the thread that called start() ends, however it ends. Not for
        machines started from a short-lived thread, nor for those that outlive their starter.
        """
        self.image, self.guest, self.directory = image, guest, Path(directory)
        self.namespace, self.tap, self.bridge = namespace, tap, bridge
        self.incoming, self.accel, self.append, self.tied = incoming, accel, append, tied
        self.initrd_path = initrd_path or image.initrd
        self.pid: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._pidfd: int | None = None
        self._qmp: Qmp | None = None
        self._tap_made = False

    def __enter__(self) -> "Machine":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # ---- starting ----

    def start(self) -> None:
        """Starts QEMU and connects to its monitor; the guest is then booting (see wait_ready)."""
        if self.accel is None:
            self.accel = accelerator(self.image)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.console_path.write_bytes(b"")
        try:
            self._make_tap()
            self._spawn()
            self._qmp = self._connect()
            self._save_state()
        except BaseException:
            self.stop()
            raise

    def _make_tap(self) -> None:
        if self.tap is None:
            return
        try:
            netns.ip(self.namespace, f"tuntap add dev {self.tap} mode tap vnet_hdr")
            self._tap_made = True
            if self.guest.mtu:
                netns.ip(self.namespace, f"link set {self.tap} mtu {self.guest.mtu}")
            # The host's side of the tap is not a node: no link-local address, no solicitations.
            netns.ip(self.namespace, f"link set {self.tap} addrgenmode none")
            if self.bridge:
                netns.ip(self.namespace, f"link set {self.tap} master {self.bridge}")
            netns.ip(self.namespace, f"link set {self.tap} up")
        except netns.CommandError as error:
            raise MachineError(f"{self.guest.name}: {error}") from error

    def command(self) -> list[str]:
        """QEMU's command line."""
        words = [*self.image.qemu.command, "-name", self.guest.name, "-M", "q35",
                 "-accel", self.accel or "tcg", "-cpu", "host" if self.accel == "kvm" else "max",
                 "-m", str(self.guest.memory_mb), "-nodefaults", "-no-user-config", "-no-reboot",
                 "-nographic", "-kernel", str(self.image.vmlinux),
                 "-initrd", str(self.initrd_path), "-append",
                 f"{KERNEL_OPTIONS} {self.guest.kernel_options()} {self.append}".strip(),
                 "-serial", f"file:{self.console_path.name}",
                 "-qmp", "unix:qmp,server=on,wait=off"]
        if self.tap:
            announce = "on" if self.guest.announce else "off"
            words += ["-netdev",
                      f"tap,id=n0,ifname={self.tap},script=no,downscript=no,vhost=off",
                      "-device", f"virtio-net-pci,netdev=n0,mac={self.guest.mac},romfile=,"
                                 f"guest_announce={announce}"]
        if self.incoming:
            words += ["-incoming", "defer"]
        return words

    def _spawn(self) -> None:
        command = netns.enter(self.namespace, self.command())
        if self.tied:
            command = ["setpriv", "--pdeathsig", "KILL", "--", *command]
        (self.directory / "qmp").unlink(missing_ok=True)
        with open(self.directory / "qemu.log", "wb") as log:
            # A session of its own: the terminal's Ctrl-C must not kill QEMU before stop() does.
            self._process = subprocess.Popen(
                command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **self.image.qemu.environment}, start_new_session=True)
        self.pid = self._process.pid
        self._pidfd = os.pidfd_open(self.pid)

    def _connect(self) -> Qmp:
        try:
            return Qmp(self.directory / "qmp", self.guest.name, alive=lambda: self.running)
        except (QmpClosed, QmpTimeout) as error:
            raise MachineError(f"{self.guest.name}: QEMU does not start: "
                               f"{self._qemu_said() or error}") from error

    def wait_ready(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Returns when the guest's services answer."""
        self.wait_console(initrd.READY_MARKER, timeout_s)

    def wait_console(self, marker: str, timeout_s: float, faults_end_it: bool = True) -> str:
        """The console's text, once the marker is in it."""
        deadline = time.monotonic() + timeout_s
        while True:
            alive = self.running
            text = self.console()
            if marker in text:
                return text
            faults = self.faults() if faults_end_it else []
            if faults or not alive or time.monotonic() > deadline:
                why = (f"the guest says: {faults[0]}" if faults
                       else f"no '{marker}' within {timeout_s:g} s" if alive
                       else f"QEMU ended: {self._qemu_said()}")
                raise MachineError(f"{self.guest.name}: {why} (see {self.console_path})")
            time.sleep(POLL_S)

    def wait_end(self, timeout_s: float) -> None:
        """Returns when QEMU has ended by itself: the guest rebooted, which here ends it."""
        if self._pidfd is not None and not self._wait_exit(timeout_s):
            raise MachineError(f"{self.guest.name}: did not end within {timeout_s:g} s")

    # ---- looking ----

    @property
    def console_path(self) -> Path:
        return self.directory / "console.log"

    @property
    def qmp(self) -> Qmp:
        if self._qmp is None:
            raise MachineError(f"{self.guest.name}: not started")
        return self._qmp

    @property
    def running(self) -> bool:
        """Whether the QEMU process lives."""
        return self._pidfd is not None and not self._wait_exit(0)

    def console(self) -> str:
        """What the guest wrote to its serial console on this side so far."""
        return self.console_path.read_text(errors="replace")

    def faults(self) -> list[str]:
        """Lines of the console that no healthy guest writes: panics, warnings, corruption."""
        return [line.strip() for line in self.console().splitlines()
                if any(marker in line for marker in initrd.FAULT_MARKERS)]

    def _qemu_said(self) -> str:
        lines = (self.directory / "qemu.log").read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    # ---- ending ----

    def kill(self) -> None:
        """Kills QEMU as a crash would, and waits for its end; the tap stays until stop()."""
        if self._pidfd is None:
            return
        try:
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._wait_exit(None)

    def stop(self) -> None:
        """Ends QEMU and removes the tap. May be called again, and at any point of start()."""
        try:
            self._end_process()
        finally:
            if self._tap_made:
                self._tap_made = False
                try:
                    netns.ip(self.namespace, f"link del {self.tap}")
                except netns.CommandError:
                    pass    # gone with its namespace
            (self.directory / "machine.json").unlink(missing_ok=True)

    def _end_process(self) -> None:
        if self._pidfd is None:
            return
        try:
            if self._qmp is not None and self.running:
                self._qmp.execute("quit", timeout_s=QUIT_TIMEOUT_S)
                self._wait_exit(QUIT_TIMEOUT_S)
        except (QmpClosed, QmpTimeout):
            pass
        finally:
            self.kill()
            if self._qmp is not None:
                self._qmp.close()
            os.close(self._pidfd)
            self._pidfd = self._qmp = self.pid = None

    def _wait_exit(self, timeout_s: float | None) -> bool:
        """Whether QEMU has ended, waiting at most so long; a child is then reaped."""
        assert self._pidfd is not None
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        ended = bool(poll.poll(None if timeout_s is None else timeout_s * 1000))
        if ended and self._process is not None:
            self._process.wait()
        return ended

    # ---- by another process ----

    def _save_state(self) -> None:
        state = {"pid": self.pid, "started": _start_time(self.pid), "guest": asdict(self.guest),
                 "namespace": self.namespace, "tap": self.tap, "bridge": self.bridge,
                 "accel": self.accel}
        (self.directory / "machine.json").write_text(json.dumps(state))

    def detach(self) -> None:
        """Lets the machine go on without this process; attach() finds it again."""
        if self._qmp is not None:
            self._qmp.close()
        if self._pidfd is not None:
            os.close(self._pidfd)
        self._pidfd = self._qmp = self._process = None
        self._tap_made = False

    @classmethod
    def attach(cls, image: Image, directory: Path | str) -> "Machine":
        """The machine that an earlier process started in this directory and detached from."""
        try:
            state = json.loads((Path(directory) / "machine.json").read_text())
        except FileNotFoundError as error:
            raise MachineError(f"{directory}: no machine was started here") from error
        machine = cls(image, Guest(**state["guest"]), directory, namespace=state["namespace"],
                      tap=state["tap"], bridge=state["bridge"], accel=state["accel"])
        machine._tap_made = machine.tap is not None
        try:
            machine._pidfd = os.pidfd_open(state["pid"])
            if _start_time(state["pid"]) != state["started"]:
                raise ProcessLookupError    # the number was given to another process
        except (ProcessLookupError, FileNotFoundError) as error:
            machine._pidfd = None
            machine.stop()
            raise MachineError(f"{machine.guest.name}: QEMU is gone") from error
        machine.pid = state["pid"]
        machine._qmp = machine._connect()
        return machine


def accelerator(image: Image, progress: Progress = lambda line: None) -> str:
    """What guests run under here, "kvm" or "tcg"; the first call may boot a trial guest."""
    return accelerators.choose(image, _boots_with_kvm, progress)


def _boots_with_kvm(image: Image) -> bool:
    with tempfile.TemporaryDirectory(prefix="victor-kvm-trial-") as directory:
        try:
            with Machine(image, Guest("kvm-trial"), directory, accel="kvm") as machine:
                machine.wait_ready(KVM_TRIAL_TIMEOUT_S)
            return True
        except MachineError:
            return False


def _start_time(pid: int | None) -> str:
    """When the process started (field 22 of stat): with the pid, it names a process for good."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
