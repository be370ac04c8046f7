"""Runs a shell script once in a guest, for what must be tried under the guest's own kernel.

    done = run_in_guest(image.prepare(), "bpftool prog load /x.o /sys/fs/bpf/x",
                        extra_files={**initrd.program_files("/usr/sbin/bpftool"), "/x.o": path},
                        modules=initrd.BPF_MODULES)
    done.status, done.output

The guest has no network card, and ends with the script. Uses machine.py and initrd.py.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import initrd
from .image import Image
from .machine import Guest, Machine

TIMEOUT_S = 120.0
BEGIN = "victor-guest: run begins"


@dataclass(frozen=True)
class Done:
    """The script's exit status and what it wrote, to either output."""

    status: int
    output: str
    faults: list[str]                 # complaints of the guest's kernel, if any


def run_in_guest(image: Image, run: str, *, extra_files: Mapping[str, Path | bytes] | None = None,
                 modules: Sequence[str] = (), memory_mb: int = 256,
                 timeout_s: float = TIMEOUT_S) -> Done:
    """Boots a guest, runs the script, ends the guest. MachineError if it does not get that far."""
    script = f"echo '{BEGIN}'\n{run}\n"
    path = image.with_files(extra_files, script, modules)
    with tempfile.TemporaryDirectory(prefix="victor-oneshot-") as directory:
        with Machine(image, Guest("oneshot", memory_mb=memory_mb), directory, initrd_path=path,
                     append="victor.oneshot=1") as machine:
            text = machine.wait_console(initrd.RUN_MARKER, timeout_s, faults_end_it=False)
            # The marker's line may not be whole yet; the guest ends right after it.
            machine.wait_end(timeout_s)
            text, faults = machine.console(), machine.faults()
    text = text.replace("\r\n", "\n")
    output, _, rest = text.partition(BEGIN + "\n")[2].partition(initrd.RUN_MARKER)
    match = re.match(r" (\d+)", rest)
    return Done(int(match.group(1)) if match else -1, output, faults)
