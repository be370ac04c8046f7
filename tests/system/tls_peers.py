"""Peers that a southbound with TLS must not believe: what they show, and what they say."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

from lab.daemons import SOUTHBOUND_PORT
from lab.runtime import Lab

TIMEOUT_S = 20.0
HELLO, FEATURES_REQUEST, FEATURES_REPLY = 0, 5, 6


def openssl(*words: str, cwd: Path) -> None:
    subprocess.run(["openssl", *words], cwd=cwd, check=True, capture_output=True)


def expired(pki: Path, name: str, element_id: int) -> Path:
    """A directory as `victorctl pki issue` makes them, whose certificate was good until yesterday."""
    made = pki / f"expired-{name}"
    made.mkdir(mode=0o700)
    (made / "san").write_text(f"subjectAltName=URI:urn:victor:fe:{element_id:016x}:{name}\n")
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", "key.pem", "-out", "request.pem", "-subj", f"/CN={name}", cwd=made)
    openssl("x509", "-req", "-in", "request.pem", "-CA", "../ca.pem", "-CAkey", "../ca.key",
            "-days", "-1", "-extfile", "san", "-out", "certificate.pem", cwd=made)
    return made


def client(files: Path | None, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = version
    if files:
        context.load_cert_chain(files / "certificate.pem", files / "key.pem")
    return context


def tcp(lab: Lab, host: socket.socket) -> socket.socket:
    host.settimeout(TIMEOUT_S)
    host.connect((lab.topology.controller_address, SOUTHBOUND_PORT))
    return host


@contextlib.contextmanager
def connected(lab: Lab, host: socket.socket, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    with context.wrap_socket(tcp(lab, host)) as sock:
        yield sock


def is_turned_away(lab: Lab, host: socket.socket, context: ssl.SSLContext) -> bool:
    """Whether the controller closes without a word of OpenFlow."""
    try:
        with connected(lab, host, context) as sock:
            return sock.recv(8) == b""
    except (ssl.SSLError, ConnectionError):
        return True


def read_message(sock: ssl.SSLSocket) -> tuple[int, int, bytes]:
    """Type, xid and body."""
    head = _read(sock, 8)
    _, kind, size, xid = struct.unpack("!BBHI", head)
    return kind, xid, _read(sock, size - 8)


def _read(sock: ssl.SSLSocket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = sock.recv(size - len(data))
        if not piece:
            raise ConnectionError("closed")
        data += piece
    return data


def claim_to_be(sock: ssl.SSLSocket, element_id: int) -> None:
    """OpenFlow as far as the switch's features; returns when the controller closed."""
    sock.sendall(struct.pack("!BBHI", 4, HELLO, 8, 1))
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while True:
            kind, xid, _ = read_message(sock)
            if kind == FEATURES_REQUEST:
                sock.sendall(struct.pack("!BBHIQIBBHII", 4, FEATURES_REPLY, 32, xid, element_id,
                                         0, 6, 0, 0, 0, 0))
