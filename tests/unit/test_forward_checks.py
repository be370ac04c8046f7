"""bench/forward: which rates are given, and which are not since something is wrong with them."""

import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from lab import forward_checks, forward_ovs, forward_ways, rows  # noqa: E402
from lab.forward_checks import Scaling  # noqa: E402


def answer(received=1_000_000, **other):
    return {"sent": 1_000_000, "received": received, "wall_ns": 10**9, "generator_ns": 10**9,
            "others_ns": 10**9, "cores": 1, **other}


def test_a_rate_is_what_arrived_in_the_time_that_went_by():
    assert forward_checks.rate(answer(wall_ns=500_000_000)) == 2_000_000


@pytest.mark.parametrize("share, cores, doubt", [
    (1, 1, ""), (0.92, 1, ""), (0.55, 1, "a core was there for 55 % of the time"),
    (2, 2, ""), (1, 2, "a core was there for 50 % of the time")])
def test_lockstep_has_a_rate_where_its_cores_did_nothing_else(share, cores, doubt):
    found = answer(generator_ns=share * 10**9, cores=cores)
    assert forward_checks.lockstep(found) == doubt


def test_a_way_that_waits_for_frames_has_no_rate_of_its_own():
    assert forward_checks.alone(answer(), polls=False) == ""
    assert "63 %" in forward_checks.alone(answer(others_ns=630_000_000), polls=False)
    assert forward_checks.alone(answer(received=0), polls=False) == "nothing arrived"


def test_a_way_that_polls_has_a_rate_if_it_was_offered_more_than_it_took():
    assert forward_checks.alone(answer(received=900_000), polls=True) == ""
    assert "no more than it took" in forward_checks.alone(answer(), polls=True)
    assert "15 %" in forward_checks.alone(answer(900_000, others_ns=150_000_000), polls=True)


@pytest.mark.parametrize("rate, ns, agrees", [(1e6, 1000, True), (0.85e6, 1000, True),
                                              (0.7e6, 1000, False), (1.3e6, 1000, False),
                                              (1e6, None, True)])
def test_a_rate_by_the_clock_agrees_with_the_cpu_time_of_a_packet(rate, ns, agrees):
    assert (forward_checks.agree([rate, rate, 1], ns) == "") is agrees


@pytest.mark.parametrize("ratio, sane", [(0.5, False), (0.95, True), (1.9, True), (2.1, True),
                                         (2.3, False), (11, False)])
def test_two_cores_carry_what_one_does_to_twice_as_much(ratio, sane):
    assert (forward_checks.scales([Scaling(1e6, ratio * 1e6)] * 3) == "") is sane


def test_doubtful_rounds_are_tried_again_and_given_up():
    said = {"a": iter(["", "busy", "", ""]), "b": iter(["late"] * 9)}
    asked = []

    def measure(key):
        asked.append(key)
        return len(asked), next(said[key])

    found, doubts = forward_checks.in_turn(["a", "b"], 3, measure)
    assert asked[:4] == ["a", "b", "a", "b"]
    assert len(found["a"]) == 3
    assert asked.count("b") == 9
    assert doubts == {"b": "late"}


def test_a_round_now_and_then_is_not_enough_for_a_row():
    doubt = iter(["late", ""] + ["late"] * 10)
    found, doubts = forward_checks.in_turn(["a"], 4, lambda _: (1, next(doubt)))
    assert found == {"a": [1]}
    assert doubts == {"a": "late"}


# ---- the rows that are made of what bench-lanes answers ----

class Lanes:
    """Answers as bench-lanes does: nanoseconds a packet, and how much of them two cores share."""

    def __init__(self, ns, two=1.0, share=1.0):
        self.ns, self.two, self.share = ns, two, share

    def _answer(self, cores):
        ns = self.ns * (self.two if cores == 2 else 1)
        return answer(received=int(cores * 1e9 * self.share / ns), cores=cores,
                      generator_ns=cores * self.share * 1e9)

    def warm(self, *_):
        pass

    def lockstep(self, *_):
        return {**self._answer(1), "ns": self.ns, "carried": self.share}

    def cores(self, lane, spread, ms, cores):
        return self._answer(len(cores))


def scaled(lanes, lockstep_ns=None):
    said = []
    turns = forward_ways.Turns(lanes, 3, 10, said.append)
    way = forward_ways.Way("a way", "1", "way", "wayi")
    if lockstep_ns:
        turns.rows.append(rows.row("lockstep, local delivery, IPv4, 1", "CPU time a packet", "ns", 3,
                                   rows.spread([lockstep_ns]), "a way", "1"))
    turns.scaling([way], "IPv4, 1", 1)
    return {(row["case"], row["metric"]): row["median"] for row in turns.rows}, said


def test_two_cores_are_beside_one():
    found, _ = scaled(Lanes(ns=500, two=1.25), lockstep_ns=510)
    assert found["in lockstep on one core, local delivery, IPv4, 1",
                 "packets a second"] == pytest.approx(2)
    assert found["in lockstep on each of two cores, local delivery, IPv4, 1",
                 "packets a second"] == pytest.approx(3.2)
    assert found["local delivery, IPv4, 1", "two cores' rate by one's"] == pytest.approx(1.6)


@pytest.mark.parametrize("lanes, lockstep_ns, why", [
    (Lanes(ns=500, share=0.3), None, "a core was there for 30 %"),
    (Lanes(ns=500), 200, "by the clock"),
    (Lanes(ns=500, two=0.2), 500, "two cores came out as 10.00")])
def test_what_cannot_be_is_said_and_not_given(lanes, lockstep_ns, why):
    found, said = scaled(lanes, lockstep_ns)
    assert not [case for case, metric in found if metric != "CPU time a packet"]
    assert len(said) == 1
    assert said[0].startswith("not given: a way, ")
    assert why in said[0]


def test_a_waiting_core_has_its_cpu_time_but_no_rate():
    turns = forward_ways.Turns(Lanes(ns=500), 3, 10, lambda _: None)
    seen = [{**answer(), "ns": 630.0, "busy": 0}]
    turns._alone(forward_ways.Way("a way", "1", "way", "wayi"), [], seen, "why", "here")
    assert [(row["metric"], row["median"]) for row in turns.rows] == [
        ("CPU time a packet, its core", 630)]


# ---- what Open vSwitch says ----

STATS = """main thread:
  packets received: 1000
  packet recirculations: 0
  emc hits: 100
  megaflow hits: 600
  miss with success upcall: 250
  miss with failed upcall: 50
pmd thread numa_id 0 core_id 1:
  packets received: 10
  miss with success upcall: 1
  miss with failed upcall: 0
"""


def test_packets_that_no_megaflow_was_for_are_those_of_all_threads():
    assert forward_ovs.looked_up(STATS) == (1010, 301)
    assert forward_ovs.looked_up("") == (0, 0)


def test_what_a_switch_looked_up_during_measurements_is_a_row():
    turns = forward_ways.Turns(Lanes(ns=500), 1, 10, lambda _: None)
    counts = iter([(1000, 300), (2000, 500)])
    way = forward_ways.Way("a way", "1", "way", "wayi", looked_up=lambda: next(counts))
    turns.lockstep([way], "local", "IPv4, 1", 1)
    assert [row["median"] for row in turns.rows
            if row["metric"] == "packets that no cached flow was for"] == [20]


def test_a_way_that_nothing_came_by_has_no_cpu_time():
    said = []
    turns = forward_ways.Turns(Lanes(ns=500, share=0), 3, 10, said.append)
    turns.lockstep([forward_ways.Way("a way", "1", "way", "wayi")], "local", "IPv4, 1", 1)
    assert turns.rows == []
    assert said == ["not given: a way, lockstep, local delivery, IPv4, 1: nothing arrived"]
