"""bench/controller: a part that fails takes no other part's figures with it."""

import importlib.machinery
import importlib.util
import pathlib
import sys
import types

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from lab import load  # noqa: E402


@pytest.fixture(name="bench")
def fixture_bench():
    loader = importlib.machinery.SourceFileLoader("controller_bench", str(ROOT / "bench/controller"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def options(only):
    return types.SimpleNamespace(only=only, elements="1,3", peers=False, rounds=1, cold_nodes=10)


def fail(*_):
    raise load.LoadError("not in time")


def test_what_was_measured_is_kept_when_a_part_fails(bench, monkeypatch):
    said = []
    monkeypatch.setattr(bench, "rate", lambda elements, *_: [{"case": elements}])
    monkeypatch.setattr(bench, "cold", fail)
    found = bench.measure(options("rate,cold"), said.append)
    assert found["benchmark"] == "controller"
    assert [row["case"] for row in found["rows"]] == [1, 3]
    assert said == ["NOT measured: not in time"]


def test_nothing_measured_is_a_failure(bench, monkeypatch):
    monkeypatch.setattr(bench, "cold", fail)
    with pytest.raises(load.LoadError):
        bench.measure(options("cold"), lambda text: None)


def test_sizes_are_said_as_people_say_them(bench):
    assert [bench.number(count) for count in (10000, 1000000)] == ["10k", "1M"]
