"""What a person can do wrong, with any of the three programs: one line that says what to do, exit
status 1, or 2 for usage. No lab: each program runs in namespaces of its own.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import ctl
import labs
import pytest
from lab import netns
from lab.daemons import program, yaml
from lab.runtime import Lab

TIMEOUT_S = 20.0
ELEMENT, CONTROLLER, CTL = ("fe/io/victor-fe", "controller/io/victor-controller", "ctl/victorctl")


def element_config(directory: Path, **settings: object) -> dict[str, object]:
    return {"name": "fe1", "id": 1, "controllers": ["tcp:127.0.0.1:6653"],
            "inspect": f"unix:{directory}/fe1.mgmt", "state": str(directory / "state"),
            "backplane": {"device": "lo", "address": "172.16.1.2", "redirect": "172.16.1.3"},
            **settings}


def controller_config(directory: Path, **settings: object) -> dict[str, object]:
    return {"name": "victor", "southbound": ["tcp:127.0.0.1:6653"],
            "northbound": [f"unix:{directory}/controller.sock"],
            "state": str(directory / "state"),
            "prefixes": [{"prefix": "10.10.0.0/16", "mobile": True, "gateway": "10.10.0.1"}],
            "nodes": [{"id": "vm1", "addresses": ["10.10.0.11"]}], **settings}


def write(directory: Path, config: object) -> str:
    path = directory / "config.yaml"
    (directory / "state").mkdir(exist_ok=True)
    path.write_text(config if isinstance(config, str) else yaml(config))
    return str(path)


def run(name: str, *words: str, user: int | None = None) -> subprocess.CompletedProcess[str]:
    """In new network and mount namespaces, whose only interface is lo, up."""
    drop = f"setpriv --reuid={user} --regid={user} --clear-groups" if user else ""
    script = f'ip link set lo up; exec {drop} "$@"'
    return subprocess.run(["unshare", "--net", "--mount", "sh", "-c", script, "sh", program(name),
                           *words], text=True, capture_output=True, timeout=TIMEOUT_S,
                          stdin=subprocess.DEVNULL, env=ctl.environment())


def complaint(done: subprocess.CompletedProcess[str], status: int = 1) -> str:
    """The one line that it said."""
    lines = done.stderr.strip().splitlines()
    assert done.returncode == status, f"exit status {done.returncode}: {done.stderr}"
    assert len(lines) == 1, f"{len(lines)} lines: {done.stderr}"
    assert not done.stdout, done.stdout
    return lines[0]


def usage(done: subprocess.CompletedProcess[str]) -> str:
    """What it said of its wrong usage: at most the list of what would be right."""
    assert done.returncode == 2, f"exit status {done.returncode}: {done.stderr}"
    assert done.stderr and not done.stdout
    return done.stderr


# ---- usage ----

@pytest.mark.parametrize("name", [ELEMENT, CONTROLLER, CTL])
def test_help_says_how_to_use_it(name: str) -> None:
    done = run(name, "--help")
    assert done.returncode == 0 and not done.stderr
    assert Path(name).name in done.stdout
    assert "--help" in done.stdout


@pytest.mark.parametrize("name", [ELEMENT, CONTROLLER, CTL])
def test_the_version_is_told(name: str) -> None:
    done = run(name, "--version")
    assert done.returncode == 0
    assert re.search(r"\d+\.\d+\.\d+", done.stdout)


@pytest.mark.parametrize("words", [["--frobnicate"], ["--config"], ["surplus"]], ids=" ".join)
@pytest.mark.parametrize("name", [ELEMENT, CONTROLLER])
def test_wrong_usage_of_a_daemon_ends_with_two(name: str, words: list[str]) -> None:
    assert "--help" in usage(run(name, *words))


@pytest.mark.parametrize("words", [[], ["frobnicate"], ["show"], ["show", "frobs"], ["trace"],
                                   ["node", "add"], ["show", "elements", "surplus"],
                                   ["--frobnicate"]], ids=" ".join)
def test_wrong_usage_of_victorctl_ends_with_two(words: list[str]) -> None:
    said = usage(run(CTL, *words))
    assert re.search("Usage: victorctl|--help|what", said), said


# ---- configurations ----

BAD_ELEMENT = [
    (lambda c: "name: [", "config.yaml:"),
    (lambda c: yaml(c | {"colour": "red"}), "config.yaml:[0-9]+:.*colour"),
    (lambda c: yaml(c | {"id": 70000}), "config.yaml:.*id"),
    (lambda c: yaml(c | {"backplane": {"device": "lo", "address": "nowhere",
                                       "redirect": "172.16.1.3"}}), "config.yaml:[0-9]+:.*nowhere"),
    (lambda c: yaml({k: v for k, v in c.items() if k != "name"}), "config.yaml:.*name"),
    (lambda c: yaml(c | {"controllers": ["tcp:192.0.2.1:6653"]}), "config.yaml:.*insecure"),
    (lambda c: "", "config.yaml"),
]
BAD_CONTROLLER = [
    (lambda c: "name: [", "config.yaml:"),
    (lambda c: yaml(c | {"colour": "red"}), "config.yaml:[0-9]+:.*colour"),
    (lambda c: yaml(c | {"admission": "maybe"}), "config.yaml:[0-9]+:.*strict, first-come or open"),
    (lambda c: yaml(c | {"prefixes": [{"prefix": "10.10.0.1/16"}]}), "config.yaml:[0-9]+:.*bits"),
    (lambda c: yaml(c | {"nodes": [{"id": "x", "addresses": ["192.0.2.1"]}]}),
     "config.yaml:[0-9]+:.*192.0.2.1"),
    (lambda c: yaml(c | {"southbound": ["tcp:0.0.0.0:6653"]}), "config.yaml:[0-9]+:.*insecure"),
    (lambda c: yaml(c | {"networks": [{"name": "a", "upstreams": ["b"]}]}),
     "config.yaml:[0-9]+:.*no network b"),
    (lambda c: yaml(c | {"prefixes": [{"prefix": "10.10.0.0/16", "mobile": True,
                                       "exits": ["fe1", "fe1"]}]}), "config.yaml:[0-9]+:.*twice"),
    (lambda c: yaml(c | {"networks": [{"name": "a", "elements": ["fe1"]},
                                      {"name": "b", "elements": ["fe2"]}],
                         "links": [{"between": ["fe1", "fe2"], "kind": "ip"}]}),
     "config.yaml:[0-9]+:.*policies"),
    (lambda c: "", "config.yaml"),
]
WRONG = ([(ELEMENT, element_config, *bad) for bad in BAD_ELEMENT]
         + [(CONTROLLER, controller_config, *bad) for bad in BAD_CONTROLLER])


@pytest.mark.parametrize("name,config,spoil,expected", WRONG,
                         ids=[f"{Path(n).name} {e}" for n, _, _, e in WRONG])
def test_a_bad_configuration_is_refused_with_its_line(tmp_path: Path, name: str, config, spoil,
                                                      expected: str) -> None:
    path = write(tmp_path, spoil(config(tmp_path)))
    said = complaint(run(name, "--config", path))
    assert re.search(expected, said), said
    if name == CONTROLLER:
        assert complaint(run(name, "--check", "--config", path)) == said


@pytest.mark.parametrize("name,config", [(CONTROLLER, controller_config),
                                         (ELEMENT, element_config)])
def test_a_good_configuration_is_checked_and_nothing_started(tmp_path: Path, name: str,
                                                             config) -> None:
    done = run(name, "--check", "--config", write(tmp_path, config(tmp_path)))
    assert done.returncode == 0, done.stderr
    assert not list((tmp_path / "state").iterdir())


def test_a_prefix_too_long_for_other_networks_is_warned_of_unless_it_is_internal(
        tmp_path: Path) -> None:
    prefixes = [{"prefix": "198.51.100.64/26"}, {"prefix": "2001:db8:1:2::/64"},
                {"prefix": "203.0.113.0/24"}, {"prefix": "2001:db8:2::/48"},
                {"prefix": "10.1.2.128/25", "announce": False}]
    path = write(tmp_path, yaml(controller_config(tmp_path) | {"prefixes": prefixes, "nodes": []}))
    done = run(CONTROLLER, "--check", "--config", path)
    warned = [line for line in done.stdout.splitlines() if "warning" in line]
    assert done.returncode == 0 and len(warned) == 2, done
    assert "longer than /24: 198.51.100.64/26" in warned[0]
    assert "longer than /48: 2001:db8:1:2::/64" in warned[1]
    assert all(re.search(r"config.yaml:[0-9]+: ", line) for line in warned)


@pytest.mark.parametrize("name", [ELEMENT, CONTROLLER])
def test_a_configuration_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    assert f"{tmp_path}/none.yaml" in complaint(run(name, "--config", f"{tmp_path}/none.yaml"))


# ---- the machine ----

def test_a_wrong_interface_is_named(tmp_path: Path) -> None:
    config = element_config(tmp_path, backplane={"device": "bp7", "address": "172.16.1.2",
                                                 "redirect": "172.16.1.3"})
    said = complaint(run(ELEMENT, "--config", write(tmp_path, config)))
    assert "bp7" in said and "config.yaml" in said


def test_an_element_without_privileges_says_which_it_needs(tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o777)
    path = write(tmp_path, element_config(tmp_path))
    os.chmod(tmp_path / "state", 0o777)
    for parent in tmp_path.parents[:2]:
        os.chmod(parent, 0o755)
    said = complaint(run(ELEMENT, "--config", path, user=65534))
    assert re.search("root|privilege|CAP_", said), said


def test_a_controller_that_may_not_write_its_state_says_so(tmp_path: Path) -> None:
    path = write(tmp_path, controller_config(tmp_path))
    for parent in (tmp_path, *tmp_path.parents[:2]):
        os.chmod(parent, 0o755)
    said = complaint(run(CONTROLLER, "--config", path, user=65534))
    assert str(tmp_path) in said


def test_a_port_in_use_is_named(lab: Lab, tmp_path: Path) -> None:
    """A second controller beside the first."""
    config = controller_config(tmp_path, southbound=["tcp:10.99.0.1:6653"], insecure=True)
    said = complaint(inside(lab, "cc", CONTROLLER, "--config", write(tmp_path, config)))
    assert "6653" in said and "in use" in said


def test_a_socket_in_use_is_named(lab: Lab, tmp_path: Path) -> None:
    config = controller_config(tmp_path, northbound=[f"unix:{lab.run_dir}/controller.sock"])
    said = complaint(inside(lab, "client", CONTROLLER, "--config", write(tmp_path, config)))
    assert "controller.sock" in said and "in use" in said
    assert lab.rest.elements(), "the first controller's socket was taken from it"


def test_a_second_agent_for_the_same_element_is_refused(lab: Lab) -> None:
    said = complaint(inside(lab, "fe2", ELEMENT, "--config", f"{lab.run_dir}/fe2.yaml"))
    assert "fe2" in said
    assert labs.element(lab, "fe2")["state"] == "online"


def inside(lab: Lab, node: str, name: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(netns.enter(lab.netns(node), [program(name), *words]), text=True,
                          capture_output=True, timeout=TIMEOUT_S, stdin=subprocess.DEVNULL)


# ---- victorctl and its server ----

def test_victorctl_without_a_server_says_how_to_name_one(tmp_path: Path) -> None:
    done = subprocess.run(ctl.command("--server", f"unix:{tmp_path}/none.sock", "show", "elements"),
                          text=True, capture_output=True, timeout=TIMEOUT_S,
                          env=ctl.environment())
    said = complaint(done)
    assert f"{tmp_path}/none.sock" in said and "VICTOR_SERVER" in said


@pytest.mark.parametrize("words,expected", [
    (["show", "forwarding", "fe9"], "fe9"), (["show", "counters", "fe9"], "fe9"),
    (["node", "remove", "nobody"], "nobody"),
    (["node", "add", "x", "--address", "192.0.2.1"], "192.0.2.1"),
    (["node", "add", "x", "--address", "10.10.0.11"], "10.10.0.11"),
    (["node", "remove", "vm1"], "controller.yaml")])
def test_what_the_controller_refuses_is_told_in_its_words(lab: Lab, words: list[str],
                                                          expected: str) -> None:
    assert expected in complaint(ctl.run(lab, *words))


def test_a_server_that_answers_nonsense_does_not_confuse_victorctl(tmp_path: Path) -> None:
    path = f"{tmp_path}/nonsense.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(1)
        with subprocess.Popen(ctl.command("--server", f"unix:{path}", "show", "elements"),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              env=ctl.environment()) as process:
            peer, _ = listener.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                             b"Content-Length: 5\r\n\r\n{\"a\":")
            out, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 1 and process.returncode != -signal.SIGSEGV
    assert len(err.strip().splitlines()) == 1 and not out, err
