"""What a lab has made, on disk before it is made: so that another process, or the same one after
Ctrl-C at any moment, can take all of it away again. Everything of a lab lives in namespaces of its
prefix and in its run directory, so those two names are enough; the rest is for `status`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path
from signal import SIGKILL, SIGTERM

from . import netns
from .daemons import Process

RUN_ROOT = Path("/run/victor-lab")
GONE_TIMEOUT_S = 5.0


class LabError(Exception):
    """The lab cannot do that; the text is one line that says what to do."""


def check_instance(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9]{1,16}", name):
        raise LabError(f"instance '{name}': use 1 to 16 lower-case letters and digits")
    return name


@dataclass
class State:
    """The state file of one lab."""

    instance: str
    topology: str
    run_dir: str
    delays: dict[str, float] = field(default_factory=dict)
    ovs: list[str] = field(default_factory=list)
    processes: dict[str, dict[str, object]] = field(default_factory=dict)
    places: dict[str, str | None] = field(default_factory=dict)

    @property
    def prefix(self) -> str:
        return f"vl-{self.instance}-"

    @property
    def path(self) -> Path:
        return RUN_ROOT / f"{self.instance}.json"

    def claim(self) -> None:
        """Writes the file for the first time; only one lab can have an instance's name."""
        RUN_ROOT.mkdir(parents=True, exist_ok=True)
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            raise LabError(f"lab '{self.instance}' is up already; take it down first "
                           f"(lab down --instance {self.instance}), or name another") from None
        self.save()

    def save(self) -> None:
        scratch = self.path.with_suffix(".new")
        scratch.write_text(json.dumps(asdict(self)))
        scratch.rename(self.path)

    @classmethod
    def load(cls, instance: str) -> "State":
        path = RUN_ROOT / f"{check_instance(instance)}.json"
        try:
            text = path.read_text()
        except FileNotFoundError:
            raise LabError(f"lab '{instance}' is not up; start it with: lab up") from None
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError):
            return cls(instance, "unknown", str(RUN_ROOT / instance))

    def remove_all(self) -> None:
        """Ends the processes, unmounts, removes the namespaces and the files. May be repeated."""
        for record in self.processes.values():
            Process(int(str(record["pid"])), str(record["started"])).end(SIGTERM, SIGKILL)
        names = netns.existing(self.prefix)
        for pid in netns.members(names):
            _end_member(pid)
        _unmount_below(Path(self.run_dir))
        netns.remove(names)
        netns.wait_gone(self.prefix, GONE_TIMEOUT_S)
        shutil.rmtree(self.run_dir, ignore_errors=True)
        self.path.with_suffix(".new").unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)


def _end_member(pid: int) -> None:
    try:
        Process.of(pid).end(SIGTERM, SIGKILL)
    except OSError:
        pass    # gone meanwhile


def _unmount_below(directory: Path) -> None:
    """File systems of BPF that the lab or a daemon mounted."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in sorted((m for m in mounts if m.startswith(f"{directory}/")), reverse=True):
        subprocess.run(["umount", "-l", mount], check=False, start_new_session=True,
                       stderr=subprocess.DEVNULL)
