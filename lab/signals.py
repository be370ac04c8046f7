"""Interrupts and cleaning up: Ctrl-C, SIGTERM and SIGHUP all end a program the same way, once.

Programs call raise_on_signals() at their start. What must not be torn apart (a process started, and
noted) is done within uninterrupted().
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def raise_on_signals() -> None:
    """From the first signal on, KeyboardInterrupt is on its way up and further ones are ignored,
    so that the cleaning up is not interrupted itself."""
    def interrupt(number: int, frame: Any) -> None:
        ignore_signals()
        raise KeyboardInterrupt

    for number in SIGNALS:
        signal.signal(number, interrupt)


def ignore_signals() -> None:
    """The program is past the point where it can be interrupted."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """A signal that comes meanwhile is dealt with at the end. Only the main thread gets signals."""
    came: list[tuple[int, Any]] = []
    before: dict[signal.Signals, Any] = {}
    try:
        for number in SIGNALS:
            before[number] = signal.signal(number, lambda n, frame: came.append((n, frame)))
    except ValueError:
        pass    # not the main thread
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for n, frame in came[:1]:
        handler = before[signal.Signals(n)]
        if callable(handler):
            handler(n, frame)
