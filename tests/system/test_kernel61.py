"""The BPF programs under Debian 12's own kernel, in a guest (lab/vm/oneshot.py): they load, attach,
and pass packets from port to port. The program that tries it is tests/bpf/smoke.c.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from lab.daemons import build_dir
from lab.vm import image, initrd
from lab.vm.oneshot import run_in_guest

ROOT = Path(__file__).resolve().parents[2]
TARGET = "tests/bpf/bpf-smoke"


@pytest.fixture
def smoke() -> Path:
    """The program, linked statically: a build with sanitizers does not have it, so it gets another
    build beside it."""
    if (build_dir() / TARGET).exists():
        return build_dir() / TARGET
    plain = build_dir() / "plain"
    if not (plain / "build.ninja").exists():
        run("meson", "setup", str(plain), str(ROOT), "-Db_sanitize=none")
    run("ninja", "-C", str(plain), TARGET)
    return plain / TARGET


def run(*command: str) -> None:
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout[-4000:]


def test_the_programs_load_attach_and_pass_a_packet_under_linux_6_1(smoke: Path) -> None:
    done = run_in_guest(image.prepare(), "uname -r; /smoke",
                        modules=(*initrd.BPF_MODULES, "tun", "ifb"),
                        extra_files=initrd.program_files(smoke, "/smoke"))
    assert re.search(r"^6\.1\.", done.output, re.M), done.output
    assert done.status == 0, done.output
    assert "bpf-smoke: ok" in done.output
    assert not done.faults, done.faults
