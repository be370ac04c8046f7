"""Stock routing daemons in a lab's namespaces: FRR (zebra, bgpd, ospfd, bfdd, staticd) and BIRD 2,
each instance with a directory of its own; the distribution's services are never started.

    router = routing.frr(lab, "fe1", config_text)      # or routing.bird(...)
    router.start()
    router.prefixes()                                  # all that its RIBs hold
    router.stop()
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from . import netns
from .daemons import DaemonError
from .runtime import Lab

FRR_DAEMONS = ("zebra", "staticd", "bgpd", "ospfd", "bfdd")
FRR_USER, FRR_GROUP = "frr", "frr"
BIRD = "/usr/sbin/bird"
FRR_PATH = Path("/usr/lib/frr")
START_TIMEOUT_S = 20.0
POLL_S = 0.02
NOT_YET = re.compile(r"The route-map '\S+' does not exist\.$")    # it comes later in the file
PREFIX = re.compile(r"^([0-9][0-9.]*/[0-9]+)\b", re.M)


class Router:
    """One routing daemon (or FRR's set of them) in a namespace."""

    def __init__(self, lab: Lab, node: str, text: str) -> None:
        self.lab, self.node, self.text = lab, node, text
        self.directory = lab.run_dir / f"{node}-{self.kind}"
        self.names = [f"{node}-{program}" for program in self.programs()]
        for name, program in zip(self.names, self.programs()):
            if name not in lab.daemons:
                lab.add_daemon(name, node, lambda p=program: self.command(p))

    kind = ""

    def programs(self) -> tuple[str, ...]:
        raise NotImplementedError

    def command(self, program: str) -> list[str]:
        raise NotImplementedError

    def ask(self, words: str) -> str:
        """What the daemon's own command line says."""
        raise NotImplementedError

    def prefixes(self) -> set[str]:
        """Every prefix in its RIBs, by whatever protocol."""
        raise NotImplementedError

    def _write(self) -> None:
        raise NotImplementedError

    def _after_start(self) -> None:
        pass

    def start(self) -> None:
        self._write()
        for name in self.names:
            self.lab.daemons[name].start()
        self._wait("answer", self._answers)
        self._after_start()

    def stop(self) -> None:
        for name in reversed(self.names):
            self.lab.daemons[name].stop()

    def restart(self, text: str | None = None) -> None:
        """Perhaps with another configuration."""
        self.stop()
        self.text = text or self.text
        self.start()

    def kill(self) -> None:
        """kill -9 of all of it."""
        for name in self.names:
            self.lab.daemons[name].kill()

    def _answers(self) -> bool:
        try:
            self.ask("show version" if self.kind == "frr" else "show status")
        except (DaemonError, OSError):
            return False
        return True

    def _wait(self, what: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not ready():
            for name in self.names:
                if not self.lab.daemons[name].running:
                    raise DaemonError(f"{name} ended: {self.lab.daemons[name].said()}")
            if time.monotonic() > deadline:
                raise DaemonError(f"{self.node}: no {what} by {self.kind}")
            time.sleep(POLL_S)

    def bfd_is_up(self, neighbor: str) -> bool:
        """And at its full speed: it begins with a packet a second."""
        raise NotImplementedError

    def ospf_age_s(self) -> int:
        """Of its own router LSA: it makes no other for 5 s (RFC 2328's MinLSInterval)."""
        raise NotImplementedError

    def kernel_routes(self) -> set[str]:
        """Where the kernel's main table leads by a next hop: what victor-fe sends by."""
        text = netns.run(self.lab.netns(self.node), "ip", "-j", "route", "show", "table", "main")
        return {route["dst"] for route in json.loads(text or "[]") if "gateway" in route}

    def _run(self, command: list[str]) -> str:
        done = subprocess.run(command, text=True, capture_output=True, stdin=subprocess.DEVNULL,
                              timeout=START_TIMEOUT_S)
        if done.returncode != 0:
            said = (done.stderr + done.stdout).strip().splitlines()
            raise DaemonError(f"{' '.join(command)}: {said[-1] if said else done.returncode}")
        return done.stdout


class Frr(Router):
    """FRR: the configuration is one file, read by `vtysh -b`, as the distribution's start does."""

    kind = "frr"

    def programs(self) -> tuple[str, ...]:
        wanted = {"zebra": True, "staticd": "ip route" in self.text, "bgpd": "router bgp" in
                  self.text, "ospfd": "router ospf" in self.text, "bfdd": "bfd" in self.text}
        return tuple(name for name in FRR_DAEMONS if wanted[name])

    def command(self, program: str) -> list[str]:
        d = self.directory
        more = {"zebra": ["-A", "127.0.0.1"], "bfdd": ["--bfdctl", f"{d}/bfdd.sock"]}
        return [str(FRR_PATH / program), "-P", "0", "-z", f"{d}/zserv.api", "-i",
                f"{d}/{program}.pid", "--vty_socket", str(d), "-f", "/dev/null", "--log", "stdout",
                *more.get(program, [])]

    def _write(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "frr.conf").write_text(self.text)
        (self.directory / "vtysh.conf").write_text("service integrated-vtysh-config\n")
        for path in (self.directory, *self.directory.iterdir()):
            shutil.chown(path, FRR_USER, FRR_GROUP)

    def _vtysh(self, *words: str) -> str:
        d = str(self.directory)
        return self._run(["vtysh", "--vty_socket", d, "--config_dir", d, *words])

    def _answers(self) -> bool:
        ready = all((self.directory / f"{p}.vty").exists() for p in self.programs())
        return ready and super()._answers()

    def _after_start(self) -> None:
        """FRR goes on without the lines that it refuses: here that is an error."""
        refused = [line for line in self._vtysh("-b").splitlines() if not NOT_YET.match(line)]
        if refused:
            raise DaemonError(f"{self.node}: {'; '.join(refused)}")

    def ask(self, words: str) -> str:
        return self._vtysh("-c", words)

    def configure(self, *lines: str) -> None:
        """Lines of configuration for the daemons that run."""
        self._vtysh(*(word for line in ("configure terminal", *lines) for word in ("-c", line)))

    def bfd_is_up(self, neighbor: str) -> bool:
        return any(peer["peer"] == neighbor and peer["status"] == "up"
                   and max(peer["transmit-interval"], peer["remote-transmit-interval"]) < 1000
                   for peer in json.loads(self.ask("show bfd peers json")))

    def ospf_age_s(self) -> int:
        found = re.search(r"LS age: (\d+)", self.ask("show ip ospf database router self-originate"))
        return int(found.group(1)) if found else 0

    def prefixes(self) -> set[str]:
        found = set(json.loads(self.ask("show ip route json") or "{}"))
        if "bgpd" in self.programs():
            found |= set(json.loads(self.ask("show bgp ipv4 unicast json"))["routes"])
        return found


class Bird(Router):
    kind = "bird"

    def programs(self) -> tuple[str, ...]:
        return ("bird",)

    def command(self, program: str) -> list[str]:
        d = self.directory
        return [BIRD, "-f", "-c", f"{d}/bird.conf", "-s", f"{d}/bird.ctl", "-P", f"{d}/bird.pid"]

    def _write(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "bird.conf").write_text(self.text)

    def ask(self, words: str) -> str:
        return self._run(["birdc", "-s", f"{self.directory}/bird.ctl", *words.split()])

    def bfd_is_up(self, neighbor: str) -> bool:
        lines = [line.split() for line in self.ask("show bfd sessions").splitlines()]
        return any(line[:1] == [neighbor] and line[2:3] == ["Up"] and float(line[-2]) < 1
                   for line in lines)

    def ospf_age_s(self) -> int:
        rows = [line.split() for line in self.ask("show ospf lsadb self").splitlines()]
        return min((int(row[4]) for row in rows if row[:1] == ["0001"]), default=0)

    def prefixes(self) -> set[str]:
        return set(PREFIX.findall(self.ask("show route all table all")))


def make(kind: str, lab: Lab, node: str, text: str) -> Router:
    return {"frr": Frr, "bird": Bird}[kind](lab, node, text)
