"""KVM or TCG: KVM only where a guest has really booted with it.

/dev/kvm may be there and still be of no use (a nested hypervisor that refuses a register kills the
guest half way), so a short trial boot decides, once for each kernel boot and QEMU; the answer is
kept in the image's cache. $VICTOR_ACCEL=kvm or tcg overrides. Used by machine.py, which knows how
to boot the trial; uses image.py.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from .image import Image, Progress


def _key(image: Image) -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return hashlib.sha256(f"{boot} {image.qemu.version} {image.kernel}".encode()).hexdigest()[:16]


def choose(image: Image, trial: Callable[[Image], bool],
           progress: Progress = lambda line: None) -> str:
    """"kvm" or "tcg"; `trial` says whether a guest boots with KVM."""
    forced = os.environ.get("VICTOR_ACCEL")
    if forced in ("kvm", "tcg"):
        return forced
    answer = image.cache / f"accel-{_key(image)}"
    if answer.exists():
        return answer.read_text().strip()
    usable = os.access("/dev/kvm", os.R_OK | os.W_OK)
    accel = "kvm" if usable and trial(image) else "tcg"
    progress(f"guests run under {accel.upper()}")
    written = answer.with_name(f".{answer.name}.{os.getpid()}")
    written.write_text(accel + "\n")
    written.rename(answer)
    return accel
