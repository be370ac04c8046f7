"""Faults of the real daemons: killed at random moments under traffic and moves, hanging, cut off.
Topology: lab/figure2.py. VICTOR_TEST_ALL makes it hundreds of kills; VICTOR_SEED repeats a run.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator

import ctl
import labs
import pytest
from lab import faults
from lab.runtime import Lab
from lab.vm.probe import Ping
from traffic import Conversation

ALL = bool(os.environ.get("VICTOR_TEST_ALL"))
KILLS = 300 if ALL else 12
SEED = int(os.environ.get("VICTOR_SEED", "20091"))
PLACES = {"ap1": "fe2", "ap2": "fe3"}


@pytest.fixture
def lab() -> Iterator[Lab]:
    with labs.running() as one:
        yield one


class Chaos:
    """Kills daemons, moves the laptop and puts nodes, as a seed says."""

    def __init__(self, lab: Lab, rng: random.Random) -> None:
        self.lab, self.rng = lab, rng
        self.place = "ap1"
        self.acknowledged: dict[str, bool] = {}    # node -> whether it is there
        self.number = 0

    def kill(self) -> None:
        victims = self.rng.choice([["controller"], ["controller"], ["fe1"], ["fe2"], ["fe3"],
                                   ["controller", "fe2"], ["fe2", "fe3"]])
        if self.rng.random() < 0.5:
            self.move()    # the kill comes into the middle of it
            time.sleep(self.rng.uniform(0, 0.02))
        for name in victims:
            self.lab.daemons[name].kill()
        if self.rng.random() < 0.3:
            self.move()    # nobody can tell the others yet
        time.sleep(self.rng.uniform(0, 0.1))
        for name in victims:
            self.lab.daemons[name].start()
        if "controller" in victims:
            self.lab.rest.close()

    def move(self) -> None:
        self.place = "ap2" if self.place == "ap1" else "ap1"
        self.lab.move("laptop", self.place)

    def put(self) -> None:
        """What is acknowledged counts; what is not may be there or not."""
        self.number += 1
        node = f"guest{self.number % 7}"
        if self.rng.random() < 0.7:
            words = ["node", "add", node, "--address", f"10.10.8.{1 + self.number % 7}"]
        else:
            words = ["node", "remove", node]
        done = ctl.run(self.lab, *words)
        if done.returncode == 0:
            self.acknowledged[node] = words[1] == "add"
        else:
            self.acknowledged.pop(node, None)


def nodes_put(lab: Lab) -> set[str]:
    return {n["id"] for n in lab.rest.nodes() if n["source"] == "api"}


def snapshot(lab: Lab) -> dict[str, set[tuple[str, str]]]:
    return {e.name: {(r["flow"], r["action"]) for r in labs.rules(lab, e.name)}
            for e in lab.topology.elements}


def test_killed_at_random_moments_nothing_is_lost_and_all_tables_come_right(lab: Lab) -> None:
    rng = random.Random(SEED)
    chaos = Chaos(lab, rng)
    first = snapshot(lab)
    with Conversation(lab.host("client"), lab.host("laptop")) as talk, \
            Ping(lab.netns("client"), lab.host("server2").address, 5) as untouched:
        untouched.wait_answers(5)
        for kill in range(KILLS):
            chaos.kill()
            chaos.put()
            if kill % 4 == 3:
                labs.eventually("all online", lambda: faults.all_online(lab), 60)
                labs.wait_place(lab, "laptop", PLACES[chaos.place], "ap0")
                talk.wait_progress()
        labs.eventually("all online", lambda: faults.all_online(lab), 60)
        labs.wait_place(lab, "laptop", PLACES[chaos.place], "ap0")
        if chaos.place != "ap1":
            chaos.move()
            labs.wait_place(lab, "laptop", "fe2", "ap0")
        talk.wait_progress()
        untouched.wait_answers(len(untouched._answered) + 5)
        assert untouched.stop() == 0, "a node that never moved lost packets"
    there = nodes_put(lab)
    lost = [n for n, is_there in chaos.acknowledged.items() if is_there != (n in there)]
    assert not lost, f"acknowledged and not so: {lost} (seed {SEED})"
    labs.eventually("the tables as at first", lambda: snapshot(lab) == first)
    # The intent, compared by who has it: a controller that starts finds nothing to send.
    lab.controller.kill()
    faults.start_controller(lab)
    labs.wait_online(lab)
    assert sum(labs.flow_mods(lab).values()) == 0


@pytest.mark.skipif(not ALL, reason="15 s until an element gives a controller up; VICTOR_TEST_ALL=1")
@pytest.mark.parametrize("fault", ["controller-silent", "half-open"])
def test_who_is_silent_is_given_up_and_forwarding_goes_on(lab: Lab, fault: str) -> None:
    before = snapshot(lab)
    outcome = faults.observe(lab, faults.FAULTS[fault][1])
    assert outcome.lost == 0
    assert outcome.flow_mods == 0, "everything was right already"
    assert snapshot(lab) == before
    lab.move("laptop", "ap2")
    labs.wait_place(lab, "laptop", "fe3", "ap0")


def test_a_move_while_the_controller_hangs_is_made_when_it_answers(lab: Lab) -> None:
    with Conversation(lab.host("client"), lab.host("laptop")) as talk:
        faults._signal(lab, faults.signal.SIGSTOP)
        try:
            lab.move("laptop", "ap2")
            labs.eventually("the announcement at FE3", lambda: labs.pinned(lab, "fe3", "kept"))
        finally:
            faults._signal(lab, faults.signal.SIGCONT)
        labs.wait_place(lab, "laptop", "fe3", "ap0")
        talk.wait_progress()
