"""Every way in which a node is detached: each with its own timer, and its reason among the events.
Topology: lab/figure2.py.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

import ctl
import labs
import pytest
from lab import figure2, netns
from lab.runtime import Lab

PROBE_MS, GIVE_UP_MS, PORT_GRACE_MS = 1500, 700, 500


class TimedLab(figure2.Lab):
    """Its timers differ, so that it is seen which one ran."""

    element_settings = {"timers": {"idle_probe_ms": PROBE_MS, "idle_give_up_ms": GIVE_UP_MS}}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with labs.running(TimedLab, controller_settings={
            "timers": {"port_grace_ms": PORT_GRACE_MS}}) as one:
        yield one


class Watch:
    """What victorctl watch says, as it comes."""

    def __init__(self, lab: Lab) -> None:
        self.events: list[dict[str, Any]] = []
        self._child = subprocess.Popen(ctl.command("--json", "watch"), env=ctl.environment(lab),
                                       text=True, stdout=subprocess.PIPE)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._child.stdout
        for line in self._child.stdout:
            self.events.append(json.loads(line))

    def detached(self, node: str) -> list[str]:
        """The reasons so far."""
        return [e["text"].rpartition(": ")[2] for e in list(self.events)
                if e["kind"] == "detached" and e["node"] == node]

    def wait_detached(self, node: str, before: list[str]) -> str:
        labs.eventually(f"{node} detached", lambda: len(self.detached(node)) > len(before))
        return self.detached(node)[-1]

    def close(self) -> None:
        self._child.kill()
        self._child.wait()
        self._thread.join()


@pytest.fixture(scope="module")
def watch(lab: Lab) -> Iterator[Watch]:
    one = Watch(lab)

    def heard() -> list[dict[str, Any]]:
        ctl.text(lab, "node", "add", "first", "--address", "10.10.7.9")
        ctl.text(lab, "node", "remove", "first")
        return one.events

    labs.eventually("the first event", heard)    # it listens
    yield one
    one.close()


def link(lab: Lab, element: str, *words: str) -> Any:
    return subprocess.run(netns.enter(lab.netns(element), ["ip", "link", *words]), check=True,
                          capture_output=True, text=True)


def back(lab: Lab, host: str, node: str) -> None:
    lab.host(host).announce()
    labs.eventually(f"{node} back", lambda: labs.place_of(lab, node))


def test_silence_is_asked_about_and_then_believed(lab: Lab, watch: Watch) -> None:
    before, begun = watch.detached("vm1"), time.monotonic()
    lab.move("vm", None)
    assert watch.wait_detached("vm1", before) == "it answers no probes any more"
    assert time.monotonic() - begun >= GIVE_UP_MS / 1000
    lab.move("vm", "site2")
    labs.eventually("the vm back", lambda: labs.place_of(lab, "vm1"))


def test_a_port_without_carrier_has_its_grace(lab: Lab, watch: Watch) -> None:
    before = watch.detached("laptop")
    link(lab, "fe2", "set", "ap0", "down")
    labs.eventually("its port down", lambda: labs.attachment(lab, "laptop")["state"] == "down")
    link(lab, "fe2", "set", "ap0", "up")
    labs.eventually("the laptop as before", lambda: labs.place_of(lab, "laptop"))
    assert watch.detached("laptop") == before
    begun = time.monotonic()
    link(lab, "fe2", "set", "ap0", "down")
    assert watch.wait_detached("laptop", before) == "its port is down or gone"
    assert time.monotonic() - begun >= PORT_GRACE_MS / 1000
    link(lab, "fe2", "set", "ap0", "up")
    back(lab, "laptop", "laptop")


def test_who_asks_for_it_need_not_wait(lab: Lab, watch: Watch) -> None:
    before = watch.detached("server2")
    ctl.text(lab, "node", "detach", "server2")
    assert watch.wait_detached("server2", before) == "as asked"
    assert not any(r["address"] == lab.host("server2").address for e in ("fe1", "fe2", "fe3")
                   for r in labs.rules(lab, e))
    back(lab, "server2", "server2")


def test_a_node_that_is_removed_goes_with_its_binding(lab: Lab, watch: Watch) -> None:
    ctl.text(lab, "node", "add", "guest", "--address", "10.10.7.1", "--mac", "52:54:00:00:07:01")
    lab.host("server2").announce("10.10.7.1", "52:54:00:00:07:01")
    labs.eventually("the guest", lambda: labs.place_of(lab, "guest"))
    before = watch.detached("guest")
    ctl.text(lab, "node", "remove", "guest")
    assert watch.wait_detached("guest", before) == "the node is removed"
