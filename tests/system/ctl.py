"""victorctl, run as a person would: in any namespace, with the controller's address in the
environment.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from lab.daemons import program
from lab.runtime import Lab

TIMEOUT_S = 20.0


def command(*words: str) -> list[str]:
    return [program("ctl/victorctl"), *words]


def environment(lab: Lab | None = None, **more: str) -> dict[str, str]:
    server = {"VICTOR_SERVER": f"unix:{lab.run_dir}/controller.sock"} if lab else {}
    return {**{k: v for k, v in os.environ.items() if k != "VICTOR_SERVER"}, **server, **more}


def run(lab: Lab | None, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*words), env=environment(lab), text=True, capture_output=True,
                          timeout=TIMEOUT_S, stdin=subprocess.DEVNULL)


def text(lab: Lab, *words: str) -> str:
    """What it printed; it must have succeeded, without a word of complaint."""
    done = run(lab, *words)
    assert done.returncode == 0, f"victorctl {' '.join(words)}: {done.stdout}{done.stderr}"
    assert not done.stderr, done.stderr
    return done.stdout


def as_json(lab: Lab, *words: str) -> Any:
    return json.loads(text(lab, "--json", *words))


def table(lab: Lab, *words: str) -> list[dict[str, str]]:
    """The rows of an aligned table, by the columns' names in its first line."""
    lines = text(lab, *words).splitlines()
    names, starts = _columns(lines[0])
    ends = [*starts[1:], None]
    return [{name: line[begin:end].strip() for name, begin, end in zip(names, starts, ends)}
            for line in lines[1:] if line.strip()]


def _columns(header: str) -> tuple[list[str], list[int]]:
    names = header.split()
    starts, at = [], 0
    for name in names:
        at = header.index(name, at)
        starts.append(at)
        at += len(name)
    return names, starts
