"""`lab`: the topologies for people.

    lab up [TOPOLOGY] [--delay LINK=MS ...] [--ovs FE,...] [--run-dir DIR]
                             (figure2, figure2-dual, figure1, ring, shared-segment)
    lab status
    lab move NODE PLACE      lab shell NODE      lab server
    lab delay LINK MS        lab down
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import Any

from . import figure1, figure2, figure2dual, netns, ring, shared_segment
from .daemons import DaemonError
from .netns import NetnsError
from .rest import RestError
from .runtime import Lab, print_progress
from .signals import ignore_signals, raise_on_signals
from .state import LabError, State

TOPOLOGIES: dict[str, type[Lab]] = {"figure2": figure2.Lab, "figure2-dual": figure2dual.Lab,
                                    "figure1": figure1.Lab, "ring": ring.Lab,
                                    "shared-segment": shared_segment.Lab}
DEFAULT_INSTANCE = "lab"


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    raise_on_signals()
    try:
        return options.run(options) or 0
    except (LabError, DaemonError, NetnsError, RestError, OSError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted; everything is taken away", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lab", description="VICTOR's topologies in network "
                                     "namespaces. Run as root.")
    parser.add_argument("--instance", default=DEFAULT_INSTANCE,
                        help="several labs can be up, each with a name (default: %(default)s)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[Any], int | None], help_text: str) -> Any:
        sub = commands.add_parser(name, help=help_text, description=help_text)
        sub.set_defaults(run=run)
        sub.add_argument("--instance", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        return sub

    up = command("up", _up, "bring a topology up")
    up.add_argument("topology", nargs="?", default="figure2", choices=sorted(TOPOLOGIES))
    up.add_argument("--delay", action="append", default=[], metavar="LINK=MS",
                    help="delay each way on a link (see `lab status` for their names)")
    up.add_argument("--ovs", default=[], type=lambda text: text.split(","), metavar="FE,...",
                    help="elements that are Open vSwitch bridges")
    up.add_argument("--run-dir", help="configurations, logs and sockets (default: "
                                      "/run/victor-lab/INSTANCE)")
    up.add_argument("--no-daemons", action="store_true", help="the network only")
    command("down", _down, "take everything away")
    command("status", _status, "what is up")
    shell = command("shell", _shell, "a shell in a node's namespace")
    shell.add_argument("node")
    shell.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND",
                       help="instead of a shell")
    move = command("move", _move, "move a host")
    move.add_argument("node")
    move.add_argument("place", help="laptop: ap1 or ap2; vm: site2 or site3")
    command("server", _server, "where victorctl finds the controller: for VICTOR_SERVER")
    delay = command("delay", _delay, "change the delay of a link that has a delay line")
    delay.add_argument("link")
    delay.add_argument("ms", type=float)
    return parser


def _up(options: Any) -> None:
    say = print_progress()
    lab = TOPOLOGIES[options.topology](
        options.instance, delays=dict(parse_delay(text) for text in options.delay),
        start_daemons=not options.no_daemons, run_dir=options.run_dir, progress=say,
        ovs=options.ovs)
    try:
        lab.up()
        if not options.no_daemons:
            say("waiting until the elements are synchronized and the hosts attached")
            lab.wait_synchronized()
        ignore_signals()
    except BaseException:
        lab.down()
        raise
    lab.leave_up()
    say(f"up; logs and sockets in {lab.run_dir}")


def parse_delay(text: str) -> tuple[str, float]:
    link, separator, ms = text.partition("=")
    try:
        if separator:
            return link, float(ms)
    except ValueError:
        pass
    raise LabError(f"--delay '{text}': write LINK=MILLISECONDS, such as mgmt-fe2=20")


def _attached(options: Any) -> Lab:
    state = State.load(options.instance)
    if state.topology not in TOPOLOGIES:
        raise LabError(f"lab '{options.instance}' was not brought up wholly; run: lab down")
    lab = TOPOLOGIES[state.topology](state.instance, delays=state.delays, run_dir=state.run_dir,
                                     ovs=state.ovs)
    lab.attach(state)
    return lab


def _down(options: Any) -> None:
    State.load(options.instance).remove_all()


def _status(options: Any) -> None:
    lab = _attached(options)
    print(f"{lab.topology.name}, instance {lab.instance}, in {lab.run_dir}\n")
    print(lab.topology.picture + "\n")
    for name, daemon in lab.daemons.items():
        running = daemon.running
        where = f"pid {daemon.process.pid}" if running and daemon.process else daemon.said()
        print(f"{name:<12} {'running' if running else 'stopped':<8} {where}")
    for host, at in lab.state.places.items():
        print(f"{host:<12} at {at or 'nowhere'}   (can be at "
              f"{', '.join(p.name for p in lab.dock(host).places)})")
    links = [link.name + (f" ({lab.delays[link.name]:g} ms)" if link.name in lab.delays else "")
             for link in lab.topology.links]
    print("links        " + ", ".join(links))


def _shell(options: Any) -> None:
    lab = _attached(options)
    names = [node.name for node in lab.topology.nodes]
    if options.node not in names:
        raise LabError(f"no node '{options.node}'; there are {', '.join(names)}")
    words = options.words or [os.environ.get("SHELL", "/bin/sh")]
    command = netns.enter(lab.netns(options.node), words)
    os.environ["PS1"] = f"{options.node}# "
    os.execvp(command[0], command)


def _move(options: Any) -> None:
    lab = _attached(options)
    lab.move(options.node, options.place)
    print(f"{options.node} is at {lab.place(options.node)}")


def _server(options: Any) -> None:
    print(f"unix:{_attached(options).rest.path}")


def _delay(options: Any) -> None:
    _attached(options).set_delay(options.link, options.ms)
