"""victor-register by itself, against a controller's end that is written in Python from the document.

    node  e0 ──────── gw0  gateway
          e1 ──────── gw1

Both cables are 10.66.N.0/24 and fd66:N::/64 with the gateway at .1; the default routes are by e0.
"""

import base64
import contextlib
import itertools
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from lab import netns
from registration_speaker import (DEREGISTER, PORT, REGISTER, RENEW, SOLICIT, TIMEOUT_S, Speaker,
                                  decoded)

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("VICTOR_BUILD", ROOT / "build"))
PROGRAM = BUILD / "registration/io/victor-register"
KEY = bytes(range(32))
NODE, GATEWAY = f"vrn{os.getpid()}", f"vrg{os.getpid()}"


@pytest.fixture(scope="module")
def cables():
    netns.create([NODE, GATEWAY])
    try:
        for end in (NODE, GATEWAY):
            netns.sysctl(end, {"net.ipv6.conf.default.accept_dad": "0",
                               "net.ipv6.conf.all.accept_dad": "0"})
        netns.batch([f"link add e{n} netns {NODE} address 52:54:00:00:00:0{n} type veth "
                     f"peer name gw{n} netns {GATEWAY}" for n in (0, 1)])
        netns.batch([line for n in (0, 1) for line in (
            f"addr add 10.66.{n}.1/24 dev gw{n}", f"addr add fd66:{n}::1/64 dev gw{n}",
            f"addr add fe80::1/64 dev gw{n}", f"link set gw{n} up")], GATEWAY)
        netns.batch(["link set lo up"] + [line for n in (0, 1) for line in (
            f"addr add 10.66.{n}.2/24 dev e{n}", f"addr add fd66:{n}::2/64 dev e{n}",
            f"link set e{n} up")], NODE)
        yield
    finally:
        netns.remove([NODE, GATEWAY])


@pytest.fixture
def routes(cables):
    """The default routes by e0, and whatever a test changed undone."""
    netns.batch(["route replace default via 10.66.0.1 dev e0"], NODE)
    yield
    netns.batch(["link set gw0 up"], GATEWAY)
    for family in ("-4", "-6"):
        subprocess.run(["ip", "-n", NODE, family, "route", "flush", "default"], check=True)


@pytest.fixture
def speaker(routes):
    sock = netns.make_socket(GATEWAY, socket.AF_INET6, socket.SOCK_DGRAM)
    sock.bind(("::", PORT))
    one = Speaker(sock, KEY)
    yield one
    one.end()


@pytest.fixture
def key(tmp_path):
    return write_key(tmp_path / "key")


def write_key(path, device=""):
    path.touch(0o600)
    path.write_text("node: vm1\n" + (f"device: {device}\n" if device else "") +
                    f"key: blake2b:{base64.b64encode(KEY).decode()}\n")
    return path


def call(*words, **settings):
    return subprocess.run(["ip", "netns", "exec", NODE, str(PROGRAM), *map(str, words)],
                          capture_output=True, text=True, timeout=60, **settings)


@contextlib.contextmanager
def running(key, *words):
    """'run' in the node's namespace; ends well, and never says its key."""
    with open(key.with_suffix(".log"), "w+") as log:
        child = subprocess.Popen(["ip", "netns", "exec", NODE, str(PROGRAM), "run", "--key", str(key),
                                  *words], stderr=log, stdin=subprocess.DEVNULL)
        child.log = log.name
        try:
            yield child
            child.send_signal(signal.SIGTERM)
            assert child.wait(TIMEOUT_S) == 0
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
            log.seek(0)
            said = log.read()
            print(said)
            assert base64.b64encode(KEY).decode()[:20] not in said


def wait_log(child, text, times=1):
    deadline = time.monotonic() + TIMEOUT_S
    while (said := Path(child.log).read_text()).count(text) < times:
        assert time.monotonic() < deadline, said
        time.sleep(0.02)


def kinds(speaker, since):
    """Of the messages since so many; what was said again is there once."""
    return [kind for kind, _ in itertools.groupby(m.kind for m in speaker.heard[since:])]


def test_a_node_registers_at_the_gateway_of_its_default_route(speaker, key):
    done = call("once", "--key", key)
    assert (done.returncode, done.stdout) == (0, "registered at fe2, port 7, for 300 s\n"), done.stderr
    m = speaker.wait(REGISTER, 0)
    assert (m.node, m.mac.hex(":"), m.addresses) == ("vm1", "52:54:00:00:00:00", [])
    assert speaker.last_from[0] == "::ffff:10.66.0.2"


def test_it_registers_by_the_link_local_gateway_of_an_ipv6_route(speaker, key):
    netns.batch(["route del default"], NODE)
    netns.batch(["route replace default via fe80::1 dev e0"], NODE)
    done = call("once", "--key", key, "--address", "fd66:0::2", "--address", "10.66.0.2")
    assert done.returncode == 0, done.stderr
    assert speaker.wait(REGISTER, 0).addresses == ["10.66.0.2", "fd66::2"]
    assert speaker.last_from[0].startswith("fe80::")


def test_where_ipv4s_gateway_is_silent_it_asks_ipv6s(speaker, key):
    netns.batch(["route replace default via 10.66.0.77 dev e0"], NODE)
    netns.batch(["route replace default via fd66::1 dev e0"], NODE)
    done = call("once", "--key", key, "--timeout", "20")
    assert done.returncode == 0, done.stderr
    assert speaker.last_from[0] == "fd66::2"


def test_a_hypervisor_speaks_for_its_guest_by_an_interface_without_a_route(speaker, key):
    done = call("once", "--key", key, "--interface", "e1", "--gateway", "10.66.1.1", "--mac",
                "52:54:00:00:00:99", "--lifetime", "60")
    assert (done.returncode, done.stdout) == (0, "registered at fe2, port 7, for 60 s\n"), done.stderr
    assert speaker.wait(REGISTER, 0).mac.hex(":") == "52:54:00:00:00:99"
    assert speaker.last_from[0] == "::ffff:10.66.1.2"


def test_it_renews_at_half_of_the_lifetime_and_after_a_controllers_restart_signs_again(speaker, key):
    with running(key, "--lifetime", "5") as child:
        first = speaker.wait(REGISTER, 0)
        wait_log(child, "registered at")
        start, heard = time.monotonic(), len(speaker.heard)
        speaker.highest.clear()
        speaker.epoch += 1
        assert speaker.wait(RENEW, heard).sequence > first.sequence
        assert time.monotonic() - start < 5
        again = speaker.wait(REGISTER, heard, lambda m: m.epoch == speaker.epoch)
        assert kinds(speaker, heard) == [RENEW, REGISTER]
        assert speaker.highest[""] == again.sequence


def test_a_push_makes_it_find_its_new_place(speaker, key):
    with running(key) as child:
        speaker.wait(REGISTER, 0)
        wait_log(child, "registered at fe2, port 7 for 300 s")
        heard = len(speaker.heard)
        speaker.place, speaker.name = (3, 12, 100), "fe3"
        speaker.push("vm1")
        m = speaker.wait(REGISTER, heard)
        assert (m.element, m.port, m.vlan) == (3, 12, 100)
        assert kinds(speaker, heard) == [SOLICIT, REGISTER]
        wait_log(child, "registered at fe3, port 12, VLAN 100 for 300 s")


def test_a_change_of_carrier_address_or_route_registers_at_once(speaker, key):
    with running(key) as child:
        speaker.wait(REGISTER, 0)
        wait_log(child, "registered at")
        heard = len(speaker.heard)
        netns.batch(["link set gw0 down"], GATEWAY)
        wait_log(child, "e0 is down, or has no carrier")
        netns.batch(["link set gw0 up"], GATEWAY)
        speaker.wait(REGISTER, heard)
        wait_log(child, "registered at", 2)
        heard = len(speaker.heard)
        netns.batch(["link set gw0 down", "link set gw0 up"], GATEWAY)    # too short to be seen
        speaker.wait(REGISTER, heard)
        wait_log(child, "registered at", 3)
        heard = len(speaker.heard)
        netns.batch(["addr add 10.66.0.3/24 dev e0"], NODE)
        speaker.wait(REGISTER, heard)
        heard = len(speaker.heard)
        netns.batch(["addr del 10.66.0.3/24 dev e0"], NODE)
        speaker.wait(REGISTER, heard)
        heard = len(speaker.heard)
        netns.batch(["route replace default via 10.66.1.1 dev e1"], NODE)
        speaker.wait(REGISTER, heard, lambda m: m.mac.hex(":") == "52:54:00:00:00:01")
        assert speaker.last_from[0] == "::ffff:10.66.1.2"


def test_a_refusal_is_its_exit_status_and_says_why(speaker, key):
    speaker.refuses = 9
    done = call("once", "--key", key)
    assert done.returncode == 3
    assert "refused: the node may not attach here: says the test" in done.stderr
    with running(key) as child:
        wait_log(child, "refused at fe2, port 7: the node may not attach here: says the test")


def test_an_unsigned_answer_is_only_told(speaker, key):
    speaker.unsigned = 1
    done = call("once", "--key", key, "--timeout", "1")
    assert done.returncode == 1
    assert "unsigned: the controller knows no such node" in done.stderr


def test_answers_by_another_key_are_not_believed(speaker, key):
    answers_with = KEY[::-1]
    speaker.answer = lambda m: Speaker.answer(speaker, m, answers_with)
    done = call("once", "--key", key, "--timeout", "1")
    assert done.returncode == 1
    assert "answers come, but not signed with the key" in done.stderr
    assert {m.kind for m in speaker.heard} == {SOLICIT}


def test_without_an_element_it_says_what_is_missing(routes, key):
    done = call("once", "--key", key, "--timeout", "1")
    assert done.returncode == 1
    assert "the gateway 10.66.0.1 does not take it (Connection refused)" in done.stderr
    done = call("once", "--key", key, "--timeout", "1", "--interface", "none0")
    assert "there is no interface 'none0'" in done.stderr
    netns.batch(["route del default"], NODE)
    done = call("once", "--key", key, "--timeout", "1")
    assert done.returncode == 1
    assert "there is no default route: name the interface" in done.stderr


def test_it_deregisters_when_it_is_told_to(speaker, key):
    assert call("once", "--key", key).returncode == 0
    done = call("deregister", "--key", key)
    assert (done.returncode, done.stdout) == (0, "deregistered\n"), done.stderr
    speaker.wait(DEREGISTER, 0)
    heard = len(speaker.heard)
    with running(key, "--deregister") as child:
        wait_log(child, "registered at")
    speaker.wait(DEREGISTER, heard)
    heard = len(speaker.heard)
    with running(key) as child:
        wait_log(child, "registered at")
    assert DEREGISTER not in kinds(speaker, heard)


def test_a_grant_goes_from_one_device_to_the_other(speaker, tmp_path):
    handset, tv = (write_key(tmp_path / name, name) for name in ("handset", "tv"))
    done = call("grant", "--key", handset, "--to", "tv", "--mac", "52:54:00:00:00:00")
    assert done.returncode == 0, done.stderr
    (tmp_path / "grant").write_text(done.stdout)
    with running(tv, "--grant", str(tmp_path / "grant")):
        m = speaker.wait(REGISTER, 0)
        assert m.device == "tv"
        magic, version, algorithm, size, epoch, serial, expires, mac = \
            struct.unpack_from("!4sBBHQQI6s", m.grant)
        assert (magic, version, algorithm, size, epoch) == (b"VGNT", 1, 1, len(m.grant), speaker.epoch)
        assert mac.hex(":") == "52:54:00:00:00:00" and expires in (153, 154)
        assert m.grant[40:-32] == b"vm1handsettv"
    done = call("once", "--key", handset, "--grant", tmp_path / "grant")
    assert done.returncode == 1
    assert "the grant is for device 'tv' of node 'vm1'" in done.stderr


def test_two_of_them_on_one_interface_say_so(speaker, key, tmp_path):
    with running(key) as first:
        wait_log(first, "registered at")
        with running(write_key(tmp_path / "key2")) as second:
            wait_log(second, "is another victor-register running?")
        for n in (3, 4):    # for guests there may be many
            with running(write_key(tmp_path / f"key{n}"), "--mac", f"52:54:00:00:01:0{n}") as other:
                wait_log(other, "registered at")


def test_it_needs_no_privileges(speaker):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        key, program = write_key(Path(folder) / "key"), Path(folder) / "victor-register"
        shutil.copy(PROGRAM, program)
        os.chown(key, 65534, 65534)
        done = subprocess.run(
            ["ip", "netns", "exec", NODE, "setpriv", "--reuid=65534", "--regid=65534",
             "--clear-groups", "--bounding-set=-all", "--no-new-privs", str(program), "once",
             "--key", str(key)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "registered at fe2, port 7, for 300 s\n"), done.stderr


@pytest.mark.skipif(not os.environ.get("VICTOR_TEST_ALL"), reason="VICTOR_TEST_ALL is not set")
def test_without_sanitizers_it_is_one_static_file(tmp_path):
    for words in (["meson", "setup", str(tmp_path), "--buildtype=release", "-Dtests=false"],
                  ["ninja", "-C", str(tmp_path), "registration/io/victor-register"]):
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    built = tmp_path / "registration/io/victor-register"
    subprocess.run(["strip", str(built)], check=True)
    assert built.stat().st_size < 1_300_000
    headers = subprocess.run(["readelf", "--program-headers", str(built)], capture_output=True,
                             text=True, check=True).stdout
    assert "INTERP" not in headers
    done = subprocess.run(["chroot", str(built.parent), "/victor-register", "--version"],
                          capture_output=True, text=True)
    assert done.stdout.startswith("victor-register "), done.stderr


def test_keys_are_nobody_elses(routes, tmp_path):
    old = os.umask(0)
    try:
        done = call("keygen", "--node", "vm1", "--key", tmp_path / "new")
    finally:
        os.umask(old)
    assert done.returncode == 0, done.stderr
    public = done.stdout
    assert public.startswith("ed25519-public:")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600
    text = (tmp_path / "new").read_text()
    done = call("keygen", "--node", "vm1", "--key", tmp_path / "new")
    assert done.returncode == 1 and "is there already" in done.stderr
    assert (tmp_path / "new").read_text() == text
    assert [p.name for p in tmp_path.iterdir()] == ["new"]
    shown = call("show", "--key", tmp_path / "new")
    secret = text.split("ed25519-private:")[1].split()[0]
    assert shown.returncode == 0 and secret not in shown.stdout + shown.stderr
    assert call("export", "--key", tmp_path / "new").stdout == public
    assert call("keygen", "--node", "vm1", "--algorithm", "blake2b", "--key",
                tmp_path / "shared").stdout == ""
    assert call("export", "--key", tmp_path / "shared").stdout.strip() in \
        (tmp_path / "shared").read_text()
    for mode in (0o640, 0o604, 0o620):
        (tmp_path / "new").chmod(mode)
        done = call("show", "--key", tmp_path / "new")
        assert done.returncode == 1 and "others may read the key" in done.stderr
    (tmp_path / "new").chmod(0o600)
    os.chown(tmp_path / "new", 65534, 65534)
    assert "belongs to another user" in call("show", "--key", tmp_path / "new").stderr


def test_a_message_changed_or_repeated_by_anybody_is_seen_by_the_other_end(speaker, key):
    """The document's own example, by Python: signatures, and fields where it draws them."""
    document = (ROOT / "docs/registration.md").read_text()
    block = document.split("vector register-blake2b")[1].split("```")[0].splitlines()
    data = bytes.fromhex("".join(line for line in block if line and not line.startswith(("key", "check"))))
    m = decoded(data, KEY)
    assert (m.kind, m.element, m.port, m.lifetime) == (REGISTER, 2, 7, 300)
    assert m.addresses == ["10.10.0.11", "2001:db8:10::11"]
    for bit in range(0, len(data) * 8, 7):
        broken = bytearray(data)
        broken[bit // 8] ^= 1 << bit % 8
        with pytest.raises((AssertionError, UnicodeDecodeError)):
            decoded(bytes(broken), KEY)
