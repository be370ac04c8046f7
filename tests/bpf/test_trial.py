"""The packet path between real devices, without agent or controller: bpf-driver fills the maps.

    node a (vt-a)            FE 2 (vt-2)                         FE 3 (vt-3)            node b (vt-b)
    10.10.0.11 eth0 ---- p1        bp 192.0.2.2/.102 ---- 192.0.2.3/.103 bp        p1 ---- eth0 10.10.0.36
                                   (MTU 1600)

TCP, because a forwarding path can pass pings and still break checksum offload.  Run as a program,
it prints the throughput beside plain kernel forwarding on the same path:
python3 tests/bpf/test_trial.py."""

import contextlib
import json
import os
import pathlib
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("VICTOR_BUILD", ROOT / "build"))
DRIVER = BUILD / "tests" / "bpf" / "bpf-driver"
RELAY = BUILD / "tests" / "bpf" / "bpf-relay"
GATEWAY = "02:00:5e:00:00:01"
MAC = {"a": "02:00:00:00:00:0a", "b": "02:00:00:00:00:0b"}
ADDRESS = {"a": "10.10.0.11", "b": "10.10.0.36"}

pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason="needs root: namespaces and BPF"),
              pytest.mark.skipif(not shutil.which("iperf3"), reason="iperf3 is not installed")]


def run(text, check=True):
    done = subprocess.run(text.split(), capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise AssertionError(f"{text}: {done.stdout}{done.stderr}")
    return done.stdout


def inside(name, text, check=True):
    return run(f"ip netns exec vt-{name} {text}", check)


def wait_for(condition, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        select.select([], [], [], 0.02)
    return False


class Driver:
    """One FE's data plane.  Only the network namespace is entered, so that its pins live on."""

    def __init__(self, fe, directory):
        self.arguments = ["nsenter", f"--net=/run/netns/vt-{fe}", str(DRIVER), str(directory / f"bpf{fe}"),
                          str(fe), f"192.0.2.{fe}", f"192.0.2.10{fe}"]
        self.log = []
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, bufsize=1)
        self.began = self.process.stdout.readline().strip()
        assert self.began in ("fresh", "adopted"), self.began + self.process.stdout.read()

    def say(self, text, result="ok"):
        """One command; returns the lines before its result, upcalls kept apart."""
        self.process.stdin.write(text + "\n")
        lines = []
        for line in self.process.stdout:
            line = line.strip()
            if line.startswith("upcall"):
                self.log.append(line)
            elif line == "ok" or ": " in line:
                assert line == result or line.endswith(result), f"{text}: {line}"
                return lines
            else:
                lines.append(line)
        raise AssertionError(f"{text}: the driver died")

    def counts(self):
        return {words[0]: int(words[1]) for words in map(str.split, self.say("show")) if len(words) == 2}

    def counters(self):
        return {(int(m[1]), m[2]): (int(m[3]), int(m[4])) for line in self.say("show")
                if (m := re.match(r"fe (\d+) -> (\S+) packets (\d+) bytes (\d+)", line))}

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.communicate("remove\n", timeout=10)


def veth(name_a, device_a, name_b, device_b, mtu=1500):
    run(f"ip link add {device_a} netns vt-{name_a} numtxqueues 2 numrxqueues 2 mtu {mtu} type veth peer "
        f"name {device_b} netns vt-{name_b} numtxqueues 2 numrxqueues 2 mtu {mtu}")
    inside(name_a, f"ip link set {device_a} up")
    inside(name_b, f"ip link set {device_b} up")


def tap(name, device_a, fe, device_b, stack):
    """Like veth, but both ends are taps with a relay between them, as a virtual machine's is."""
    process = subprocess.Popen([RELAY, f"/run/netns/vt-{name}", device_a, f"/run/netns/vt-{fe}", device_b],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    stack.callback(process.wait, timeout=10)
    stack.callback(process.stdin.close)
    assert process.stdout.readline() == "ready\n"
    inside(name, f"ip link set {device_a} up")
    inside(fe, f"ip link set {device_b} up")


def node(name, fe, device, taps, stack):
    if taps:
        tap(name, "eth0", fe, device, stack)
    else:
        veth(name, "eth0", fe, device)
    inside(name, f"ip link set eth0 address {MAC[name]}")
    inside(name, f"ip address add {ADDRESS[name]}/16 dev eth0")
    inside(name, "ip route add default via 10.10.0.1")


@contextlib.contextmanager
def network(taps=False, b_at=("3", "p1")):
    stack = contextlib.ExitStack()
    directory = pathlib.Path(tempfile.mkdtemp(prefix="vt-"))
    try:
        for name in ("a", "2", "3", "b"):
            run(f"ip netns add vt-{name}")
            inside(name, "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1")
            inside(name, "ip link set lo up")
        for name in ("2", "3"):
            inside(name, "sysctl -qw net.ipv4.ip_forward=1")
        veth("2", "bp", "3", "bp", 1600)
        for name in ("2", "3"):
            inside(name, f"ip address add 192.0.2.{name}/24 dev bp")
            inside(name, f"ip address add 192.0.2.10{name}/24 dev bp")
        node("a", "2", "p1", taps, stack)
        node("b", *b_at, taps, stack)
        yield directory
    finally:
        stack.close()
        for name in ("a", "2", "3", "b"):
            run(f"ip netns delete vt-{name}", check=False)
        for mount in directory.glob("*"):
            run(f"umount {mount}", check=False)
        shutil.rmtree(directory, ignore_errors=True)


def common(driver, other, has_port=True):
    if has_port:
        driver.say("port 1 p1 access")
    for line in (f"peer {other} 192.0.2.{other} 192.0.2.10{other}", "port 2 bp backplane",
                 "prefix covered 10.10.0.0/16", f"prefix answer 10.10.0.0/16 {GATEWAY}",
                 f"prefix answer 10.10.0.1 {GATEWAY}", "prefix stranger 10.10.0.0/16"):
        driver.say(line)


def here(name):
    return f"local {ADDRESS[name]} 1 0 {MAC[name]} {GATEWAY}"


@contextlib.contextmanager
def two_elements(taps=False, b_at=("3", "p1")):
    with network(taps, b_at) as directory, contextlib.ExitStack() as stack:
        drivers = {}
        for fe, other in (("2", "3"), ("3", "2")):
            drivers[fe] = Driver(fe, directory)
            stack.callback(drivers[fe].stop)
            common(drivers[fe], other, has_port=(fe == "2" or b_at[0] == "3"))
        drivers["2"].say(here("a"))
        drivers["2"].say(f"foreign {ADDRESS['b']} 3")
        drivers["3"].say(f"foreign {ADDRESS['a']} 2")
        if b_at[0] == "3":
            drivers["3"].say(here("b"))
        yield drivers


@pytest.fixture
def elements():
    with two_elements() as drivers:
        yield drivers


def iperf(client="a", server="b", seconds=2, extra=""):
    with subprocess.Popen(["ip", "netns", "exec", f"vt-{server}", "iperf3", "-s", "-1"],
                          stdout=subprocess.DEVNULL) as process:
        assert wait_for(lambda: ":5201" in inside(server, "ss -ltn"))
        try:
            out = json.loads(inside(client, f"iperf3 -J -c {ADDRESS[server]} -t {seconds} {extra}"))
            process.wait(timeout=10)
        finally:
            process.kill()
    return out["end"]["sum_received"]["bits_per_second"] / 1e9, out["end"]["sum_sent"]["retransmits"]


def test_two_nodes_talk_tcp_over_the_backplane(elements):
    rate, _ = iperf(seconds=1)
    assert rate > 0.05
    counts = elements["2"].counts()
    assert counts["forwarded_foreign"] > 100
    assert counts["answered_arp"] == 1, "b's address is answered for: it is elsewhere"
    packets, size = elements["3"].counters()[(2, ADDRESS["b"])]
    assert size > rate * 1e9 / 8 * 0.9 and size / packets > 1400, "segments are counted, not superpackets"
    assert sum(elements["3"].counts().get(name, 0) for name in ("redirected_miss", "unknown_peer")) == 0


def test_two_nodes_behind_taps_talk_tcp():
    """What a virtual machine's tap does: checksums and segmentation are left to whoever comes later."""
    with two_elements(True) as elements:
        rate, _ = iperf(seconds=1)
        assert rate > 0.05
        sent = json.loads(inside("3", "ip -j -s link show dev p1"))[0]["stats64"]["tx"]
        assert sent["bytes"] / sent["packets"] > 3000, "whole to the tap, not in segments (bpf/inner.h)"
        assert elements["2"].counts()["forwarded_foreign"] > 100
        for fe in ("2", "3"):
            inside(fe, "ip link set bp mtu 1400")
        rate, _ = iperf(seconds=1)
        assert rate > 0.02 and elements["2"].counts()["sent_too_big"] > 0


def test_without_the_inner_device_tcp_goes_on_in_pieces():
    """Somebody turns IPv6 off where the long way needs it; the next agent turns it on again."""
    with two_elements(True) as elements:
        for name in ("2", "3"):
            inside(name, f"sysctl -qw net.ipv6.conf.victor-{name}.disable_ipv6=1")
        rate, _ = iperf(seconds=2)
        assert rate > 0.02 and elements["3"].counts()["inner_bypassed"] > 100
        for name in ("2", "3"):
            elements[name].kill()
            elements[name].start()
            common(elements[name], "3" if name == "2" else "2")
        iperf(seconds=1)
        before = elements["3"].counts()["inner_bypassed"]
        iperf(seconds=1)
        assert elements["3"].counts()["inner_bypassed"] == before, "the next agent puts it right"


def test_the_gateway_answers_arp_and_ping(elements):
    out = inside("a", "ping -c 3 -i 0.01 -W 1 10.10.0.1")
    assert "3 received" in out and "ttl=64" in out
    assert elements["2"].counts()["answered_echo"] == 3


def test_a_killed_driver_leaves_forwarding_and_the_next_adopts(elements):
    assert "2 received" in inside("a", f"ping -c 2 -i 0.01 -W 1 {ADDRESS['b']}")
    elements["2"].kill()
    inside("a", "ip neigh flush dev eth0")
    assert "2 received" in inside("a", f"ping -c 2 -i 0.01 -W 1 {ADDRESS['b']}")
    elements["2"].start()
    assert elements["2"].began == "adopted"
    assert "2 received" in inside("a", f"ping -c 2 -i 0.01 -W 1 {ADDRESS['b']}")
    common(elements["2"], "3")
    elements["2"].say(here("a"))
    assert "2 received" in inside("a", f"ping -c 2 -i 0.01 -W 1 {ADDRESS['b']}")


def test_no_packet_is_lost_while_the_program_is_replaced(elements):
    with subprocess.Popen(["ip", "netns", "exec", "vt-a", "ping", "-q", "-i", "0.001", "-c", "1500", "-W", "1",
                           ADDRESS["b"]], stdout=subprocess.PIPE, text=True) as ping:
        for _ in range(5):
            elements["2"].kill()
            elements["2"].start()
            common(elements["2"], "3")
        out = ping.communicate()[0]
    assert "1500 received" in out, out


def test_a_redirected_packet_follows_its_node_once(elements):
    """b's node leaves FE 3 for FE 2 (behind a's port): FE 3 sends what still comes after it, marked."""
    elements["3"].say(f"foreign {ADDRESS['b']} 2")
    inside("a", f"ping -c 3 -i 0.01 -W 0.2 {ADDRESS['b']}", check=False)
    assert elements["3"].counts()["redirected"] == 3
    assert elements["2"].counts()["redirected_miss"] == 3, "both point at each other: dropped, no loop"
    elements["2"].say(f"tentative {ADDRESS['b']} 1 0 {MAC['a']} {GATEWAY} 3")
    before = elements["2"].counts().get("forwarded_local", 0)
    inside("a", f"ping -c 3 -i 0.01 -W 0.2 {ADDRESS['b']}", check=False)
    assert elements["2"].counts()["forwarded_local"] - before == 3, "out of the port they came in by"


@pytest.mark.parametrize("taps", [False, True])
def test_tcp_survives_being_redirected(taps):
    """b is at FE 2 already (tentative), FE 2 still sends to FE 3, which sends it after b, marked."""
    with two_elements(taps, b_at=("2", "p2")) as elements:
        elements["2"].say("port 3 p2 access")
        elements["2"].say(f"tentative {ADDRESS['b']} 3 0 {MAC['b']} {GATEWAY} 3")
        elements["3"].say(f"foreign {ADDRESS['b']} 2")
        rate, _ = iperf(seconds=1)
        assert rate > 0.05
        assert elements["3"].counts()["redirected"] > 100


def test_too_large_packets_are_told_the_mtu(elements):
    for fe in ("2", "3"):
        inside(fe, "ip link set bp mtu 1400")
    rate, _ = iperf(seconds=1)
    assert rate > 0.05, "path MTU discovery works with checksum and segmentation offload pending"
    assert elements["2"].counts()["sent_too_big"] > 0
    assert "mtu 1380" in inside("a", f"ip route get {ADDRESS['b']}")
    inside("a", "ip route flush cache")
    out = inside("a", f"ping -M do -s 1400 -c 1 -W 1 {ADDRESS['b']}", check=False)
    assert "Frag needed" in out or "mtu" in out.lower(), out
    rate, _ = iperf("b", "a", seconds=1)
    assert rate > 0.05


def test_tcp_without_offloads_survives_too(elements):
    for name in ("a", "b"):
        inside(name, "ethtool -K eth0 tx off tso off gso off gro off", check=False)
    for fe in ("2", "3"):
        inside(fe, "ip link set bp mtu 1400")
    rate, _ = iperf(seconds=1)
    assert rate > 0.02


def test_a_stranger_is_reported_and_dropped(elements):
    inside("a", "ip address add 10.10.0.99/16 dev eth0")
    inside("a", f"ping -I 10.10.0.99 -c 3 -i 0.01 -W 0.2 {ADDRESS['b']}", check=False)
    counts = elements["2"].counts()
    assert counts["guard_stranger"] == 3
    assert any(line.startswith("upcall stranger port 1") for line in elements["2"].log)


def test_idle_time_and_device_counters_are_known(elements):
    inside("a", f"ping -c 1 -W 1 {ADDRESS['b']}")
    assert int(elements["2"].say(f"idle {ADDRESS['a']}")[0].split()[1]) < 5000
    assert elements["2"].say("idle 10.10.0.77") == ["idle -1 ms"]
    assert int(elements["2"].say("stats 1")[0].split()[1]) > 0
    elements["2"].say("stats 9", result="No such file or directory")


def test_the_kernel_routes_what_leaves(elements):
    """FE 3 is the border: an address that its kernel knows, on a device of its own."""
    veth("3", "ext", "b", "ext")
    inside("3", "ip address add 198.51.100.1/24 dev ext")
    inside("b", "ip address add 198.51.100.2/24 dev ext")
    inside("b", "ip route add 10.10.0.11 via 198.51.100.1")
    inside("3", "ip route add 10.10.0.0/16 dev p1")
    elements["2"].say("prefix external 0.0.0.0/0 3")
    elements["3"].say("port 3 ext external")
    out = inside("a", "ping -c 3 -i 0.01 -W 1 198.51.100.2", check=False)
    assert "0 received" in out and elements["3"].counts()["no_route"] == 3, "no border until it is told so"
    elements["3"].say("prefix external 0.0.0.0/0")
    assert "3 received" in inside("a", "ping -c 3 -i 0.01 -W 1 198.51.100.2", check=False)
    assert elements["3"].counts()["forwarded_external"] >= 3
    inside("a", "ping -c 3 -i 0.01 -W 0.2 198.51.100.1", check=False)
    assert elements["3"].counts()["passed_up"] == 3, "the border's own address: up its stack"


TAGGED_REQUEST = """
import socket, struct, sys
mac = bytes.fromhex(sys.argv[1].replace(":", ""))
arp = struct.pack("!HHBBH", 1, 0x800, 6, 4, 1) + mac + bytes([10, 10, 0, 11]) + bytes(6) + bytes([10, 10, 0, 36])
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
s.send(bytes([255] * 6) + mac + struct.pack("!HHH", 0x8100, 7, 0x806) + arp)
"""


@pytest.mark.skipif(not shutil.which("tcpdump"), reason="tcpdump is not installed")
def test_vlan_tags_go_in_and_out(elements):
    """Node a asks for b in VLAN 7 (no trunk: not ours; trunk: answered in VLAN 7), then lives there."""
    def ask():
        run_script = ["ip", "netns", "exec", "vt-a", "/usr/bin/python3", "-c", TAGGED_REQUEST, MAC["a"]]
        subprocess.run(run_script, check=True)

    with subprocess.Popen(["ip", "netns", "exec", "vt-a", "tcpdump", "-l", "-nei", "eth0", "-p"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as dump:
        while "listening" not in dump.stderr.readline():
            pass
        ask()
        elements["2"].say("port 1 p1 access trunk")
        ask()
        elements["2"].say(here("a").replace("1 0", "1 7"))
        inside("b", f"ping -c 1 -W 0.2 {ADDRESS['a']}", check=False)
        wait_for(lambda: elements["2"].counts().get("forwarded_local", 0) >= 1)
        time.sleep(0.2)
        dump.terminate()
        heard = dump.stdout.read().splitlines()
    replies = [line for line in heard if "Reply 10.10.0.36" in line]
    assert len(replies) == 1 and "vlan 7" in replies[0], heard
    assert [line for line in heard if "echo request" in line and "vlan 7" in line], heard
    assert [line for line in elements["2"].log if "vlan 7" in line], "the tag is told beside the frame"


def plain_forwarding():
    """The same devices, the kernel forwarding by routes, no tunnel and no BPF."""
    for fe, name, other, to in (("2", "a", "3", "b"), ("3", "b", "2", "a")):
        inside(fe, "ip address add 10.10.0.1/32 dev p1")
        inside(fe, f"ip route add {ADDRESS[name]} dev p1")
        inside(fe, f"ip route add {ADDRESS[to]} via 192.0.2.{other}")
        inside(fe, "sysctl -qw net.ipv4.conf.p1.proxy_arp=1")


def measure(rounds=3):
    for taps in (False, True):
        rates = {"kernel": [], "victor": []}
        for _ in range(rounds):
            with network(taps):
                plain_forwarding()
                rates["kernel"].append(iperf(seconds=4)[0])
            with two_elements(taps):
                rates["victor"].append(iperf(seconds=4)[0])
        print("through taps (one relay process each)" if taps else "through veths")
        for name, values in rates.items():
            ratio = max(values) / max(rates["kernel"])
            print(f"{name:15} {' '.join(f'{v:6.2f}' for v in values)}  Gb/s, best {max(values):.2f}, {ratio:.2f}")


if __name__ == "__main__":
    measure(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
