"""bench/footprint: what it reads of /proc and dpkg, and the rows that it makes."""

import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from lab import footprint, rows  # noqa: E402
from lab.footprint import CENTRE, SITE, Daemon, Suite, Taken  # noqa: E402
from lab.targets import TARGETS  # noqa: E402

LISTING = "\n".join("\t".join(fields) for fields in (
    ("libc6:amd64", "12000", "optional", "no", "", ", ", "installed"),
    ("dpkg", "6000", "required", "yes", "", "libc6 (>= 2.14), tar", "installed"),
    ("tar", "3000", "required", "yes", "", "", "installed"),
    ("libssl3:amd64", "5000", "optional", "no", "", ", libc6 (>= 2.34)", "installed"),
    ("exim4", "2000", "standard", "no", "mail-transport-agent", ", libc6", "installed"),
    ("gone", "9000", "optional", "no", "", "", "config-files"),
    ("frr", "20000", "optional", "no", "", ", gone | logrotate | exim4, libssl3:any (>= 3)",
     "installed")))


def test_what_is_nobody_elses_was_written():
    assert footprint.private_kib("Rss: 900 kB\nShared_Clean: 500 kB\nPrivate_Clean: 12 kB\n"
                                 "Private_Dirty: 30 kB\nPrivate_Hugetlb: 0 kB\n") == 30


def test_a_map_that_is_open_twice_counts_once():
    one = "pos:\t0\nmap_type:\t1\nmemlock:\t4096\nmap_id:\t7\n"
    assert footprint.maps_bytes([one, one, one.replace("7", "8"), "pos:\t0\nflags:\t02\n"]) == 8192


@pytest.mark.parametrize("line, listening", [
    ("0: 00000000:19FD 00000000:0000 0A 00000000", True),
    ("0: 00000000:19FD 0100007F:8000 01 00000000", False),    # a connection
    ("0: 00000000:19FC 00000000:0000 0A 00000000", False)])
def test_a_port_is_listened_at_or_not(line, listening):
    assert footprint.listens(f"  sl  local_address rem_address st\n{line}\n", 6653) is listening


def test_a_package_weighs_what_it_needs_but_for_what_every_debian_has():
    packages = footprint.read_packages(LISTING)
    assert footprint.beyond_base_kib(packages, ["frr"]) == 20000 + 2000 + 5000
    assert footprint.beyond_base_kib(packages, ["tar"]) == 0
    assert footprint.beyond_base_kib(packages, ["none"]) == 0
    assert packages["mail-transport-agent"] is packages["exim4"]
    assert "gone" not in packages


SUITE = Suite("Some", (), lambda: "1", (
    Daemon("brain", CENTRE, lambda d: [], lambda d, p: True),
    Daemon("switch", SITE, lambda d: [], lambda d, p: True),
    Daemon("agent", SITE, lambda d: [], lambda d, p: True)))


def test_a_site_takes_what_its_daemons_take_together():
    rounds = [{"brain": Taken(9, 5, 0.5, 80, 0), "switch": Taken(20, 10 + more, 1, 100, 2),
               "agent": Taken(7, 2, 0.25, 40, 0)} for more in (0, 4)]
    found = {(row["system"], row["case"], row["metric"]): row
             for row in footprint.suite_rows(SUITE, rounds, "1")}
    assert found["Some", SITE, "private memory, all"]["min"] == 12
    assert found["Some", SITE, "private memory, all"]["max"] == 16
    assert found["Some", CENTRE, "CPU, all"]["median"] == 0.5
    assert found["switch", "idle", "memory of BPF maps"]["median"] == 2
    assert ("agent", "idle", "memory of BPF maps") not in found
    assert found["brain", "idle", "time to start"]["n"] == 2


@pytest.mark.parametrize("program, what", [("victor-fe", "idle victor-fe, resident"),
                                           ("victor-controller",
                                            "idle victor-controller, resident")])
def test_the_targets_are_found_in_the_rows(program, what):
    suite = Suite("VICTOR", (), lambda: "1", (Daemon(program, SITE, lambda d: [],
                                                     lambda d, p: True),))
    found = footprint.suite_rows(suite, [{program: Taken(5.5, 2, 0, 30, 1)}], "1")
    target = next(one for one in TARGETS if one.what == what)
    assert target.value({"footprint": rows.document("footprint", found)}) == 5.5
