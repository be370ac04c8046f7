"""Our OpenFlow codec and channel against Open vSwitch, both ways round.

    openflow-ovs ----OpenFlow 1.3----> ovs-vswitchd (dummy datapath, loopback)
    ovs-ofctl    ----OpenFlow 1.3----> openflow-switch

No network but loopback is touched and no privileges are needed.  VICTOR_BUILD is the build
directory (default: build/ in the source tree).
"""

import os
import pathlib
import shutil
import socket
import subprocess
import time

import pytest
from lab import frames

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("VICTOR_BUILD", ROOT / "build"))
PROGRAMS = BUILD / "tests" / "system"
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"

pytestmark = pytest.mark.skipif(
    not shutil.which("ovs-vswitchd") and not os.path.exists("/usr/sbin/ovs-vswitchd"),
    reason="openvswitch-switch is not installed")


def run(*words, env=None, check=True):
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=60, check=False)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(map(str, words))}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Switch:
    """An ovs-vswitchd of our own, with bridge br0 and ports p1 and p2, listening on loopback."""

    def __init__(self, directory):
        self.directory = directory
        self.env = dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
        for name in ("OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR", "OVS_SYSCONFDIR"):
            self.env[name] = str(directory)
        self.port = free_port()
        self.database = f"unix:{directory}/db.sock"

    def start(self):
        d = self.directory
        run("ovsdb-tool", "create", d / "conf.db", SCHEMA, env=self.env)
        run("ovsdb-server", f"--remote=punix:{d}/db.sock", "--pidfile", "--detach",
            f"--log-file={d}/ovsdb.log", d / "conf.db", env=self.env)
        self.vsctl("--no-wait", "init")
        run("ovs-vswitchd", "--enable-dummy=override", "--disable-system", "--pidfile", "--detach",
            f"--log-file={d}/vswitchd.log", self.database, env=self.env)
        self.vsctl("add-br", "br0",
                   "--", "set", "bridge", "br0", "datapath_type=dummy", "protocols=OpenFlow13",
                   "fail-mode=secure", "other-config:datapath-id=0000000000001234",
                   "--", "add-port", "br0", "p1",
                   "--", "set", "interface", "p1", "type=dummy", "ofport_request=1",
                   "--", "add-port", "br0", "p2",
                   "--", "set", "interface", "p2", "type=dummy", "ofport_request=2",
                   "--", "set-controller", "br0", f"ptcp:{self.port}:127.0.0.1")

    def vsctl(self, *words):
        return run("ovs-vsctl", f"--db={self.database}", *words, env=self.env)

    def ofctl(self, *words):
        return run("ovs-ofctl", "-O", "OpenFlow13", *words, env=self.env)

    def stop(self):
        for name in ("ovs-vswitchd", "ovsdb-server"):
            pidfile = self.directory / f"{name}.pid"
            if pidfile.exists():
                run("ovs-appctl", "-t", name, "exit", env=self.env, check=False)


@pytest.fixture
def switch(tmp_path):
    one = Switch(tmp_path)
    try:
        one.start()
        yield one
    finally:
        one.stop()


@pytest.fixture
def toy():
    with subprocess.Popen([PROGRAMS / "openflow-switch"], stdout=subprocess.PIPE,
                          text=True) as process:
        target = f"tcp:127.0.0.1:{process.stdout.readline().strip()}"
        yield lambda command, *words, check=True, version="OpenFlow13": run(
            "ovs-ofctl", "-O", version, command, target, *words, check=check)
        assert process.poll() is None, "the switch died"
        process.terminate()


def test_ovs_vswitchd_takes_and_tells_all_that_we_send(switch):
    with subprocess.Popen([PROGRAMS / "openflow-ovs", str(switch.port)], stdout=subprocess.PIPE,
                          text=True) as process:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("waiting for port p1"):
                switch.ofctl("mod-port", "br0", "p1", "down")
        assert process.wait(timeout=20) == 0, "".join(lines)
    assert lines[-1] == "ok: PORT_STATUS\n"

    flows = switch.ofctl("--no-stats", "dump-flows", "br0")
    for text in (
            "priority=100,ip,in_port=1 actions=load:0x1->NXM_NX_REG0[],load:0x2->NXM_NX_REG1[],"
            "load:0->NXM_OF_IN_PORT[],set_field:0x9->tun_id,dec_ttl,write_metadata:0x9/0xffffff,"
            "goto_table:1",
            "tun_id=0x800000/0x800000,tun_src=10.0.0.1,in_port=2 "
            "actions=move:OXM_OF_IN_PORT[]->NXM_NX_REG0[],load:0x1->NXM_NX_TUN_ID[23],",
            "ip,reg0=0x1,metadata=0x9/0xffffff,vlan_tci=0x0000/0x1fff,dl_src=02:00:00:00:00:01,"
            "nw_src=10.2.3.1 actions=goto_table:2",
            "ipv6,dl_vlan=7,dl_vlan_pcp=3,ipv6_src=2001:db8::/64 actions=pop_vlan,goto_table:2",
            "table=3, priority=100,ip,nw_dst=10.4.5.1 actions=group:3",
            "nd_target=2001:db8::7 actions=resubmit(,6)"):
        assert text in flows
    groups = switch.ofctl("dump-groups", "br0")
    assert "group_id=3,type=indirect,bucket=actions=set_field:10.0.0.2->tun_dst,output:2" in groups
    assert "group_id=4,type=indirect,bucket=actions=set_field:2001:db8::7->tun_ipv6_dst" in groups


def test_ovs_vswitchd_answers_a_neighbour_solicitation_by_our_flows(switch):
    """LISTEN, ANSWER and ADVERTISE make of a solicitation its advertisement, with the right sum."""
    with subprocess.Popen([PROGRAMS / "openflow-ovs", str(switch.port)], stdout=subprocess.PIPE,
                          text=True) as process:
        for line in process.stdout:
            if line.startswith("waiting for port p1"):
                switch.ofctl("mod-port", "br0", "p1", "down")
        assert process.wait(timeout=20) == 0
    switch.ofctl("mod-port", "br0", "p1", "up")
    sent = switch.directory / "sent.pcap"
    switch.vsctl("set", "interface", "p1", f"options:tx_pcap={sent}")
    target = socket.inet_pton(socket.AF_INET6, "2001:db8::9")
    asked = frames.icmpv6("02:00:00:00:00:05", "2001:db8::5", "ff02::1:ff00:9",
                          bytes([135]) + bytes(7) + target + bytes.fromhex("0101020000000005"))
    pid = (switch.directory / "ovs-vswitchd.pid").read_text().strip()
    deadline = time.monotonic() + 20
    while not sent.exists() or sent.stat().st_size <= 40:
        assert time.monotonic() < deadline, "no answer"
        run("ovs-appctl", "-t", switch.directory / f"ovs-vswitchd.{pid}.ctl",
            "netdev-dummy/receive", "p1", asked.hex(), env=switch.env)
        time.sleep(0.1)
    said = sent.read_bytes()[40:40 + 86]
    right = frames.icmpv6("02:00:00:00:01:00", "2001:db8::9", "2001:db8::5",
                          bytes([136, 0, 0, 0, 0x60, 0, 0, 0]) + target
                          + bytes.fromhex("0201020000000100"))
    assert said[:12] == bytes.fromhex("020000000005020000000100")
    assert said[12:] == right[12:]


FLOWS = [
    ("priority=7,ip,nw_dst=10.0.0.0/8",
     "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],load:0->NXM_OF_IN_PORT[],load:0x5->NXM_NX_REG0[],"
     "set_field:1.2.3.4->tun_dst,set_field:0x5->tun_id,resubmit(,2),group:3,output:1"),
    ("priority=8,tcp6,dl_vlan=5,ipv6_src=2001:db8::/32,tp_dst=80",
     "dec_ttl,push_vlan:0x8100,set_field:4103->vlan_vid,pop_vlan,goto_table:1"),
    ("priority=9,arp,tun_id=0x800000/0x800000,tun_src=9.9.9.9,reg1=0x5,metadata=0x9/0xff,"
     "arp_spa=1.2.3.4",
     "load:0x2->NXM_OF_ARP_OP[],move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],IN_PORT,"
     "write_metadata:0x1/0x1"),
    ("priority=10", "drop"),
    ("priority=11,mpls,mpls_label=77", "pop_mpls:0x0800,CONTROLLER:65535"),
]


@pytest.mark.parametrize("match,actions", FLOWS)
def test_ovs_ofctl_reads_back_the_flow_it_wrote(toy, match, actions):
    toy("add-flow", f"{match},actions={actions}")
    (line,) = [line for line in toy("dump-flows").splitlines() if match.split(",")[0] in line]
    told, told_actions = line.split(" actions=")
    assert told_actions == actions
    # ovs-ofctl prints fields in an order of its own.
    assert set(match.split(",")) <= set(told.replace(" ", "").split(","))


def test_ovs_ofctl_reads_all_of_our_replies(toy):
    toy("add-group", "group_id=3,type=indirect,bucket=set_field:1.2.3.4->tun_dst,output:1")
    toy("add-group", "group_id=4,type=select,bucket=weight:5,output:1,bucket=weight:6,output:2")
    for command, text in (
            ("show", "1(veth-node): addr:02:00:00:00:00:01"),
            ("dump-desc", "Manufacturer: VICTOR"),
            ("dump-aggregate", "packet_count=9 byte_count=900 flow_count=0"),
            ("dump-ports", "port  1: rx pkts=11, bytes=0"),
            ("dump-ports-desc", "1(veth-node)"),
            ("dump-tables", "active=0, lookup=10, matched=9"),
            ("dump-table-features", 'exact match or wildcard: reg0 eth_type ip_dst'),
            ("dump-group-stats", "group_id=4,duration=0s,ref_count=0,packet_count=5"),
            ("dump-groups", "group_id=3,type=indirect,bucket=actions=set_field:1.2.3.4->tun_dst,"
                            "output:1"),
            ("dump-groups", "group_id=4,type=select,bucket=weight:5,actions=output:1,"
                            "bucket=weight:6,actions=output:2")):
        assert text in toy(command), command


def test_what_we_do_not_know_is_refused_with_the_right_error(toy):
    assert "OFPBMC_BAD_FIELD" in toy("add-flow", "ct_state=+trk,actions=drop", check=False)
    assert "OFPBAC_BAD_VENDOR_TYPE" in toy("add-flow", "ip,actions=ct(commit)", check=False)


def test_a_peer_that_offers_only_openflow_1_0_is_turned_away(toy):
    answer = toy("show", check=False, version="OpenFlow10")
    assert "version negotiation failed (we support version 0x01, peer supports version 0x04)" \
        in answer
