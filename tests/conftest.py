"""Shared by all tests: the project's root is importable (the lab is used by tests and people), and
programs that do not disturb each other run beside each other."""

import concurrent.futures
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))


@pytest.fixture(scope="module")
def beside(request):
    """`beside(run, parameter)` gives a future of run(value) for each value of the parameter that a
    selected test of this module has, as many at a time as there are cores."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        def start(run, parameter, key=lambda value: value):
            values = [item.callspec.params[parameter] for item in request.session.items
                      if item.path == request.path and parameter in item.fixturenames]
            return {key(value): pool.submit(run, value) for value in values}

        yield start
        pool.shutdown(cancel_futures=True)
