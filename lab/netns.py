"""Makes and removes network namespaces, in few processes: ip(8) in batches, sysctls and sockets
from a thread that enters the namespace. Nothing here remembers anything: runtime.py keeps the state.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from .vm.netns import enter, make_socket, path_of, run

__all__ = ["enter", "make_socket", "path_of", "run", "batch", "create", "remove", "existing",
           "members", "inside", "sysctl", "disable_offloads", "wait_gone", "NetnsError"]

NETNS_DIR = Path("/run/netns")
MOVE_POLL_S = 0.005
SIOCETHTOOL = 0x8946
ETHTOOL_STXCSUM, ETHTOOL_STSO, ETHTOOL_SGSO = 0x17, 0x1F, 0x24


class NetnsError(Exception):
    """ip(8) refused something; the text is one line."""


def batch(lines: Iterable[str], netns: str | None = None) -> None:
    """Runs ip(8) commands, one a line, in a namespace (None: the current one), in one process."""
    words = ["ip", *(["-n", netns] if netns else []), "-batch", "-"]
    text = "\n".join(lines) + "\n"
    # A session of its own: Ctrl-C ends us, who then clean up, and not the cleaning itself.
    done = subprocess.run(words, input=text, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          text=True, start_new_session=True)
    if done.returncode != 0:
        raise NetnsError(_explain(done.stderr, text.splitlines(), netns))


def _explain(said: str, lines: list[str], netns: str | None) -> str:
    found = re.search(r"Command failed [^:]*:(\d+)", said)
    line = lines[int(found.group(1)) - 1] if found else lines[0]
    first = said.strip().splitlines()[0] if said.strip() else "failed"
    if "Operation not permitted" in said:
        first += " (the lab needs root)"
    return f"ip {'-n ' + netns + ' ' if netns else ''}{line}: {first}"


def create(names: Iterable[str]) -> None:
    batch(f"netns add {name}" for name in names)


def existing(prefix: str) -> list[str]:
    """Names of the namespaces that begin with a prefix."""
    if not NETNS_DIR.is_dir():
        return []
    return sorted(path.name for path in NETNS_DIR.iterdir() if path.name.startswith(prefix))


def remove(names: list[str]) -> None:
    if names:
        batch(f"netns del {name}" for name in names)


def members(names: Iterable[str]) -> list[int]:
    """The processes that live in the namespaces."""
    inodes = {_inode(path_of(name)) for name in names} - {None}
    own = os.getpid()
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [pid for pid in pids if pid != own and _inode(f"/proc/{pid}/ns/net") in inodes]


def _inode(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def inside(netns: str, function: Callable[[], None]) -> None:
    """Calls the function from a thread that has entered the namespace."""
    failed: list[BaseException] = []

    def work() -> None:
        try:
            with open(path_of(netns), "rb") as namespace:
                if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), 0) != 0:
                    raise OSError(ctypes.get_errno(), f"setns {netns}")
            function()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


def sysctl(netns: str, settings: dict[str, str]) -> None:
    """Sets keys such as net.ipv4.ip_forward; what the kernel does not have is passed over."""
    def write() -> None:
        for key, value in settings.items():
            path = Path("/proc/sys") / key.replace(".", "/")
            if path.exists():
                path.write_text(value)
    inside(netns, write)


def disable_offloads(netns: str, device: str) -> None:
    """Checksums and segments are then made before a packet leaves the device."""
    with make_socket(netns, socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for command in (ETHTOOL_STXCSUM, ETHTOOL_STSO, ETHTOOL_SGSO):
            value = (ctypes.c_uint32 * 2)(command, 0)
            fcntl.ioctl(sock, SIOCETHTOOL,
                        struct.pack("16sP16x", device.encode(), ctypes.addressof(value)))


def wait_gone(prefix: str, timeout_s: float) -> bool:
    """Whether no namespace with the prefix is left within the time."""
    deadline = time.monotonic() + timeout_s
    while existing(prefix):
        if time.monotonic() > deadline:
            return False
        time.sleep(MOVE_POLL_S)
    return True
