"""The README's words on mutual TLS, done as they stand: its commands in one shell, its YAML in each
configuration, in the network of Figure 2. Its scp copies between directories that stand for the
machines, and each daemon sees its own as /etc/victor."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import time
from pathlib import Path

import labs
import yaml
from lab import daemons, figure2
from lab.daemons import program
from lab.runtime import Lab

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()
SECTION = README.split("## Mutual TLS in a minute")[1].split("\n## ")[0]
SCP = """#!/bin/sh
# scp -pr DIRECTORY HOST:PATH
mkdir -p "$MACHINES/$(dirname "${3#*:}" | sed "s|^|${3%%:*}|")" && cp -pr "$2" "$MACHINES/${3%%:*}${3#*:}"
"""


def block(kind: str) -> str:
    found = re.search(rf"```{kind}\n(.*?)```", SECTION, re.S)
    assert found
    return found.group(1)


class ReadmeLab(figure2.Lab):
    """The daemons run where /etc/victor is their machine's."""

    def machine(self, name: str) -> Path:
        return self.run_dir / "machines" / name / "etc/victor"

    def on(self, name: str, command: list[str]) -> list[str]:
        words = f"mount --bind {shlex.quote(str(self.machine(name)))} /etc/victor && exec "
        return ["unshare", "--mount", "sh", "-ec", words + shlex.join(command)]

    def _configured(self, name: str, config: dict[str, object], endpoints: str) -> list[str]:
        del config["insecure"]
        own = re.search(rf'`({endpoints}: [^`]*)`', SECTION)
        assert own
        config |= yaml.safe_load(own.group(1)) | yaml.safe_load(block("yaml"))
        return self._config(name, config)

    def _controller_command(self) -> list[str]:
        (self.run_dir / "controller").mkdir(exist_ok=True)
        config = daemons.controller_config(self.topology, self.run_dir)
        return self.on("cc", [program("controller/io/victor-controller"),
                              *self._configured("controller", config, "southbound")])

    def _element_command(self, element: object) -> list[str]:
        super()._element_command(element)    # makes what it needs
        config = daemons.element_config(element, self.topology, self.run_dir)
        return self.on(element.name, [program("fe/io/victor-fe"),
                                      *self._configured(element.name, config, "controllers")])


def follow_commands(lab: Lab) -> None:
    """In a shell whose /etc/victor is empty at first, and its own."""
    tools = lab.run_dir / "tools"
    tools.mkdir()
    (tools / "scp").write_text(SCP)
    (tools / "scp").chmod(0o755)
    (tools / "victorctl").symlink_to(program("ctl/victorctl"))
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-ec", "mount -t tmpfs none /etc/victor\n" + block("")],
        env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}",
             "MACHINES": str(lab.run_dir / "machines")},
        capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr


def test_from_nothing_to_mutual_tls_on_four_machines_in_a_minute() -> None:
    made = not Path("/etc/victor").exists()
    Path("/etc/victor").mkdir(exist_ok=True)    # where the machines' own are mounted
    lab = ReadmeLab(f"t{os.getpid()}readme", start_daemons=False)
    try:
        with lab:
            start = time.monotonic()
            follow_commands(lab)
            lab._start_all()
            lab.wait_synchronized(labs.TIMEOUT_S)
            took_s = time.monotonic() - start
            log = labs.log_of(lab, "controller")
            for name in ("fe1", "fe2", "fe3"):
                assert f"{name}: connected from tls:" in log
            assert took_s < 60
    finally:
        if made:
            Path("/etc/victor").rmdir()
