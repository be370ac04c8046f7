"""Figure 2 with prefixes that demand signed registrations, and devices that sign (victor-register).

The laptop (lab/figure2.py) is 10.20.0.36 here, and two more hosts are one person's session, now on
one, now on the other: both have 10.20.0.7 and 2001:db8:20::7.

    handset ── hs0 (4) FE2            FE3 (4) tv0 ── tv
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import ctl
import labs
from lab import figure2, netns
from lab.daemons import program
from lab.runtime import Lab as RuntimeLab
from lab.topology import End, Host, Topology

SESSION, SESSION6 = "10.20.0.7", "2001:db8:20::7"
HANDSET_MAC, TV_MAC = "02:00:00:00:20:07", "02:00:00:00:20:08"
LAPTOP = "10.20.0.36"
TIMEOUT_S = 20.0


def _replace_end(t: Topology, name: str, addresses: tuple[str, ...]) -> None:
    t.links[:] = [replace(link, a=replace(link.a, addresses=addresses)) if link.name == name
                  else link for link in t.links]


def _device(t: Topology, name: str, element: str, port: str, mac: str) -> None:
    t.node(name, routes=("default via 10.20.0.1", "default via 2001:db8:20::1"))
    t.link(name, End(name, "eth0", (f"{SESSION}/16", f"{SESSION6}/64"), mac=mac),
           End(element, port))
    t.hosts.append(Host(name, "eth0", SESSION, mac))
    labs.add_access(t, element, {"match": port, "number": 4})


def topology() -> Topology:
    t = figure2.topology()
    t.prefixes += [
        {"prefix": "10.20.0.0/16", "mobile": True, "gateway": "10.20.0.1",
         "registration": "signed"},
        {"prefix": "2001:db8:20::/64", "mobile": True, "gateway": "2001:db8:20::1",
         "registration": "signed"}]
    t.nodes[:] = [replace(n, routes=("default via 10.20.0.1",)) if n.name == "laptop" else n
                  for n in t.nodes]
    _replace_end(t, "wlan", (f"{LAPTOP}/16",))
    t.hosts[:] = [replace(h, address=LAPTOP) if h.name == "laptop" else h for h in t.hosts]
    _device(t, "handset", "fe2", "hs0", HANDSET_MAC)
    _device(t, "tv", "fe3", "tv0", TV_MAC)
    for node in t.inventory:
        if node["id"] == "laptop":
            node["addresses"] = [LAPTOP]
    t.inventory.append({"id": "session", "addresses": [SESSION, SESSION6]})
    return t


class Lab(RuntimeLab):
    make_topology = staticmethod(topology)


def call(lab: Lab, host: str, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        netns.enter(lab.netns(host), [program("registration/io/victor-register"), *words]),
        text=True, capture_output=True, timeout=60)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def key_file(lab: Lab, name: str) -> Path:
    return lab.run_dir / f"{name}.key"


def secret_of(lab: Lab, name: str) -> str:
    """The secret bytes in the key's file, as they must be nowhere else."""
    line = next(line for line in key_file(lab, name).read_text().splitlines()
                if line.startswith("key:"))
    return line.rpartition(":")[2].strip()


def add_device(lab: Lab, host: str, node: str, device: str, mac: str | None = None,
               algorithm: str = "ed25519") -> None:
    """A key, made as an operator would; the controller gets what it is to have of it."""
    path, for_controller = key_file(lab, host), lab.run_dir / f"{host}.other"
    words = ["keygen", "--node", node, "--algorithm", algorithm, "--key", str(path)]
    words += ["--device", device] if device else []
    if algorithm == "ed25519":
        words += ["--controller", lab.rest.get("/v1/registrations")["public_key"]]
    call(lab, host, *words)
    for_controller.touch(0o600)
    for_controller.write_text(call(lab, host, "export", "--key", str(path)).stdout)
    ctl.text(lab, "device", "put", node, device or "-", "--key-file", str(for_controller),
             *(("--mac", mac) if mac else ()))


@contextmanager
def registering(lab: Lab, host: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    """victor-register run, until the context ends; it ends well, and never says its key."""
    log = lab.run_dir / f"{host}.register.log"
    with log.open("w+") as out:
        child = subprocess.Popen(
            netns.enter(lab.netns(host), [program("registration/io/victor-register"), "run",
                                          "--key", str(key_file(lab, host)), *words]),
            text=True, stderr=out, stdout=out, stdin=subprocess.DEVNULL)
        try:
            yield child
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
                assert child.wait(TIMEOUT_S) == 0, log.read_text()
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
            print(log.read_text())
            assert secret_of(lab, host) not in log.read_text()


def counts(lab: Lab) -> dict[str, int]:
    return lab.rest.get("/v1/registrations")["counts"]


def refusals(lab: Lab, why: str) -> int:
    return sum(r["count"] for r in lab.rest.get("/v1/refusals")["refusals"] if r["why"] == why)
