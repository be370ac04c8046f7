"""What idle daemons take: suites of them as a site or a centre would run them, and what Debian
packages weigh with all that they need.

A suite's daemons are started one after the other in a directory of their own, in one network
namespace; when all are ready nothing happens for a while. The sizes of packages are what dpkg says;
"beyond a minimal Debian" is with all that they depend on, but for what every Debian has (essential
packages, those of priority required, and what these depend on).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from . import daemons, load, rows
from .openvswitch import environment

NAMESPACE = f"vf{os.getpid()}"
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 5.0
POLL_S = 0.002
SITE, CENTRE = "a site's daemons", "the centre's daemons"
OVS_SCHEMA, OVN_SCHEMAS = "/usr/share/openvswitch/vswitch.ovsschema", "/usr/share/ovn"
OPENFLOW_PORT = 6653
MIB = 1 << 20


class Daemon(NamedTuple):
    """`command` and `ready` are asked with the directory; `before` runs first, and is not timed."""

    name: str
    place: str
    command: Callable[[Path], list[str]]
    ready: Callable[[Path, int], bool]
    before: Callable[[Path], None] = lambda _: None


class Suite(NamedTuple):
    system: str
    packages: tuple[str, ...]
    version: Callable[[], str]
    daemons: tuple[Daemon, ...]


class Taken(NamedTuple):
    """By one daemon, in one round."""

    rss_mib: float
    private_mib: float
    cpu_percent: float
    start_ms: float
    maps_mib: float


# ---- running them ----

def said(*command: str) -> str:
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.stdout.strip()


def private_kib(rollup: str) -> int:
    """Of /proc/PID/smaps_rollup: what it has written and is nobody else's. (What it only reads is
    "clean", and private as long as nobody else has the same library.)"""
    return next(int(line.split()[1]) for line in rollup.splitlines()
                if line.startswith("Private_Dirty:"))


def maps_bytes(infos: Iterable[str]) -> int:
    """Of a process's /proc/PID/fdinfo: what its BPF maps take, each once, in the kernel."""
    maps = {}
    for info in infos:
        fields = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
        if "map_id" in fields:
            maps[fields["map_id"]] = int(fields["memlock"])
    return sum(maps.values())


def fdinfo(pid: int) -> Iterator[str]:
    for file in Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            yield file.read_text()
        except OSError:    # closed meanwhile
            pass


def cpu_ns(pid: int) -> int:
    """All threads'; finer than ticks."""
    return sum(int(file.read_text().split()[0])
               for file in Path(f"/proc/{pid}/task").glob("*/schedstat"))


def listens(table: str, port: int) -> bool:
    """Whether a socket listens there, says /proc/PID/net/tcp."""
    return any(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A"
               for line in table.splitlines()[1:])


@contextmanager
def started(daemon: Daemon, directory: Path) -> Iterator[tuple[int, float]]:
    """Its pid, and the seconds until it was ready."""
    daemon.before(directory)
    log = directory / f"{re.sub('[^a-z]', '-', daemon.name.lower())}.log"
    with log.open("ab") as out:
        begun = time.monotonic()
        process = subprocess.Popen(["ip", "netns", "exec", NAMESPACE, *daemon.command(directory)],
                                   stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=directory)
    try:
        while not daemon.ready(directory, process.pid):
            if process.poll() is not None or time.monotonic() - begun > START_TIMEOUT_S:
                raise load.LoadError(f"{daemon.name} did not start: {log.read_text()[-300:]}")
            time.sleep(POLL_S)
        yield process.pid, time.monotonic() - begun
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def idle(suite: Suite, directory: Path, idle_s: float) -> dict[str, Taken]:
    """By the daemon's name."""
    with ExitStack() as stack:
        running = {one.name: stack.enter_context(started(one, directory)) for one in suite.daemons}
        time.sleep(1)
        before = {name: cpu_ns(pid) for name, (pid, _) in running.items()}
        begun = time.monotonic()
        time.sleep(idle_s)
        took_ns = (time.monotonic() - begun) * 1e9
        return {name: Taken(load.status_kib(pid, "VmRSS") / 1024,
                            private_kib(Path(f"/proc/{pid}/smaps_rollup").read_text()) / 1024,
                            (cpu_ns(pid) - before[name]) / took_ns * 100, start_s * 1000,
                            maps_bytes(fdinfo(pid)) / MIB)
                for name, (pid, start_s) in running.items()}


def suite_rows(suite: Suite, rounds: list[dict[str, Taken]], version: str) -> list[rows.Row]:
    """Each daemon's, and what those of a place take together (their private memory: the rest may be
    counted twice)."""
    found = []
    for daemon in suite.daemons:
        values = [one[daemon.name] for one in rounds]
        for metric, unit, at in (("resident memory", "MiB", 0), ("private memory", "MiB", 1),
                                 ("CPU", "%", 2), ("time to start", "ms", 3),
                                 ("memory of BPF maps", "MiB", 4)):
            if metric == "memory of BPF maps" and not any(one.maps_mib for one in values):
                continue
            found.append(rows.row("idle", metric, unit, len(values),
                                  rows.spread([value[at] for value in values]), daemon.name,
                                  version))
    for place in (SITE, CENTRE):
        names = [daemon.name for daemon in suite.daemons if daemon.place == place]
        for metric, unit, at in (("private memory, all", "MiB", 1), ("CPU, all", "%", 2)):
            if names:
                sums = [sum(one[name][at] for name in names) for one in rounds]
                found.append(rows.row(place, metric, unit, len(sums), rows.spread(sums),
                                      suite.system, version))
    return found


# ---- the suites ----

def exists(name: str) -> Callable[[Path, int], bool]:
    return lambda directory, _: (directory / name).exists()


def controller_config(directory: Path) -> None:
    (directory / "controller.yaml").write_text(daemons.yaml({
        "southbound": [f"tcp:127.0.0.1:{OPENFLOW_PORT}"],
        "northbound": [f"unix:{directory}/controller.sock"],
        "insecure": True, "state": str(directory / "state"),
        "prefixes": [{"prefix": "10.0.0.0/8", "mobile": True, "gateway": "10.0.0.1"}]}))


def element_config(directory: Path) -> None:
    (directory / "fe.yaml").write_text(daemons.yaml({
        "name": "fe1", "id": 1, "insecure": True,
        "controllers": [f"tcp:127.0.0.1:{OPENFLOW_PORT}"],
        "inspect": f"unix:{directory}/fe.mgmt", "state": str(directory / "fe-state"),
        "backplane": {"device": "bp0", "address": "192.0.2.1", "redirect": "192.0.2.129"},
        "access": [{"match": "acc*"}]}))


def victor() -> Suite:
    def ours(name: str, path: str, config: str, place: str, ready: Callable[[Path, int], bool],
             before: Callable[[Path], None]) -> Daemon:
        return Daemon(name, place, lambda d: [daemons.program(path), "--config", f"{d}/{config}"],
                      ready, before)

    def is_connected(directory: Path, _: int) -> bool:
        """By its own word: the data plane is there before that."""
        return "is connected" in (directory / "victor-fe.log").read_text()

    return Suite("VICTOR", (), rows.version, (
        ours("victor-controller", "controller/io/victor-controller", "controller.yaml", CENTRE,
             exists("controller.sock"), controller_config),
        ours("victor-fe", "fe/io/victor-fe", "fe.yaml", SITE, is_connected, element_config)))


def bird() -> Suite:
    def config(directory: Path) -> None:
        (directory / "bird.conf").write_text("router id 192.0.2.1;\nprotocol device {}\n")

    return Suite("BIRD", ("bird2",), lambda: said("bird", "--version").split()[-1], (
        Daemon("bird", SITE, lambda d: ["bird", "-f", "-c", f"{d}/bird.conf", "-s",
                                        f"{d}/bird.ctl"], exists("bird.ctl"), config),))


def frr() -> Suite:
    def of(name: str) -> Daemon:
        return Daemon(f"FRR {name}", SITE, lambda d: [
            f"/usr/lib/frr/{name}", "-f", "/dev/null", "-i", f"{d}/{name}.pid", "--vty_socket",
            f"{d}", "-z", f"{d}/zserv", "-u", "frr", "-g", "frr", "-P", "0"], exists(f"{name}.vty"))

    return Suite("FRR", ("frr",), lambda: said("/usr/lib/frr/zebra", "--version").split()[2],
                 (of("zebra"), of("bgpd")))


def database(name: str, place: str, schema: str, file: str) -> Daemon:
    def create(directory: Path) -> None:
        subprocess.run(["ovsdb-tool", "create", f"{directory}/{file}.db", schema], check=True)

    return Daemon(name, place, lambda d: [
        *environment(d), "ovsdb-server", f"--remote=punix:{d}/{file}.sock",
        f"--unixctl={d}/{file}.ctl", f"{d}/{file}.db"], exists(f"{file}.sock"), create)


def vsctl(directory: Path, *words: str) -> int:
    return subprocess.run(["ovs-vsctl", f"--db=unix:{directory}/ovs.sock", "--no-wait", *words],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode


def has_device(name: str) -> Callable[[Path, int], bool]:
    return lambda _, pid: f"{name}:" in Path(f"/proc/{pid}/net/dev").read_text()


def bridge(directory: Path) -> None:
    """With an access port and a tunnel, as the element has."""
    vsctl(directory, "init")
    vsctl(directory, "add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev",
          "fail_mode=secure", "--", "add-port", "br0", "acc0", "--", "add-port", "br0", "vxlan0",
          "--", "set", "interface", "vxlan0", "type=vxlan", "options:remote_ip=flow",
          "options:key=flow")


def switch(before: Callable[[Path], None], ready: Callable[[Path, int], bool],
           of: str) -> tuple[Daemon, ...]:
    return (database(f"ovsdb-server, {of}", SITE, OVS_SCHEMA, "ovs"),
            Daemon(f"ovs-vswitchd, {of}", SITE, lambda d: [
                *environment(d), "ovs-vswitchd", f"unix:{d}/ovs.sock",
                f"--unixctl={d}/vswitchd.ctl"], ready, before))


def openvswitch() -> Suite:
    return Suite("Open vSwitch", ("openvswitch-switch",), rows.ovs_version,
                 switch(bridge, has_device("br0"), "Open vSwitch"))


def ovn() -> Suite:
    def chassis(directory: Path) -> None:
        vsctl(directory, "set", "open_vswitch", ".", "external_ids:system-id=fe1",
              f"external_ids:ovn-remote=unix:{directory}/sb.sock",
              "external_ids:ovn-encap-type=geneve", "external_ids:ovn-encap-ip=192.0.2.1",
              "external_ids:ovn-bridge-datapath-type=netdev")

    def has_chassis(directory: Path, _: int) -> bool:
        return bool(said("ovn-sbctl", "--timeout=1", f"--db=unix:{directory}/sb.sock", "--bare",
                         "--columns=name", "list", "chassis"))

    def own(directory: Path) -> list[str]:
        return [*environment(directory), f"OVN_RUNDIR={directory}", f"OVN_DBDIR={directory}"]

    return Suite("OVN", ("ovn-central", "ovn-host"),
                 lambda: said("ovn-controller", "--version").splitlines()[0].split()[-1], (
        database("ovsdb-server, OVN northbound", CENTRE, f"{OVN_SCHEMAS}/ovn-nb.ovsschema", "nb"),
        database("ovsdb-server, OVN southbound", CENTRE, f"{OVN_SCHEMAS}/ovn-sb.ovsschema", "sb"),
        Daemon("ovn-northd", CENTRE, lambda d: [
            *own(d), "ovn-northd", f"--ovnnb-db=unix:{d}/nb.sock", f"--ovnsb-db=unix:{d}/sb.sock",
            f"--unixctl={d}/northd.ctl"], exists("northd.ctl")),
        *switch(lambda d: None if vsctl(d, "init") else chassis(d), exists("vswitchd.ctl"), "OVN"),
        Daemon("ovn-controller", SITE, lambda d: [*own(d), "ovn-controller",
                                                  f"unix:{d}/ovs.sock"], has_chassis)))


def osken() -> Suite:
    return Suite("os-ken", ("python3-os-ken", "openvswitch-switch"),
                 lambda: package_version("python3-os-ken"), (
        Daemon("osken-manager", CENTRE, lambda d: [
            "osken-manager", "--ofp-tcp-listen-port", str(OPENFLOW_PORT),
            "os_ken.controller.ofp_handler"],
            lambda _, pid: listens(Path(f"/proc/{pid}/net/tcp").read_text(), OPENFLOW_PORT)),
        *switch(bridge, has_device("br0"), "os-ken")))


SUITES = {"victor": victor, "bird": bird, "frr": frr, "ovs": openvswitch, "ovn": ovn,
          "osken": osken}
NEEDED = tuple(dict.fromkeys(name for make in SUITES.values() for name in make().packages))


# ---- packages ----

class Package(NamedTuple):
    size_kib: int
    is_base: bool
    needs: tuple[tuple[str, ...], ...]    # one of each


QUERY = ("${binary:Package}\t${Installed-Size}\t${Priority}\t${Essential}\t${Provides}\t"
         "${Pre-Depends}, ${Depends}\t${db:Status-Status}\n")


def names_of(text: str) -> list[tuple[str, ...]]:
    """Of a field such as Depends: groups of alternatives, versions and architectures left out."""
    groups = (tuple(re.split(r"[\s(:]", one.strip())[0] for one in group.split("|"))
              for group in text.split(","))
    return [group for group in groups if group != ("",)]


def read_packages(listing: str) -> dict[str, Package]:
    """What dpkg-query says with QUERY; under each name that a package provides, too."""
    found: dict[str, Package] = {}
    provided: dict[str, Package] = {}
    for line in listing.splitlines():
        name, size, priority, essential, provides, needs, status = line.split("\t")
        if status != "installed":
            continue
        package = Package(int(size or 0), priority == "required" or essential == "yes",
                          tuple(names_of(needs)))
        found[name.partition(":")[0]] = package
        for group in names_of(provides):
            provided.setdefault(group[0], package)
    return {**provided, **found}


def with_all_needed(packages: dict[str, Package], names: Iterable[str]) -> set[Package]:
    """These, and what they depend on; of alternatives the first that is there."""
    found: set[Package] = set()
    todo = [packages[name] for name in names if name in packages]
    while todo:
        package = todo.pop()
        if package not in found:
            found.add(package)
            todo += [packages[first] for group in package.needs
                     if (first := next((name for name in group if name in packages), None))]
    return found


def beyond_base_kib(packages: dict[str, Package], names: Iterable[str]) -> int:
    base = with_all_needed(packages, (name for name, one in packages.items() if one.is_base))
    return sum(one.size_kib for one in with_all_needed(packages, names) - base)


def package_version(name: str) -> str:
    return said("dpkg-query", "-W", "-f", "${Version}", name)


def linked(binaries: Iterable[Path]) -> list[str]:
    """The packages of the libraries that programs are linked with."""
    libraries = {match for binary in binaries for match in
                 re.findall(r"=> (/\S+)", said("ldd", str(binary)))}
    owners = said("dpkg-query", "-S", *(f"*/{Path(one).name}" for one in sorted(libraries)))
    return sorted({line.partition(":")[0] for line in owners.splitlines()
                   if not line.startswith("dpkg")})


def package_rows(build: Path, scratch: Path) -> list[rows.Row]:
    packages = read_packages(said("dpkg-query", "-W", "-f", QUERY))
    found = []

    def add(system: str, version: str, own_mib: float, all_mib: float) -> None:
        for metric, value in (("size, itself", own_mib),
                              ("size, with what it needs beyond a minimal Debian", all_mib)):
            found.append(rows.row("installed", metric, "MiB", 1, {"median": value}, system, version))

    for name in NEEDED:
        if name in packages:
            add(name, package_version(name), packages[name].size_kib / 1024,
                beyond_base_kib(packages, [name]) / 1024)
    if shutil.which("meson"):    # without the programs' symbols, as a package has them
        subprocess.run(["meson", "install", "-C", str(build), "--no-rebuild", "--strip",
                        "--destdir", str(scratch)], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        files = [one for one in scratch.rglob("*") if one.is_file() and not one.is_symlink()]
        programs = {one.name: one for one in files if one.parent.name in ("bin", "sbin", "victor")
                    and os.access(one, os.X_OK)}
        for name in ("victor-fe", "victor-controller"):
            if one := programs.get(name):
                size = one.stat().st_size / MIB
                add(name, rows.version(), size,
                    size + beyond_base_kib(packages, linked([one])) / 1024)
        size = sum(one.stat().st_size for one in files) / MIB
        add("VICTOR, all of it", rows.version(), size,
            size + beyond_base_kib(packages, linked(programs.values())) / 1024)
    return found
