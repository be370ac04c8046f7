"""Where a handoff's time goes: the kernel's trace, read as what each part of VICTOR did when.

    with tracing(pids) as trace:            # {pid: name of a daemon}
        figures = handoff.measure(lab, moves, details=True)
    moves = timeline.read(trace.text, pids, figures)

Times are microseconds since the station began to leave. A trace costs a microsecond or two for each
system call, so the times are a little longer than without.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

INSTANCES = Path("/sys/kernel/tracing/instances")
BUFFER_KB = 100000
READ, WRITE, SENDTO = 0, 1, 44                 # system calls of x86-64
MOVE_SIZE, ANNOUNCEMENT_SIZE = 0x98, 0x2a      # what lab-handoff sends: to netlink, to the network
PACKET_IN_MIN, BARRIER_SIZE = 0x50, 0x8
SPAN_US = 5000
LINE = re.compile(r"^\s*(.+)-(\d+)\s+\[(\d+)\] \S+\s+([\d.]+): (\w+): (.*)$")
CALL = re.compile(r"NR (\d+) \((.*)\)")
RESULT = re.compile(r"NR (\d+) = (-?\d+)")
SWITCH = re.compile(r"prev_pid=(\d+) .* next_pid=(\d+)")


class Trace:
    text = ""


@contextmanager
def tracing(pids: dict[int, str]) -> Iterator[Trace]:
    """Traces these processes' system calls and turns on a CPU, and whatever is sent by anybody."""
    mine = " || ".join(f"common_pid == {pid}" for pid in pids)
    switches = " || ".join(f"prev_pid == {pid} || next_pid == {pid}" for pid in pids)
    filters = {"raw_syscalls/sys_enter": f"{mine} || id == {SENDTO}", "raw_syscalls/sys_exit": mine,
               "sched/sched_switch": switches}
    instance = INSTANCES / f"victor-{os.getpid()}"
    trace = Trace()
    instance.mkdir()
    try:
        (instance / "trace_clock").write_text("mono")
        (instance / "buffer_size_kb").write_text(str(BUFFER_KB))
        for event, text in filters.items():
            (instance / "events" / event / "filter").write_text(text)
            (instance / "events" / event / "enable").write_text("1")
        yield trace
        (instance / "tracing_on").write_text("0")
        trace.text = (instance / "trace").read_text(errors="replace")
    finally:
        instance.rmdir()


class Event(NamedTuple):
    at: float                 # us
    who: str                  # a daemon; "" for anybody else
    kind: str                 # enter, exit, on, off
    call: int = -1
    arguments: tuple[int, ...] = ()
    result: int = 0


def _events(text: str, pids: dict[int, str]) -> Iterator[Event]:
    for line in text.splitlines():
        found = LINE.match(line)
        if not found:
            continue
        at, event, rest = float(found[4]) * 1e6, found[5], found[6]
        who = pids.get(int(found[2]), "")
        if event == "sys_enter" and (call := CALL.match(rest)):
            arguments = tuple(int(word, 16) for word in call[2].split(", "))
            yield Event(at, who, "enter", int(call[1]), arguments)
        elif event == "sys_exit" and (result := RESULT.match(rest)):
            yield Event(at, who, "exit", int(result[1]), result=int(result[2]))
        elif event == "sched_switch" and (switch := SWITCH.search(rest)):
            yield from (Event(at, pids[int(pid)], kind) for pid, kind in
                        ((switch[1], "off"), (switch[2], "on")) if int(pid) in pids)


@dataclass
class Move:
    new: str = ""                                                # where the station came to
    marks: dict[str, float] = field(default_factory=dict)        # in the order of the path
    bound: dict[str, float] = field(default_factory=dict)        # element: its map says so
    barrier: dict[str, float] = field(default_factory=dict)      # element: it replied
    written: list[float] = field(default_factory=list)           # flow-mods, in their order
    busy: dict[str, list[tuple[float, float]]] = field(default_factory=dict)    # who had a CPU
    outage: tuple[float, float] = (0, 0)                         # up, down

    @property
    def programmed(self) -> float:
        return max(self.bound.values())


def read(text: str, pids: dict[int, str], figures: dict[str, Any]) -> list[Move]:
    """The moves that the trace has whole."""
    events = list(_events(text, pids))
    begins = [i for i, e in enumerate(events) if _sends(e, MOVE_SIZE)]
    moves = []
    for i, up, down in zip(begins, figures["outages_up_ms"], figures["outages_down_ms"]):
        start = events[i].at
        near = [e._replace(at=e.at - start) for e in events[i:] if e.at < start + SPAN_US]
        move = _read_one(near, list(pids.values()))
        if move:
            move.outage = (up * 1000, down * 1000)
            moves.append(move)
    return moves


def _sends(event: Event, size: int) -> bool:
    return (not event.who and event.kind == "enter" and event.call == SENDTO
            and event.arguments[2] == size)


def _first(events: list[Event], after: float, who: str, kind: str, call: int) -> Event | None:
    return next((e for e in events if e.at > after and (e.who, e.kind, e.call) == (who, kind, call)
                 and (call != READ or e.result > 0)), None)


def _read_one(events: list[Event], names: list[str]) -> Move | None:
    move = Move()
    announced = next((e for e in events if _sends(e, ANNOUNCEMENT_SIZE)), None)
    packet_in = next((e for e in events if announced and e.at > announced.at and e.kind == "enter"
                      and e.who not in ("", "controller") and e.call == WRITE
                      and e.arguments[2] >= PACKET_IN_MIN), None)
    if not announced or not packet_in:
        return None
    move.new = packet_in.who
    woken = [e for e in events if announced.at < e.at < packet_in.at and e.who == move.new
             and e.kind == "on"]
    heard = _first(events, packet_in.at, "controller", "exit", READ)
    if not heard:
        return None
    move.marks = {"announced": announced.at, "agent runs": (woken or [packet_in])[-1].at,
                  "packet-in written": packet_in.at, "controller has read": heard.at}
    elements = [name for name in names if name != "controller"]
    for name in elements:
        told = next((e for e in events if e.at > heard.at and (e.who, e.kind, e.call) ==
                     (name, "exit", READ) and e.result >= PACKET_IN_MIN), None)
        # Bindings are written to mapped memory: by the next system call they are there.
        done = told and next((e for e in events if e.at > told.at and e.who == name
                              and e.kind == "enter"), None)
        if not done:
            return None
        move.bound[name] = done.at
        reply = next((e for e in events if e.at > done.at and e.who == name and e.kind == "enter"
                      and e.call == WRITE and e.arguments[2] == BARRIER_SIZE), None)
        if reply:
            move.barrier[name] = reply.at
    move.written = [e.at for e in events if e.at > heard.at and e.who == "controller" and e.kind ==
                    "enter" and e.call == WRITE and e.arguments[0] > 2][:len(elements)]
    move.marks["flow-mods for it written"] = move.written[0]
    move.marks["all flow-mods written"] = move.written[-1]
    move.marks["bound at the new element"] = move.bound[move.new]
    move.marks["bound at all elements"] = move.programmed
    for name in names:
        move.busy[name] = _busy(events, name)
    return move


def _busy(events: list[Event], name: str) -> list[tuple[float, float]]:
    spans: list[tuple[float, float]] = []
    since = 0.0
    for e in events:
        if e.who == name and e.kind == "on":
            since = e.at
        elif e.who == name and e.kind == "off":
            spans.append((since, e.at))
    return spans
