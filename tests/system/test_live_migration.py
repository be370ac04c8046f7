"""A real virtual machine migrates live between site 2 and site 3. Topology: lab/figure2.py, the
guest in place of `vm`; lab/sites.py drives it, and checks the guest's memory and console.
"""

from __future__ import annotations

from collections.abc import Iterator

import labs
import pytest
from lab import figure2, sites
from lab.runtime import Lab
from lab.vm import probe
from lab.vm.migrate import Migration

PLACES = {"site2": "fe2", "site3": "fe3"}


@pytest.fixture(scope="module")
def vm() -> Iterator[sites.SiteGuest]:
    with labs.running(announce=False) as lab, sites.guest(lab) as guest:
        guest.boot()
        lab.announce_hosts()
        labs.wait_place(lab, "vm1", "fe2", "srv0")
        yield guest


def other(vm: sites.SiteGuest) -> str:
    return "site3" if vm.at == "site2" else "site2"


def is_at(lab: Lab, site: str) -> bool:
    return labs.place_of(lab, "vm1") == (PLACES[site], "srv0")


def test_a_guest_migrates_there_and_back_and_its_connections_live_on(vm: sites.SiteGuest) -> None:
    neighbor = sites.Neighbor(vm.lab)
    try:
        with probe.ClientProcess(vm.lab.netns("client"), figure2.VM_ADDRESS) as client:
            client.wait_connected()
            for _ in range(2):
                site = other(vm)
                neighbor.check()
                client.mark(f"before {site}")
                vm.migrate(site)
                labs.wait_place(vm.lab, "vm1", PLACES[site], "srv0")
                window = client.mark(site)
                assert window["records"] > 0
                neighbor.check()
                vm.check()
            result = client.finish()
    finally:
        neighbor.close()
    assert result["contiguous"], result["error"]
    assert result["idle_alive"]
    assert vm.at == "site2"


@pytest.mark.parametrize("how", [Migration.cancel_at_pre_switchover,
                                 Migration.kill_destination_at_pre_switchover],
                         ids=["cancelled", "its destination died"])
def test_a_migration_that_fails_at_pre_switchover_returns_to_the_source(vm: sites.SiteGuest,
                                                                        how: sites.How) -> None:
    before = vm.at
    version = labs.attachment(vm.lab, "vm1")
    with probe.ClientProcess(vm.lab.netns("client"), figure2.VM_ADDRESS) as client:
        client.wait_connected()
        vm.roll_back(other(vm), how)
        labs.wait_place(vm.lab, "vm1", PLACES[before], "srv0")
        client.mark("rolled back")
        result = client.finish()
    assert result["contiguous"] and result["idle_alive"], result["error"]
    assert vm.at == before and is_at(vm.lab, before)
    after = labs.attachment(vm.lab, "vm1")
    assert version and after and after["version"] != version["version"], \
        "the switch and its undoing are changes, each with a version"
    vm.check()


def test_an_idle_guest_is_reached_again_after_a_rollback(vm: sites.SiteGuest) -> None:
    """Nothing but the switch's undoing brings traffic back: the guest itself says nothing."""
    vm.roll_back(other(vm), Migration.cancel_at_pre_switchover)
    assert vm.control.status()["corruptions"] == 0
    assert is_at(vm.lab, vm.at)
