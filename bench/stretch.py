"""How much longer than the direct path packets travel, by who keeps a mobile node reachable.

Nothing is measured here: distances are along the great circle (or straight, on a plane), a system
is the list of places that its packets pass, and a stretch is a ratio of lengths, so that the speed
of light in glass and a detour factor common to all paths cancel.  Time to encapsulate is left out
(other benchmarks measure it: microseconds, where these paths are milliseconds).

    to      correspondent -> ... -> node
    back    node -> ... -> correspondent

A forwarding element, a home agent and an i3 server stand at every site; a mobile node is at a site,
next to what is there.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

Place = Any
Distance = Callable[[Place, Place], float]

EARTH_RADIUS_KM = 6371.0
NEAR_KM = 100.0  # below this a ratio of lengths says nothing: such pairs are left out, and counted


def great_circle(a: Place, b: Place) -> float:
    """Kilometres; the haversine formula."""
    north, south = math.radians(a.latitude), math.radians(b.latitude)
    height = math.sin((south - north) / 2) ** 2
    width = math.sin(math.radians(b.longitude - a.longitude) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(height + math.cos(north) * math.cos(south) * width))


class Point(NamedTuple):
    x: float
    y: float


def straight(a: Place, b: Place) -> float:
    return math.hypot(a.x - b.x, a.y - b.y)


class World(NamedTuple):
    sites: list[Place]
    correspondents: list[Place]
    distance: Distance

    def nearest(self, place: Place) -> Place:
        return min(self.sites, key=lambda site: self.distance(place, site))

    def length(self, *places: Place) -> float:
        return sum(map(self.distance, places, places[1:]))


class Meeting(NamedTuple):
    """A correspondent and a node that was at 'home' once; 'server' is a site picked by a hash."""
    correspondent: Place
    node: Place
    home: Place
    ingress: Place  # the site nearest to the correspondent
    server: Place
    near_server: Place  # of 16 servers picked so, the one nearest to the node


class Route(NamedTuple):
    to: tuple[Place, ...]  # what lies between, in order
    back: tuple[Place, ...]


def mobile_ip(m: Meeting) -> Route:
    return Route((m.home,), ())


def mobile_ip_reverse(m: Meeting) -> Route:
    return Route((m.home,), (m.home,))


SYSTEMS: dict[str, Callable[[Meeting], Route]] = {
    "direct path": lambda m: Route((), ()),
    "VICTOR": lambda m: Route((m.ingress,), ()),
    "home agent migration": lambda m: Route((m.ingress, m.node), (m.node,)),
    "Mobile IP": mobile_ip,
    "Mobile IP, reverse tunnel": mobile_ip_reverse,
    "DNS + tunnel, old sessions": mobile_ip_reverse,
    "i3": lambda m: Route((m.server,), ()),
    "i3, best of 16 servers": lambda m: Route((m.near_server,), ()),
}


def meetings(world: World, chance: random.Random) -> Iterator[Meeting]:
    """Every correspondent with a node at every site, its home at another site by lot."""
    for correspondent in world.correspondents:
        ingress = world.nearest(correspondent)
        for node in world.sites:
            home = chance.choice([site for site in world.sites if site != node])
            servers = chance.choices(world.sites, k=16)
            near = min(servers, key=lambda site: world.distance(node, site))
            yield Meeting(correspondent, node, home, ingress, servers[0], near)


class Stretches(NamedTuple):
    one_way: list[float]  # to the node
    round_trip: list[float]


def stretch(world: World, meeting: Meeting, route: Route) -> tuple[float, float] | None:
    direct = world.distance(meeting.correspondent, meeting.node)
    if direct < NEAR_KM:
        return None
    to = world.length(meeting.correspondent, *route.to, meeting.node)
    back = world.length(meeting.node, *route.back, meeting.correspondent)
    return to / direct, (to + back) / 2 / direct


def compute(world: World, met: list[Meeting]) -> dict[str, Stretches]:
    found = {name: Stretches([], []) for name in SYSTEMS}
    for meeting in met:
        for name, system in SYSTEMS.items():
            ratios = stretch(world, meeting, system(meeting))
            if ratios:
                found[name].one_way.append(ratios[0])
                found[name].round_trip.append(ratios[1])
    return found


def mixed(good: list[float], bad: list[float], share: float, chance: random.Random) -> list[float]:
    """Each pair is a 'good' one with that probability, else a 'bad' one."""
    return [g if chance.random() < share else b for g, b in zip(good, bad, strict=True)]


def anchor_load(met: list[Meeting], system: Callable[[Meeting], Route]) -> float:
    """Of all packets, as many each way, the share that passes the busiest place between the ends,
    when all nodes have one home; the node's own site is not counted, nor the correspondent's
    nearest one, where a packet that goes straight passes too."""
    load: dict[Place, int] = {}
    home = met[0].home
    for meeting in met:
        meeting = meeting._replace(home=home)
        route = system(meeting)
        for place in (*route.to, *route.back):
            if place not in (meeting.node, meeting.ingress):
                load[place] = load.get(place, 0) + 1
    return max(load.values(), default=0) / (2 * len(met))


# ---- DNS and a tunnel: for how long ----

MEDIAN_SESSION_S, SESSION_SHAPE = 10.0, 2.5  # log-normal: half are short, a few last for hours
TTL_S = 60.0
IGNORE_TTL = 0.1  # of the resolvers; they keep a name for
IGNORED_S = 86400.0


def old_share(seconds: float, sessions: list[float]) -> float:
    """Of the traffic, the share whose session was begun to the old address, so long after a move.

    A session found at work at the move has a length picked by length (long ones are found more
    often) and a uniform rest of it; names that are still cached bring new ones to the old address
    until their time is over.
    """
    cached = (1 - IGNORE_TTL) * max(0.0, 1 - seconds / TTL_S) + \
        IGNORE_TTL * max(0.0, 1 - seconds / IGNORED_S)
    total = sum(sessions)
    rest = sum(max(0.0, length - seconds) for length in sessions) / total
    return rest + (1 - rest) * cached


def session_lengths(chance: random.Random, count: int = 20000) -> list[float]:
    return [chance.lognormvariate(math.log(MEDIAN_SESSION_S), SESSION_SHAPE) for _ in range(count)]
