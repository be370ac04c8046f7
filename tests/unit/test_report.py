"""bench/report: what it makes of benchmarks' files."""

import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from lab.targets import TARGETS, Figure, Target  # noqa: E402


def row(median, system="victor-fe", metric="outage", p99=None):
    return {"system": system, "version": "1", "case": "three sites", "metric": metric, "unit": "ms",
            "n": 10, "min": None, "median": median, "p99": p99, "max": None}


def document(name, *rows):
    return {"benchmark": name, "when": "2026-01-01T00:00:00+00:00", "rows": list(rows),
            "host": {"kernel": "6.1", "cpu": "a <fast> one", "cores": 2, "loadavg": [0.1, 0.2, 0.3]}}


def report(*arguments):
    return subprocess.run([ROOT / "bench/report", *arguments], text=True, capture_output=True,
                          check=False)


@pytest.mark.parametrize("median, verdict", [(0.9, "stretch met"), (1.0, "stretch met"),
                                             (2.9, "met"), (3.1, "NOT met"), (None, "not measured")])
def test_a_target_is_met_or_not_or_was_not_measured(median, verdict):
    target = Target("outage", Figure("handoff", "outage"), 3, 1, "ms")
    documents = {"handoff": document("handoff", row(median))}
    assert target.verdict(target.value(documents)) == verdict


def test_a_ratio_is_of_two_systems_of_one_run():
    target = Target("beside", Figure("peers", "outage"), 1, 0.5, "",
                    beside=Figure("peers", "outage", system="BIRD.*"))
    documents = {"peers": document("peers", row(0.3, "BIRD, full mesh"), row(0.6))}
    assert target.value(documents) == pytest.approx(2.0)
    assert target.verdict(target.value({})) == "not measured"


def test_more_may_be_better():
    target = Target("rate", Figure("forward", "rate"), 5e6, 20e6, "/s", more_is_better=True)
    assert target.verdict(4e6) == "NOT met"
    assert target.verdict(30e6) == "stretch met"
    assert target.bound(target.must) == "≥ 5M /s"


def test_the_tables_have_every_figure_and_each_target(tmp_path):
    found = tmp_path / "handoff.json"
    found.write_text(json.dumps(document("peers", row(0.625, p99=1.5), row(7, metric="lost"))))
    done = report(str(found), "--markdown", str(tmp_path / "measured.md"))
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "measured.md").read_text()
    assert "| victor-fe | 1 | three sites | outage | ms | 10 | – | 0.625 | 1.5 | – |" in text
    assert "| handoff, p99 of these | ≤ 3 ms | ≤ 1 ms | 1.5 ms | met |" in text
    assert "not measured" in text


def test_a_file_that_is_none_of_a_benchmark_is_refused_by_its_name(tmp_path):
    other = tmp_path / "other.json"
    other.write_text("{}")
    done = report(str(other))
    assert done.returncode == 1
    assert str(other) in done.stderr and "bench/run" in done.stderr
    assert report(str(tmp_path / "none.json")).returncode == 1


def benchmarks():
    listed = subprocess.run([ROOT / "bench/run", "--list"], text=True, capture_output=True,
                            check=True).stdout
    return [line.split()[0] for line in listed.splitlines()]


def test_each_target_is_a_benchmarks():
    wanted = {figure.benchmark for target in TARGETS
              for figure in (target.figure, target.beside) if figure}
    assert wanted <= set(benchmarks())


def test_the_page_has_a_picture_and_the_figures_of_every_benchmark(tmp_path):
    pytest.importorskip("matplotlib")
    files = []
    for name in benchmarks():
        files.append(tmp_path / f"{name}.json")
        files[-1].write_text(json.dumps(document(name, row(0.5, p99=1), row(None, metric="lost"))))
    done = report(*map(str, files), "--html", str(tmp_path / "page.html"), "--pictures",
                  str(tmp_path / "pictures"), "--table")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "page.html").read_text()
    for name in benchmarks():
        assert f"<h2>{name}</h2>" in page
        assert (tmp_path / "pictures" / f"{name}.svg").exists()
    assert page.count("<svg") == len(files)
    assert "a &lt;fast&gt; one" in page
    assert done.stdout.startswith("| what | must | stretch | measured | verdict |")
    assert "| handoff, p99 of these | ≤ 3 ms | ≤ 1 ms | 1 ms | stretch met |" in done.stdout
