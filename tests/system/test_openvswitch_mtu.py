"""Packets that are too large for an Open vSwitch's tunnels (docs/mtu.md), in Figure 2 with IPv6
(lab/figure2dual.py): FE1, the border, and FE2 are switches, FE3 is a victor-fe, and every backplane
link has an MTU of 1500, as nodes have, so that a node's packets through VXLAN may have 1450.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import labs
import pytest
from dual import local_at
from lab import figure2dual as dual
from lab.frames import Capture
from lab.runtime import HostHandle, Lab
from lab.topology import Topology
from traffic import ping_df, transfer_both_ways

pytestmark = pytest.mark.skipif(
    not shutil.which("ovs-vswitchd") and not Path("/usr/sbin/ovs-vswitchd").exists(),
    reason="openvswitch-switch is not installed")

NODES, FITS = 1500, 1450
HEADERS = {4: 28, 6: 48}    # of IP and ICMP
BORDER, SWITCH = "192.0.2.1", "10.10.0.1"
# Who sends to whom, whom the answer comes from, and the switch where the packet enters.
WAYS = [("client", "laptop", BORDER, "fe1"), ("laptop", "client", SWITCH, "fe2"),
        ("laptop", "server2", SWITCH, "fe2")]


def topology(**settings: Any) -> Topology:
    made = dual.topology(**settings)
    labs.set_backplane_mtu(made, NODES)
    return made


class NarrowLab(dual.Lab):
    make_topology = staticmethod(topology)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with labs.running(NarrowLab, ovs=("fe1", "fe2")) as one:
        one.host("laptop").announce(dual.LAPTOP)
        labs.eventually("local binding", lambda: local_at(one, "fe2", dual.LAPTOP))
        yield one


def forget_mtus(host: HostHandle) -> None:
    for family in ("-4", "-6"):
        host.run("ip", family, "route", "flush", "cache")


@pytest.mark.parametrize("source,sink,router,switch", WAYS)
def test_a_packet_too_big_is_answered_with_what_fits(lab: Lab, source: str, sink: str,
                                                      router: str, switch: str) -> None:
    host, address = lab.host(source), lab.host(sink).address
    before = labs.drops(lab, switch)["mtu_exceeded"]
    forget_mtus(host)
    assert "1 received" in ping_df(host, address, FITS - HEADERS[4])
    for size in (FITS + 1, NODES):
        forget_mtus(host)
        said = ping_df(host, address, size - HEADERS[4])
        assert re.search(rf"From {router} .*mtu ?= ?{FITS}\b", said), said
    labs.eventually("the drops to be counted",
                    lambda: labs.drops(lab, switch)["mtu_exceeded"] == before + 2)


@pytest.mark.parametrize("source,sink,router", [
    ("client", dual.LAPTOP, dual.CLIENT_ROUTER), ("laptop", dual.CLIENT, dual.GATEWAY)])
def test_an_ipv6_packet_too_big_is_answered_with_what_fits(lab: Lab, source: str, sink: str,
                                                            router: str) -> None:
    host = lab.host(source)
    forget_mtus(host)
    assert "1 received" in ping_df(host, sink, FITS - HEADERS[6])
    said = ping_df(host, sink, NODES - HEADERS[6])
    assert re.search(rf"From {router} .*mtu ?= ?{FITS}\b", said), said


def test_a_sender_that_lets_routers_fragment_is_told_too(lab: Lab) -> None:
    with Capture(lab.host("laptop").netns, lab.host("laptop").device) as capture:
        lab.host("laptop").run("ping", "-n", "-c1", "-W1", "-Mdont", f"-s{NODES - HEADERS[4]}",
                               lab.host("client").address)
        labs.eventually("fragmentation needed", lambda: any(
            f.is_ipv4 and f.data[23] == 1 and f.data[34:36] == bytes((3, 4))
            for f in capture.read()))


@pytest.mark.parametrize("source,sink", [(source, sink) for source, sink, *_ in WAYS])
def test_tcp_finds_what_fits_and_large_transfers_pass(lab: Lab, source: str, sink: str) -> None:
    for name in (source, sink):
        forget_mtus(lab.host(name))
    transfer_both_ways(lab.host(source), lab.host(sink), 2 << 20)
