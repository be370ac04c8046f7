"""An element of an older layout gives way to this one under traffic: of layout 3, when bindings were
in a hash map, and of layout 4, whose records do not say NEAR. Those releases are built from the
history of this tree, which takes a minute each: only with VICTOR_TEST_ALL=1, and in a clone.
Topology: lab/figure2.py.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import labs
import pytest
from lab.daemons import program
from lab.runtime import Lab
from test_upgrade import layout, snapshot, traffic

ROOT = Path(__file__).resolve().parents[2]
LAST = {3: "3ed30e828e40", 4: "fe4580b3f54c"}    # the last commits of these layouts
THIS = 5

pytestmark = pytest.mark.skipif(not os.environ.get("VICTOR_TEST_ALL"),
                                reason="builds another release: set VICTOR_TEST_ALL=1")


@pytest.fixture(scope="module", params=LAST, ids=lambda number: f"layout {number}")
def older(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Path]:
    """An older layout, and its victor-fe."""
    tree = tmp_path_factory.mktemp("older")
    archive = subprocess.run(["git", "-C", str(ROOT), "archive", LAST[request.param]], capture_output=True)
    if archive.returncode != 0:
        pytest.skip("the history is not here")
    subprocess.run(["tar", "-x", "-C", str(tree)], input=archive.stdout, check=True)
    subprocess.run(["meson", "setup", str(tree / "build"), str(tree)], check=True,
                   capture_output=True)
    subprocess.run(["ninja", "-C", str(tree / "build"), "-j2", "fe/io/victor-fe"], check=True,
                   capture_output=True)
    return request.param, tree / "build" / "fe" / "io" / "victor-fe"


@pytest.fixture
def lab() -> Iterator[Lab]:
    with labs.running() as one:
        yield one


def use(lab: Lab, element: str, binary: str) -> None:
    """From its next start on."""
    daemon = lab.fe(element)
    asked = daemon.command
    daemon.command = lambda: [binary, *asked()[1:]]


def restart(lab: Lab, element: str, binary: str, said: str) -> None:
    lab.fe(element).kill()
    use(lab, element, binary)
    lab.fe(element).start()
    labs.eventually("the element back", lambda: lab.fe(element).running and
                    labs.element(lab, element)["state"] == "online" and
                    said in labs.log_of(lab, element))
    labs.wait_online(lab)


def test_bindings_of_an_older_layout_are_taken_over_and_no_packet_is_lost(
        lab: Lab, older: tuple[int, Path]) -> None:
    number, binary = older
    before = snapshot(lab)
    lab.fe("fe2").stop()
    subprocess.run(["nsenter", f"--net=/run/netns/{lab.fe('fe2').namespace}",
                    *lab.fe("fe2").command(), "--remove"], check=True, timeout=labs.TIMEOUT_S)
    restart(lab, "fe2", str(binary), "new data plane")
    assert layout(lab, "fe2") == number
    with traffic(lab) as talk:
        restart(lab, "fe2", program("fe/io/victor-fe"), f"took over layout {number} as {THIS}")
        talk.wait_progress()
        assert layout(lab, "fe2") == THIS
        pins = os.listdir(labs.state_of(lab, "fe2"))
        assert "bindings" not in pins and "binding_buckets" in pins, pins
        assert not any(name in ("next", "migrated") for name in pins)
    assert snapshot(lab) == before
