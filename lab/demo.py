"""The measurements of ./demo, which has installed and built everything before this runs.

In a lab of Figure 2: Table 1 off the live element; the laptop roams; then the same VM migrates
within one LAN without VICTOR, and between VICTOR's sites. report.py prints it all.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import figure2, handoff, report, sites
from .daemons import DaemonError
from .netns import NetnsError
from .rest import RestError
from .runtime import print_progress
from .signals import raise_on_signals
from .state import LabError
from .vm import image, machine, migrate, probe, selftest
from .vm import netns as vm_netns

ERRORS = (LabError, DaemonError, NetnsError, RestError, OSError, sites.CheckFailed,
          selftest.CheckFailed, migrate.MigrationError, machine.MachineError, image.ImageError,
          probe.ProbeError, vm_netns.CommandError)

Progress = Callable[[str], None]


def main() -> int:
    options = _parser().parse_args()
    raise_on_signals()
    say = print_progress("demo")
    try:
        figures = measure(options, say)
    except ERRORS as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: interrupted; everything is taken away", file=sys.stderr)
        return 130
    if options.json:
        Path(options.json).write_text(json.dumps(figures, indent=2) + "\n")
    print(report.text(figures))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="demo")
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    parser.add_argument("--moves", type=_positive, default=1000, help="of the roaming host")
    parser.add_argument("--migrations", type=_positive, default=10, help="of the VM")
    parser.add_argument("--no-vm", action="store_true", help="the roaming host only")
    return parser


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"'{text}': write a number from 1")
    return int(text)


def measure(options: argparse.Namespace, say: Progress) -> dict[str, Any]:
    """Everything, as the JSON has it."""
    with figure2.Lab(f"demo{os.getpid()}", progress=say) as lab:
        lab.wait_synchronized()
        say("elements synchronized, hosts attached")
        figures: dict[str, Any] = {"forwarding_fe2": report.table1(lab.rest.forwarding("fe2"))}
        figures["handoff"] = _handoff(lab, options.moves, say)
        if not options.no_vm:
            say("the control: the VM migrates within one plain LAN, without VICTOR")
            figures["same_lan"] = selftest.run_same_lan(options.migrations, say)
            say("the VM migrates between VICTOR's sites")
            figures["vm"] = sites.run_sites(lab, options.migrations, say)
    figures["loadavg"] = [round(value, 2) for value in os.getloadavg()]
    return figures


def _handoff(lab: figure2.Lab, moves: int, say: Progress) -> dict[str, Any]:
    say(f"the laptop roams between AP1 and AP2, {moves} times, probed every 0.2 ms both ways")
    found = handoff.measure(lab, moves, progress=say)
    if found["failed"]:
        raise LabError(f"{found['failed']} moves never came to an end")
    return found


if __name__ == "__main__":
    sys.exit(main())
