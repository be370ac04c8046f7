"""bench/controller: the rows that it makes of what fe-load answers."""

import importlib.machinery
import importlib.util
import pathlib
import sys
import types

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from lab import load, rows  # noqa: E402


class FakePair:
    """The controller and fe-load: each command takes as long as it says."""

    def __init__(self, nodes):
        self.nodes, self.asked, self.cpu = nodes, [], 0.0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def cpu_s(self):
        return self.cpu

    def ask(self, command, *words):
        self.asked.append((command, *words))
        self.cpu += 0.25
        answers = {"latency": {"new_us": [100, 200, 300], "last_us": [150, 250, 950]},
                   "evacuate": {"nodes": 10000, "seconds": 0.5}}
        return answers.get(command, {"seconds": 0.5})


@pytest.fixture
def controller(monkeypatch):
    loader = importlib.machinery.SourceFileLoader("bench_controller",
                                                  str(ROOT / "bench/controller"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    monkeypatch.setattr(rows, "version", lambda: "1")
    monkeypatch.setattr(load, "Pair", FakePair)
    monkeypatch.setattr(module, "FORGOTTEN_S", 0)
    return module


def by_metric(found):
    return {row["metric"]: row for row in found}


def test_registrations_a_second_are_nodes_by_the_time_of_their_round(controller):
    found = by_metric(controller.rate(3, types.SimpleNamespace(rounds=4), lambda text: None))
    nodes = controller.SIZES[3][0]
    assert found["registrations"]["median"] == nodes / 0.5
    assert found["registrations"]["n"] == 4
    assert found["registrations"]["case"] == "K = 3"
    assert found["CPU for a registration"]["median"] == pytest.approx(0.25e6 / nodes)


def test_latency_is_told_in_milliseconds_with_its_tail(controller):
    found = by_metric(controller.rate(3, types.SimpleNamespace(rounds=1), lambda text: None))
    last = found["packet-in to the last barrier"]
    assert (last["unit"], last["min"], last["median"], last["p99"]) == ("ms", 0.15, 0.25, 0.95)
    assert found["10000 nodes leave an element at once"]["median"] == 0.5


@pytest.mark.parametrize("count, text", [(10000, "10k"), (1000000, "1M"), (1500000, "1500k")])
def test_counts_are_written_as_people_do(controller, count, text):
    assert controller.number(count) == text
