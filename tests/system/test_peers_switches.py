"""The systems of bench/run peers that are told of moves, or that have Open vSwitches: two moves each.
What needs packages besides those of the tests is run with VICTOR_TEST_ALL=1, where they are."""

from __future__ import annotations

import os
import shutil

import pytest
from lab import netns, peers, peers_ovn, peers_ovs
from lab.state import LabError

MOVES = 2
NEEDS = {"osken": "osken-manager", "ovn-iface-id": "ovn-controller",
         "ovn-requested-chassis": "ovn-controller", "ovn-multichassis": "ovn-controller",
         "victor-ovs": "ovs-vswitchd", "victor-ovs-told": "ovs-vswitchd"}


def follow(key: str) -> None:
    instance = f"q{os.getpid()}"
    figures = peers.round_of(peers.registry()[key], instance, MOVES, 0)
    assert figures["moves"] == MOVES and figures["failed"] == 0
    assert netns.existing(f"vl-{instance}-") == []


def test_victor_follows_moves_that_it_is_told_of_by_nobody_but_an_orchestrator() -> None:
    follow("victor-told")


@pytest.mark.skipif(not os.environ.get("VICTOR_TEST_ALL"), reason="minutes: VICTOR_TEST_ALL=1")
@pytest.mark.parametrize("key", NEEDS)
def test_a_peer_on_open_vswitch_follows_moves(key: str) -> None:
    if not shutil.which(NEEDS[key], path=f"{os.environ['PATH']}:/usr/sbin"):
        pytest.skip(f"no {NEEDS[key]}: bench/run peers --systems {key} installs it")
    follow(key)


@pytest.mark.skipif(not os.environ.get("VICTOR_TEST_ALL"), reason="seconds: VICTOR_TEST_ALL=1")
@pytest.mark.parametrize("key", ["victor-near", "victor-routed"])
def test_victor_elsewhere_follows_moves(key: str) -> None:
    follow(key)


@pytest.mark.parametrize("said", [
    "HTTP/1.1 202 Accepted\n",
    'HTTP/1.1 202 Accepted\nHTTP/1.1 404 Not Found\n{"error":"fe2 has no port ap9"}\n'
    "HTTP/1.1 202 Accepted\n"])
def test_a_move_that_the_controller_refused_makes_no_figures(said: str) -> None:
    with pytest.raises(LabError):
        peers_ovs.check_answers(said, 2)


def test_a_move_that_was_confirmed_by_itself_is_no_refusal() -> None:
    peers_ovs.check_answers('HTTP/1.1 202 Accepted\nHTTP/1.1 404 Not Found\n'
                            '{"error":"laptop: no move is under way"}', 1)


@pytest.mark.parametrize("said", [
    "", '{"id":0,"result":[{"count":0}],"error":null}',
    '{"id":0,"result":[{"count":1}],"error":null}{"id":0,"result":[{"error":"not owner"}],'
    '"error":null}'])
def test_a_transaction_that_changed_no_row_makes_no_figures(said: str) -> None:
    peers_ovn.check_answers('{"id":0,"result":[{"count":1}],"error":null}\n' * 2)
    with pytest.raises(LabError):
        peers_ovn.check_answers(said)
