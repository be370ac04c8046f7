"""The report of ./demo: what the paper's Section 5 says beside what was measured, and Table 1.

Takes the figures that demo.py writes as JSON; touches nothing else.
"""

from __future__ import annotations

import re
from statistics import median
from typing import Any

Row = tuple[str, str, str]

# Table 1 of the paper, "IP forwarding on FE2".
PAPER_TABLE1 = {
    "nw_dst=10.2.3.1": "mod_dl_dst,out:2",
    "nw_dst=10.10.0.11": "mod_dl_dst,out:2",
    "nw_dst=10.10.0.36": "mod_dl_dst,out:3",
    "nw_dst=10.4.5.1": "out:0",
}


def table1(rules: list[dict[str, Any]]) -> list[dict[str, str]]:
    """The element's rules that say where a host is, written as the paper writes them: without the
    host's MAC address, and without the group that a tunnel's port is found by."""
    hosts = [rule for rule in rules if rule["kind"] in ("local", "foreign")]
    hosts.sort(key=lambda rule: (rule["kind"] == "foreign", rule["flow"]))
    return [{"flow": rule["flow"],
             "action": re.sub(r"mod_dl_dst:[0-9a-f:]+|group:\d+,",
                              lambda m: "mod_dl_dst" if m[0][0] == "m" else "", rule["action"])}
            for rule in hosts]


def text(figures: dict[str, Any]) -> str:
    """The whole report."""
    load = ", ".join(f"{value:.2f}" for value in figures["loadavg"])
    parts = ["Table 1, IP forwarding on FE2",
             _columns(("", "the paper", "FE2 now"), _table1_rows(figures["forwarding_fe2"])),
             "Section 5, mobility",
             _columns(("", "the paper", "measured here"), _rows(figures)),
             f"Load average at the end: {load}."]
    return "\n" + "\n\n".join(parts) + "\n"


def _columns(head: Row, rows: list[Row]) -> str:
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(3)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
             for row in [head, *rows]]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(("  " + line).rstrip() for line in lines)


def _table1_rows(rules: list[dict[str, str]]) -> list[Row]:
    live = {rule["flow"]: rule["action"] for rule in rules}
    rows = [(flow, action, live.pop(flow, "(nothing)")) for flow, action in PAPER_TABLE1.items()]
    return rows + [(flow, "", action) for flow, action in live.items()]


def _rows(figures: dict[str, Any]) -> list[Row]:
    rows = _handoff_rows(figures["handoff"])
    if "vm" in figures:
        rows += [("", "", ""), *_vm_rows(figures["vm"], figures["same_lan"])]
    return rows


def _handoff_rows(found: dict[str, Any]) -> list[Row]:
    outage, lost = found["outage_ms"], found["pings_lost_at_10ms"]
    return [
        ("A host roams from AP1 to AP2", "802.11, by hand", f"{found['moves']} moves"),
        ("  outage, larger direction", "10-20 ms",
         f"median {outage['median']:.2f}, p99 {outage['p99']:.2f}, max {outage['max']:.2f} ms"),
        ("  pings lost at 10 ms", "1-2", f"median {lost['median']}, at most {lost['max']}"),
    ]


def _vm_rows(vm: dict[str, Any], same: dict[str, Any]) -> list[Row]:
    live = "QEMU, live" if vm["live"] else "QEMU, stop and copy (no QEMU 10 or newer)"
    back = vm["rollback_ms"]
    return [
        ("A VM migrates from site 2 to 3, and back", "OpenVZ",
         f"{live}: {vm['migrations']} migrations"),
        ("  pings lost at 10 ms", "about 350", _spread(vm["pings_lost_at_10ms"], 0)),
        ("  the same VM within one LAN", "similar", _spread(same["pings_lost_at_10ms"], 0)),
        ("  TCP stream's longest gap", "about 3500 ms down", _spread(vm["tcp_gap_ms"], 0, " ms")),
        ("  the same VM within one LAN", "similar", _spread(same["tcp_gap_ms"], 0, " ms")),
        ("  of it the guest's own pause", "most of it", _spread(vm["guest_pause_ms"], 1, " ms")),
        ("  of it added by the network", "\"no new source of delay\"",
         _spread(vm["network_added_ms"], 2, " ms")),
        ("  TCP stream", "-", "contiguous" if vm["tcp_contiguous"] else "BROKEN"),
        ("  idle TCP, and a fixed neighbour's", "-",
         "alive" if vm["idle_tcp_alive"] and vm["neighbor_tcp_alive"] else "DEAD"),
        ("  cancelled: source reached again after", "-", f"{back['cancelled']:.1f} ms"),
        ("  destination died: the same", "-", f"{back['destination_died']:.1f} ms"),
    ]


def _spread(values: list[float], digits: int, unit: str = "") -> str:
    return (f"median {median(values):.{digits}f}, at most {max(values):.{digits}f}{unit}")
