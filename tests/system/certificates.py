"""Certificates for the tests, made with openssl: a CA, and whom it speaks for."""

from __future__ import annotations

import subprocess
from pathlib import Path


def openssl(*words: object) -> str:
    return subprocess.run(["openssl", *map(str, words)], check=True, text=True,
                          capture_output=True, stdin=subprocess.DEVNULL).stdout


class Authority:
    """A private CA in a directory, with a list of revocations."""

    def __init__(self, directory: Path, name: str = "ca") -> None:
        self.directory = directory
        self.certificate, self.key = directory / f"{name}.pem", directory / f"{name}.key"
        self.crl = directory / f"{name}.crl"
        self.config = directory / f"{name}.cnf"
        (directory / f"{name}.index").touch()
        (directory / f"{name}.number").write_text("01\n")
        self.config.write_text(f"""[ca]
default_ca = one
[one]
database = {directory}/{name}.index
crlnumber = {directory}/{name}.number
certificate = {self.certificate}
private_key = {self.key}
default_md = sha256
default_crl_days = 30
""")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", self.key, "-out", self.certificate, "-days", 30, "-subj", f"/CN={name}",
                "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        self.key.chmod(0o600)
        self.publish()

    def issue(self, name: str, urn: str, *more: str) -> tuple[Path, Path]:
        """A certificate and its key for urn:victor:..., and further names ("IP:127.0.0.1")."""
        certificate, key = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        request, extensions = self.directory / f"{name}.csr", self.directory / f"{name}.ext"
        extensions.write_text(f"subjectAltName={','.join([f'URI:{urn}', *more])}\n"
                              "keyUsage=digitalSignature\n"
                              "extendedKeyUsage=clientAuth,serverAuth\n"
                              "basicConstraints=critical,CA:FALSE\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                key, "-out", request, "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key,
                "-CAcreateserial", "-out", certificate, "-days", 20, "-extfile", extensions)
        key.chmod(0o600)
        return certificate, key

    def revoke(self, certificate: Path) -> None:
        openssl("ca", "-config", self.config, "-revoke", certificate)
        self.publish()

    def publish(self) -> None:
        fresh = self.crl.with_suffix(".new")
        openssl("ca", "-config", self.config, "-gencrl", "-out", fresh)
        fresh.rename(self.crl)
