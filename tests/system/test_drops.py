"""What is not forwarded: dropped by name, counted, explained. Topology: lab/figure2.py."""

from __future__ import annotations

import socket

import ctl
import labs
from lab import frames
from lab.frames import Capture
from lab.runtime import Lab
from neighbors import arp_frame, send
from test_outside import ip_packet
from traffic import connect

COUNT = 7
NOBODY, STRANGER = "10.10.9.9", "10.10.0.77"


def udp(source: str, destination: str) -> bytes:
    return ip_packet(source, destination, 17, b"\x00\x09\x00\x09\x00\x0c\x00\x00drop")


def frame(lab: Lab, host: str, source: str, destination: str, mac: str | None = None) -> bytes:
    own = lab.host(host)
    gateway = frames.mac_bytes("02:00:5e:00:53:01")
    return gateway + frames.mac_bytes(mac or own.mac) + b"\x08\x00" + udp(source, destination)


def test_a_packet_to_a_mobile_address_that_nobody_has_is_dropped_and_counted(lab: Lab) -> None:
    before = labs.drops(lab, "fe1")["no_binding"]
    with lab.host("client").socket(socket.SOCK_DGRAM) as sock:
        for _ in range(COUNT):
            sock.sendto(b"anybody?", (NOBODY, 9))
    labs.eventually("the drops", lambda: labs.drops(lab, "fe1")["no_binding"] >= before + COUNT)
    assert labs.drops(lab, "fe1")["no_binding"] == before + COUNT


def test_a_node_that_asks_for_an_address_that_nobody_has_is_counted_at_its_own_element(
        lab: Lab) -> None:
    before = labs.drops(lab, "fe2")["no_binding"]
    send(lab.host("laptop"), *[frame(lab, "laptop", "10.10.0.36", NOBODY)] * COUNT)
    labs.eventually("the drops", lambda: labs.drops(lab, "fe2")["no_binding"] >= before + COUNT)


def test_trace_says_that_nobody_has_the_address(lab: Lab) -> None:
    answer = ctl.as_json(lab, "trace", "192.0.2.10", NOBODY)
    assert answer["steps"][-1]["action"] == "drop:no_binding"
    assert "no binding" in answer["verdict"]
    assert "no binding" in ctl.text(lab, "trace", "192.0.2.10", NOBODY).splitlines()[-1]


def test_trace_agrees_with_where_packets_go(lab: Lab) -> None:
    answer = ctl.as_json(lab, "trace", "192.0.2.10", "10.10.0.36")
    assert list(dict.fromkeys(step["element"] for step in answer["steps"])) == ["fe1", "fe2"]
    assert "delivered" in answer["verdict"] and "3" in answer["verdict"]
    answer = ctl.as_json(lab, "trace", "10.10.0.36", "192.0.2.10")
    assert list(dict.fromkeys(step["element"] for step in answer["steps"])) == ["fe2", "fe1"]


def test_a_node_that_sends_as_another_is_dropped_by_the_guard(lab: Lab) -> None:
    """10.10.0.11 is the vm's, behind another port."""
    before = labs.drops(lab, "fe2")
    with lab.host("server2").capture() as capture:
        send(lab.host("laptop"), *[frame(lab, "laptop", "10.10.0.11", "10.4.5.1")] * COUNT)
        labs.eventually("the drops", lambda: guarded(lab) >= before["guard_source"]
                        + before["guard_stranger"] + COUNT)
        near, far = connect(lab.host("laptop"), lab.host("server2"))
        near.close()
        far.close()
        assert not [f for f in capture.read() if f.is_ipv4 and f.source == "10.10.0.11"]
    assert labs.place_of(lab, "vm1") == ("fe2", "srv0")


def guarded(lab: Lab) -> int:
    now = labs.drops(lab, "fe2")
    return now["guard_source"] + now["guard_stranger"]


def test_a_node_with_another_mac_is_dropped_by_the_guard(lab: Lab) -> None:
    before = guarded(lab)
    send(lab.host("laptop"), *[frame(lab, "laptop", "10.10.0.36", "10.4.5.1",
                                     mac="02:00:00:00:00:99")] * COUNT)
    labs.eventually("the drops", lambda: guarded(lab) >= before + COUNT)


def refusals(lab: Lab, who: str) -> list[dict[str, str]]:
    return [r for r in ctl.as_json(lab, "show", "refusals")["refusals"] if r["who"] == who]


def test_an_unknown_nodes_arp_is_refused_logged_once_and_counted(lab: Lab) -> None:
    laptop = lab.host("laptop")
    for sent in range(1, COUNT + 1):
        send(laptop, arp_frame("02:00:00:00:00:77", STRANGER, STRANGER))
        labs.eventually("the refusal", lambda: any(r["count"] == sent
                                                   for r in refusals(lab, STRANGER)))
    (refusal,) = refusals(lab, STRANGER)
    assert refusal["why"] == "unknown-node"
    assert (refusal["element"], refusal["port_name"]) == ("fe2", "ap0")
    assert labs.log_of(lab, "controller").count(STRANGER) == 1
    assert STRANGER in ctl.text(lab, "show", "refusals")
    assert not any(r["address"] == STRANGER for r in labs.rules(lab, "fe2"))


def test_a_known_node_with_a_wrong_mac_is_refused(lab: Lab) -> None:
    send(lab.host("laptop"), arp_frame("02:00:00:00:00:78", "10.10.0.11", "10.10.0.11"))
    labs.eventually("the refusal", lambda: any(
        r["why"] == "wrong-mac" for r in ctl.as_json(lab, "show", "refusals")["refusals"]))
    assert labs.place_of(lab, "vm1") == ("fe2", "srv0")


def test_a_fixed_node_is_refused_elsewhere(lab: Lab) -> None:
    """server2 belongs to FE3; somebody at FE2 has copied its address and MAC."""
    send(lab.host("laptop"), arp_frame("02:00:00:00:03:01", "10.4.5.1", "10.4.5.1"))
    labs.eventually("the refusal", lambda: any(
        r["element"] == "fe2" and r["port_name"] == "ap0" and "here" in r["why"]
        for r in ctl.as_json(lab, "show", "refusals")["refusals"]))
    assert labs.place_of(lab, "server2") == ("fe3", "srv0")
    near, far = connect(lab.host("client"), lab.host("server2"))
    near.close()
    far.close()


def test_the_virtual_mac_never_registers(lab: Lab) -> None:
    before = labs.flow_mods(lab)
    heard = labs.element(lab, "fe2")["packet_ins"]
    send(lab.host("laptop"), arp_frame("02:00:5e:00:53:01", "10.10.0.11", "10.10.0.11"),
         arp_frame("02:00:00:00:00:36", "10.10.0.36", "10.10.0.36"))
    labs.eventually("the laptop's own", lambda: labs.element(lab, "fe2")["packet_ins"] > heard)
    assert labs.flow_mods(lab) == before
    assert labs.place_of(lab, "vm1") == ("fe2", "srv0")


# ---- the REDIRECTED mark: packets as FE1 would send them, from the core's namespace ----

def send_tunnelled(lab: Lab, destination: str, inner: bytes) -> None:
    """To FE2's address or, marked, to its redirect address, as if from FE1."""
    outer = ip_packet("172.16.1.2", destination, 4, inner)
    core = labs.stranger(lab, "core", "net2")
    with core.socket(socket.SOCK_RAW, protocol=socket.IPPROTO_RAW) as raw:
        for _ in range(COUNT):
            raw.sendto(outer, (destination, 0))


def test_a_packet_for_a_node_that_moved_on_is_sent_after_it_marked(lab: Lab) -> None:
    with Capture(lab.netns("core"), "net2") as capture, lab.host("server2").capture() as arrived:
        send_tunnelled(lab, "172.16.2.2", udp("192.0.2.10", "10.4.5.1"))
        labs.eventually("arrival at FE3's server", lambda: sum(
            1 for f in arrived.read() if f.is_ipv4 and f.source == "192.0.2.10") > 0)
        onward = {f.destination for f in capture.read() if f.is_ipv4 and f.source == "172.16.2.2"}
    assert onward == {"172.16.3.3"}, "FE3's redirect address is the mark"


def test_a_marked_packet_that_finds_nobody_is_dropped_and_counted(lab: Lab) -> None:
    before = labs.drops(lab, "fe2")["redirected_miss"]
    with Capture(lab.netns("core"), "net2") as capture:
        send_tunnelled(lab, "172.16.2.3", udp("192.0.2.10", "10.4.5.1"))
        labs.eventually("the drops", lambda: labs.drops(
            lab, "fe2")["redirected_miss"] >= before + COUNT)
        onward = [f for f in capture.read() if f.is_ipv4 and f.source == "172.16.2.2"]
    assert labs.drops(lab, "fe2")["redirected_miss"] == before + COUNT
    assert not onward, "it was sent on once more: that may loop"


def test_a_marked_packet_for_a_node_that_is_here_is_delivered(lab: Lab) -> None:
    with lab.host("laptop").capture() as capture:
        send_tunnelled(lab, "172.16.2.3", udp("192.0.2.10", "10.10.0.36"))
        seen: list[frames.Frame] = []

        def all_came() -> bool:
            seen.extend(f for f in capture.read() if f.is_ipv4 and f.source == "192.0.2.10")
            return len(seen) >= COUNT

        labs.eventually("arrival", all_came)
    assert len(seen) == COUNT
