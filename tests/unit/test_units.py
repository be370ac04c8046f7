"""Runs every test program that meson knows (unit and BPF tests), a pytest case for each.

A BPF test needs root; where the kernel cannot run it the program says so and exits with 77."""

import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("VICTOR_BUILD", ROOT / "build"))


def programs() -> list[dict]:
    out = subprocess.run(["meson", "introspect", "--tests", str(BUILD)], capture_output=True, text=True)
    return json.loads(out.stdout) if out.returncode == 0 else []


def run(program: dict) -> subprocess.CompletedProcess[str]:
    return subprocess.run(program["cmd"], capture_output=True, text=True, cwd=program["workdir"] or BUILD,
                          env={**os.environ, **program["env"]}, timeout=240)


@pytest.fixture(scope="module")
def runs(beside):
    return beside(run, "program", key=lambda program: program["name"])


@pytest.mark.parametrize("program", programs(), ids=lambda p: p["name"])
def test_program(program, runs):
    done = runs[program["name"]].result()
    if done.returncode == 77:
        pytest.skip(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "skipped")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


def test_there_are_programs():
    assert programs(), f"no test programs in {BUILD}: build first (./check does)"
