"""What the daemons keep of root's power while they run, thread by thread, and that it is enough: two
elements, a controller, and a host that moves between them.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import labs
import pytest
from lab.runtime import Lab

NET_ADMIN, NET_RAW, PERFMON, BPF = 12, 13, 38, 39


def threads(lab: Lab, daemon: str) -> list[dict[str, str]]:
    process = lab.daemons[daemon].process
    assert process is not None
    found = []
    for status in Path(f"/proc/{process.pid}/task").glob("*/status"):
        lines = (line.split(":", 1) for line in status.read_text().splitlines())
        found.append({name: value.strip() for name, value in lines})
    assert found
    return found


@pytest.mark.parametrize("daemon,kept", [
    ("controller", []), ("fe1", [NET_ADMIN, NET_RAW, PERFMON, BPF]),
    ("fe2", [NET_ADMIN, NET_RAW, PERFMON, BPF])])
def test_every_thread_has_only_what_its_work_needs(lab: Lab, daemon: str, kept: list[int]) -> None:
    wanted = sum(1 << number for number in kept)
    for thread in threads(lab, daemon):
        for name in ("CapPrm", "CapEff", "CapBnd"):
            assert int(thread[name], 16) == wanted, (thread["Name"], name, thread[name])
        assert int(thread["CapInh"], 16) == int(thread["CapAmb"], 16) == 0
        assert (thread["NoNewPrivs"], thread["Seccomp"]) == ("1", "2"), thread["Name"]


def test_no_daemon_dumps_its_memory(lab: Lab) -> None:
    for name in ("controller", "fe1"):
        process = lab.daemons[name].process
        assert process is not None
        limits = Path(f"/proc/{process.pid}/limits").read_text()
        assert any(line.split()[4:6] == ["0", "0"] for line in limits.splitlines()
                   if line.startswith("Max core file size")), limits


def test_a_host_moves_and_an_agent_restarts_without_them(lab: Lab) -> None:
    lab.move("laptop", "ap2")
    labs.wait_place(lab, "laptop", *place(lab, "ap2"))
    lab.daemons["fe1"].restart()
    labs.wait_online(lab)
    lab.move("laptop", "ap1")
    labs.wait_place(lab, "laptop", *place(lab, "ap1"))


def place(lab: Lab, name: str) -> tuple[str, str]:
    found = next(p for p in lab.topology.docks["laptop"].places if p.name == name)
    return found.element, found.port


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
@pytest.mark.parametrize("unit,most", [("victor-controller.service", 3.0),
                                       ("victor-fe@.service", 5.5)])
def test_the_units_score_is_kept(unit: str, most: float) -> None:
    """From 0 (nothing can be done to it) to 10.  An element must mount its bpffs for all to see."""
    path = Path(__file__).resolve().parents[2] / "packaging/systemd" / unit
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", str(path)],
                          capture_output=True, text=True, timeout=labs.TIMEOUT_S)
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found and float(found.group(1)) <= most, done.stdout[-300:] + done.stderr
