"""bench/forward's ways (lab/forward_ways.py) carry frames and make rows. How fast is not looked at."""

import json
import os
import subprocess

import pytest
from lab import bench, forward_dpdk, forward_peers, forward_ways
from lab.daemons import program

WAYS = len(forward_ways.in_kernel())


def test_every_way_carries_frames_from_the_generator_to_the_sink():
    said = []
    found = forward_ways.measure(4, [1, 64], rounds=1, ms=5, say=said.append)
    named = {(row["system"], row["case"]) for row in found}
    for system in ("victor-fe", "Linux forwarding", "XDP with bpf_fib_lookup",
                   "XDP that only redirects"):
        assert (system, "lockstep, local delivery, IPv4, 64 random") in named
    for case in ("encapsulation, IP-in-IP", "decapsulation, IP-in-IP"):
        assert ("victor-fe", f"lockstep, {case}, IPv4, 64 of which one hot") in named
    assert ("Linux forwarding", "lockstep, drop, nobody has the address, IPv4, 64 random") in named
    assert all(row["median"] > 0 for row in found)
    not_given = [text for text in said if text.startswith("not given: ")]
    assert len(said) == len(found) + len(not_given)
    # A machine with much else to do has no rates, and says so.
    two = [row["median"] for row in found if row["metric"] == "two cores' rate by one's"]
    assert len(two) + sum("on one core and two" in text for text in not_given) == WAYS
    assert all(0.9 <= ratio <= 2.1 for ratio in two)
    alone = [row for row in found if row["metric"] == "CPU time a packet, its core"]
    assert len(alone) == 2 * WAYS


@pytest.mark.parametrize("case", ["read", "add", "wait"])
def test_reading_a_line_alone_is_measured_for_comparison(case):
    words = ["packet", case, "4", "64", "2"]
    said = subprocess.run([program("bench/src/bench-forward"), *words], check=True, text=True,
                          stdout=subprocess.PIPE).stdout
    assert len(json.loads(said)["ns"]) == 2


@pytest.mark.skipif("VICTOR_TEST_ALL" not in os.environ, reason="VICTOR_TEST_ALL is not set")
@pytest.mark.parametrize("peer", ["ovs", "dpdk"])
def test_a_peer_carries_frames_beside_the_kernels_ways_and_leaves_nothing(peer):
    start, packages = forward_peers.PEERS[peer]
    bench.need(print, *packages)
    pages = forward_dpdk.HUGE.read_text()
    found = forward_ways.measure(4, [64], rounds=3, ms=200, say=print, starts=[start])
    names = {row["system"] for row in found if row["case"].startswith("a core of its own")}
    others = {name for name in names if name.startswith(("Open vSwitch", "DPDK"))}
    assert len(others) == {"ovs": 3, "dpdk": 4}[peer]
    assert all(row["median"] > 0 for row in found
               if row["system"] in others and row["metric"] != "frames lost")
    assert forward_dpdk.HUGE.read_text() == pages
