"""The inventory that was put by REST: exported, imported, backed up, and lost with the store.
Topology: lab/figure2.py, whose own nodes stand in the controller's configuration.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import ctl
import labs
import pytest
import yaml
from lab.rest import RestError
from lab.runtime import Lab
from traffic import Conversation

EXTRA = {"guest1": ["--address", "10.10.7.1", "--mac", "52:54:00:00:07:01"],
         "guest2": ["--address", "10.10.7.2", "--element", "fe2"],
         "guest3": ["--address", "10.10.7.3", "--address", "10.10.7.4"]}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with labs.running() as one:
        for node, options in EXTRA.items():
            ctl.text(one, "node", "add", node, *options)
        yield one


def put_nodes(lab: Lab) -> dict[str, dict]:
    return {n["id"]: {k: v for k, v in n.items() if k != "attachment"}
            for n in lab.rest.get("/v1/nodes")["nodes"] if n["source"] == "api"}


def store_of(lab: Lab) -> Path:
    return lab.run_dir / "controller"


def lose_store(lab: Lab) -> None:
    lab.controller.kill()
    for path in store_of(lab).iterdir():
        path.unlink()
    lab.rest.close()
    lab.controller.start()
    labs.wait_online(lab)


def test_what_is_exported_is_imported_the_same(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "inventory.yaml"
    ctl.text(lab, "element", "drain", "fe3", "--undo")
    ctl.text(lab, "export", str(file))
    assert {n["id"] for n in yaml.safe_load(file.read_text())["nodes"]} == set(EXTRA)
    assert ctl.text(lab, "export") == file.read_text()
    before = put_nodes(lab)
    ctl.text(lab, "node", "remove", "guest1")
    ctl.text(lab, "node", "add", "guest2", "--address", "10.10.7.9")
    ctl.text(lab, "node", "add", "other", "--address", "10.10.7.1")    # guest1's address
    said = ctl.run(lab, "import", str(file))
    assert said.returncode == 1 and f"{file}:" in said.stderr and "other" in said.stderr
    assert ctl.text(lab, "import", "--replace", str(file)).startswith(
        "1 nodes new, 1 changed, 1 as they were, 1 removed")
    assert put_nodes(lab) == before
    assert ctl.text(lab, "import", str(file)).startswith("0 nodes new, 0 changed, 3 as they were")


def test_hostile_files_change_nothing(lab: Lab, tmp_path: Path) -> None:
    before = put_nodes(lab)
    file = tmp_path / "bad.yaml"
    for text, said in (("nodes:\n- { id: new, addresses: [ 10.10.7.20 ] }\n- { id: bad }\n", ":3:"),
                       ("nodes: [\n", "bad.yaml:"), ("a: &a [*a]\n", "bad.yaml:"),
                       ("nodes:\n" + "- " * 5000, "bad.yaml:")):
        file.write_text(text)
        done = ctl.run(lab, "import", str(file))
        assert done.returncode == 1 and said in done.stderr, done.stderr
    done = ctl.run(lab, "import", str(tmp_path / "missing"))
    assert done.returncode == 1 and "No such file" in done.stderr
    assert put_nodes(lab) == before


def test_with_the_store_lost_and_the_inventory_imported_bindings_come_from_the_elements(
        lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "inventory.yaml"
    lab.move("laptop", "ap2")
    labs.wait_place(lab, "laptop", "fe3", "ap0")
    lab.host("vm").announce("10.10.7.1", "52:54:00:00:07:01")    # guest1, behind the vm's port
    labs.eventually("guest1 attached", lambda: labs.place_of(lab, "guest1"))
    ctl.text(lab, "export", str(file))
    before, term = put_nodes(lab), lab.rest.get("/v1/status")["term"]
    place = labs.place_of(lab, "guest1")
    with Conversation(lab.host("client"), lab.host("laptop")) as talk:
        lose_store(lab)
        ctl.text(lab, "import", str(file))
        talk.wait_progress()
        assert put_nodes(lab) == before
        assert lab.rest.get("/v1/status")["term"] > term, "above every element's"
        found = labs.eventually("guest1 learnt from FE2", lambda: labs.attachment(lab, "guest1"))
        assert (found["element"], found["port_name"]) == place
        labs.wait_place(lab, "laptop", "fe3", "ap0")
        talk.wait_progress()
    log = labs.log_of(lab, "controller")
    assert "rebuilt" in log, "it says what it did"


def test_a_backup_is_put_back_and_the_elements_know_the_rest(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "backup.db"
    assert f"{file}:" in ctl.text(lab, "backup", str(file))
    before = put_nodes(lab)
    ctl.text(lab, "node", "remove", "guest3")
    there = lab.place("laptop")
    place, element = ("ap1", "fe2") if there == "ap2" else ("ap2", "fe3")
    lab.move("laptop", place)
    labs.wait_place(lab, "laptop", element, "ap0")
    term = lab.rest.get("/v1/status")["term"]
    with Conversation(lab.host("client"), lab.host("laptop")) as talk:
        lab.controller.kill()
        for path in store_of(lab).iterdir():
            path.unlink()
        shutil.copy(file, store_of(lab) / "controller.db")
        lab.rest.close()
        lab.controller.start()
        labs.wait_online(lab)
        assert put_nodes(lab) == before
        assert lab.rest.get("/v1/status")["term"] > term
        # The copy says the other one, with an older version.
        labs.wait_place(lab, "laptop", element, "ap0")
        talk.wait_progress()


def test_a_backup_that_cannot_be_written_leaves_the_one_before(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "no" / "backup.db"
    done = ctl.run(lab, "backup", str(file))
    assert done.returncode == 1 and str(file) in done.stderr
    with pytest.raises(RestError):
        lab.rest.get("/v1/nodes/nobody")
