"""victorctl, every subcommand. Topology: lab/figure2.py."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator

import ctl
import labs
import pytest
from lab.runtime import Lab
from traffic import Conversation

SHOWS = [["elements"], ["links"], ["nodes"], ["attachments"], ["forwarding", "FE2"],
         ["counters", "FE2"], ["counters"], ["refusals"], ["prefixes"], ["ports", "FE2"]]


@pytest.mark.parametrize("what", SHOWS, ids=" ".join)
def test_every_table_is_aligned_and_its_json_parses(lab: Lab, what: list[str]) -> None:
    lines = [line for line in ctl.text(lab, "show", *what).splitlines() if line]
    assert lines and re.match(" *[A-Z]|fe1$", lines[0]), "it begins with the columns' names"
    assert ctl.as_json(lab, "show", *what)


def test_show_elements(lab: Lab) -> None:
    rows = {row["ELEMENT"]: row for row in ctl.table(lab, "show", "elements")}
    assert set(rows) == {"fe1", "fe2", "fe3"}
    assert {row["STATE"] for row in rows.values()} == {"online"}
    found = {e["name"]: e["border"] for e in ctl.as_json(lab, "show", "elements")["elements"]}
    assert found == {"fe1": True, "fe2": False, "fe3": False}


def test_show_links(lab: Lab) -> None:
    links = ctl.as_json(lab, "show", "links")["links"]
    assert {tuple(sorted(link["between"])) for link in links} == {
        ("fe1", "fe2"), ("fe1", "fe3"), ("fe2", "fe3")}
    assert all(link["up"] for link in links)


def test_show_nodes_and_attachments_agree_on_where_everybody_is(lab: Lab) -> None:
    expected = {"server1": ("fe2", "srv0"), "server2": ("fe3", "srv0"), "vm1": ("fe2", "srv0"),
                "laptop": ("fe2", "ap0"), "neighbor": ("fe2", "srv0")}
    attachments = ctl.as_json(lab, "show", "attachments")["attachments"]
    assert {a["node"]: (a["element"], a["port_name"]) for a in attachments} == expected
    nodes = ctl.as_json(lab, "show", "nodes")["nodes"]
    assert {n["id"]: (n["attachment"]["element"], n["attachment"]["port_name"])
            for n in nodes} == expected
    said = ctl.text(lab, "show", "attachments")
    for node, (element, port) in expected.items():
        assert re.search(rf"^{node} .*{element}.*{port}", said, re.M), said


def test_show_counters_counts_by_ingress_element_and_node(lab: Lab) -> None:
    with Conversation(lab.host("client"), lab.host("laptop")) as talk:
        talk.wait_progress()
    counters = ctl.as_json(lab, "show", "counters", "fe2")["counters"]
    assert any(c["ingress"] == "fe1" and c["node"] == "laptop" and c["packets"] > 0
               for c in counters)


def test_show_counters_says_what_errors_an_element_sent(lab: Lab) -> None:
    def sent() -> dict[str, int]:
        return {c["what"]: c["packets"] for c in ctl.as_json(lab, "show", "counters", "fe2")["others"]}

    before = sent()
    lab.host("laptop").run("ping", "-n", "-c2", "-i0.3", "-t1", "-W1", lab.host("server2").address)
    after = sent()
    assert after["sent_time_exceeded"] == before["sent_time_exceeded"] + 2
    said = ctl.text(lab, "show", "counters", "fe2").split("\n\n")[-1].splitlines()
    assert said[0].split() == ["OTHERWISE", "PACKETS"]
    shown = {words[0]: int(words[1]) for words in map(str.split, said[1:])}
    assert set(shown) == set(after)
    assert {"path_mtu_lowered", "path_mtu_refused", "sent_too_big", "sent_unreachable",
            "sent_advertisement", "answered_arp"} <= set(shown)
    assert shown["sent_time_exceeded"] == after["sent_time_exceeded"]
    assert len({len(line) for line in said}) == 1, "not aligned"


def test_names_of_elements_may_be_written_in_either_case(lab: Lab) -> None:
    for name in ("FE3", "fe3", "Fe3"):
        assert ctl.as_json(lab, "show", "forwarding", name)["element"] == "fe3"


def test_trace_walks_the_tables_of_both_elements(lab: Lab) -> None:
    steps = ctl.as_json(lab, "trace", "192.0.2.10", "10.10.0.36")["steps"]
    assert all(step["reason"] for step in steps)
    said = ctl.text(lab, "trace", "192.0.2.10", "10.10.0.36")
    for word in ("fe1", "fe2", "10.10.0.36"):
        assert word in said


def test_a_node_added_by_hand_registers_and_one_removed_is_refused_again(lab: Lab) -> None:
    laptop = lab.host("laptop")
    ctl.text(lab, "node", "add", "printer", "--address", "10.10.0.99", "--mac", "02:00:00:00:00:99")
    laptop.announce("10.10.0.99", "02:00:00:00:00:99")
    labs.wait_place(lab, "printer", "fe2", "ap0")
    assert any(row["address"] == "10.10.0.99" for row in labs.rules(lab, "fe3"))
    ctl.text(lab, "node", "remove", "printer")
    labs.eventually("end of its flows", lambda: not any(
        row["address"] == "10.10.0.99" for e in ("fe1", "fe2", "fe3")
        for row in labs.rules(lab, e)))


def test_nodes_added_and_removed_by_hand_stay_so_over_a_restart(lab: Lab) -> None:
    ctl.text(lab, "node", "add", "kept", "--address", "10.10.0.91", "--mac", "02:00:00:00:00:91")
    ctl.text(lab, "node", "add", "gone", "--address", "10.10.0.92")
    ctl.text(lab, "node", "remove", "gone")
    for end in (lab.controller.kill, lab.controller.stop):
        end()
        lab.rest.close()
        lab.controller.start()
        labs.wait_online(lab)
        nodes = {n["id"]: n for n in ctl.as_json(lab, "show", "nodes")["nodes"]}
        assert nodes["kept"]["addresses"] == ["10.10.0.91"]
        assert nodes["kept"]["mac"] == "02:00:00:00:00:91"
        assert "gone" not in nodes
    ctl.text(lab, "node", "remove", "kept")


def test_a_reload_takes_the_configurations_nodes_and_disturbs_nobody(lab: Lab) -> None:
    def reload() -> None:
        lab._controller_command()    # writes the configuration
        assert lab.controller.process
        os.kill(lab.controller.process.pid, signal.SIGHUP)

    def known() -> set[str]:
        return {n["id"] for n in lab.rest.nodes()}

    with Conversation(lab.host("client"), lab.host("laptop")) as talk:
        sent = labs.flow_mods(lab)
        lab.topology.inventory.append({"id": "late", "addresses": ["10.10.0.93"]})
        reload()
        labs.eventually("the new node", lambda: "late" in known())
        lab.topology.inventory.pop()
        reload()
        labs.eventually("end of the new node", lambda: "late" not in known())
        talk.wait_progress()
        assert labs.flow_mods(lab) == sent


def test_a_move_by_hand_is_prepared_confirmed_and_reverted(lab: Lab) -> None:
    ctl.text(lab, "move", "laptop", "fe3", "ap0")
    found = labs.attachment(lab, "laptop")
    assert found and (found["state"], found["element"]) == ("prepared", "fe3")
    ctl.text(lab, "move", "revert", "laptop")
    labs.wait_place(lab, "laptop", "fe2", "ap0")
    with Conversation(lab.host("client"), lab.host("laptop")) as talk:
        talk.wait_progress()


class Watch:
    """victorctl watch, its lines read as they come."""

    def __init__(self, lab: Lab, *words: str) -> None:
        self.process = subprocess.Popen(ctl.command(*words, "watch"), text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env=ctl.environment(lab))
        self.lines: list[str] = []
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line)

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()
        self.thread.join()
        assert self.process.stdout and self.process.stderr
        self.process.stdout.close()
        self.process.stderr.close()


@pytest.fixture
def laptop_at_home(lab: Lab) -> Iterator[None]:
    yield
    lab.move("laptop", "ap1")
    labs.wait_place(lab, "laptop", "fe2", "ap0")


def moves(lab: Lab) -> Iterator[None]:
    """Moves until whoever watches has begun to listen."""
    for place, element in (("ap2", "fe3"), ("ap1", "fe2")) * 10:
        lab.move("laptop", place)
        labs.wait_place(lab, "laptop", element, "ap0")
        yield


def test_watch_prints_a_move_as_it_happens(lab: Lab, laptop_at_home: None) -> None:
    with Watch(lab) as watch:
        for _ in moves(lab):
            if any("moved" in line and "laptop" in line for line in watch.lines):
                break
    line = next(line for line in watch.lines if "moved" in line and "laptop" in line)
    assert re.search("fe[23]", line)


def test_watch_prints_json_one_event_a_line(lab: Lab, laptop_at_home: None) -> None:
    with Watch(lab, "--json") as watch:
        for _ in moves(lab):
            if any('"moved"' in line for line in watch.lines):
                break
    events = [json.loads(line) for line in watch.lines]
    moved = [event for event in events if event["kind"] == "moved"]
    assert moved and moved[0]["node"] == "laptop" and moved[0]["version"]
    revisions = [event["revision"] for event in events]
    assert revisions == list(range(revisions[0], revisions[0] + len(revisions)))


def test_watch_ends_when_its_reader_does(lab: Lab) -> None:
    """`victorctl watch | head -1` must not hang, nor print a stack of errors."""
    process = subprocess.Popen(f"{' '.join(ctl.command('watch'))} | head -1", shell=True, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=ctl.environment(lab))
    for _ in moves(lab):
        if process.poll() is not None:
            break
    out, err = process.communicate(timeout=20)
    assert len(out.splitlines()) == 1 and len(err.splitlines()) <= 1, err


def test_help_names_every_subcommand_and_each_has_help(lab: Lab) -> None:
    said = ctl.text(lab, "--help")
    commands = re.findall(r"^  ([a-z]+(?: [a-z]+)?)  ", said, re.M)
    assert {"show elements", "show links", "show nodes", "show attachments", "show forwarding",
            "show counters", "show refusals", "node add", "node remove", "trace", "watch",
            "move"} <= set(commands)
    for command in commands:
        text = ctl.text(lab, *command.split(), "--help")
        assert text.startswith(f"Usage: victorctl {command}"), text
    assert "show elements" in ctl.text(lab, "show", "--help")



def test_every_option_that_the_help_names_is_understood(lab: Lab) -> None:
    for command, words in (("show forwarding", ["fe2", "--all"]),
                           ("trace", ["10.10.0.36", "10.4.5.1", "--at", "FE2", "--vrf", "0"])):
        text = ctl.text(lab, *command.split(), "--help")
        for option in [word for word in words if word.startswith("--")]:
            assert option in text
        assert ctl.text(lab, *command.split(), *words)
