"""One router to the eye, whatever the way: traceroute shows one hop where the old element sends on
what comes for a node that left (lab/figure2dual.py), and where elements are passed in transit
(lab/ring.py, with IPv6 too). An Open vSwitch's hop is in test_openvswitch.py and
test_openvswitch_ipv6.py, the plain ways in test_icmp.py and test_icmp6.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import labs
import pytest
from lab import figure2dual, netns, ring
from lab.runtime import HostHandle, Lab
from lab.topology import End, Topology

LATE_MS = 1200.0    # how much later than the rest FE1 hears of a move
ELEMENTS = {"ap1": "fe2", "ap2": "fe3"}
KINDS = {"udp": (), "icmp": ("-I",)}
TRANSIT6 = {"laptop": "2001:db8:10::36", "server": "2001:db8:10::6"}
ROUTER = {4: "10.10.0.1", 6: "2001:db8:10::1"}


def traceroute(source: HostHandle, address: str, *options: str) -> list[str]:
    """The address at each hop; '*' where none said anything."""
    said = source.run("traceroute", "-6" if ":" in address else "-4", "-n", "-q1", "-w3", "-m6",
                      *options, address).stdout
    return re.findall(r"^ *\d+ +([0-9a-f.:*]+)", said, re.M)


def counted(lab: Lab, element: str, what: str) -> int:
    found = lab.rest.get(f"/v1/elements/{element}/counters")["others"]
    return next(c["packets"] for c in found if c["what"] == what)


# ---- by the old element ----

@pytest.fixture(scope="module")
def roaming() -> Iterator[Lab]:
    with labs.running(figure2dual.Lab, delays={"mgmt-fe1": 0.0}) as one:
        yield one


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("address,router", [("10.10.0.36", ROUTER[4]),
                                            (figure2dual.LAPTOP, figure2dual.GATEWAY)],
                         ids=["ipv4", "ipv6"])
def test_one_hop_where_the_old_element_redirects(roaming: Lab, address: str, router: str,
                                                 kind: str) -> None:
    old = roaming.place("laptop")
    new = "ap2" if old == "ap1" else "ap1"
    before = counted(roaming, ELEMENTS[old], "redirected")
    roaming.set_delay("mgmt-fe1", 0, LATE_MS)    # towards FE1 alone
    try:
        roaming.move("laptop", new)
        labs.eventually("move", lambda: (labs.place_of(roaming, "laptop") or ("",))[0]
                        == ELEMENTS[new])
        found = traceroute(roaming.host("client"), address, *KINDS[kind])
        assert found == [router, address]
        assert counted(roaming, ELEMENTS[old], "redirected") > before, "by another way"
    finally:
        roaming.set_delay("mgmt-fe1", 0)
    # The next move finds FE1 up to date.
    labs.eventually("the straight way", lambda: went_straight(roaming, ELEMENTS[old], address))


def went_straight(lab: Lab, old: str, address: str) -> bool:
    before = counted(lab, old, "redirected")
    assert lab.host("client").ping(address)
    return counted(lab, old, "redirected") == before


# ---- by transit elements ----

class DualRing(ring.Lab):
    """The ring, where laptop and server have IPv6 addresses too."""

    @staticmethod
    def make_topology() -> Topology:
        t = ring.topology()
        t.prefixes.append({"prefix": "2001:db8:10::/64", "mobile": True, "gateway": ROUTER[6],
                           "unreachable": True})
        t.links[:] = [replace(link, a=_dual(link.a)) for link in t.links]
        t.nodes[:] = [replace(node, routes=(*node.routes, f"default via {ROUTER[6]}"))
                      if node.name in TRANSIT6 else node for node in t.nodes]
        for node in t.inventory:
            node["addresses"] = [*node["addresses"], TRANSIT6[node["id"]]]
        return t

    def _make_network(self) -> None:
        super()._make_network()
        for name in TRANSIT6:
            netns.sysctl(self.netns(name), {"net.ipv6.conf.all.accept_ra": "0",
                                            "net.ipv6.conf.default.accept_ra": "0"})


def _dual(end: End) -> End:
    if end.node not in TRANSIT6:
        return end
    return replace(end, addresses=(*end.addresses, f"{TRANSIT6[end.node]}/64"))


@pytest.fixture(scope="module")
def meshed() -> Iterator[Lab]:
    with labs.running(DualRing) as one:
        one.host("server").announce(TRANSIT6["server"])
        one.host("laptop").announce(TRANSIT6["laptop"])
        labs.eventually("links", lambda: all(link["up"] for link in one.rest.links()))
        for address in ("10.10.0.6", TRANSIT6["server"]):
            labs.eventually(f"answer of {address}",
                            lambda: one.host("laptop").ping(address, timeout_s=0.2))
        yield one


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("source,sink,family", [
    ("laptop", "server", 4), ("server", "laptop", 4), ("client", "laptop", 4),
    ("laptop", "server", 6), ("server", "laptop", 6)])
def test_one_hop_however_many_elements_are_passed_in_transit(
        meshed: Lab, source: str, sink: str, family: int, kind: str) -> None:
    """fe4 to fe6 by fe5, fe1 to fe4 by two."""
    between = {"client": "fe3"}.get(source, "fe5")
    address = TRANSIT6[sink] if family == 6 else meshed.host(sink).address
    before = counted(meshed, between, "forwarded_transit")
    assert traceroute(meshed.host(source), address, *KINDS[kind]) == [ROUTER[family], address]
    assert counted(meshed, between, "forwarded_transit") > before


@pytest.mark.parametrize("source", ["laptop", "server"])
def test_an_ipv6_address_that_nobody_has_is_unreachable_where_the_prefix_says_so(
        meshed: Lab, source: str) -> None:
    said = meshed.host(source).run("ping", "-n", "-c1", "-W2", "2001:db8:10::dead").stdout
    assert f"From {ROUTER[6]} icmp_seq=1 Destination unreachable: Address unreachable" in said, said
