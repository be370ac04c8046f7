"""Who may bind where: modes, places, proof, damping, overlaps. Topology: lab/figure2.py, as strict as
an installation is: ap0 of FE2 and FE3 are attested for nodes with the label tenant=air, srv0 is nobody's.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ctl
import labs
import pytest
from lab import figure2, frames, netns
from lab.daemons import program
from lab.rest import UnixConnection
from lab.runtime import Lab
from lab.topology import Topology
from neighbors import arp_frame, send
from traffic import Conversation

VM = (figure2.VM_MAC, figure2.VM_ADDRESS)
LAPTOP = ("02:00:00:00:00:36", "10.10.0.36")
HOPPER = ("02:00:00:00:00:77", "10.10.0.77")
CLAIMED, FIRST, SECOND = "10.20.0.9", "02:00:00:00:00:21", "02:00:00:00:00:22"
MOVES = 60
WINDOW_S = 4


def topology() -> Topology:
    t = figure2.topology()
    for element in t.elements:
        object.__setattr__(element, "access", tuple(
            {**port, "identity": "tenant=air"} if port["match"] == "ap0" else port
            for port in element.access))
    t.prefixes.append({"prefix": "10.20.0.0/16", "mobile": True, "gateway": "10.20.0.1",
                       "mode": "first-come"})
    for node in t.inventory:
        if node["id"] == "laptop":
            node["labels"] = ["tenant=air"]
    t.inventory.append({"id": "hopper", "mac": HOPPER[0], "addresses": [HOPPER[1]],
                        "labels": ["tenant=air"]})
    t.settings |= {"shared_ports": "ask", "flapping": {"claims": 3, "window_s": WINDOW_S},
                   "sites": [{"name": "east", "elements": ["fe3"], "labels": ["zone=eu"],
                              "networks": ["10.4.0.0/16"]}]}
    return t


class StrictLab(figure2.Lab):
    make_topology = staticmethod(topology)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """The hopper is nowhere until a test sends for it."""
    with labs.running(StrictLab, announce=False) as one:
        for name in ("server1", "server2", "neighbor", "laptop", "vm"):
            one.host(name).announce()
        for node in ("server1", "server2", "neighbor", "laptop", "vm1"):
            labs.eventually(node, lambda: labs.place_of(one, node))
        yield one


def refused(lab: Lab, why: str) -> int:
    return sum(r["count"] for r in lab.rest.get("/v1/refusals")["refusals"] if r["why"] == why)


def alarms(lab: Lab, kind: str) -> list[dict[str, Any]]:
    return [a for a in lab.rest.get("/v1/alarms")["alarms"] if a["kind"] == kind]


def metrics(lab: Lab) -> str:
    connection = UnixConnection(str(lab.run_dir / "controller.sock"))
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def claim_until_refused(lab: Lab, host: str, who: tuple[str, str], why: str) -> None:
    """One claim, and the refusal that follows."""
    before = refused(lab, why)
    send(lab.host(host), arp_frame(who[0], who[1], who[1]))
    labs.eventually(f"the refusal {why}", lambda: refused(lab, why) > before)


def send_by(lab: Lab, port: str, frame: bytes) -> None:
    """Into an element's port, by the access point that is behind it."""
    with frames.open_raw(lab.netns("air"), port) as sock:
        sock.send(frame)


def test_a_copied_mac_and_address_on_another_tenants_port_bind_nothing(lab: Lab) -> None:
    before = labs.place_of(lab, "vm1")
    claim_until_refused(lab, "laptop", VM, "another-nodes-port")
    assert labs.place_of(lab, "vm1") == before == ("fe2", "srv0")
    (refusal,) = [r for r in ctl.as_json(lab, "show", "refusals")["refusals"]
                  if r["why"] == "another-nodes-port"]
    assert (refusal["who"], refusal["element"], refusal["port_name"]) == (VM[1], "fe2", "ap0")
    assert VM[0] in refusal["text"] and refusal["first"] <= refusal["last"]
    (row,) = [r for r in ctl.table(lab, "show", "refusals") if r["WHY"] == "another-nodes-port"]
    assert (row["WHO"], row["ELEMENT"], row["PORT"]) == (VM[1], "fe2", "ap0")


def test_a_copy_on_a_shared_port_binds_nothing_while_the_machine_answers(lab: Lab) -> None:
    with Conversation(lab.host("client"), lab.host("vm")) as talk:
        talk.wait_progress()
        claim_until_refused(lab, "server2", VM, "answers-elsewhere")
        talk.wait_progress()
    assert labs.place_of(lab, "vm1") == ("fe2", "srv0")


def test_a_shared_port_does_not_outweigh_an_attested_one(lab: Lab) -> None:
    claim_until_refused(lab, "server2", LAPTOP, "proven-elsewhere")
    assert labs.place_of(lab, "laptop") == ("fe2", "ap0")


def test_an_honest_move_between_shared_ports_is_believed_when_the_old_one_is_silent(
        lab: Lab) -> None:
    with Conversation(lab.host("client"), lab.host("vm")) as talk:
        talk.wait_progress()
        lab.move("vm", "site3")
        labs.eventually("the move", lambda: labs.place_of(lab, "vm1") == ("fe3", "srv0"))
        talk.wait_progress()
        lab.move("vm", "site2")
        labs.eventually("the move back", lambda: labs.place_of(lab, "vm1") == ("fe2", "srv0"))
        talk.wait_progress()
    assert not alarms(lab, "flapping")


def test_moves_at_a_thousand_a_minute_between_attested_ports_damp_nothing(lab: Lab) -> None:
    frame = arp_frame(HOPPER[0], HOPPER[1], HOPPER[1])
    begun = time.monotonic()
    for move in range(MOVES):
        element, port = [("fe2", "ap1"), ("fe3", "ap2")][move % 2]
        send_by(lab, port, frame)
        labs.eventually(f"move {move}", lambda: labs.place_of(lab, "hopper") == (element, "ap0"))
        time.sleep(max(0.0, begun + (move + 1) * 0.05 - time.monotonic()))    # the pace, not a wait
    assert not alarms(lab, "flapping")
    assert refused(lab, "damped") == 0
    assert labs.attachment(lab, "hopper")["moves"] >= MOVES - 1


def test_a_duplicate_is_damped_with_an_alarm_that_goes_by_itself(lab: Lab) -> None:
    for _ in range(20):
        send(lab.host("server2"), arp_frame(VM[0], VM[1], VM[1]))
        try:
            labs.eventually("damping", lambda: alarms(lab, "flapping"), 0.5)
            break
        except TimeoutError:
            continue    # that claim was still being settled
    (alarm,) = ctl.as_json(lab, "show", "alarms")["alarms"]
    assert (alarm["kind"], alarm["who"]) == ("flapping", "vm1")
    assert "vm1" in ctl.text(lab, "show", "alarms")
    assert 'victor_alarm{kind="flapping",who="vm1"' in metrics(lab)
    claim_until_refused(lab, "server2", VM, "damped")
    assert labs.place_of(lab, "vm1") == ("fe2", "srv0")
    labs.eventually("the alarm's end", lambda: not alarms(lab, "flapping"), WINDOW_S + 15)
    lab.move("vm", "site3")
    labs.eventually("an honest move", lambda: labs.place_of(lab, "vm1") == ("fe3", "srv0"))
    lab.move("vm", "site2")
    labs.eventually("the move back", lambda: labs.place_of(lab, "vm1") == ("fe2", "srv0"))


def source(lab: Lab, node: str) -> str | None:
    return next((n["source"] for n in lab.rest.nodes() if n["id"] == node), None)


def test_an_address_of_a_first_come_prefix_is_its_first_ones_until_it_is_released(
        lab: Lab) -> None:
    send(lab.host("server1"), arp_frame(FIRST, CLAIMED, CLAIMED))
    labs.eventually("the claim", lambda: labs.place_of(lab, CLAIMED) == ("fe2", "srv0"))
    assert source(lab, CLAIMED) == "claimed"
    claim_until_refused(lab, "server2", (SECOND, CLAIMED), "claimed")

    lab.controller.stop()    # what was claimed is durable
    lab.controller.start()
    lab.wait_synchronized(announce=False)
    assert source(lab, CLAIMED) == "claimed"
    claim_until_refused(lab, "server2", (SECOND, CLAIMED), "claimed")

    assert "nobody has it" in ctl.run(lab, "release", "10.20.0.10").stderr
    assert "vm1" in ctl.run(lab, "release", VM[1]).stderr
    ctl.text(lab, "release", CLAIMED)
    assert source(lab, CLAIMED) is None
    send(lab.host("server2"), arp_frame(SECOND, CLAIMED, CLAIMED))
    labs.eventually("the next one", lambda: labs.place_of(lab, CLAIMED) == ("fe3", "srv0"))
    ctl.text(lab, "release", CLAIMED)


def test_a_node_is_kept_to_its_ports_and_sites(lab: Lab) -> None:
    guest = ("02:00:00:00:00:31", "10.10.0.31")
    ctl.text(lab, "node", "add", "guest", "--address", guest[1], "--mac", guest[0],
             "--allow-site", "east", "--allow-port", "srv*", "--label", "tenant=red")
    (row,) = [r for r in ctl.table(lab, "show", "nodes") if r["NODE"] == "guest"]
    assert (row["ALLOWED"], row["LABELS"]) == ("port:srv*,site:east", "tenant=red")
    claim_until_refused(lab, "server1", guest, "not-this-site")
    send(lab.host("server2"), arp_frame(*guest, guest[1]))
    labs.eventually("the guest", lambda: labs.place_of(lab, "guest") == ("fe3", "srv0"))
    file = lab.run_dir / "inventory.yaml"
    ctl.text(lab, "export", str(file))
    assert ctl.text(lab, "import", str(file)).startswith("0 nodes new, 0 changed, 1 as they were")
    ctl.text(lab, "node", "remove", "guest")
    assert ctl.text(lab, "import", str(file)).startswith("1 nodes new")
    (node,) = [n for n in lab.rest.nodes() if n["id"] == "guest"]
    assert (node["labels"], node["allow"]["sites"]) == (["tenant=red"], ["east"])
    ctl.text(lab, "node", "remove", "guest")
    assert [s["NETWORKS"] for s in ctl.table(lab, "show", "sites")] == ["10.4.0.0/16"]


def test_an_elements_own_route_within_a_mobile_prefix_is_an_alarm_and_refuses_nodes(
        lab: Lab) -> None:
    assert not alarms(lab, "overlap")
    netns.run(lab.netns("fe2"), "ip", "address", "add", "10.10.77.1/24", "dev", "mg0")
    labs.eventually("the alarm", lambda: {a["who"] for a in alarms(lab, "overlap")} == {
        "10.10.77.0/24", "10.10.77.1/32"})
    assert all(a["element"] == "fe2" and "10.10.0.0/16" in a["text"] and "mg0" in a["text"]
               for a in alarms(lab, "overlap"))
    done = ctl.run(lab, "node", "add", "late", "--address", "10.10.77.5")
    assert done.returncode == 1
    for word in ("10.10.77.5", "10.10.77.0/24", "fe2", "mg0"):
        assert word in done.stderr
    netns.run(lab.netns("fe2"), "ip", "address", "del", "10.10.77.1/24", "dev", "mg0")
    labs.eventually("the alarm's end", lambda: not alarms(lab, "overlap"))
    ctl.text(lab, "node", "add", "late", "--address", "10.10.77.5")
    ctl.text(lab, "node", "remove", "late")


def check(path: Path, text: str) -> subprocess.CompletedProcess[str]:
    path.write_text(text)
    return subprocess.run([program("controller/io/victor-controller"), "--check", "--config",
                           str(path)], text=True, capture_output=True, timeout=20)


def test_check_names_both_that_overlap_and_warns_of_exits_that_nobody_knows(
        tmp_path: Path) -> None:
    done = check(tmp_path / "c.yaml", "sites:\n- { name: east, networks: [ 10.10.5.0/24 ] }\n"
                 "prefixes:\n- { prefix: 10.10.0.0/16, mobile: true }\n")
    assert done.returncode == 1
    for word in ("c.yaml:4:", "10.10.0.0/16", "10.10.5.0/24", "site east"):
        assert word in done.stderr
    done = check(tmp_path / "c.yaml", "links:\n- { between: [ fe1, fe2 ] }\n"
                 "prefixes:\n- { prefix: 10.10.0.0/16, mobile: true, exits: [ fe1, f2 ] }\n")
    assert done.returncode == 0
    assert "c.yaml:4: warning:" in done.stdout and "'f2'" in done.stdout
    assert "'fe1'" not in done.stdout
