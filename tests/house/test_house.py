"""The rules of the house that a machine can check."""

import pathlib
import re
import subprocess


ROOT = pathlib.Path(__file__).resolve().parents[2]


def tracked(*patterns: str) -> list[str]:
    """The files of the project, whether or not git knows them yet."""
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", *patterns], cwd=ROOT,
                         capture_output=True, text=True, check=True).stdout
    return [name for name in out.splitlines() if (ROOT / name).exists()]


def test_arrows_point_down_only():
    done = subprocess.run(["tools/check-arrows"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_clang_format_decides_layout():
    done = subprocess.run(["clang-format", "--dry-run", "-Werror", *tracked("*.c", "*.h")], cwd=ROOT,
                          capture_output=True, text=True)
    wrong = sorted({line.split(":")[0] for line in done.stderr.splitlines() if "error:" in line})
    assert not wrong, f"run clang-format -i on: {' '.join(wrong)}"


def test_cppcheck_finds_nothing():
    sources = tracked("base/*.c", "packet/*.c", "registration/*.c", "openflow/*.c", "pipeline/*.c", "fe/*.c",
                      "controller/*.c", "ctl/*.c", "tls/*.c",
                      "registration/io/*.c")
    done = subprocess.run(
        ["cppcheck", "--quiet", "--error-exitcode=1", "--inline-suppr", "-I.", "-D_GNU_SOURCE",
         "--enable=warning,portability", "--std=c11", "--suppress=missingIncludeSystem",
         '-DVICTOR_VERSION="0"', "-j2", *sources], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_python_name_is_known_and_used():
    done = subprocess.run(["/usr/bin/python3", "-m", "pyflakes", "bench/controller", "bench/faults", "bench/footprint",
                           "bench/forward",
                           "bench/handoff", "bench/peers", "bench/reroute", "bench/ring",
                           "bench/report", "bench/run", "bench/throughput", "bench/timeline", "bench/wan",
                           "lab/lab", *tracked("*.py")], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_file_is_longer_than_a_reader_bears():
    """About 600 lines for sources; a test program may list more of its sentences."""
    long = {name: count for name in tracked("*.c", "*.h", "*.py", "*.sh")
            if (count := len((ROOT / name).read_text().splitlines()))
            > (750 if name.startswith("tests/") else 620)}
    assert not long


def test_every_source_file_opens_with_what_it_is():
    bare = [name for name in tracked("*.c", "*.h")
            if not (ROOT / name).read_text().lstrip().startswith(("/*", "// SPDX", "#pragma once\n\n/*"))
            and not name.startswith("tests/golden")]
    assert not bare


def test_the_manual_pages_and_openapi_parse():
    import yaml

    api = yaml.safe_load((ROOT / "docs/openapi.yaml").read_text())
    assert api["openapi"].startswith("3.")
    assert all(path.startswith("/") for path in api["paths"])
    for page in tracked("docs/man/*.scd"):
        done = subprocess.run(["scdoc"], stdin=open(ROOT / page), capture_output=True, text=True)
        assert done.returncode == 0, f"{page}: {done.stderr}"


def test_links_in_the_documents_lead_somewhere():
    broken = []
    for name in tracked("*.md"):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / name).read_text()):
            if not (ROOT / name).parent.joinpath(target).exists():
                broken.append(f"{name}: {target}")
    assert not broken


def test_every_test_that_the_threat_model_names_exists():
    text = (ROOT / "docs/threat-model.md").read_text()
    named = set(re.findall(r"`([a-z]+(?:_[a-z0-9]+){3,})`", text))
    tests = "\n".join((ROOT / name).read_text() for name in tracked("tests/*.py", "tests/*.c"))
    assert named
    assert not [name for name in named if not re.search(rf"\b{name}\b", tests)]


def test_paths_options_and_routes_that_the_documents_name_exist():
    """A word in capitals stands for something of the reader's."""
    import yaml

    files = tracked("*")
    folders = "|".join({re.escape(name.split("/")[0]) for name in files if "/" in name})
    sources = "\n".join((ROOT / name).read_text(errors="replace") for name in files
                        if name.endswith((".c", ".h", ".py", "check", "demo", "lab/lab", "install-deps"))
                        or name.startswith(("bench/", "tools/")))
    routes = "\n".join(yaml.safe_load((ROOT / "docs/openapi.yaml").read_text())["paths"])
    pattern = re.compile("^" + re.sub(r"\\\{\w+\\\}", "[^/\n]+", re.escape(routes)).replace("\\\n", "$|^") + "$")
    wrong = []
    for name in tracked("*.md", "docs/man/*.scd"):
        text = (ROOT / name).read_text()
        paths = [path.rstrip(".") for path in re.findall(rf"(?<![\w/.-])((?:{folders})/[\w./*-]+)", text)]
        wrong += [f"{name}: {path}" for path in paths
                  if not re.search(r"\b[A-Z]+\b", path) and not any(ROOT.glob(path + "*"))]
        wrong += [f"{name}: {option}" for option in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", text)
                  if option not in sources and f'"{option[2:]}"' not in sources
                  and option not in ("--now", "--ssl-protocols")]    # systemctl's and ovs-vswitchd's
        wrong += [f"{name}: {route}" for route in re.findall(r"/v1(?:/[\w{}-]+)+", text)
                  if not pattern.match(route)]
    assert not wrong


def test_the_configuration_documents_name_every_key_and_no_other():
    for program in ("fe", "controller"):
        schema = "\n".join((ROOT / path).read_text() for path in tracked(f"{program}/io/config*.c"))
        keys = set(re.findall(r'\b(?:REQUIRED_)?(?:TEXTS?|LIST|NUMBER|FLAG|SHARE)(?:_OR_NOT)?\((\w+)[,)]', schema))
        keys |= set(re.findall(r'CYAML_FIELD_\w+\(\s*"(\w+)"', schema))
        keys.discard("key")    # the macros' own word
        text = (ROOT / f"docs/configuration-{program}.md").read_text()
        said = set(re.findall(r"\b[a-z]\w*\b", text))
        assert len(keys) > 20 and not keys - said, f"{program}: {keys - said}"
        rows = [row for row in re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", text, re.M)]
        told = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
        assert told and not told - keys, f"{program}: {told - keys}"
