"""The model behind bench/paths keeps what geometry says."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench import sites, stretch  # noqa: E402

ROUNDING = 1e-9


@pytest.fixture(scope="module")
def world() -> stretch.World:
    return stretch.World(sites.REGIONS, sites.CITIES, stretch.great_circle)


@pytest.fixture(scope="module")
def met(world: stretch.World) -> list[stretch.Meeting]:
    return list(stretch.meetings(world, random.Random(7)))


def test_a_great_circle_is_as_long_as_an_atlas_says() -> None:
    london, tokyo = sites.Site("London", 51.5, -0.1), sites.Site("Tokyo", 35.7, 139.7)
    assert stretch.great_circle(london, tokyo) == pytest.approx(9560, abs=40)
    assert stretch.great_circle(tokyo, london) == stretch.great_circle(london, tokyo)
    assert stretch.great_circle(sites.Site("", 90, 0), sites.Site("", -90, 0)) == pytest.approx(
        20015, abs=1)


def test_no_system_is_shorter_than_the_direct_path(world: stretch.World,
                                                   met: list[stretch.Meeting]) -> None:
    for name, ratios in stretch.compute(world, met).items():
        assert min(ratios.one_way + ratios.round_trip) >= 1 - ROUNDING, name


def test_by_the_nearest_site_no_path_is_three_times_the_direct_one(
        world: stretch.World, met: list[stretch.Meeting]) -> None:
    """The ingress is no further than the node, and from there it is twice the direct path at most."""
    found = stretch.compute(world, met)
    assert max(found["VICTOR"].one_way) <= 3 + ROUNDING
    assert max(found["VICTOR"].round_trip) <= 2 + ROUNDING
    assert max(found["Mobile IP"].one_way) > 3


def test_a_home_carries_what_its_nodes_get_and_an_ingress_only_its_own(
        met: list[stretch.Meeting]) -> None:
    def load(name: str) -> float:
        return stretch.anchor_load(met, stretch.SYSTEMS[name])

    assert load("VICTOR") == 0
    assert 0.4 < load("Mobile IP") <= 0.5
    assert load("Mobile IP, reverse tunnel") == pytest.approx(2 * load("Mobile IP"))


def test_what_still_goes_by_the_old_address_only_falls() -> None:
    lengths = stretch.session_lengths(random.Random(1))
    shares = [stretch.old_share(seconds, lengths) for seconds in (0, 1, 60, 3600, 86400)]
    assert shares[0] == pytest.approx(1)
    assert shares == sorted(shares, reverse=True)
    assert 0 <= shares[-1] < 0.5
