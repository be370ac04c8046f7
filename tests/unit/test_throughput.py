"""bench/throughput: what it reads of iperf3, and the rows that it makes of rounds."""

import json
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from lab import rows, throughput, throughput_path  # noqa: E402
from lab.targets import TARGETS  # noqa: E402
from lab.throughput import Found, Sent, TrafficError  # noqa: E402


def said(protocol, **end):
    return json.dumps({"start": {"test_start": {"protocol": protocol, "blksize": 1400}},
                       "end": end})


@pytest.fixture(autouse=True)
def versions(monkeypatch):
    """Nothing is built here."""
    monkeypatch.setattr(throughput, "SYSTEMS", {
        key: system._replace(version=lambda: "1") for key, system in throughput.SYSTEMS.items()})


def test_a_tcp_stream_is_worth_what_was_received():
    sent = throughput.read_iperf(said("TCP", sum_sent={"bits_per_second": 9e9, "bytes": 9},
                                      sum_received={"bits_per_second": 8e9, "bytes": 10**9}), 2.5)
    assert (sent.bits_per_s, sent.bytes, sent.cpu_s) == (8e9, 10**9, 2.5)


def test_datagrams_that_were_lost_do_not_count():
    sent = throughput.read_iperf(said("UDP", sum={
        "packets": 1000, "lost_packets": 100, "lost_percent": 10.0, "seconds": 2.0}), 1)
    assert sent.packets_per_s == 450
    assert sent.bits_per_s == 450 * 1400 * 8
    assert sent.lost_percent == 10


@pytest.mark.parametrize("text, why", [('{"error": "unable to connect"}', "unable to connect"),
                                       ("", "it said nothing"), ("iperf3: oops", "oops")])
def test_what_iperf3_complains_of_is_said(text, why):
    with pytest.raises(TrafficError, match=why):
        throughput.read_iperf(text, 0)


def test_the_rate_goes_down_until_almost_nothing_is_lost():
    asked = []

    def send(rate):
        asked.append(rate)
        return Sent(rate, 0, 0.4 if rate <= 80 else 5, 0, 0)

    assert throughput.udp_almost_whole(send, 100) == 80
    assert asked == [100, 90, 80]
    assert throughput.udp_almost_whole(lambda rate: Sent(rate, 0, 50, 0, 0), 100) == 0


def test_systems_take_turns_there_and_back():
    assert [throughput.in_turn(["a", "b"], number) for number in range(3)] == [
        ["a", "b"], ["b", "a"], ["a", "b"]]


def found(*rounds):
    made = Found()
    for plain, ipip in rounds:
        made.add("FE2 → FE3", "one TCP stream", "Gb/s", "plain", plain)
        made.add("FE2 → FE3", "one TCP stream", "Gb/s", "ipip", ipip)
    return made.rows()


def test_each_round_is_compared_with_its_own_plain_forwarding():
    rate_plain, rate, share = found((10, 9), (5, 4.9), (8, 4))
    assert (rate_plain["system"], rate_plain["median"]) == ("Linux forwarding", 8)
    assert (rate["n"], rate["min"], rate["max"]) == (3, 4, 9)
    assert share["unit"] == "%"
    assert share["median"] == pytest.approx(90)
    assert share["min"] == pytest.approx(50)


def test_the_target_is_found_in_the_rows():
    documents = {"throughput": rows.document("throughput", found((10, 9.8), (10, 9.9)))}
    target = next(one for one in TARGETS if one.what.startswith("TCP through IP-in-IP"))
    assert target.verdict(target.value(documents)) == "stretch met"


def test_only_rates_of_tcp_have_a_share():
    made = Found()
    for metric in ("CPU time a gigabyte, one TCP stream", "UDP, at most 0.5 % lost"):
        for key in ("plain", "ipip"):
            made.add("FE2 → FE3", metric, "s", key, 1)
    assert not [row for row in made.rows() if row["unit"] == "%"]


ENDS = throughput_path.Ends("02:00:00:00:00:01", "02:00:00:00:00:02", "10.1.0.1", "10.2.0.2")


def test_a_packet_says_what_it_is_and_which_sums_are_left_to_others():
    large, small = (throughput_path.packet(ENDS, size) for size in (60000, 100))
    assert large[:10] == bytes([1, 1]) + (66).to_bytes(2, sys.byteorder) + \
        (1448).to_bytes(2, sys.byteorder) + (34).to_bytes(2, sys.byteorder) + \
        (16).to_bytes(2, sys.byteorder)
    assert small[:2] == bytes([1, 0])
    ip = small[24:44]
    assert throughput_path.folded(ip) == 0xFFFF
    assert int.from_bytes(ip[2:4], "big") == len(small) - 24
    assert small[44 + 13] & 0x04    # RST: nobody answers


def test_the_next_hop_is_read_of_the_arp_table():
    arp = "IP address HW type Flags HW address Mask Device\n" \
          "10.1.0.9 0x1 0x2 02:00:00:00:00:09 * eth0\n10.1.0.1 0x1 0x2 02:00:00:00:00:02 * eth0\n"
    assert throughput_path.next_mac(arp, "10.1.0.1") == "02:00:00:00:00:02"
    with pytest.raises(throughput_path.NoNeighbor):
        throughput_path.next_mac(arp, "10.1.0.3")
