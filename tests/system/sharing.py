"""What the tests of shared LANs (lab/shared_segment.py, shared_segment6.py) have in common."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import ctl
from lab import netns, shared_segment
from lab.runtime import HostHandle, Lab
from traffic import Conversation

HOSTS = shared_segment.HOSTS
REMOTE6 = "2001:db8:10::50"


def peer_of(lab: Lab, name: str) -> HostHandle:
    """The host elsewhere, by its address of the same family as that host's."""
    remote = lab.host("remote")
    return remote.at(REMOTE6) if ":" in lab.host(name).address else remote


def designated(lab: Lab) -> dict[str, str]:
    """Which element each host's attachment is at."""
    return {a["node"]: a["element"] for a in lab.rest.attachments() if a["node"] in HOSTS}


def known_at(lab: Lab, mac: str) -> str | None:
    """The port at which the LAN's switch has that MAC."""
    for line in netns.run(lab.netns("lan"), "bridge", "fdb", "show", "br", "br0").splitlines():
        words = line.split()
        if words[0] == mac and "permanent" not in words:
            return words[words.index("dev") + 1]
    return None


def gateway_macs(host: HostHandle) -> set[str]:
    """What the host's neighbour table has for the gateway and for addresses elsewhere."""
    lines = host.run("ip", "neigh", "show").stdout.splitlines()
    return {words[words.index("lladdr") + 1] for words in map(str.split, lines)
            if "lladdr" in words}


def talk(lab: Lab, stack: ExitStack) -> dict[str, Conversation]:
    return {name: stack.enter_context(Conversation(peer_of(lab, name), lab.host(name)))
            for name in HOSTS}


def progress(talks: dict[str, Conversation]) -> None:
    for conversation in talks.values():
        conversation.wait_progress()


class Outage:
    """The longest time without an answer to pings that a host sends."""

    def __init__(self, host: HostHandle, address: str, interval_ms: int = 5) -> None:
        self.interval_ms = interval_ms
        self._ping = host.popen("ping", "-n", "-D", f"-i{interval_ms / 1000}", address,
                                stdout=-1, text=True)

    def __enter__(self) -> "Outage":
        return self

    def __exit__(self, *_: object) -> None:
        if self._ping.poll() is None:
            self._ping.kill()
            self._ping.communicate()

    def finish(self) -> tuple[float, int]:
        """(milliseconds, pings without an answer before the last one that had one)"""
        self._ping.send_signal(2)
        text, _ = self._ping.communicate()
        answers = [(float(line[1:].split("]")[0]), int(line.split("icmp_seq=")[1].split()[0]))
                   for line in text.splitlines() if "icmp_seq=" in line and "time=" in line]
        assert len(answers) > 2, text
        assert len({n for _, n in answers}) == len(answers), "an answer came twice"
        gap = max(b[0] - a[0] for a, b in zip(answers, answers[1:]))
        return gap * 1000, answers[-1][1] - len(answers)


def without_loss(lab: Lab, change: Callable[[], None], name: str) -> None:
    """Pings and TCP of every host go on through the change, and nothing is lost or doubled."""
    with ExitStack() as stack:
        talks = talk(lab, stack)
        ends = [(peer_of(lab, name), lab.host(name)) for name in HOSTS]
        outages = [stack.enter_context(Outage(a, b.address))
                   for x, y in ends for a, b in ((x, y), (y, x))]
        progress(talks)
        change()
        progress(talks)
        found = [outage.finish() for outage in outages]
        print(f"{name}: longest gap {max(gap for gap, _ in found):.0f} ms, "
              f"lost {sum(lost for _, lost in found)}")
        assert sum(lost for _, lost in found) == 0, found


def drain(lab: Lab, element: str, *options: str) -> tuple[int, str]:
    done = ctl.run(lab, "element", "drain", element, *options)
    return done.returncode, done.stdout + done.stderr
