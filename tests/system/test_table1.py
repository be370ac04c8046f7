"""The paper's Table 1, from the live element. Topology: lab/figure2.py."""

from __future__ import annotations

import ctl
import labs
from lab.runtime import Lab

PAPER = {"nw_dst=10.2.3.1": "mod_dl_dst,out:2", "nw_dst=10.10.0.11": "mod_dl_dst,out:2",
         "nw_dst=10.10.0.36": "mod_dl_dst,out:3", "nw_dst=10.4.5.1": "out:0"}
# In full: which MAC, and which element.
TABLE_1 = [
    ("nw_dst=10.2.3.1", "mod_dl_dst:02:00:00:00:02:01,out:2"),
    ("nw_dst=10.10.0.11", "mod_dl_dst:52:54:00:00:00:05,out:2"),
    ("nw_dst=10.10.0.36", "mod_dl_dst:02:00:00:00:00:36,out:3"),
    ("nw_dst=10.4.5.1", "group:3,out:0"),
]


def bindings(rows: list[dict[str, str]]) -> dict[str, str]:
    return {row["flow"]: row["action"] for row in rows}


def test_the_rest_api_shows_the_papers_four_rows_of_fe2(lab: Lab) -> None:
    rows = bindings([r for r in labs.rules(lab, "fe2") if r["kind"] in ("local", "foreign")])
    for flow, action in TABLE_1:
        assert rows.get(flow) == action
    # Beyond the paper's four there is only the fixed neighbour, which it does not have.
    assert set(rows) == {flow for flow, _ in TABLE_1} | {"nw_dst=10.10.0.12"}


def test_victorctl_prints_the_papers_four_rows_of_fe2(lab: Lab) -> None:
    rows = {row["Flow"]: row["Action"] for row in ctl.table(lab, "show", "forwarding", "FE2")}
    assert {flow: rows.get(flow) for flow in PAPER} == PAPER


def test_a_move_changes_two_of_the_rows_and_back(lab: Lab) -> None:
    def row(element: str) -> str | None:
        return bindings(labs.rules(lab, element)).get("nw_dst=10.10.0.36")

    lab.move("laptop", "ap2")
    labs.eventually("the laptop at FE3, seen from FE2", lambda: row("fe2") == "group:3,out:0")
    assert row("fe3") == "mod_dl_dst:02:00:00:00:00:36,out:3"
    lab.move("laptop", "ap1")
    labs.eventually("the laptop at FE2 again", lambda: row("fe2") == TABLE_1[2][1])
    labs.eventually("the laptop gone from FE3", lambda: row("fe3") == "group:2,out:0")
