"""Commands in a network namespace, without the side effects of `ip netns exec`.

`ip netns exec` makes a mount namespace and mounts /sys anew; nsenter(1) only enters the network
namespace and then executes, so the process id is the command's own. A socket stays in the namespace
that it was made in, so `make_socket` lets this process talk from any of them. Used by machine.py,
guestctl.py, probe.py and selftest.py; talks to no module of ours.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import threading


CLONE_NEWNET = 0x40000000


class CommandError(Exception):
    """A command failed; the text is one line with what it said."""


def path_of(netns: str) -> str:
    """The file that stands for a namespace, given by name or by path."""
    return netns if "/" in netns else f"/run/netns/{netns}"


def enter(netns: str | None, command: list[str]) -> list[str]:
    """The command, to be run in a namespace: a name, a path, or None for the current one."""
    if netns is None:
        return command
    return ["nsenter", f"--net={path_of(netns)}", "--", *command]


def run(netns: str | None, *command: str) -> str:
    """Runs a command to its end and returns its output."""
    try:
        done = subprocess.run(enter(netns, list(command)), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    except FileNotFoundError as error:
        raise CommandError(f"{error.filename}: not installed") from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or f"status {done.returncode}")
        raise CommandError(f"{' '.join(command)}: {said.splitlines()[-1]}")
    return done.stdout


def ip(netns: str | None, line: str) -> str:
    """ip(8) with the words of one line."""
    return run(netns, "ip", *line.split())


def make_socket(netns: str | None, family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM,
                protocol: int = 0) -> socket.socket:
    """A socket in a namespace. Only a thread of its own moves there, and ends."""
    if netns is None:
        return socket.socket(family, kind, protocol)
    made: list[socket.socket | OSError] = []

    def make() -> None:
        try:
            namespace = os.open(path_of(netns), os.O_RDONLY | os.O_CLOEXEC)
            try:
                if ctypes.CDLL(None, use_errno=True).setns(namespace, CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), f"setns {netns}")
                made.append(socket.socket(family, kind, protocol))
            finally:
                os.close(namespace)
        except OSError as error:
            made.append(error)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if isinstance(made[0], OSError):
        raise made[0]
    return made[0]
