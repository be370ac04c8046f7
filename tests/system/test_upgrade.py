"""An element's agent gives way to another release's: with another layout of the pinned maps
(victor-fe-trial, tests/trial), killed in the middle of taking over, and back to the older one.
Topology: lab/figure2.py, under traffic.
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import labs
import pytest
from lab import netns
from lab.daemons import program
from lab.runtime import Lab
from lab.vm.probe import Ping
from traffic import Conversation

RELEASE, LATER = "fe/io/victor-fe", "tests/trial/victor-fe-trial"
KILLS = 400 if os.environ.get("VICTOR_TEST_ALL") else 12
PORT, TRIAL = 12, 8    # bytes


@pytest.fixture
def lab() -> Iterator[Lab]:
    with labs.running() as one:
        yield one


@contextmanager
def traffic(lab: Lab) -> Iterator[Conversation]:
    laptop = lab.host("laptop")
    with Conversation(lab.host("client"), laptop) as talk, \
            Conversation(laptop, lab.host("server2")) as other, \
            Ping(lab.netns("client"), laptop.address, 5) as ping:
        ping.wait_answers(5)
        yield talk
        for conversation in (talk, other):
            conversation.wait_progress()
        ping.wait_answers(len(ping._answered) + 5)
        assert ping.stop() == 0, "pings were lost"


def use(lab: Lab, element: str, release: str) -> None:
    """From its next start on."""
    daemon = lab.fe(element)
    asked = daemon.command
    daemon.command = lambda: [program(release), *asked()[1:]]


def layout(lab: Lab, element: str) -> int:
    value = labs.pinned(lab, element, "header")[0]["value"]
    return int.from_bytes(bytes(int(byte, 16) for byte in value[4:8]), "little")


def port_size(lab: Lab, element: str) -> int:
    return labs.pinned_shape(lab, element, "ports")["bytes_value"]


def snapshot(lab: Lab) -> dict[str, set[tuple[str, str, str]]]:
    return {e.name: {(r["flow"], r["action"], r["cookie"]) for r in labs.rules(lab, e.name)}
            for e in lab.topology.elements}


def replace(lab: Lab, element: str, release: str) -> None:
    lab.fe(element).kill()
    use(lab, element, release)
    lab.fe(element).start()
    labs.eventually("the element back", lambda: lab.fe(element).running and
                    labs.element(lab, element)["state"] == "online" and
                    "with the data plane that was there" in labs.log_of(lab, element))
    labs.wait_online(lab)


def test_an_upgrade_with_another_layout_moves_the_entries_and_loses_no_packet(lab: Lab) -> None:
    before, sent = snapshot(lab), labs.flow_mods(lab)
    with traffic(lab) as talk:
        counted = labs.delivered(lab, "fe2")
        for element in ("fe2", "fe1", "fe3"):
            replace(lab, element, LATER)
            talk.wait_progress()
            assert layout(lab, element) == 6
            assert port_size(lab, element) == PORT + TRIAL
            assert "took over layout 5 as 6" in labs.log_of(lab, element)
            assert not any(name in ("next", "migrated")
                           for name in os.listdir(labs.state_of(lab, element)))
        after = labs.delivered(lab, "fe2")
        assert all(after[key] >= counted[key] for key in counted), "counters went back"
        assert labs.flow_mods(lab) == sent, "the controller had nothing to say"
    assert snapshot(lab) == before
    lab.move("laptop", "ap2")
    labs.wait_place(lab, "laptop", "fe3", "ap0")


def test_an_upgrade_killed_at_any_moment_is_finished_by_the_next(lab: Lab) -> None:
    rng = random.Random(int(os.environ.get("VICTOR_SEED", "7")))
    before = snapshot(lab)
    with traffic(lab) as talk:
        lab.fe("fe2").kill()
        use(lab, "fe2", LATER)
        took_ms = 400.0
        for number in range(KILLS):
            lab.fe("fe2").start()
            time.sleep(rng.uniform(0, took_ms) / 1000)
            lab.fe("fe2").kill()
            if number % 5 == 4:
                talk.wait_progress()
        lab.fe("fe2").start()
        labs.eventually("the agent back", lambda: labs.element(lab, "fe2")["state"] == "online")
        talk.wait_progress()
        assert layout(lab, "fe2") == 6
    assert snapshot(lab) == before


def refused(lab: Lab, element: str) -> str:
    """What the release says when it is started on what the later one left."""
    daemon = lab.fe(element)
    use(lab, element, RELEASE)
    done = subprocess.run(netns.enter(daemon.namespace, daemon.command()), capture_output=True,
                          text=True, timeout=labs.TIMEOUT_S)
    assert done.returncode == 1
    return done.stderr


def test_a_downgrade_is_refused_before_anything_is_touched(lab: Lab) -> None:
    replace(lab, "fe2", LATER)
    before = snapshot(lab)
    with traffic(lab) as talk:
        lab.fe("fe2").kill()
        pins = sorted(os.listdir(labs.state_of(lab, "fe2")))
        said = refused(lab, "fe2")
        assert "later one (layout 6, this is 5)" in said and "--remove" in said, said
        assert sorted(os.listdir(labs.state_of(lab, "fe2"))) == pins
        talk.wait_progress()
        replace(lab, "fe2", LATER)
        talk.wait_progress()
    assert snapshot(lab) == before


def test_what_an_upgrade_left_is_removed_as_well(lab: Lab) -> None:
    replace(lab, "fe2", LATER)
    lab.fe("fe2").stop()
    use(lab, "fe2", RELEASE)
    done = subprocess.run(netns.enter(lab.fe("fe2").namespace, [*lab.fe("fe2").command(),
                                                               "--remove"]),
                          capture_output=True, text=True, timeout=labs.TIMEOUT_S)
    assert done.returncode == 0, done.stderr
    lab.fe("fe2").start()    # anew, as the older release
    labs.wait_online(lab)
    assert layout(lab, "fe2") == 5
