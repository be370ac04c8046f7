"""Open vSwitch's userspace datapath as a way of bench/forward's (lab/forward_ways.py): one bridge, a
flow for each destination that rewrites the MACs, lowers the TTL and sends on, as the element does.

    ovi → ovo    type "system": AF_PACKET sockets, read by the main thread when there is something
    axi → axo    AF_XDP sockets: type "afxdp-nonpmd", the same thread; or "afxdp", a thread that polls
"""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from .lanes import Lanes, LanesError
from .openvswitch import SCHEMA, environment, find

PACKAGES = ("openvswitch-switch",)
BRIDGE = "ovs"
LANES = {"ov": "system", "ax": "afxdp-nonpmd"}
START_TIMEOUT_S, LOAD_TIMEOUT_S, STOP_TIMEOUT_S = 20.0, 240.0, 10.0
FIRST_ADDRESS = 10 << 24
RETYPES = 5
# Megaflows: the default for each of the two lanes. A switch begins with 10,000 and gets there by
# 1,000 each half second, while its revalidator keeps pace; it is told to begin there.
FLOW_LIMIT = 400000


class OpenVSwitch:
    """A database and a switch in the peers' namespace; a context manager.  `directory` is empty."""

    def __init__(self, lanes: Lanes, directory: Path) -> None:
        self.lanes, self.directory, self.flows = lanes, directory, 0
        self.started: list[subprocess.Popen[bytes]] = []
        self.switch: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "OpenVSwitch":
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self.started):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self) -> None:
        d = self.directory
        self._tool("ovsdb-tool", "create", f"{d}/conf.db", str(SCHEMA))
        self._spawn("ovsdb-server", f"--remote=punix:{d}/db.sock", f"--unixctl={d}/db.ctl",
                    f"{d}/conf.db")
        _wait("ovsdb-server", (d / "db.sock").exists)
        self._vsctl("--no-wait", "init", "--", "set", "Open_vSwitch", ".",
                    f"other_config:flow-limit={FLOW_LIMIT}")
        self.switch = self._spawn("ovs-vswitchd", f"unix:{d}/db.sock", f"--unixctl={d}/switch.ctl")
        _wait("ovs-vswitchd", (d / "switch.ctl").exists)
        words = ["add-br", BRIDGE, "--", "set", "bridge", BRIDGE, "datapath_type=netdev",
                 "protocols=OpenFlow14", "fail_mode=secure"]
        for number, (lane, kind) in enumerate(LANES.items()):
            for i, end in enumerate("io"):
                words += ["--", "add-port", BRIDGE, lane + end, "--", "set", "interface",
                          lane + end, f"type={kind}", f"ofport_request={2 * number + i + 1}"]
        self._vsctl(*words)
        for lane in LANES:
            self._check(lane)
        self._load("".join(
            f"table=0,in_port={2 * number + 1} actions=load:{2 * number + 2}->NXM_NX_REG0[],"
            "resubmit(,1)\n" for number in range(len(LANES))))

    def _check(self, lane: str) -> None:
        for end in "io":
            error = self._vsctl("get", "interface", lane + end, "error").strip()
            if error not in ("[]", '""'):
                said = [line for line in (self.directory / "ovs-vswitchd.log").read_text(
                    ).splitlines() if "|WARN|" in line or "|ERR|" in line]
                raise LanesError(f"Open vSwitch: {lane}{end}: {error}; {' '.join(said[-8:])}")

    @property
    def pid(self) -> int:
        assert self.switch
        return self.switch.pid

    def core(self, core: int) -> None:
        """All its threads to that core, but those that poll, which have theirs."""
        subprocess.run(["taskset", "-apc", str(core), str(self.pid)], check=True,
                       stdout=subprocess.DEVNULL)

    def grow(self, count: int) -> float:
        """Flows for so many destinations; the seconds that it took."""
        begin = time.monotonic()
        self._load("".join(
            f"table=1,ip,nw_dst={_address(i)} actions=mod_dl_src:02:00:5e:00:00:01,"
            f"mod_dl_dst:02:01:{_hex(i)},dec_ttl,output:NXM_NX_REG0[]\n"
            for i in range(self.flows, count)))
        self.flows = count
        took = time.monotonic() - begin
        self._appctl("upcall/set-flow-limit", str(FLOW_LIMIT))
        return took

    def looked_up(self) -> tuple[int, int]:
        """Packets until now, and those of them that no megaflow was for."""
        return looked_up(self._appctl("dpif-netdev/pmd-stats-show"))

    def poll(self, lane: str, core: int) -> None:
        """From now on a thread on that core polls the lane's ports."""
        self._vsctl("set", "Open_vSwitch", ".", f"other_config:pmd-cpu-mask={1 << core:x}")
        self._retype(lane, "afxdp")

    def wait(self, lane: str) -> None:
        """No longer; the main thread reads them again."""
        self._retype(lane, LANES[lane])

    def _retype(self, lane: str, kind: str) -> None:
        """The kernel may still have the socket of before: then once more."""
        for tries in reversed(range(RETYPES)):
            self._vsctl(*(word for end in "io" for word in (
                "--", "set", "interface", lane + end, f"type={kind}")))
            try:
                self._check(lane)
                return
            except LanesError:
                if not tries:
                    raise
                self._vsctl(*(word for end in "io" for word in (
                    "--", "set", "interface", lane + end, "type=system")))

    def resident_kib(self) -> int:
        text = Path(f"/proc/{self.pid}/status").read_text()
        return int(text.partition("VmRSS:")[2].split()[0])

    # ---- its programs ----

    def _command(self, name: str, *words: str) -> list[str]:
        return self.lanes.away(*environment(self.directory), find(name), *words)

    def _spawn(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        with (self.directory / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(self._command(name, *words), stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=log)
        self.started.append(process)
        return process

    def _tool(self, name: str, *words: str, text: str | None = None,
              timeout_s: float = START_TIMEOUT_S) -> str:
        try:
            done = subprocess.run(self._command(name, *words), input=text, text=True,
                                  capture_output=True, timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            raise LanesError(f"{name} does not end in {timeout_s:g} s") from error
        if done.returncode != 0:
            raise LanesError(f"{name} {words[0]}: {done.stderr.strip()[-300:]}")
        return done.stdout

    def _vsctl(self, *words: str) -> str:
        return self._tool("ovs-vsctl", f"--db=unix:{self.directory}/db.sock", *words,
                          timeout_s=LOAD_TIMEOUT_S)    # with many flows it takes its time

    def _appctl(self, *words: str) -> str:
        return self._tool("ovs-appctl", f"--target={self.directory}/switch.ctl", *words,
                          timeout_s=LOAD_TIMEOUT_S)

    def _load(self, flows: str) -> None:
        """In one bundle: all or none."""
        self._tool("ovs-ofctl", "-O", "OpenFlow14", "--bundle", "add-flows",
                   f"unix:{self.directory}/{BRIDGE}.mgmt", "-", text=flows,
                   timeout_s=LOAD_TIMEOUT_S)


def looked_up(text: str) -> tuple[int, int]:
    """Of all threads in what pmd-stats-show says: packets, and those without a megaflow."""
    def count(name: str) -> int:
        return sum(map(int, re.findall(rf"^\s*{name}: (\d+)$", text, re.MULTILINE)))

    return count("packets received"), \
        count("miss with success upcall") + count("miss with failed upcall")


def has_afxdp() -> bool:
    """Whether this Open vSwitch was built with it: it then loads libxdp."""
    said = subprocess.run(["ldd", find("ovs-vswitchd")], text=True, capture_output=True).stdout
    return "libxdp" in said or "libbpf" in said


def _address(number: int) -> str:
    return ".".join(str(byte) for byte in (FIRST_ADDRESS + number).to_bytes(4, "big"))


def _hex(number: int) -> str:
    return number.to_bytes(4, "big").hex(":")


def _wait(what: str, ready: Callable[[], bool]) -> None:
    end = time.monotonic() + START_TIMEOUT_S
    while not ready():
        if time.monotonic() > end:
            raise LanesError(f"{what} did not start")
        time.sleep(0.01)
