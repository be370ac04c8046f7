"""One lab that is up: makes what a topology declares, starts the daemons, hands out its hosts.

    with figure2.Lab(instance="t1", delays={"mgmt-fe2": 20}) as lab:
        lab.wait_synchronized()
        lab.move("laptop", "ap2")
        lab.host("client").run("ping", "-c1", "10.10.0.36")
        lab.fe("fe2").kill()

Names in the kernel are "vl-INSTANCE-NODE"; several labs can be up at a time. state.py undoes it
all.
"""

from __future__ import annotations

import atexit
import itertools
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from . import daemons, frames, netns, openvswitch, pki
from .daemons import Daemon, DaemonError, Process, program
from .dock import DockPorts
from .rest import Rest
from .signals import uninterrupted
from .state import RUN_ROOT, LabError, State, check_instance
from .topology import Dock, Element, End, Host, Link, Node, Topology

SYNCHRONIZE_TIMEOUT_S = 10.0
HOST_SYSCTLS = {"net.ipv6.conf.all.disable_ipv6": "1", "net.ipv6.conf.default.disable_ipv6": "1",
                "net.ipv4.conf.all.rp_filter": "0", "net.ipv4.conf.default.rp_filter": "0",
                "net.ipv4.ping_group_range": "0 2147483647"}
ROUTER_SYSCTLS = {"net.ipv4.ip_forward": "1", "net.ipv4.conf.all.send_redirects": "0",
                  "net.ipv4.conf.default.send_redirects": "0"}
IPV6_SYSCTLS = {"net.ipv6.conf.all.disable_ipv6": "0", "net.ipv6.conf.default.disable_ipv6": "0",
                "net.ipv6.conf.all.accept_dad": "0", "net.ipv6.conf.default.accept_dad": "0"}
IPV6_ROUTER_SYSCTLS = {"net.ipv6.conf.all.forwarding": "1", "net.ipv6.conf.default.forwarding": "1"}
FIRST_INDEX = 101
WAN = "wan"    # the namespace of the delay lines


class HostHandle:
    """A host of the lab, to run things in."""

    def __init__(self, host: Host, namespace: str) -> None:
        self.name, self.device, self.address, self.mac = (host.name, host.device, host.address,
                                                          host.mac)
        self.netns = namespace

    def run(self, *command: str, timeout_s: float = 30.0) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end; look at returncode and stdout."""
        return subprocess.run(netns.enter(self.netns, list(command)), text=True,
                              capture_output=True, timeout=timeout_s, stdin=subprocess.DEVNULL)

    def popen(self, *command: str, **settings: Any) -> subprocess.Popen[Any]:
        return subprocess.Popen(netns.enter(self.netns, list(command)), **settings)

    def at(self, address: str) -> "HostHandle":
        """The same host by another of its addresses."""
        return HostHandle(Host(self.name, self.device, address, self.mac), self.netns)

    def socket(self, kind: int = socket.SOCK_STREAM, family: int | None = None,
               protocol: int = 0) -> socket.socket:
        """A socket in the host's namespace, for this process; of its address's family."""
        if family is None:
            family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        return netns.make_socket(self.netns, family, kind, protocol)

    def capture(self, device: str | None = None,
                protocol: int = frames.ETH_P_IP) -> frames.Capture:
        return frames.Capture(self.netns, device or self.device, protocol)

    def announce(self, address: str | None = None, mac: str | None = None) -> None:
        """Broadcasts a gratuitous ARP or neighbour advertisement, as after a move."""
        address = address or self.address
        make = frames.advertisement if ":" in address else frames.announcement
        with frames.open_raw(self.netns, self.device) as sock:
            sock.send(make(mac or self.mac, address))

    def ping(self, address: str, count: int = 1, timeout_s: float = 1.0) -> bool:
        """Whether an answer came."""
        return self.run("ping", "-n", "-q", f"-c{count}", "-i0.05", f"-W{timeout_s}",
                        address).returncode == 0


class Lab:
    """A topology, up."""

    make_topology: Callable[[], Topology]
    element_settings: dict[str, Any] = {}    # what its elements' configurations have besides
    late: tuple[str, ...] = ()    # elements that are started by hand
    switch_database = openvswitch.Database    # what describes a switch's bridges

    def __init__(self, instance: str | None = None, *, delays: dict[str, float] | None = None,
                 start_daemons: bool = True, run_dir: Path | str | None = None,
                 progress: Callable[[str], None] | None = None, log_level: str = "info",
                 controller_settings: dict[str, Any] | None = None,
                 ovs: Iterable[str] = (), tls: bool = False) -> None:
        """`delays`: milliseconds each way, by link name; such a link has a delay line in it.
        `ovs`: the elements that are Open vSwitch bridges; `tls`: the southbound is mutual TLS."""
        self.instance = check_instance(instance or f"p{os.getpid()}")
        self.topology = self.make_topology()
        self._underlay_routes = {node.name: node.routes for node in self.topology.nodes}
        self.topology.use_openvswitch(list(ovs))
        self.run_dir = Path(run_dir or RUN_ROOT / self.instance)
        self.delays = {name: float(ms) for name, ms in (delays or {}).items()}
        self.start_daemons, self.log_level = start_daemons, log_level
        self.controller_settings = controller_settings or {}
        self.tls = tls
        self.progress = progress or (lambda text: None)
        self.state = State(self.instance, self.topology.name, str(self.run_dir),
                           delays=self.delays, ovs=list(ovs))
        self.rest = Rest(str(self.run_dir / "controller.sock"))
        self._claimed = False
        self._docks: dict[str, DockPorts] = {}
        self._daemons: dict[str, Daemon] = {}
        self._declare_daemons()

    # ---- up and down ----

    def __enter__(self) -> "Lab":
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    def up(self) -> None:
        """All of it; whatever interrupts it, nothing stays."""
        for name in self.delays:
            self.topology.link_named(name)
        if os.geteuid() != 0:
            raise LabError("the lab makes network namespaces: run it as root")
        with uninterrupted():
            self.state.claim()
            self._claimed = True
            atexit.register(self.down)
        try:
            self._make()
        except BaseException:
            self.down()
            raise

    def _make(self) -> None:
        self.run_dir.mkdir(parents=True, exist_ok=True)
        self.progress(f"{len(self.topology.nodes)} namespaces, {len(self.topology.links)} links")
        if self.tls:
            self.progress("certificates")
            pki.make(program("ctl/victorctl"), self.run_dir / "pki", self.topology)
        self._make_network()
        self._start_delay()
        for name, dock in self.topology.docks.items():
            self._dock(name).prepare(dock.at)
            self.state.places[name] = dock.at
        self.state.save()
        if self.start_daemons:
            self._start_all()

    def _start_all(self) -> None:
        self.progress("victor-controller")
        self.controller.start()
        first = self._first_elements()
        self.progress("forwarding elements: " + ", ".join(
            e.name + (" (Open vSwitch)" if e.kind == "ovs" else "") for e in first))
        for element in first:
            self.fe(element.name).start()

    def _first_elements(self) -> list[Element]:
        return [e for e in self.topology.elements if e.name not in self.late]

    def down(self) -> None:
        """Takes everything away that this object brought up; may be called again."""
        if not self._claimed:
            return
        with uninterrupted():
            self.rest.close()
            for ports in self._docks.values():
                ports.close()
            self._docks.clear()
            for name in reversed(list(self._daemons)):
                self._daemons[name].stop()
            self.state.remove_all()
            self.leave_up()

    def leave_up(self) -> None:
        """The lab outlives this process; State.remove_all() ends it."""
        self._claimed = False
        atexit.unregister(self.down)

    # ---- the network ----

    def netns(self, node: str) -> str:
        return self.state.prefix + node

    def _make_network(self) -> None:
        nodes = list(self.topology.nodes) + ([Node(WAN)] if self.delays else [])
        netns.create(self.netns(node.name) for node in nodes)
        for node in nodes:
            netns.sysctl(self.netns(node.name), self._sysctls(node))
        index = itertools.count(FIRST_INDEX)
        netns.batch(line for link in self.topology.links for line in self._veth_lines(link, index))
        for node in nodes:
            lines = self._node_lines(node)
            netns.batch(lines, self.netns(node.name))
        for name in self.delays:
            link = self.topology.link_named(name)
            for end in (link.a, link.b):
                netns.disable_offloads(self.netns(end.node), end.name)
        self._suit_openvswitch()

    def _is_switch(self, node: str) -> bool:
        element = self.topology.element(node)
        return element is not None and element.kind == "ovs"

    def _suit_openvswitch(self) -> None:
        """What a userspace switch reads from a device must be whole packets with checksums."""
        for link in self.topology.links:
            for end, far in ((link.a, link.b), (link.b, link.a)):
                if self._is_switch(end.node):
                    netns.disable_offloads(self.netns(far.node), far.name)

    def _sysctls(self, node: Node) -> dict[str, str]:
        settings = HOST_SYSCTLS | (ROUTER_SYSCTLS if node.forwards else {})
        if any(":" in address for end in self._ends(node.name) for address in end.addresses):
            settings = settings | IPV6_SYSCTLS | (IPV6_ROUTER_SYSCTLS if node.forwards else {})
        return settings

    def _veth_lines(self, link: Link, index: Iterator[int]) -> list[str]:
        """No two devices have one index: the kernel takes a veth whose other end has the same for
        no virtual one, and tells of its carrier once a second."""
        pairs = [(link.a, link.b)]
        if link.name in self.delays:
            near, far = (End(WAN, device) for device in self._delay_devices(link.name))
            pairs = [(link.a, near), (far, link.b)]
        return [f"link add {_settings(a, link)} index {next(index)} netns {self.netns(a.node)} "
                f"type veth peer {_settings(b, link)} index {next(index)} "
                f"netns {self.netns(b.node)}" for a, b in pairs]

    def _delay_devices(self, link: str) -> tuple[str, str]:
        number = sorted(self.delays).index(link)
        return f"near{number}", f"far{number}"

    def _node_lines(self, node: Node) -> list[str]:
        lines = ["link set lo up"]
        for bridge in node.bridges:
            mac = f"address {bridge.mac} " if bridge.mac else ""
            lines += [f"link add {bridge.name} {mac}type bridge stp_state 0 forward_delay 0 "
                      f"mcast_snooping 0", f"link set {bridge.name} up"]
            lines += [f"addr add {address} dev {bridge.name}" for address in bridge.addresses]
        for end in self._ends(node.name):
            if not self._is_switch(node.name) or end.name == "mg0":
                lines += [f"addr add {address} dev {end.name}{' nodad' if ':' in address else ''}"
                          for address in end.addresses]
            lines += [f"link set {end.name} {'master ' + end.bridge if end.bridge else ''} up"]
        return lines + [f"route add {route}" for route in node.routes]

    def _ends(self, node: str) -> list[End]:
        if node == WAN:
            return [End(WAN, device) for name in self.delays
                    for device in self._delay_devices(name)]
        return [end for link in self.topology.links for end in (link.a, link.b)
                if end.node == node]

    # ---- the delay lines ----

    def _start_delay(self) -> None:
        if not self.delays:
            return
        self.progress("delay: " + ", ".join(f"{n} {ms:g} ms" for n, ms in self.delays.items()))
        self._daemons[WAN] = self._daemon(WAN, WAN, self._delay_command)
        self._daemons[WAN].start()
        deadline = time.monotonic() + SYNCHRONIZE_TIMEOUT_S
        while not self._delay_socket.exists():
            if not self._daemons[WAN].running or time.monotonic() > deadline:
                raise DaemonError(f"lab-delay: {self._daemons[WAN].said()}")
            time.sleep(0.002)

    @property
    def _delay_socket(self) -> Path:
        return self.run_dir / "delay.sock"

    def _delay_command(self) -> list[str]:
        lines = [f"{name}:{':'.join(self._delay_devices(name))}:{round(ms * 1000)}"
                 for name, ms in self.delays.items()]
        return [program("lab/lab-delay"), str(self._delay_socket), *lines]

    def set_delay(self, link: str, ms: float, back_ms: float | None = None) -> None:
        """Changes a delay line's two directions (a → b, b → a as declared) while it runs."""
        if link not in self.delays:
            raise LabError(f"link '{link}' has no delay line; give it one at the start, 0 if need "
                           "be")
        back = ms if back_ms is None else back_ms
        # A path to be answered at: an abstract name would belong to this network namespace.
        own = self.run_dir / f"delay-{os.getpid()}-{time.monotonic_ns()}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.settimeout(SYNCHRONIZE_TIMEOUT_S)
            sock.bind(str(own))
            try:
                sock.sendto(f"{link} {round(ms * 1000)} {round(back * 1000)}".encode(),
                            str(self._delay_socket))
                answer = sock.recv(256).decode()
            finally:
                own.unlink()
        if answer != "ok":
            raise LabError(f"lab-delay: {answer}")

    # ---- daemons ----

    def _daemon(self, name: str, node: str, command: Callable[[], list[str]]) -> Daemon:
        return Daemon(name, self.netns(node), command, self.run_dir / f"{name}.log",
                      self._note_processes)

    def add_daemon(self, name: str, node: str, command: Callable[[], list[str]]) -> Daemon:
        """One more, which the caller starts; it ends with the lab."""
        self._daemons[name] = self._daemon(name, node, command)
        return self._daemons[name]

    def _note_processes(self) -> None:
        self.state.processes = {
            name: {"pid": d.process.pid, "started": d.process.started}
            for name, d in self._daemons.items() if d.process is not None}
        self.state.save()

    def _declare_daemons(self) -> None:
        self._daemons["controller"] = self._daemon(
            "controller", self.topology.controller, self._controller_command)
        for element in self.topology.elements:
            if element.kind == "ovs":
                self._declare_switch(element)
            else:
                self._daemons[element.name] = self._daemon(
                    element.name, element.name, lambda e=element: self._element_command(e))

    def _declare_switch(self, element: Element) -> None:
        database = self.switch_database(element, self.topology, self.netns(element.name),
                                        self.run_dir, self._note_processes)
        self._daemons[database.name] = database
        self._daemons[element.name] = openvswitch.Switch(
            element, database, self._ends(element.name),
            list(self._underlay_routes[element.name]), self.run_dir, self._note_processes)

    def _controller_command(self) -> list[str]:
        (self.run_dir / "controller").mkdir(exist_ok=True)
        config = daemons.controller_config(self.topology, self.run_dir, self.log_level,
                                           **self.controller_settings)
        return [program("controller/io/victor-controller"), *self._config("controller", config)]

    def settings_of(self, element: Element) -> dict[str, Any]:
        """What that element's configuration has besides."""
        return self.element_settings

    def _element_command(self, element: Element) -> list[str]:
        state = self.run_dir / element.name
        state.mkdir(exist_ok=True)
        if not os.path.ismount(state):
            subprocess.run(["mount", "-t", "bpf", "bpf", str(state)], check=True,
                           start_new_session=True)
        config = {**daemons.element_config(element, self.topology, self.run_dir, self.log_level),
                  **self.settings_of(element)}
        return [program("fe/io/victor-fe"), *self._config(element.name, config)]

    def _config(self, name: str, config: dict[str, Any]) -> list[str]:
        path = self.run_dir / f"{name}.yaml"
        path.write_text(daemons.yaml(config))
        return ["--config", str(path)]

    @property
    def controller(self) -> Daemon:
        return self._daemons["controller"]

    def fe(self, name: str) -> Daemon:
        return self._daemons[name]

    @property
    def daemons(self) -> dict[str, Daemon]:
        return self._daemons

    def wait_synchronized(self, timeout_s: float = SYNCHRONIZE_TIMEOUT_S, *,
                          announce: bool = True) -> None:
        """Every element is online; then the hosts of the inventory announce themselves, and every
        one that is plugged in is attached."""
        names = {e.name for e in self._first_elements()}
        self._wait("elements online", timeout_s, lambda rest: names <= {
            e["name"] for e in rest.elements() if e["state"] == "online"})
        if announce:
            self.announce_hosts()
            wanted = {n["id"] for n in self._present_nodes()}
            self._wait("attachments of all nodes", timeout_s, lambda rest: wanted <= {
                a["node"] for a in rest.attachments()})

    def _present_nodes(self) -> list[dict[str, Any]]:
        absent = {self.host(name).address for name, at in self.state.places.items() if at is None}
        return [n for n in self.topology.inventory if not absent & set(n["addresses"])]

    def announce_hosts(self) -> None:
        known = {address for node in self._present_nodes() for address in node["addresses"]}
        for host in self.topology.hosts:
            if host.address in known:
                self.host(host.name).announce()

    def _wait(self, what: str, timeout_s: float, ready: Callable[[Rest], bool]) -> None:
        def check(rest: Rest) -> bool:
            self._check_alive()
            return ready(rest)
        try:
            self.rest.wait(what, check, timeout_s)
        except TimeoutError as error:
            raise LabError(f"{error}; the logs are in {self.run_dir}") from None

    def _check_alive(self) -> None:
        for daemon in self._daemons.values():
            if daemon.process is not None and not daemon.running:
                raise DaemonError(f"{daemon.name} ended: {daemon.said()}")

    # ---- hosts ----

    def host(self, name: str) -> HostHandle:
        for host in self.topology.hosts:
            if host.name == name:
                return HostHandle(host, self.netns(name))
        raise LabError(f"no host '{name}'; there are "
                       f"{', '.join(h.name for h in self.topology.hosts)}")

    def dock(self, host: str) -> Dock:
        try:
            return self.topology.docks[host]
        except KeyError:
            raise LabError(f"'{host}' does not move; these do: "
                           f"{', '.join(self.topology.docks)}") from None

    def place(self, host: str) -> str | None:
        """Where a moving host is now; None: unplugged."""
        return self.state.places[host]

    def _dock(self, host: str) -> DockPorts:
        dock = self.dock(host)
        if host not in self._docks:
            self._docks[host] = DockPorts(self.netns(dock.node), dock)
        return self._docks[host]

    def move(self, host: str, place: str | None, *, announce: bool = True) -> None:
        """Leaves where the host is and joins another place, or (None) is unplugged; announces
        itself at once."""
        if place is not None and place not in {p.name for p in self.dock(host).places}:
            raise LabError(f"no place '{place}' for {host}; there are "
                           f"{', '.join(p.name for p in self.dock(host).places)}")
        old = self.place(host)
        if place == old:
            return
        ports = self._dock(host)
        ports.move(old, place)
        if announce and place is not None:
            self.host(host).announce()
        if old is not None:
            ports.set_carrier(old, False)
            ports.set_carrier(old, True)
        self.moved(host, place)

    def leave(self, host: str) -> None:
        """Leaves where the host is; that place has no carrier until it arrives somewhere."""
        old = self.place(host)
        if old is None:
            return
        self._dock(host).move(old, None)
        self._dock(host).set_carrier(old, False)
        self.moved(host, None)

    def arrive(self, host: str, place: str, *, announce: bool = True) -> None:
        """Joins a place after leave(), and announces itself at once."""
        ports = self._dock(host)
        ports.set_carrier(place, True)
        ports.move(None, place)
        if announce:
            self.host(host).announce()
        for other in self.dock(host).places:
            ports.set_carrier(other.name, True)
        self.moved(host, place)

    def moved(self, host: str, place: str | None) -> None:
        """Notes where a host is (for those that move it by other means: lab-handoff)."""
        self.state.places[host] = place
        self.state.save()

    # ---- from another process ----

    def attach(self, state: State) -> None:
        """Takes over a lab that an earlier process brought up."""
        self.state = state
        for name, record in state.processes.items():
            if name == WAN:
                self._daemons[WAN] = self._daemon(WAN, WAN, self._delay_command)
            self._daemons[name].process = Process(int(str(record["pid"])), str(record["started"]))


def _settings(end: End, link: Link) -> str:
    """An interface's settings for `ip link add`, as `NAME mtu N address MAC`."""
    mac = f" address {end.mac}" if end.mac else ""
    return f"name {end.name} mtu {link.mtu}{mac}"


def print_progress(prefix: str = "lab") -> Callable[[str], None]:
    """Progress lines on stderr, with the seconds since now."""
    begin = time.monotonic()

    def say(text: str) -> None:
        print(f"{prefix} [{time.monotonic() - begin:5.1f} s] {text}", file=sys.stderr, flush=True)
    return say
