"""FRR beside BIRD (load_peers.py): three routers in a chain, zebra and bgpd in each. The first router's
host routes are in its kernel before; what is measured begins when its bgpd is to redistribute them.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from . import load_peers, netns
from .routing import FRR_GROUP, FRR_PATH, FRR_USER

CONFIG = """hostname router{i}
router bgp 6500{i}
 bgp router-id 10.255.0.{i}
 no bgp ebgp-requires-policy
 no bgp network import-check
 coalesce-time 0
"""
PEER = """ neighbor {theirs} remote-as 6500{j}
 neighbor {theirs} timers connect 1
 neighbor {theirs} advertisement-interval 0
"""


class FrrRouters(load_peers.Routers):
    kind = "FRR"

    def start(self) -> None:
        self.bgpds: dict[int, subprocess.Popen[bytes]] = {}
        netns.batch([f"route add blackhole 10.{n >> 16}.{n >> 8 & 255}.{n & 255}/32 proto static"
                     for n in range(self.routes)], self.names[1])
        shutil.chown(self.directory.name, FRR_USER, FRR_GROUP)
        for i in self.names:
            self._configure(i)
            self.daemons[i] = self._start(i, "zebra", "-A", "127.0.0.1")
            self.wait(lambda i=i: (self._home(i) / "zserv.api").exists())
            self.bgpds[i] = self._start(i, "bgpd")
        for i in self.names:
            self.wait(lambda i=i: (self._home(i) / "bgpd.vty").exists())
        self.wait(lambda: self._zebra_has() >= self.routes)

    def all_daemons(self) -> list[subprocess.Popen[bytes]]:
        return [*self.bgpds.values(), *self.daemons.values()]

    def _home(self, i: int) -> Path:
        return self.path(f"frr{i}")

    def _configure(self, i: int) -> None:
        text = CONFIG.format(i=i)
        for ends, addresses in load_peers.LINKS.items():
            if i in ends:
                at = ends.index(i)
                text += PEER.format(j=ends[1 - at], theirs=addresses[1 - at])
        home = self._home(i)
        home.mkdir()
        (home / "zebra.conf").write_text("")
        (home / "bgpd.conf").write_text(text)
        for path in (home, *home.iterdir()):
            shutil.chown(path, FRR_USER, FRR_GROUP)

    def _start(self, i: int, program: str, *more: str) -> subprocess.Popen[bytes]:
        home = self._home(i)
        with self.path(f"{program}{i}.log").open("wb") as log:
            return subprocess.Popen(
                ["ip", "netns", "exec", self.names[i], str(FRR_PATH / program), "-P", "0", "-z",
                 f"{home}/zserv.api", "-i", f"{home}/{program}.pid", "--vty_socket", str(home),
                 "-f", f"{home}/{program}.conf", "--log", "stdout", *more],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def ask(self, i: int, *words: str) -> str:
        """Each of the words is a line."""
        home = str(self._home(i))
        lines = (word for line in words for word in ("-c", line))
        return subprocess.run(["vtysh", "--vty_socket", home, "--config_dir", home, *lines],
                              text=True, check=False, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL).stdout

    def _json(self, i: int, words: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self.ask(i, words) or "{}")
        except ValueError:
            return {}
        return found

    def _zebra_has(self) -> int:
        return int(self._json(1, "show ip route summary json").get("routesTotal", 0))

    def is_established(self, i: int) -> bool:
        peers = self._json(i, "show bgp ipv4 unicast summary json").get("peers", {})
        return any(peer["state"] == "Established" for peer in peers.values())

    def tell(self, hosts: bool) -> None:
        self.ask(1, "configure terminal", "router bgp 65001", "address-family ipv4 unicast",
                 f"{'' if hosts else 'no '}redistribute kernel")


def version() -> str:
    said = subprocess.run([FRR_PATH / "bgpd", "--version"], text=True, check=True,
                          stdout=subprocess.PIPE).stdout
    return said.split()[2]
