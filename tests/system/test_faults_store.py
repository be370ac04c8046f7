"""The controller's store fails: no room, read-only, damaged. Elements of one process (fe-swarm)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import labs
import pytest
import swarm
from lab.rest import RestError

COUNT = 3


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A directory whose state has a small file system of its own."""
    state = tmp_path / "state"
    state.mkdir()
    mount("-t", "tmpfs", "-o", "size=512k", "tmpfs", str(state))
    yield tmp_path
    subprocess.run(["umount", "-l", str(state)], check=True)


def mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True)


def fill(state: Path) -> None:
    with open(state / "ballast", "wb", buffering=0) as file:
        try:
            for size in (65536, 4096):
                while True:
                    file.write(b"x" * size)
        except OSError:
            pass
    with open(state / "ballast", "ab", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass


def put(controller: swarm.Controller, node: str, address: str) -> str | None:
    """What the controller says against it; None: it is durable."""
    try:
        controller.rest.call("PUT", f"/v1/nodes/{node}", {"addresses": [address]})
    except RestError as error:
        return str(error)
    return None


def put_until_refused(controller: swarm.Controller) -> tuple[set[str], str]:
    """Also a full disk may have room in a file that is there."""
    kept: set[str] = set()
    for number in range(1000):
        said = put(controller, f"vm{number}", f"10.128.{9 + number // 250}.{1 + number % 250}")
        if said:
            return kept, said
        kept.add(f"vm{number}")
    raise AssertionError("it was never refused")


def nodes(controller: swarm.Controller) -> set[str]:
    return {n["id"] for n in controller.rest.nodes() if n["source"] == "api"}


def does_not_start(controller: swarm.Controller) -> str:
    done = subprocess.run([*command(controller)], capture_output=True, text=True,
                          timeout=labs.TIMEOUT_S)
    assert done.returncode == 1, done.stderr
    return done.stderr.strip().splitlines()[-1]


def command(controller: swarm.Controller) -> list[Any]:
    return [swarm.program("controller/io/victor-controller"), "--config", controller.config]


def moves_go_on(elements: swarm.Swarm) -> None:
    for place in (1, 2, 0):
        elements.move(place, "10.128.0.77", COUNT - 1)


def test_a_full_disk_refuses_nodes_but_no_moves_and_loses_nothing(disk: Path) -> None:
    with swarm.running(disk, COUNT) as (controller, elements):
        assert put(controller, "before", "10.128.8.1") is None
        fill(controller.state)
        kept, said = put_until_refused(controller)
        assert "disk is full" in said and "undone" in said, said
        assert nodes(controller) == {"before", *kept}
        moves_go_on(elements)
        controller.kill()
        said = does_not_start(controller)
        assert "disk is full" in said and str(controller.state) in said, said
        (controller.state / "ballast").unlink()
        controller.start()
        elements.wait_complete()
        assert nodes(controller) == {"before", *kept}, "what was acknowledged, and nothing else"
        assert put(controller, "after", "10.128.8.2") is None
        elements.wait_at(0, "10.128.0.77", COUNT - 1)


def test_room_that_comes_back_is_used_without_a_restart(disk: Path) -> None:
    with swarm.running(disk, COUNT) as (controller, elements):
        fill(controller.state)
        put_until_refused(controller)
        (controller.state / "ballast").unlink()
        assert put(controller, "after", "10.128.8.2") is None


def test_a_read_only_store_refuses_nodes_but_no_moves(disk: Path) -> None:
    with swarm.running(disk, COUNT) as (controller, elements):
        assert put(controller, "before", "10.128.8.1") is None
        controller.kill()
        mount("-o", "remount,ro", str(controller.state))
        said = does_not_start(controller)
        assert "not writable" in said and str(controller.state) in said, said
        mount("-o", "remount,rw", str(controller.state))
        controller.start()
        elements.wait_complete()
        assert nodes(controller) == {"before"}
        moves_go_on(elements)


def test_a_damaged_store_is_refused_and_moved_away_bindings_come_from_the_elements(
        tmp_path: Path) -> None:
    with swarm.running(tmp_path, COUNT) as (controller, elements):
        for node in range(20):
            elements.announce(node % COUNT, f"10.128.3.{node}")
            elements.wait_at(node % COUNT, f"10.128.3.{node}", COUNT - 1)
        controller.rest.close()
        assert controller.child
        controller.child.terminate()
        assert controller.child.wait(labs.TIMEOUT_S) == 0
        store = controller.state / "controller.db"
        with open(store, "r+b") as file:
            for page in range(1, os.path.getsize(store) // 4096):
                file.seek(page * 4096)
                file.write(b"\xa5" * 100)
        before = store.read_bytes()
        said = does_not_start(controller)
        assert "damaged" in said and "move it away" in said and str(store) in said, said
        assert store.read_bytes() == before, "it is left for who wants to look at it"
        for path in controller.state.iterdir():    # as it says
            path.rename(tmp_path / f"damaged-{path.name}")
        controller.start()
        elements.wait_complete()
        labs.eventually("all bindings", lambda: len(controller.rest.attachments()) == 20)
        for node in range(20):
            elements.wait_at(node % COUNT, f"10.128.3.{node}", COUNT - 1)
        assert {e["flow_mods"] for e in controller.rest.elements()} == {0}
        moves_go_on(elements)
