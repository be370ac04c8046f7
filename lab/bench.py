"""What the commands in bench/ share: their options, and what they make of interrupts and errors.

    parser = bench.parser("handoff", __doc__)
    return bench.run(parser, measure)       # measure(options, progress) returns the figures
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .runtime import print_progress
from .signals import raise_on_signals

Progress = Callable[[str], None]
Figures = dict[str, Any]


def parser(name: str, doc: str | None) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog=name, description=(doc or "").partition("\n")[0])
    made.add_argument("--json", metavar="FILE", help="write the figures there as well")
    return made


def handoff_options(parser: argparse.ArgumentParser, moves: int) -> None:
    parser.add_argument("--moves", type=int, default=moves)
    parser.add_argument("--details", action="store_true", help="every move's outage")


def need(say: Progress, *packages: str) -> None:
    """Installs the packages, of those that it names, that are missing."""
    done = subprocess.run([Path(__file__).resolve().parent.parent / "tools/install-deps",
                           "--packages", *packages], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    for line in done.stdout.splitlines():
        say(line)
    if done.returncode:
        raise RuntimeError(f"not installed: {' '.join(packages)}")


def run(parser: argparse.ArgumentParser, measure: Callable[[Any, Progress], Figures],
        text: Callable[[Figures], str] = lambda figures: json.dumps(figures, indent=2)) -> int:
    """To be the process's exit status."""
    options = parser.parse_args()
    raise_on_signals()
    try:
        figures = measure(options, print_progress(parser.prog))
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    if options.json:
        Path(options.json).write_text(json.dumps(figures, indent=2) + "\n")
    print(text(figures))
    return 0
