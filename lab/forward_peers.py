"""The peers of bench/forward that have processes of their own, as its ways (lab/forward_ways.py)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from . import forward_dpdk, forward_ovs, rows
from .forward_ways import SECOND, Peer, Start, Way
from .lanes import Lanes

TABLES = {"fib": "rte_fib", "hash": "rte_hash"}


def ovs(lanes: Lanes, capacity: int, stack: ExitStack) -> Peer:
    for lane in forward_ovs.LANES:
        lanes.ask("lane", lane, "peer")
    directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="victor-ovs-"))
    switch = stack.enter_context(forward_ovs.OpenVSwitch(lanes, Path(directory)))
    version = rows.ovs_version()
    names = {"ov": "Open vSwitch, netdev, AF_PACKET", "ax": "Open vSwitch, netdev, AF_XDP"}
    ways = [Way(names[lane], version, lane, f"{lane}i", pid=switch.pid, place=switch.core,
                looked_up=switch.looked_up)
            for lane in forward_ovs.LANES]
    polling = Way("Open vSwitch, netdev, AF_XDP, polling", version, "ax", "axi", pid=switch.pid,
                  polls=True)

    @contextmanager
    def polls() -> Iterator[None]:
        switch.poll("ax", SECOND)
        try:
            yield
        finally:
            if switch.flows < capacity:    # else this was the last
                switch.wait("ax")

    return Peer(ways, switch.grow, (polling, polls))


def dpdk(lanes: Lanes, capacity: int, stack: ExitStack) -> Peer:
    for lane in forward_dpdk.LANES:
        lanes.ask("lane", lane, "peer")
    directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="victor-dpdk-"))
    huge = stack.enter_context(forward_dpdk.huge_pages())
    router = stack.enter_context(forward_dpdk.Router(lanes, Path(directory), capacity, huge))
    version = forward_dpdk.version()
    kind = "" if huge else ", small pages"
    return Peer([
        Way(f"DPDK, {TABLES[table]}, {driver}{kind}", version, lane, f"{lane}i", pid=router.pid,
            polls=True, turn=partial(router.turn, table, lane), busy=router.busy)
        for lane, driver in forward_dpdk.LANES.items() for table in TABLES], router.grow)


PEERS: dict[str, tuple[Start, tuple[str, ...]]] = {
    "ovs": (ovs, forward_ovs.PACKAGES), "dpdk": (dpdk, forward_dpdk.PACKAGES)}
