"""Open vSwitch's ovs-ofctl reads and writes a live victor-fe, on its inspection socket, in OpenFlow
1.3. Topology: lab/figure2.py; the element is FE2.
"""

from __future__ import annotations

import re
import shutil
import subprocess

import labs
import pytest
from lab.runtime import Lab
from traffic import Datagrams

pytestmark = pytest.mark.skipif(not shutil.which("ovs-ofctl"),
                                reason="openvswitch-common is not installed")
COUNT = 25


def ofctl(lab: Lab, command: str, *words: str, check: bool = True) -> str:
    done = subprocess.run(["ovs-ofctl", "-O", "OpenFlow13", command,
                           f"unix:{lab.run_dir}/fe2.mgmt", *words],
                          capture_output=True, text=True, timeout=20)
    said = done.stdout + done.stderr
    assert not check or done.returncode == 0, said
    return said


def test_show_lists_the_element_and_its_ports(lab: Lab) -> None:
    said = ofctl(lab, "show")
    assert "dpid:0000000000000002" in said
    assert "n_tables:6" in said
    for port in ("2(srv0)", "3(ap0)"):
        assert port in said
    assert "LINK_DOWN" not in said


def test_dump_desc_says_who_it_is(lab: Lab) -> None:
    said = ofctl(lab, "dump-desc")
    assert "victor-fe" in said and "fe2" in said


def test_dump_flows_shows_the_papers_rows(lab: Lab) -> None:
    said = ofctl(lab, "dump-flows")
    for address, action in (("10.2.3.1", "02:00:00:00:02:01.*output:(2|srv0)"),
                            ("10.10.0.11", "52:54:00:00:00:05.*output:(2|srv0)"),
                            ("10.10.0.36", "02:00:00:00:00:36.*output:(3|ap0)"),
                            ("10.4.5.1", "group:3")):
        assert re.search(rf"table=3,.*nw_dst={re.escape(address)} actions=.*{action}", said), said


def test_dump_flows_can_be_narrowed(lab: Lab) -> None:
    flows = [line for line in ofctl(lab, "dump-flows", "table=3,ip,nw_dst=10.10.0.36").splitlines()
             if "actions=" in line]
    assert len(flows) == 1 and "nw_dst=10.10.0.36" in flows[0]


def test_flows_count_what_they_forward(lab: Lab) -> None:
    def count() -> int:
        said = ofctl(lab, "dump-flows", "table=3,ip,nw_dst=10.10.0.36")
        return int(re.search(r"n_packets=(\d+)", said)[1])  # type: ignore[index]

    before = count()
    with Datagrams(lab.host("client"), lab.host("laptop")) as probes:
        probes.send(COUNT)
        labs.eventually("arrival", lambda: len(probes.collect()) == COUNT)
    assert count() == before + COUNT


def test_dump_groups_lead_to_the_other_elements(lab: Lab) -> None:
    said = ofctl(lab, "dump-groups")
    for number in (1, 3):
        assert re.search(rf"group_id={number},type=indirect,bucket=.*172\.16\.{number}\.2", said), \
            said
    assert "group_id=2," not in said, "no group leads to the element itself"


def test_dump_ports_counts(lab: Lab) -> None:
    def count() -> int:
        said = ofctl(lab, "dump-ports", "3")
        return int(re.search(r"rx pkts=(\d+)", said)[1])  # type: ignore[index]

    before = count()
    with Datagrams(lab.host("laptop"), lab.host("client")) as probes:
        probes.send(COUNT)
        labs.eventually("arrival", lambda: len(probes.collect()) == COUNT)
    assert count() >= before + COUNT


def test_dump_tables_and_their_features(lab: Lab) -> None:
    active = [int(n) for n in re.findall(r"active=(\d+)", ofctl(lab, "dump-tables"))]
    assert len(active) == 6 and min(active) > 0
    features = ofctl(lab, "dump-table-features")
    for name in ("port", "guard", "policy", "binding", "external", "neighbor"):
        assert f'"{name}"' in features
    assert "ip_dst" in features


FLOW = "table=3,priority=50,metadata=0x0/0xffffff,ip,nw_dst=10.66.0.0/16"


def test_a_flow_can_be_added_and_deleted(lab: Lab) -> None:
    ofctl(lab, "add-flow", f"{FLOW},actions=drop")
    assert "nw_dst=10.66.0.0/16 actions=drop" in ofctl(lab, "dump-flows")
    ofctl(lab, "del-flows", "table=3,ip,nw_dst=10.66.0.0/16")
    assert "10.66.0.0" not in ofctl(lab, "dump-flows")
    assert "nw_dst=10.10.0.36" in ofctl(lab, "dump-flows"), "more was deleted than was asked"


def test_a_group_can_be_added_used_and_deleted(lab: Lab) -> None:
    foreign = "table=3,priority=100,metadata=0x0/0xffffff,ip,nw_dst=10.10.7.7"
    group = re.search(r"group_id=3,(type=indirect,bucket=.*)", ofctl(lab, "dump-groups"))
    assert group
    ofctl(lab, "add-group", f"group_id=9,{group[1]}")
    ofctl(lab, "add-flow", f"{foreign},actions=group:9")
    assert "nw_dst=10.10.7.7 actions=group:9" in ofctl(lab, "dump-flows")
    ofctl(lab, "del-flows", "table=3,ip,nw_dst=10.10.7.7")
    ofctl(lab, "del-groups", "group_id=9")
    assert "group_id=9" not in ofctl(lab, "dump-groups")


REFUSED = [
    ("table=9,ip,actions=drop", "BAD_TABLE_ID"),
    ("table=3,priority=100,tcp,tp_dst=80,actions=drop", "OFPBMC_BAD"),
    ("table=3,priority=100,metadata=0x0/0xffffff,ip,nw_dst=10.10.7.7,actions=output:2", "OFPBAC_"),
    ("table=3,priority=100,metadata=0x0/0xffffff,ip,nw_dst=10.10.7.7,actions=group:77",
     "OFPBAC_BAD_OUT_GROUP"),
    ("table=3,priority=100,ct_state=+trk,ip,actions=drop", "OFPBMC_BAD_FIELD"),
    ("table=3,priority=50,metadata=0x0/0xffffff,ip,nw_dst=10.66.0.0/16,actions=controller",
     "OFPBIC_UNSUP_INST"),
]


@pytest.mark.parametrize("flow,error", REFUSED, ids=[error for _, error in REFUSED])
def test_a_flow_that_the_element_cannot_do_is_refused_by_name(lab: Lab, flow: str,
                                                              error: str) -> None:
    before = ofctl(lab, "dump-aggregate")
    done = ofctl(lab, "add-flow", flow, check=False)
    assert error in done, done
    assert re.search(r"flow_count=\d+", before)[0] in ofctl(lab, "dump-aggregate")  # type: ignore
