"""The southbound with mutual TLS: the paper's Figure 2, FE3 an Open vSwitch, with rogue elements, a
rogue controller, certificates that are exchanged and revoked while hosts talk.

Who is turned away leaves a line in `victorctl show refusals`, which each test reads.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import ctl
import labs
import pytest
import tls_peers
from lab import daemons, netns, pki
from lab.daemons import SOUTHBOUND_PORT, program
from lab.runtime import HostHandle, Lab
from labs import eventually
from tls_peers import TIMEOUT_S
from traffic import Conversation

STRANGERS_MAX, SLOW = 1024, 1200
FE, SWITCH = "fe2", "fe3"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with labs.running(tls=True, ovs=[SWITCH]) as one:
        yield one


def bundle(lab: Lab, name: str) -> Path:
    return Path(lab.topology.pki) / name


def issue(lab: Lab, *words: str, directory: Path | None = None) -> str:
    return pki.run(program("ctl/victorctl"), directory or lab.topology.pki, *words)


def rogue(lab: Lab, node: str = "fe1") -> HostHandle:
    """Somebody on the management network."""
    return labs.stranger(lab, node, "mg0")


def refusals(lab: Lab, why: str) -> int:
    return sum(int(row["COUNT"]) for row in ctl.table(lab, "show", "refusals")
               if row["WHY"] == why)


@contextlib.contextmanager
def refused(lab: Lab, why: str) -> Iterator[None]:
    """What happens within is counted."""
    before = refusals(lab, why)
    yield
    eventually(f"refusal '{why}'", lambda: refusals(lab, why) > before)


def sessions(lab: Lab, name: str) -> int:
    """How many the element has had."""
    return labs.log_of(lab, "controller").count(f"{name}: connected from tls:")


# ---- elements ----

def test_elements_come_by_tls_and_an_open_vswitch_does_too(lab: Lab) -> None:
    for name in ("fe1", FE, SWITCH):
        assert f"{name}: connected from tls:" in labs.log_of(lab, "controller")
    assert refusals(lab, "tls-broken") == 0


def test_a_move_is_a_move_through_tls(lab: Lab) -> None:
    with Conversation(lab.host("client"), lab.host("laptop")) as talk:
        for place in ("ap2", "ap1"):
            lab.move("laptop", place)
            talk.wait_progress()


@pytest.mark.parametrize("why", ["no-certificate", "unknown-authority", "expired",
                                 "wrong-identity", "revoked", "old-version"])
def test_a_rogue_element_is_turned_away(lab: Lab, why: str, tmp_path: Path) -> None:
    files: Path | None = None
    version = ssl.TLSVersion.TLSv1_2 if why == "old-version" else ssl.TLSVersion.TLSv1_3
    if why == "unknown-authority":
        issue(lab, "init", directory=tmp_path / "ca")
        issue(lab, "issue", "fe", FE, "2", directory=tmp_path / "ca")
        files = tmp_path / "ca" / f"fe-{FE}"
    elif why == "expired":
        files = tls_peers.expired(Path(lab.topology.pki), FE, 2)
    elif why == "wrong-identity":
        issue(lab, "issue", "user", "mallory", "admin")
        files = bundle(lab, "user-mallory")
    elif why == "revoked":
        issue(lab, "issue", "fe", "fe9", "9")
        files = bundle(lab, "fe-fe9")
        issue(lab, "revoke", "fe", "fe9")
        eventually("new revocations at the controller",
                   lambda: "are read again" in labs.log_of(lab, "controller"))
    elif why == "old-version":
        files = bundle(lab, f"fe-{FE}")
    with refused(lab, f"tls-{why}"):
        assert tls_peers.is_turned_away(lab, rogue(lab).socket(),
                                        tls_peers.client(files, version))
    labs.wait_online(lab)


def test_a_stolen_certificate_of_one_element_is_no_other(lab: Lab) -> None:
    before = sessions(lab, FE)
    with refused(lab, "certificate-of-another"):
        with tls_peers.connected(lab, rogue(lab).socket(),
                                 tls_peers.client(bundle(lab, f"fe-{SWITCH}"))) as sock:
            tls_peers.claim_to_be(sock, 2)
    assert sessions(lab, FE) == before


def test_a_second_connection_with_an_id_that_is_alive_is_refused_again_and_again(lab: Lab) -> None:
    """With FE2's own certificate: a clone. It asks about once a second, at any moment of the echo's
    second, and never gets in."""
    before, seen = sessions(lab, FE), refusals(lab, "second-connection")
    state = lab.run_dir / "clone"
    state.mkdir()
    (lab.run_dir / "clone.yaml").write_text(daemons.yaml({
        "name": FE, "id": 2, "state": str(state),
        "controllers": [f"tls:{lab.topology.controller_address}:{SOUTHBOUND_PORT}"],
        "tls": pki.files(lab.topology, "fe", FE)}))
    clone = lab.add_daemon("clone", "fe1", lambda: [
        program("fe/io/victor-fe"), "--config", str(lab.run_dir / "clone.yaml")])
    subprocess.run(["mount", "-t", "bpf", "bpf", str(state)], check=True)
    try:
        clone.start()
        eventually("refusals of the clone", lambda: refusals(lab, "second-connection") > seen + 4)
    finally:
        clone.stop()
        subprocess.run(["umount", str(state)], check=True)
    assert sessions(lab, FE) == before
    del lab.daemons["clone"]


def test_an_element_that_lost_its_connection_half_open_comes_back(lab: Lab) -> None:
    """Its packets vanish; it is started again under another source port, and its old connection is
    alive for the controller."""
    cut = ["ip", "link", "set", "mg0"]
    before = sessions(lab, FE)
    netns.run(lab.netns(FE), *cut, "down")
    lab.fe(FE).kill()
    netns.run(lab.netns(FE), *cut, "up")
    lab.fe(FE).start()
    eventually("a new session", lambda: labs.element(lab, FE)["state"] == "online"
               and sessions(lab, FE) > before)


# ---- strangers ----

def test_who_does_not_speak_tls_is_turned_away(lab: Lab) -> None:
    for words in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", bytes.fromhex("0400000800000001"),
                  b"\xff" * 600):
        with refused(lab, "tls-not-tls"), tls_peers.tcp(lab, rogue(lab).socket()) as sock:
            sock.sendall(words)
            with contextlib.suppress(ConnectionError):
                while sock.recv(100):
                    pass


def waiting(lab: Lab) -> int:
    """The connections that the controller has."""
    shown = netns.run(lab.netns("cc"), "ss", "-Htn", "state", "established",
                      f"( sport = :{SOUTHBOUND_PORT} )")
    return len(shown.splitlines())


def test_half_handshakes_by_the_thousand_keep_nobody_out(lab: Lab) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    hello = bytes.fromhex("1603010200010001fc0303")    # the beginning of a ClientHello
    attacker = rogue(lab)
    with contextlib.ExitStack() as stack:
        for _ in range(SLOW):
            sock = stack.enter_context(tls_peers.tcp(lab, attacker.socket()))
            sock.sendall(hello)
        eventually("some turned away for others",
                   lambda: refusals(lab, "tls-too-many-handshakes") >= SLOW - STRANGERS_MAX - 1)
        assert waiting(lab) <= STRANGERS_MAX + 8
        lab.fe(FE).kill()
        lab.fe(FE).start()
        labs.wait_online(lab)
        eventually("the others' time over",
                   lambda: refusals(lab, "tls-handshake-timeout") >= STRANGERS_MAX - 8)
        eventually("strangers gone", lambda: waiting(lab) <= 8)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# ---- a rogue controller ----

def test_a_rogue_controller_is_believed_by_nobody(lab: Lab, tmp_path: Path) -> None:
    issue(lab, "init", directory=tmp_path)
    issue(lab, "issue", "controller", "cc", directory=tmp_path)
    own = tmp_path / "controller-cc"
    with Conversation(lab.host("client"), lab.host("server1")) as talk:
        lab.controller.kill()
        log = lab.run_dir / "rogue.log"
        with log.open("wb") as out:
            other = subprocess.Popen(netns.enter(lab.netns("cc"), [
                "openssl", "s_server", "-accept", str(SOUTHBOUND_PORT), "-quiet",
                "-cert", str(own / "certificate.pem"), "-key", str(own / "key.pem")]),
                stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        try:
            for name in ("fe1", FE):
                eventually(f"{name}'s refusal",
                           lambda: "CA that we do not know" in labs.log_of(lab, name))
        finally:
            other.terminate()
            other.wait(TIMEOUT_S)
        lab.controller.start()
        labs.wait_online(lab)
        talk.wait_progress()
    others = lab.rest.get(f"/v1/elements/{FE}/counters")["others"]
    assert labs.Counts({o["what"]: o["packets"] for o in others})["refused_controller"] > 0
    assert "refused_controller" in ctl.text(lab, "show", "counters", FE)


# ---- new files ----

def again(lab: Lab, name: str) -> int:
    return labs.log_of(lab, name).count("are read again")


def serial(lab: Lab, name: str) -> str:
    return str(next(row["SERIAL"] for row in ctl.table(lab, "pki", "list", "--directory",
                                                       lab.topology.pki) if row["NAME"] == name))


def test_certificates_are_exchanged_while_hosts_talk(lab: Lab) -> None:
    """All of them. No session ends, and no packet is lost; the old ones are revoked then, and only
    that makes the elements come anew."""
    labs.wait_online(lab)
    names = ["controller", "fe1", FE]
    old = {name: serial(lab, name) for name in ("cc", "fe1", FE)}
    before = {name: sessions(lab, name) for name in ("fe1", FE)}
    read = {name: again(lab, name) for name in names}
    ping = lab.host("client").popen("ping", "-n", "-q", "-i0.005", lab.host("server1").address,
                                    stdout=subprocess.PIPE, text=True)
    with Conversation(lab.host("client"), lab.host("server1")) as talk:
        issue(lab, "issue", "controller", "cc", "--replace")
        issue(lab, "issue", "fe", "fe1", "1", "--replace")
        issue(lab, "issue", "fe", FE, "2", "--replace")
        eventually("the new files", lambda: all(again(lab, n) > read[n] for n in names))
        talk.wait_progress()
        assert {name: sessions(lab, name) for name in before} == before
        for number in old.values():
            issue(lab, "revoke", number)
        for name in before:
            eventually(f"{name} with its new certificate", lambda: labs.element(
                lab, name)["state"] == "online" and sessions(lab, name) > before[name])
        talk.wait_progress()
        ping.send_signal(signal.SIGINT)
        said = ping.communicate(timeout=TIMEOUT_S)[0]
        assert " 0% packet loss" in said, said


def test_a_sighup_reads_files_again_and_half_a_pair_changes_nothing(lab: Lab) -> None:
    labs.wait_online(lab)
    files = bundle(lab, f"fe-{FE}")
    key, before = (files / "key.pem").read_bytes(), sessions(lab, FE)
    (files / "key.pem").write_bytes((bundle(lab, "fe-fe1") / "key.pem").read_bytes())
    eventually("a complaint", lambda: "goes on with the old files" in labs.log_of(lab, FE))
    (files / "key.pem").write_bytes(key)
    count = again(lab, FE)
    os.kill(lab.fe(FE).process.pid, signal.SIGHUP)
    eventually("the files again", lambda: again(lab, FE) > count)
    assert sessions(lab, FE) == before


def test_a_revoked_element_goes_at_once_and_a_new_certificate_lets_it_in(lab: Lab) -> None:
    with refused(lab, "tls-revoked"):
        issue(lab, "revoke", "fe", "fe1")
        eventually("the end of fe1's session",
                   lambda: labs.element(lab, "fe1")["state"] == "offline")
    eventually("fe1 to hear why", lambda: "our certificate is revoked" in labs.log_of(lab, "fe1"))
    issue(lab, "issue", "fe", "fe1", "1")
    labs.wait_online(lab)


def test_files_are_as_secret_as_they_must_be(lab: Lab) -> None:
    for path in Path(lab.topology.pki).glob("*-*/*"):
        assert path.stat().st_mode & 0o077 == 0 or path.parent.name.startswith("expired")
    assert b"PRIVATE KEY" not in b"".join(
        (lab.run_dir / f"{name}.log").read_bytes() for name in ("controller", "fe1", FE))
