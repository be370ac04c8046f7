"""The simulator (sim/): the real cores in seeded worlds of moves and faults keep the invariants, and
faults planted in them are found."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess

import pytest

BUILD = pathlib.Path(os.environ.get("VICTOR_BUILD", "build"))
WHOLE = bool(os.environ.get("VICTOR_TEST_ALL"))


def simulate(arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(BUILD / "sim" / "victor-sim"), *arguments.split()], capture_output=True,
                          text=True, timeout=3600, check=False)


@pytest.fixture(scope="module")
def runs(beside):
    return beside(simulate, "arguments")


# Sixty millions are an hour's worth of the million a minute that a slow machine must do.
@pytest.mark.parametrize("arguments", ["--events " + ("60000000" if WHOLE else "150000")])
def test_no_invariant_breaks_in_a_slice_of_worlds(runs, arguments: str) -> None:
    done = runs[arguments].result()
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("arguments", [
    f"--world {world} --seed 1000 --events " + ("6000000" if WHOLE else "60000")
    for world in ("lans", "all", "asked", "signed")])
def test_nor_where_elements_share_lans_links_and_small_tables(runs, arguments: str) -> None:
    done = runs[arguments].result()
    assert done.returncode == 0, done.stdout + done.stderr


# The short run begins at the world that finds it, the long one at the first.
@pytest.mark.parametrize("arguments", [
    f"--plant {fault} --seed {1 if WHOLE else seed} --events 20000000 --no-shrink"
    for fault, seed in (("no-mark", 1), ("no-barrier", 89), ("restamp", 1), ("no-tombstone", 1),
                        ("all-designated", 4), ("returns", 1),
                        ("unsigned --world signed", 9), ("replayed --world signed", 65))])
def test_a_planted_fault_is_found(runs, arguments: str) -> None:
    done = runs[arguments].result()
    assert done.returncode == 1, done.stdout + done.stderr
    assert "BROKEN with seed" in done.stdout


@pytest.mark.parametrize("arguments", [
    f"{world} --no-shrink" for world in (
        "--seed 269", "--seed 7228", "--seed 8522", "--seed 200155", "--seed 700023", "--seed 3000203",
        "--seed 40000152", "--seed 52055021", "--seed 70000057", "--seed 120002030", "--seed 140002017",
        "--world links --seed 124000014", "--world signed --seed 110000067", "--world drain --seed 187000079",
        "--world asked --seed 200022", "--world all --world asked --seed 50071012")])
def test_a_world_that_once_broke_holds(runs, arguments: str) -> None:
    """docs/simulator.md tells what was wrong with each."""
    done = runs[arguments].result()
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_seed_is_replayed_exactly() -> None:
    one, other = (simulate("--seed 5 --verbose") for _ in range(2))
    assert one.returncode == 0
    assert one.stdout == other.stdout


def test_a_failure_is_shrunk_to_the_events_that_are_needed() -> None:
    done = simulate("--plant no-mark --seed 1")
    assert done.returncode == 1
    assert re.search(r"^[1-3] of \d{3} events of the script are enough", done.stdout, re.MULTILINE)
