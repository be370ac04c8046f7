"""Who gets in at the northbound, with which role, and what is written of it; who does not, and what
he costs the others. One controller with endpoints of each kind, and a few elements of fe-swarm.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ctl
import labs
import pytest
import swarm
import yaml
from certificates import Authority
from lab.rest import UnixConnection

ELEMENTS = 3
HEAD_S = 10.0    # docs/access.md


class Site:
    """The controller, who may what there, and its counters."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.tcp, self.tls = swarm.free_port(), swarm.free_port()
        self.authority = Authority(directory)
        own = self.authority.issue("controller", "urn:victor:controller:cc1", "IP:127.0.0.1",
                                   "DNS:localhost")
        self.settings: dict[str, Any] = {
            "northbound": [f"unix:{directory}/controller.sock", f"tcp:127.0.0.1:{self.tcp}",
                           f"tls:127.0.0.1:{self.tls}"],
            "tls": {"certificate": str(own[0]), "key": str(own[1]),
                    "ca": str(self.authority.certificate), "crl": str(self.authority.crl)},
        }
        self.http, self.https = f"http://127.0.0.1:{self.tcp}", f"https://127.0.0.1:{self.tls}"

    def ctl(self, *words: object, **environment: str) -> subprocess.CompletedProcess[str]:
        """victorctl with nothing but what is said."""
        return subprocess.run(
            ctl.command(*map(str, words)), text=True, capture_output=True, timeout=60,
            env=ctl.environment(VICTOR_SERVER=f"unix:{self.directory}/controller.sock",
                                HOME=str(self.directory), **environment))

    def good(self, *words: object, **environment: str) -> str:
        done = self.ctl(*words, **environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def complaint(self, *words: object, **environment: str) -> str:
        done = self.ctl(*words, **environment)
        assert done.returncode != 0 and len(done.stderr.splitlines()) == 1, done.stdout + done.stderr
        return done.stderr

    def token(self, name: str, role: str) -> Path:
        path = self.directory / f"{name}.token"
        path.write_text(self.good("token", "create", name, "--role", role))
        path.chmod(0o600)
        return path

    def user(self, role: str, name: str, authority: Authority | None = None) -> list[str]:
        """The options of victorctl that show a user's certificate."""
        made = (authority or self.authority).issue(name, f"urn:victor:user:{role}:{name}")
        return ["--server", self.https, "--ca", str(self.authority.certificate),
                "--certificate", str(made[0]), "--key", str(made[1])]

    def refused(self) -> dict[str, int]:
        one = UnixConnection(str(self.controller.socket))
        one.request("GET", "/metrics")
        text = one.getresponse().read().decode()
        one.close()
        return {m[1]: int(m[2]) for m in re.finditer(
            r'victor_northbound_refused_total\{cause="([^"]+)"\} (\d+)', text)}

    controller: swarm.Controller
    elements: swarm.Swarm


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    one = Site(tmp_path_factory.mktemp("access"))
    with swarm.running(one.directory, ELEMENTS, **one.settings) as (one.controller, one.elements):
        yield one


@contextmanager
def counted(site: Site, cause: str, least: int = 1) -> Iterator[None]:
    before = site.refused()[cause]
    yield
    labs.eventually(f"{cause} counted", lambda: site.refused()[cause] >= before + least)


# ---- roles ----

def test_root_is_admin_at_the_unix_socket_without_any_set_up(site: Site) -> None:
    assert site.good("show", "user") == "uid 0, role admin, from unix\n"


def test_another_user_of_the_machine_is_not(site: Site) -> None:
    """His uid is asked of the kernel; 'access: { local: ... }' says what he may (operate)."""
    ends = socket.socketpair()
    path = f"{site.directory}/controller.sock"
    os.chmod(path, 0o666)
    os.chmod(site.directory, 0o711)
    child = os.fork()
    if child == 0:
        with socket.socket(socket.AF_UNIX) as one:
            try:
                os.chdir(site.directory)    # the way there is root's alone
                os.setresuid(65534, 65534, 65534)
                one.connect("controller.sock")
                one.sendall(b"GET /v1/user HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                while piece := one.recv(4096):
                    ends[1].sendall(piece)
            finally:
                os._exit(0)
    ends[1].close()
    os.waitpid(child, 0)
    os.chmod(path, 0o660)
    os.chmod(site.directory, 0o700)
    answer = ends[0].recv(4096).decode()
    ends[0].close()
    assert '{"name":"uid 65534","role":"operate","from":"unix"}' in answer


def test_a_token_may_what_its_role_may_until_it_is_revoked(site: Site) -> None:
    read, operate = site.token("reader", "read"), site.token("operator", "operate")
    as_reader = ["--server", site.http, "--token-file", read]
    as_operator = ["--server", site.http, "--token-file", operate]
    assert site.good(*as_reader, "show", "user") == "token reader, role read, from 127.0.0.1\n"
    assert "swarm-1000" in site.good(*as_reader, "show", "elements")
    with counted(site, "forbidden"):
        assert "token reader has the role read, and this needs operate" in site.complaint(
            *as_reader, "node", "add", "vm7", "--address", "10.128.7.7")
    site.good(*as_operator, "node", "add", "vm7", "--address", "10.128.7.7")
    assert "this needs admin" in site.complaint(*as_operator, "token", "list")
    assert "this needs admin" in site.complaint(*as_operator, "backup", site.directory / "b")
    assert "reader" in site.good("token", "list") and "victor_" not in site.good("token", "list")
    site.good("token", "revoke", "reader")
    assert "revoked" in site.complaint(*as_reader, "show", "user")


def test_tokens_and_what_they_did_outlive_the_controller(site: Site) -> None:
    path = site.token("lasting", "operate")
    as_lasting = ["--server", site.http, "--token-file", path]
    site.good(*as_lasting, "node", "add", "vm8", "--address", "10.128.7.8")
    site.controller.kill()    # -9
    site.controller.start()
    site.elements.wait_complete()
    site.good(*as_lasting, "node", "remove", "vm8")
    changes = json.loads(site.good("--json", "show", "audit", "5"))["audit"]
    assert [(c["who"], c["method"], c["status"]) for c in changes if "vm8" in c["path"]] == [
        ("token lasting", "PUT", 201), ("token lasting", "DELETE", 204)]
    assert changes[-1]["from"] == "127.0.0.1"
    shown = site.good("show", "audit", "5")
    assert "addresses=10.128.7.8" in shown
    secret = path.read_text().strip()
    kept = [p for p in (site.directory / "state").iterdir() if p.is_file()]
    assert all(secret.encode() not in p.read_bytes() for p in [*kept, site.controller.log])
    assert all(p.stat().st_mode & 0o77 == 0 for p in kept if p.name in ("tokens", "audit.log"))


def test_nobody_gets_anything_over_tcp_without_showing_who_he_is(site: Site) -> None:
    for method, path in (("GET", "/v1/status"), ("GET", "/metrics"), ("GET", "/v1/events"),
                         ("PUT", "/v1/nodes/x"), ("GET", "/v1/nothing")):
        with counted(site, "unauthenticated"):
            status, headers, _ = ask(site, method, path)
            assert (status, headers["www-authenticate"]) == (401, 'Bearer realm="victor"')
    assert "victorctl --token-file" in site.complaint("--server", site.http, "show", "nodes")


def test_wrong_tokens_are_slowed_down_and_right_ones_are_not(site: Site) -> None:
    right = site.token("right", "read").read_text().strip()
    wrong = {"Authorization": "Bearer victor_" + "0" * 64}
    with counted(site, "too-many-failures"):
        found = {ask(site, "GET", "/v1/status", wrong)[0] for _ in range(30)}
    assert found == {401, 429}
    assert ask(site, "GET", "/v1/status", {"Authorization": f"Bearer {right}"})[0] == 200


def test_what_others_may_read_is_no_secret(site: Site) -> None:
    path = site.token("loose", "read")
    path.chmod(0o644)
    assert f"chmod 600 {path}" in site.complaint("--server", site.http, "--token-file", path,
                                                 "show", "user")
    path.chmod(0o600)
    assert "unencrypted" in site.complaint("--server", "http://192.0.2.1:1", "--token-file", path,
                                           "show", "user")


def test_victorctl_finds_its_settings_in_a_file(site: Site) -> None:
    path = site.directory / "settings.yaml"
    path.write_text(f"server: {site.http}\ntoken_file: {site.token('filed', 'read')}\n")
    done = subprocess.run(ctl.command("show", "user"), text=True, capture_output=True, timeout=60,
                          env=ctl.environment(VICTOR_CONFIG=str(path)))
    assert done.stdout == "token filed, role read, from 127.0.0.1\n", done.stderr


# ---- TLS ----

def test_a_certificate_is_its_users_role(site: Site) -> None:
    alice, bob = site.user("operate", "alice"), site.user("read", "bob")
    assert site.good(*alice, "show", "user") == "certificate alice, role operate, from 127.0.0.1\n"
    site.good(*alice, "node", "add", "vm9", "--address", "10.128.7.9")
    assert "certificate bob has the role read" in site.complaint(*bob, "node", "remove", "vm9")
    changes = json.loads(site.good("--json", "show", "audit", "2"))["audit"]
    assert [(c["who"], c["status"]) for c in changes] == [("certificate alice", 201),
                                                          ("certificate bob", 403)]


def test_what_victorctl_pki_makes_is_enough(site: Site) -> None:
    """A CA of its own, trusted beside the other: the file is read again while the controller runs."""
    made, trusted = site.directory / "pki", site.authority.certificate
    site.good("pki", "init", "--directory", made)
    site.good("pki", "issue", "user", "erin", "admin", "--directory", made)
    erin = made / "user-erin"
    before = trusted.read_text(), site.authority.crl.read_text()
    replace(site.authority.crl, before[1] + (made / "crl.pem").read_text())
    replace(trusted, before[0] + (erin / "ca.pem").read_text())
    as_erin = ["--server", site.https, "--ca", trusted, "--certificate", erin / "certificate.pem",
               "--key", erin / "key.pem", "show", "user"]
    labs.eventually("the new CA trusted", lambda: site.ctl(*as_erin).returncode == 0)
    assert site.good(*as_erin) == "certificate erin, role admin, from 127.0.0.1\n"
    replace(trusted, before[0])
    replace(site.authority.crl, before[1])
    labs.eventually("it is not any more", lambda: site.ctl(*as_erin).returncode != 0)


def replace(path: Path, text: str) -> None:
    fresh = path.with_suffix(".fresh")
    fresh.write_text(text)
    fresh.rename(path)


def test_a_token_does_over_tls_too_and_nothing_does_not(site: Site) -> None:
    with_ca = ["--server", site.https, "--ca", site.authority.certificate]
    assert "who are you?" in site.complaint(*with_ca, "show", "user")
    assert "role read" in site.good(*with_ca, "--token-file", site.token("far", "read"),
                                    "show", "user")


def test_who_is_of_another_authority_or_no_user_is_not_let_in(site: Site) -> None:
    other = Authority(site.directory, "other")
    with counted(site, "tls"):
        assert "refused there" in site.complaint(*site.user("admin", "mallory", other),
                                                 "show", "user")
    made = site.authority.issue("fe1", "urn:victor:fe:0000000000000001:fe1")
    with counted(site, "tls"):
        site.complaint("--server", site.https, "--ca", site.authority.certificate,
                       "--certificate", made[0], "--key", made[1], "show", "user")
    assert "--ca FILE" in site.complaint("--server", site.https, "--ca", other.certificate,
                                         "show", "user")


def test_older_tls_and_plain_http_are_refused(site: Site) -> None:
    context = ssl.create_default_context(cafile=str(site.authority.certificate))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with counted(site, "tls"), socket.create_connection(("127.0.0.1", site.tls), 20) as plain:
        with pytest.raises(ssl.SSLError):
            context.wrap_socket(plain, server_hostname="127.0.0.1")
    with counted(site, "tls"), socket.create_connection(("127.0.0.1", site.tls), 20) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert b"HTTP" not in plain.recv(4096)
    with counted(site, "malformed"), socket.create_connection(("127.0.0.1", site.tcp), 20) as plain:
        plain.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        assert b"no TLS" in plain.recv(4096)


def test_a_revoked_user_is_out_at_once_and_others_stay(site: Site) -> None:
    carol, dave = site.user("read", "carol"), site.user("read", "dave")
    watchers = []
    for user in (carol, dave):
        context = ssl.create_default_context(cafile=str(site.authority.certificate))
        context.load_cert_chain(user[5], user[7])
        one = http.client.HTTPSConnection("127.0.0.1", site.tls, timeout=20, context=context)
        one.request("GET", "/v1/events")
        answer = one.getresponse()
        assert answer.readline() == b": from now on\n"
        watchers.append((one, answer))
    with counted(site, "tls"):
        site.authority.revoke(Path(carol[5]))
        while watchers[0][1].readline():
            pass    # until it ends
    assert "refused there" in site.complaint(*carol, "show", "user")
    assert "dave" in site.good(*dave, "show", "user")
    site.good("node", "add", "vm10", "--address", "10.128.7.10")
    while b"vm10" not in (line := watchers[1][1].readline()):
        assert line
    for one, answer in watchers:
        answer.close()
        one.close()


# ---- hostile clients ----

HOST = "Host: 127.0.0.1\r\n"
AMBIGUOUS = {
    "two lengths": (400, f"PUT /v1/nodes/a HTTP/1.1\r\n{HOST}Content-Length: 2\r\n"
                         "Content-Length: 3\r\n\r\n{}"),
    "a length and a coding": (400, f"PUT /v1/nodes/a HTTP/1.1\r\n{HOST}Content-Length: 2\r\n"
                                   "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "a coding": (411, f"PUT /v1/nodes/a HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n"),
    "a folded line": (400, f"GET /v1/status HTTP/1.1\r\n{HOST}X: a\r\n b\r\n\r\n"),
    "space before a colon": (400, f"PUT /v1/nodes/a HTTP/1.1\r\n{HOST}Content-Length : 2\r\n\r\n"),
    "bare line feeds": (400, "GET /v1/status HTTP/1.1\nHost: 127.0.0.1\n\n"),
    "two hosts": (400, f"GET /v1/status HTTP/1.1\r\n{HOST}{HOST}\r\n"),
    "dots": (400, f"GET /v1/tokens/../status HTTP/1.1\r\n{HOST}\r\n"),
    "a foreign host": (403, "GET /v1/status HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
    "a foreign origin": (403, f"GET /v1/status HTTP/1.1\r\n{HOST}Origin: http://evil\r\n\r\n"),
    "a giant line": (431, f"GET /{'a' * 20000} HTTP/1.1\r\n{HOST}\r\n"),
    "a giant path": (414, f"GET /{'a' * 2000} HTTP/1.1\r\n{HOST}\r\n"),
    "giant fields": (431, f"GET / HTTP/1.1\r\n{HOST}X: {'a' * 100000}\r\n\r\n"),
    "many fields": (431, f"GET / HTTP/1.1\r\n{HOST}" + "X: y\r\n" * 500 + "\r\n"),
    "a giant body": (413, f"PUT /v1/nodes/a HTTP/1.1\r\n{HOST}Content-Length: 1000000000\r\n\r\n"),
    "HTTP/2": (405, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
}


@pytest.mark.parametrize("what", AMBIGUOUS)
def test_what_is_ambiguous_or_too_large_is_refused_in_words(site: Site, what: str) -> None:
    status, request = AMBIGUOUS[what]
    smuggled = f"GET /v1/nodes HTTP/1.1\r\n{HOST}\r\n"
    before = sum(site.refused().values())
    with socket.create_connection(("127.0.0.1", site.tcp), 20) as one:
        one.sendall((request + smuggled).encode())
        answer = everything(one).decode()
    assert answer.startswith(f"HTTP/1.1 {status} ") and answer.count("HTTP/1.1") == 1
    assert "connection: close" in answer and '{"error":"' in answer
    assert sum(site.refused().values()) == before + 1


def test_deep_json_is_refused(site: Site) -> None:
    token = site.token("deep", "operate").read_text().strip()
    body = '{"addresses":' + "[" * 30000 + "]" * 30000 + "}"
    status, _, text = ask(site, "PUT", "/v1/nodes/deep",
                          {"Authorization": f"Bearer {token}"}, body)
    assert status == 400 and "no JSON" in text


def test_registrations_go_on_while_the_northbound_is_attacked(site: Site) -> None:
    """Slow heads and slow bodies by the hundred, connections that say nothing, storms of garbage and
    of handshakes: nodes move, root and who has a token are answered, the slow ones are told."""
    token = site.token("honest", "read").read_text().strip()
    honest = {"Authorization": f"Bearer {token}"}
    before = site.refused()
    stop = threading.Event()
    storms = [threading.Thread(target=storm, args=(site, stop, number)) for number in range(3)]
    slow = [loris(site, number) for number in range(400)]
    for one in storms:
        one.start()
    try:
        begun = time.monotonic()
        moves = 0
        while time.monotonic() - begun < 4 or moves < 10:
            site.elements.move(moves % ELEMENTS, "10.128.0.9", ELEMENTS - 1)
            assert site.controller.rest.get("/v1/status")["elements_online"] == ELEMENTS
            assert ask(site, "GET", "/v1/status", honest)[0] == 200
            moves += 1
    finally:
        stop.set()
        for one in storms:
            one.join()
    print(f"{moves} moves during the attack")
    labs.eventually("the slow ones refused", lambda: site.refused()["too-slow"]
                    > before["too-slow"], HEAD_S + 20)
    after = site.refused()
    assert after["too-many-connections"] > before["too-many-connections"]
    assert after["malformed"] > before["malformed"]
    for one in slow:
        one.close()


def loris(site: Site, number: int) -> socket.socket:
    """A connection that says little, from one of many addresses."""
    one = socket.socket()
    one.bind((f"127.0.{number % 50}.{2 + number % 7}", 0))
    one.settimeout(20)
    try:
        one.connect(("127.0.0.1", site.tls if number % 3 == 0 else site.tcp))
        if number % 3:
            one.sendall(b"GET /v1/status HTTP/1.1\r\nX-")
    except OSError:
        pass    # refused: that is fine as well
    return one


def storm(site: Site, stop: threading.Event, number: int) -> None:
    garbage = os.urandom(2000)
    while not stop.is_set():
        for port in (site.tcp, site.tls):
            with socket.socket() as one:
                one.bind((f"127.1.{number}.{2 + int(time.monotonic() * 10) % 200}", 0))
                one.settimeout(5)
                try:
                    one.connect(("127.0.0.1", port))
                    one.sendall(garbage)
                    one.recv(1)
                except OSError:
                    pass


def ask(site: Site, method: str, path: str, headers: dict[str, str] | None = None,
        body: str | None = None) -> tuple[int, dict[str, str], str]:
    one = http.client.HTTPConnection("127.0.0.1", site.tcp, timeout=30)
    one.request(method, path, body, headers or {})
    answer = one.getresponse()
    text = answer.read().decode()
    one.close()
    return answer.status, {k.lower(): v for k, v in answer.getheaders()}, text


def everything(one: socket.socket) -> bytes:
    said = b""
    while piece := one.recv(65536):
        said += piece
    return said


def test_every_route_has_a_role_and_is_described() -> None:
    """The table of routes is the one place; who adds a row must say who may."""
    root = Path(__file__).resolve().parents[2]
    table = (root / "controller/io/northbound.c").read_text().replace("EVENTS,", '"/v1/events",')
    rows = re.findall(r'\{"(GET|PUT|POST|DELETE)", "([^"]+)", (\w+), (true|false),', table)
    assert len(rows) == len(re.findall(r'^\t\{"(?:GET|PUT|POST|DELETE|PATCH)"', table, re.M)) > 30
    described = yaml.safe_load((root / "docs/openapi.yaml").read_text())["paths"]
    paths = {(re.sub(r"\{[^}]*\}", "{}", path), method.upper())
             for path, methods in described.items() for method in methods}
    for method, path, role, _ in rows:
        assert role in ("ROLE_READ", "ROLE_OPERATE", "ROLE_ADMIN"), path
        assert method == "GET" or role != "ROLE_READ", path
        assert (path, method) in paths, path
