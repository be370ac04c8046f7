"""The system tests: real daemons in network namespaces (lab/), TCP and pings between their hosts.

`lab` is the paper's Figure 2, one for each module; a module that needs another has a fixture of its
own by that name. VICTOR_BUILD selects the build that is tested.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import labs
import pytest
from lab import signals
from lab.runtime import Lab


def pytest_configure() -> None:
    """Whatever ends the run, the labs are taken away."""
    signals.raise_on_signals()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without root there are no network namespaces: said loudly, test by test."""
    if os.geteuid() == 0:
        return
    for item in items:
        if "openflow_ovs" not in item.nodeid:
            item.add_marker(pytest.mark.skip(reason="needs root: network namespaces and BPF"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A failure shows the logs of the daemons that were up."""
    report = (yield).get_result()
    if report.failed:
        for lab in labs.LIVE:
            report.sections.append((f"logs of {lab.topology.name} {lab.instance}",
                                    labs.all_logs(lab)))


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with labs.running() as one:
        yield one
