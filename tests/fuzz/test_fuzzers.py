"""Every decoder's fuzzer, from its seeds, for a few seconds: enough to see that none has rotted and
that no kept crash is back. CONTRIBUTING.md says how to run one for longer.

They are built for that and not optimized, in a folder of their own: the build takes a fifth of the time."""

import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("VICTOR_BUILD_FUZZ", ROOT / "build-check-fuzz"))
SECONDS = os.environ.get("VICTOR_FUZZ_SECONDS", "1")
FUZZERS = sorted(path.stem for path in (ROOT / "tests/fuzz").glob("*.c"))


@pytest.fixture(scope="module")
def build():
    if not (BUILD / "build.ninja").exists():
        subprocess.run(["meson", "setup", str(BUILD), "-Dtests=false", "-Dfuzz=true",
                        "-Doptimization=0", "-Db_sanitize=address,undefined", "-Db_lundef=false"],
                       cwd=ROOT, check=True, capture_output=True, env={**os.environ, "CC": "clang"})
    done = subprocess.run(["ninja", "-C", str(BUILD), *(f"tests/fuzz/fuzz-{n}" for n in FUZZERS)],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    return BUILD / "tests/fuzz"


@pytest.fixture(scope="module")
def runs(build, beside, tmp_path_factory):
    all_found = tmp_path_factory.mktemp("fuzz")    # here: pytest's own directory is not made by two threads at a time

    def run(name):
        found = all_found / name
        found.mkdir()
        seeds = ROOT / "tests/fuzz/corpus" / name
        return subprocess.run([str(build / f"fuzz-{name}"), f"-max_total_time={SECONDS}", "-rss_limit_mb=2048",
                               str(found), *([str(seeds)] if seeds.is_dir() else [])],
                              capture_output=True, text=True, cwd=found, timeout=300)

    return beside(run, "name")


@pytest.mark.parametrize("name", FUZZERS)
def test_no_input_breaks(runs, name):
    done = runs[name].result()
    assert done.returncode == 0, done.stderr[-3000:]
