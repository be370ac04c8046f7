"""Certificates for a lab: a private CA beside the lab's run directory, by `victorctl pki`.

Without it the lab's daemons speak plain TCP ("insecure"), which its namespaces are trusted with.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from .topology import Topology

CONTROLLER = "cc"
FILES = {"certificate": "certificate.pem", "key": "key.pem", "ca": "ca.pem", "crl": "crl.pem"}


def run(victorctl: str, directory: Path | str, *words: str) -> str:
    done = subprocess.run([victorctl, "pki", *words, "--directory", str(directory)], text=True,
                          capture_output=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise RuntimeError(f"victorctl pki {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def make(victorctl: str, directory: Path, topology: Topology) -> None:
    """A CA, and a certificate for the controller and for each element."""
    run(victorctl, directory, "init", "lab CA")
    run(victorctl, directory, "issue", "controller", CONTROLLER,
        "--address", topology.controller_address)
    for element in topology.elements:
        run(victorctl, directory, "issue", "fe", element.name, str(element.id))
    topology.pki = str(directory)


def files(topology: Topology, kind: str, name: str) -> dict[str, str]:
    return {key: f"{topology.pki}/{kind}-{name}/{file}" for key, file in FILES.items()}


def settings(topology: Topology, kind: str, name: str) -> dict[str, Any]:
    """What a daemon's configuration has: TLS, or that there is none."""
    return {"tls": files(topology, kind, name)} if topology.pki else {"insecure": True}


def scheme(topology: Topology) -> str:
    return "tls" if topology.pki else "tcp"
