"""All that a guest boots from, prepared in a cache: QEMU, a kernel, an initial RAM disk.

`prepare()` downloads and builds what is missing and returns an Image; a second run finds all of it
and asks apt nothing. Each part is built in a temporary directory and renamed into place, so an
interrupted run leaves no half of one. Uses packages.py (Debian's archive) and initrd.py.

QEMU: 7.2 (Debian 12) corrupts about one guest in twenty that it migrates live under TCG, 10.0 none
in 139. So an installed QEMU is taken if it is 10 or newer, else the backport, run beside the
system's libraries; failing both, 7.2 migrates by stop-and-copy, and `Image.live` is False.
$VICTOR_QEMU names another to use.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import initrd, packages

GUEST = Path(__file__).parent / "guest"
QEMU_PACKAGES = ["qemu-system-x86", "qemu-system-common", "qemu-system-data", "seabios"]
LIVE_SINCE = 10
UNUSED_AFTER_S = 7 * 86400

Progress = Callable[[str], None]


class ImageError(Exception):
    """The guest cannot be prepared; the text is one line that says what to do."""


@dataclass(frozen=True)
class Qemu:
    """A QEMU to run: the command's first words and its environment."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    version: str

    @property
    def live(self) -> bool:
        """Whether its live migration can be trusted (see above)."""
        return int(self.version.split(".")[0]) >= LIVE_SINCE


@dataclass(frozen=True)
class Image:
    """What a guest boots from. `initrd` is the plain one; `with_files` makes others."""

    cache: Path
    qemu: Qemu
    kernel: str
    vmlinux: Path
    modules: Path
    initrd: Path

    @property
    def live(self) -> bool:
        return self.qemu.live

    def with_files(self, extra_files: Mapping[str, Path | bytes] | None = None,
                   run: str | None = None, modules: Sequence[str] = ()) -> Path:
        """An initrd with files, kernel modules and a script that runs before the services.

        `extra_files`: guest path → host path or bytes (`initrd.program_files` adds a program's
        libraries). `run`: shell text; its output goes to the serial console, then a line
        "victor-guest: run exited STATUS".
        """
        return _build_initrd(self.cache, self.modules, dict(extra_files or {}), run, list(modules))


def default_cache() -> Path:
    """$VICTOR_CACHE, or ~/.cache/victor."""
    return Path(os.environ.get("VICTOR_CACHE") or Path.home() / ".cache" / "victor")


def prepare(cache: Path | str | None = None, progress: Progress = lambda line: None,
            refresh: bool = False) -> Image:
    """Prepares all that is missing. `refresh` takes new versions even where old ones are there."""
    cache = Path(cache) if cache else default_cache()
    cache.mkdir(parents=True, exist_ok=True)
    _require("busybox", "busybox-static")
    try:
        with _locked(cache):
            qemu = _qemu(cache, progress, refresh)
            kernel = _kernel(cache, progress, refresh)
            plain = _build_initrd(cache, kernel / "modules", {}, None, [])
    except (packages.PackageError, initrd.InitrdError) as error:
        raise ImageError(str(error)) from error
    return Image(cache=cache, qemu=qemu, kernel=kernel.name.removeprefix("kernel-"),
                 vmlinux=kernel / "vmlinux", modules=kernel / "modules", initrd=plain)


def _require(program: str, package: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise ImageError(f"{program} is missing: apt-get install {package}")
    return path


@contextmanager
def _locked(cache: Path) -> Iterator[None]:
    """One preparation at a time: two would download the same things twice."""
    with open(cache / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _built_at_once(cache: Path) -> Iterator[Path]:
    """A temporary directory in the cache, gone afterwards; what is renamed out of it stays."""
    work = Path(tempfile.mkdtemp(prefix=".building-", dir=cache))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _newest(cache: Path, pattern: str) -> Path | None:
    """The newest of the cached directories that match, by the numbers in their names."""
    found = [path for path in cache.glob(pattern) if path.is_dir()]
    return max(found, default=None,
               key=lambda path: [int(n) for n in re.findall(r"\d+", path.name)])


def _place(built: Path, target: Path) -> Path:
    if target.exists():
        shutil.rmtree(target)
    built.rename(target)
    return target


# ---- QEMU ----

def _qemu_version(command: Sequence[str], environment: Mapping[str, str]) -> str | None:
    try:
        done = subprocess.run([*command, "--version"], env={**os.environ, **environment},
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    except OSError:
        return None
    match = re.search(r"version (\d+\.\d+(\.\d+)?)", done.stdout)
    return match.group(1) if done.returncode == 0 and match else None


def _probed(command: tuple[str, ...], environment: Mapping[str, str]) -> Qemu | None:
    """The QEMU if it starts: one whose libraries are missing does not."""
    version = _qemu_version(command, environment)
    return Qemu(command, environment, version) if version else None


def _installed_qemu() -> Qemu | None:
    path = shutil.which("qemu-system-x86_64")
    return _probed((path,), {}) if path else None


def _unpacked_qemu(root: Path) -> Qemu | None:
    modules = next(root.glob("usr/lib/*/qemu"), root)
    command = (str(root / "usr/bin/qemu-system-x86_64"), "-L", str(root / "usr/share/qemu"),
               "-L", str(root / "usr/share/seabios"))
    return _probed(command, {"QEMU_MODULE_DIR": str(modules)})


def _fetch_qemu(cache: Path, progress: Progress) -> Path:
    progress("QEMU: downloading from backports (13 MB)")
    with _built_at_once(cache) as work:
        options = packages.backports_options(work / "apt")
        debs = packages.download(QEMU_PACKAGES, work / "debs", options)
        root = work / "root"
        for deb in debs:
            packages.unpack(deb, root)
        for useless in ("usr/bin/qemu-system-i386", "usr/share/doc", "usr/share/icons"):
            path = root / useless
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        version = next(packages.version(deb) for deb in debs if "qemu-system-x86_" in deb.name)
        return _place(root, cache / f"qemu-{re.sub('[^0-9A-Za-z.+~]', '_', version)}")


def _qemu(cache: Path, progress: Progress, refresh: bool) -> Qemu:
    wanted = os.environ.get("VICTOR_QEMU")
    installed = _probed((wanted,), {}) if wanted else _installed_qemu()
    if wanted and not installed:
        raise ImageError(f"$VICTOR_QEMU: {wanted} does not start")
    if installed and (wanted or installed.live):
        return installed
    cached = None if refresh else _newest(cache, "qemu-*")
    try:
        unpacked = _unpacked_qemu(cached or _fetch_qemu(cache, progress))
    except packages.PackageError as error:
        progress(f"QEMU: no backport ({error})")
        unpacked = None
    if unpacked:
        return unpacked
    if installed is None:
        raise ImageError("no QEMU that starts: apt-get install qemu-system-x86")
    progress(f"QEMU: using the installed {installed.version}: stop-and-copy, not live")
    return installed


# ---- the kernel ----

def _fetch_kernel(cache: Path, progress: Progress) -> Path:
    error: packages.PackageError | None = None
    for name in packages.kernel_packages()[:3]:
        progress(f"kernel: downloading {name} (27 MB)")
        try:
            return _unpack_kernel(cache, name)
        except packages.PackageError as failed:    # apt's lists may be older than the mirror
            error = failed
    raise error or packages.PackageError("no guest kernel")


def _unpack_kernel(cache: Path, name: str) -> Path:
    with _built_at_once(cache) as work:
        for deb in packages.download([name], work / "debs"):
            packages.unpack(deb, work / "root")
        bzimage = next((work / "root/boot").glob("vmlinuz-*"))
        built = work / "kernel"
        built.mkdir()
        (built / "vmlinux").write_bytes(packages.extract_vmlinux(bzimage.read_bytes()))
        modules = next(path for path in work.glob("root/**/lib/modules/*") if path.is_dir())
        modules.rename(built / "modules")
        return _place(built, cache / f"kernel-{bzimage.name.removeprefix('vmlinuz-')}")


def _kernel(cache: Path, progress: Progress, refresh: bool) -> Path:
    return (None if refresh else _newest(cache, "kernel-*")) or _fetch_kernel(cache, progress)


# ---- the initial RAM disk ----

def _agent(cache: Path) -> bytes:
    """The guest's agent, compiled; named by its source's hash."""
    source = GUEST / "agent.c"
    flags = ["-static", "-O2", "-s", "-Wall", "-pthread", "-std=gnu17"]
    key = hashlib.sha256(source.read_bytes() + " ".join(flags).encode()).hexdigest()[:16]
    target = cache / f"agent-{key}"
    if not target.exists():
        _require("cc", "gcc libc6-dev")
        with _built_at_once(cache) as work:
            done = subprocess.run(["cc", *flags, "-o", str(work / "agent"), str(source)],
                                  stderr=subprocess.PIPE, text=True)
            if done.returncode != 0:
                raise ImageError(f"cannot compile the guest's agent: {done.stderr.strip()}")
            (work / "agent").rename(target)
    return target.read_bytes()


def _initrd_key(busybox: Path, agent: bytes, tree: Path, extra: Mapping[str, Path | bytes],
                run: str | None, modules: Sequence[str]) -> str:
    """A hash of all that goes in; files on the host count by size and time of change."""
    def identity(source: Path | bytes) -> str:
        if isinstance(source, bytes):
            return hashlib.sha256(source).hexdigest()
        status = source.stat()
        return f"{source} {status.st_size} {status.st_mtime_ns}"

    parts = [identity(busybox), identity(agent), str(tree), initrd.INIT, run, list(modules),
             sorted((path, identity(source)) for path, source in extra.items())]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _forget_unused(cache: Path) -> None:
    """Removes initrds that nobody has asked for in a week: each change of a file makes another."""
    for path in cache.glob("initrd-*"):
        if time.time() - path.stat().st_mtime > UNUSED_AFTER_S:
            path.unlink(missing_ok=True)


def _build_initrd(cache: Path, tree: Path, extra: Mapping[str, Path | bytes], run: str | None,
                  modules: Sequence[str]) -> Path:
    busybox = Path(_require("busybox", "busybox-static"))
    agent = _agent(cache)
    target = cache / f"initrd-{_initrd_key(busybox, agent, tree, extra, run, modules)}"
    if target.exists():
        os.utime(target)
        return target
    _forget_unused(cache)
    elves = initrd.resolve_modules(tree, [*initrd.NET_MODULES, *modules])
    with _built_at_once(cache) as work:
        built = work / "initrd"
        built.write_bytes(initrd.build(busybox, agent, elves, extra, run))
        built.rename(target)
    return target
