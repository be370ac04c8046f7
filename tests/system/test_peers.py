"""bench/run peers: two moves of VICTOR and of BIRD, and the rows that come of them."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

from lab import peers, peers_routes, peers_victor, rows
from lab.topology import End, Topology

ROOT = Path(__file__).resolve().parents[2]
KEYS = {"system", "version", "case", "metric", "unit", "n", *rows.SPREAD}
COUNTS = ("moves that failed", "rounds that failed")


def run(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, ROOT / "bench/run", "peers", *options], text=True,
                          capture_output=True, timeout=300, stdin=subprocess.DEVNULL)


def test_two_moves_of_two_systems_give_rows_of_the_shape(tmp_path: Path) -> None:
    file, picture, table = (tmp_path / f"peers.{kind}" for kind in ("json", "svg", "md"))
    draws = importlib.util.find_spec("matplotlib") is not None
    done = run("--systems", "victor,bird,bird-sites", "--rounds", "1", "--moves", "2", "--delay-ms", "0",
               "--json", str(file), "--markdown", str(table),
               *(("--picture", str(picture)) if draws else ()))
    assert done.returncode == 0, done.stderr
    found = json.loads(file.read_text())
    assert found["benchmark"] == "peers" and all(set(row) == KEYS for row in found["rows"])
    for key in ("victor", "bird", "bird-sites"):
        title = peers.registry()[key].title
        mine = {row["metric"]: row for row in found["rows"] if row["system"] == title}
        assert set(mine) == {*peers.METRICS, *COUNTS, "load average"}, done.stderr
        assert {mine[metric]["n"] for metric in peers.METRICS} == {2}
        assert mine["rounds that failed"]["median"] == 0
        assert 0 < mine["outage"]["min"] <= mine["outage"]["max"]
        assert mine["outage"]["max"] == max(mine[f"outage, {way} the station"]["max"]
                                            for way in ("from", "to"))
    assert table.read_text().count(f"| {peers.ANNOUNCEMENT} | 2 |") == 3
    assert not draws or picture.read_text().lstrip().startswith("<?xml")


def test_a_system_that_nobody_knows_is_refused_by_its_name() -> None:
    done = run("--systems", "victor,nobody")
    assert done.returncode != 0
    said = done.stderr.strip().splitlines()[-1]
    assert "no system 'nobody'" in said and "victor" in said and "bird" in said


def test_a_system_that_does_not_start_is_told_and_the_others_are_measured() -> None:
    found = peers.Found(peers.registry()["bird"], "three sites", left_out=1)
    assert [(row["metric"], row["n"], row["median"]) for row in found.rows()] == [
        ("moves that failed", 0, 0), ("rounds that failed", 1, 1)]


def test_figures_of_rounds_are_put_together_by_moves() -> None:
    found = peers.Found(peers.registry()["victor"], "three sites")
    for up, failed in (1.0, 0), (2000.0, 1):
        found.add({"outages_up_ms": [up, 2], "outages_down_ms": [3, 1], "failed": failed,
                   "loadavg": [0.5], "each_lost": [4, 5], "each_duplicated": [0, 0],
                   "each_reordered": [0, 0], "each_late": [0, 1]})
    mine = {row["metric"]: row for row in found.rows()}
    assert (mine["outage"]["n"], mine["outage"]["min"], mine["outage"]["max"]) == (4, 2, 2000)
    assert mine["moves that failed"]["median"] == 1
    assert mine["probes lost in a move"]["max"] == 5


def wires(t: Topology) -> set[tuple[object, ...]]:
    def end(e: End) -> tuple[object, ...]:
        return e.node, e.name, e.bridge

    return {(link.name, end(link.a), end(link.b)) for link in t.links}


def test_victor_has_the_underlay_of_the_routes_and_its_messages_no_way_of_their_own() -> None:
    routes, ours, near = (peers_routes.topology(), peers_victor.topology(),
                          peers_victor.topology(near=True))
    for t in ours, near:
        assert t.nodes == routes.nodes and t.docks == routes.docks and wires(t) == wires(routes)
    where = {end.node: end.addresses[0] for link in routes.links for end in (link.a, link.b)
             if end.name == "bp0"}
    assert where[ours.controller] == f"{ours.controller_address}/24"
    assert ours.controller == "centre" and near.controller == "fe1"
