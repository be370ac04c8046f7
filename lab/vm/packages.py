"""What the lab takes from Debian's archive: a newer QEMU, and a guest's kernel.

Packages are downloaded and unpacked into a directory, never installed: the machine's own package
state, its sources and its lists stay as they are. The mirror is whichever the machine uses.
Used by image.py; talks to no module of ours.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path


class PackageError(Exception):
    """A package could not be had; the text says what to do."""


def _run(command: list[str], cwd: Path | None = None) -> str:
    try:
        done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              stdin=subprocess.DEVNULL, text=True)
    except FileNotFoundError as error:
        raise PackageError(f"{error.filename}: not installed") from error
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if not line.startswith("W:")]
        raise PackageError(f"{' '.join(command[:2])}: {lines[-1] if lines else 'failed'}")
    return done.stdout


def codename() -> str:
    """The release's name, such as bookworm."""
    for line in Path("/etc/os-release").read_text().splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2].strip('"')
    raise PackageError("/etc/os-release names no release: is this Debian?")


def _mirror(release: str) -> str:
    """The mirror that the machine takes this release from."""
    targets = _run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)",
                    "Created-By: Packages"])
    for line in targets.splitlines():
        uri, _, suite = line.partition(" ")
        if suite == release:
            return uri
    raise PackageError(f"apt knows no mirror for {release}: run apt-get update")


def backports_options(directory: Path) -> list[str]:
    """apt's options for the backports suite alone, with lists of its own in the directory."""
    release = codename()
    lists, cache = directory / "lists", directory / "cache"
    for path in (lists / "partial", cache / "archives" / "partial"):
        path.mkdir(parents=True, exist_ok=True)
    sources = directory / "sources.list"
    sources.write_text(f"deb {_mirror(release)} {release}-backports main\n")
    options = ["-o", f"Dir::Etc::sourcelist={sources}", "-o", "Dir::Etc::sourceparts=-",
               "-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={cache}",
               "-o", "APT::Sandbox::User=root"]
    _run(["apt-get", "-q", *options, "update"])
    return options


def download(names: list[str], into: Path, options: list[str] | None = None) -> list[Path]:
    """Downloads packages' .deb files into a directory and returns them."""
    into.mkdir(parents=True, exist_ok=True)
    before = set(into.glob("*.deb"))
    _run(["apt-get", "-q", *(options or ["-o", "APT::Sandbox::User=root"]), "download", *names],
         cwd=into)
    return sorted(set(into.glob("*.deb")) - before)


def unpack(deb: Path, into: Path) -> None:
    """Unpacks a package's files; nothing of it is configured or run."""
    into.mkdir(parents=True, exist_ok=True)
    _run(["dpkg-deb", "-x", str(deb), str(into)])


def version(deb: Path) -> str:
    """The package's version."""
    return _run(["dpkg-deb", "-f", str(deb), "Version"]).strip()


def kernel_packages() -> list[str]:
    """The cloud kernels that apt knows, best first: Debian 12's 6.1 before others, newest first."""
    found = _run(["apt-cache", "search", "--names-only", "^linux-image-[0-9].*-cloud-amd64$"])
    names = [line.split()[0] for line in found.splitlines() if "meta-package" not in line]
    if not names:
        raise PackageError("apt knows no linux-image-*-cloud-amd64: run apt-get update")

    def rank(name: str) -> tuple[bool, list[int]]:
        return name.startswith("linux-image-6.1.0-"), [int(n) for n in re.findall(r"\d+", name)]

    return sorted(names, key=rank, reverse=True)


# How a distribution's bzImage may be compressed: the magic number, and what undoes it.
_COMPRESSIONS = (
    (b"\x02\x21\x4c\x18", ["lz4", "-dc"]),
    (b"\x28\xb5\x2f\xfd", ["zstd", "-dc"]),
    (b"\xfd7zXZ\0", ["xz", "-dc"]),
    (b"\x1f\x8b\x08", ["gzip", "-dc"]),
)


def extract_vmlinux(bzimage: bytes) -> bytes:
    """The ELF kernel within a bzImage: it has the PVH entry, so QEMU needs no boot loader.

    The program's exit status says nothing: what follows the payload in the bzImage is always
    "trailing garbage" to it.
    """
    for magic, command in _COMPRESSIONS:
        start = bzimage.find(magic)
        if start < 0 or shutil.which(command[0]) is None:
            continue
        done = subprocess.run(command, input=bzimage[start:], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL)
        if done.stdout.startswith(b"\x7fELF"):
            return done.stdout
    raise PackageError("cannot unpack the guest's kernel: install lz4 (and xz-utils, zstd)")
