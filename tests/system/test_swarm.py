"""One controller and many elements (fe-swarm): they come back all at once, and one that reads
nothing slows none of the others."""

from __future__ import annotations

import os
import time
from pathlib import Path

import labs
import swarm

COUNT = 400 if os.environ.get("VICTOR_TEST_ALL") else 100
NODES = 200
FLOOD = 3000    # moves while one element is stalled


def test_all_elements_come_back_at_once_and_are_sent_nothing_that_is_right(tmp_path: Path) -> None:
    with swarm.running(tmp_path, COUNT) as (controller, elements):
        for node in range(NODES):
            elements.announce(node % COUNT, f"10.128.1.{node}")
        for node in range(NODES):
            elements.wait_at(node % COUNT, f"10.128.1.{node}", COUNT - 1)
        for _ in range(3):
            controller.kill()
            controller.start()
            took = elements.wait_complete()
            labs.eventually("all online", lambda: sum(
                e["state"] == "online" for e in controller.rest.elements()) == COUNT)
            assert {e["name"]: e["flow_mods"] for e in controller.rest.elements()
                    if e["flow_mods"]} == {}
            print(f"{COUNT} elements back in {took:.2f} s")
        elements.announce(COUNT - 1, "10.128.1.0")
        elements.wait_at(COUNT - 1, "10.128.1.0", COUNT - 1)


def test_an_element_that_reads_nothing_slows_no_other_and_is_brought_up_to_date(
        tmp_path: Path) -> None:
    count = 8
    with swarm.running(tmp_path, count) as (controller, elements):
        elements.announce(1, "10.128.0.9")
        elements.wait_at(1, "10.128.0.9", count - 1)
        before = controller.memory_kib()
        elements.ask("stall", elements.first)
        begun = time.monotonic()
        for move in range(FLOOD):
            elements.announce(1 + move % (count - 1), f"10.128.{2 + move % 20}.{move % 250}")
        # All but the stalled one know the last of them, and a move goes through as before.
        elements.announce(2, "10.128.0.9")
        elements.wait_at(2, "10.128.0.9", count - 2)
        print(f"{FLOOD} announcements in {time.monotonic() - begun:.2f} s")
        others = [e for e in controller.rest.elements() if e["name"] != "swarm-1000"]
        assert all(e["state"] == "online" for e in others)
        assert controller.memory_kib() - before < 200 << 10, "what it does not read is bounded"
        labs.eventually("the stalled one given up", lambda: labs_state(controller) != "online")
        elements.ask("resume", elements.first)
        elements.wait_complete()
        elements.wait_at(2, "10.128.0.9", count - 1)
        total = elements.stats()["bindings"]
        known = len(controller.rest.attachments())
        assert total == known * count, "each knows of all"


def labs_state(controller: swarm.Controller) -> str:
    return next(e["state"] for e in controller.rest.elements() if e["name"] == "swarm-1000")
