"""The guest's initial RAM disk: busybox, kernel modules, the agent, and whatever a caller adds.

The archive (cpio, "newc") is written here rather than by cpio(1): the bytes then depend on the
contents alone, so their hash names the file and an unchanged initrd is never written twice.
Used by image.py; reads the kernel modules that packages.py unpacked. No other module of ours.
"""

from __future__ import annotations

import gzip
import lzma
import stat
import subprocess
from pathlib import Path

NET_MODULES = ("virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev",
               "virtio_pci", "failover", "net_failover", "virtio_net")
BPF_MODULES = ("veth", "dummy", "sch_ingress", "cls_bpf", "act_bpf")

READY_MARKER = "victor-guest: ready"
RUN_MARKER = "victor-guest: run exited"
FAULT_MARKERS = ("victor-guest: CORRUPT", "victor-guest: FAILED", "victor-guest: agent exited",
                 "Kernel panic", "BUG:", "Oops", "WARNING:", "list_add corruption",
                 "list_del corruption", "is not a head!", "general protection fault",
                 "segfault at")

INIT = r"""#!/bin/sh
# Started by the kernel as process 1; written by lab/vm/initrd.py.
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/
mount -t devtmpfs dev /dev 2>/dev/null
mount -t proc proc /proc
mount -t sysfs sys /sys
exec </dev/console >/dev/console 2>&1

option() { # NAME: the value of victor.NAME= on the kernel's command line
    for word in $(cat /proc/cmdline); do
        case $word in victor.$1=*) echo "${word#*=}"; return;; esac
    done
}

for module in $(cat /victor/modules); do
    insmod "/victor/$module" || echo "victor-guest: FAILED insmod $module"
done

ip link set lo up
configure() { # the network card, by the kernel's command line
    addr=$(option addr) gw=$(option gw) addr6=$(option addr6) gw6=$(option gw6) mtu=$(option mtu)
    [ -n "$addr$addr6" ] || return 0
    ipv6=/proc/sys/net/ipv6/conf/eth0
    if [ -n "$addr6" ]; then echo 0 >$ipv6/accept_dad; else echo 1 >$ipv6/disable_ipv6; fi
    { [ -z "$mtu" ] || ip link set eth0 mtu "$mtu"; } &&
        ip link set eth0 up &&
        { [ -z "$addr" ] || ip addr add "$addr" dev eth0; } &&
        { [ -z "$addr6" ] || ip addr add "$addr6" dev eth0; } &&
        { [ -z "$gw" ] || ip route add default via "$gw"; } &&
        { [ -z "$gw6" ] || ip -6 route add default via "$gw6" dev eth0; } || return
    [ -z "$addr" ] || arping -q -A -c 1 -I eth0 "${addr%/*}" &
}

ip link set lo up
configure || echo "victor-guest: FAILED to configure eth0"

if [ -e /victor/run ]; then
    mount -t bpf bpf /sys/fs/bpf
    mount -t tmpfs tmp /tmp
    sh /victor/run
    echo "victor-guest: run exited $?"
    [ -z "$(option oneshot)" ] || reboot -f
fi

/victor/agent
echo "victor-guest: agent exited $?"
exec sleep 1000000
"""


class InitrdError(Exception):
    """Something that the guest needs is not there."""


# ---- kernel modules ----

def _module_bytes(path: Path) -> bytes:
    """A module's ELF bytes, whatever it is compressed with."""
    if path.suffix == ".xz":
        return lzma.decompress(path.read_bytes())
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    if path.suffix == ".zst":
        return subprocess.run(["zstd", "-dc", str(path)], check=True, stdout=subprocess.PIPE).stdout
    return path.read_bytes()


def _depends(elf: bytes) -> list[str]:
    """The modules named by the "depends=" entry of .modinfo.

    Read from the module itself: modules.dep is made by depmod when the package is installed, and
    here it is only unpacked.
    """
    start = elf.find(b"\0depends=")
    if start < 0:
        return []
    names = elf[start + 9:elf.index(b"\0", start + 9)].decode()
    return [name for name in names.split(",") if name]


def resolve_modules(tree: Path, names: list[str]) -> dict[str, bytes]:
    """Modules by name, with what they depend on, in the order in which to insert them."""
    files = {p.name.split(".ko")[0].replace("-", "_"): p for p in tree.rglob("*.ko*")}
    builtin = {Path(line).name.split(".ko")[0].replace("-", "_")
               for p in tree.rglob("modules.builtin") for line in p.read_text().split()}
    resolved: dict[str, bytes] = {}

    def add(name: str) -> None:
        name = name.replace("-", "_")
        if name in resolved or name in builtin:
            return
        if name not in files:
            raise InitrdError(f"the guest's kernel has no module {name}")
        elf = _module_bytes(files[name])
        for dependency in _depends(elf):
            add(dependency)
        resolved[name] = elf

    for name in names:
        add(name)
    return resolved


# ---- the archive ----

class Archive:
    """A cpio "newc" archive in memory; parent directories appear by themselves."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._inode = 0
        self._directories: set[str] = set()

    def _entry(self, path: str, mode: int, data: bytes, rdev: tuple[int, int] = (0, 0)) -> None:
        name = path.encode() + b"\0"
        self._inode += 1
        fields = (self._inode, mode, 0, 0, 1, 0, len(data), 0, 0, *rdev, len(name), 0)
        header = b"070701" + b"".join(b"%08X" % field for field in fields) + name
        self._chunks += [header, bytes(-len(header) % 4), data, bytes(-len(data) % 4)]

    def directory(self, path: str) -> None:
        path = path.strip("/")
        if not path or path in self._directories:
            return
        self.directory(path.rpartition("/")[0])
        self._directories.add(path)
        self._entry(path, stat.S_IFDIR | 0o755, b"")

    def file(self, path: str, data: bytes, mode: int = 0o755) -> None:
        path = path.strip("/")
        self.directory(path.rpartition("/")[0])
        self._entry(path, stat.S_IFREG | mode, data)

    def symlink(self, path: str, target: str) -> None:
        path = path.strip("/")
        self.directory(path.rpartition("/")[0])
        self._entry(path, stat.S_IFLNK | 0o777, target.encode())

    def character_device(self, path: str, major: int, minor: int) -> None:
        self._entry(path.strip("/"), stat.S_IFCHR | 0o600, b"", (major, minor))

    def finish(self) -> bytes:
        self._inode = -1
        self._entry("TRAILER!!!", 0, b"")
        return b"".join(self._chunks)


def program_files(program: Path | str, guest_path: str | None = None) -> dict[str, Path]:
    """A host's program and the shared libraries it loads, as extra_files of an initrd."""
    program = Path(program)
    files = {guest_path or str(program): program}
    listing = subprocess.run(["ldd", str(program)], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, text=True)
    for word in listing.stdout.split():
        if word.startswith("/"):
            files[word] = Path(word).resolve()
    return files


def build(busybox: Path, agent: bytes, modules: dict[str, bytes],
          extra_files: dict[str, Path | bytes], run: str | None) -> bytes:
    """The whole archive."""
    if b"/ld-linux" in busybox.read_bytes():
        raise InitrdError("busybox is not static: apt-get install busybox-static")
    archive = Archive()
    for path in ("dev", "proc", "sys", "tmp", "sbin", "usr/bin", "usr/sbin", "root", "run"):
        archive.directory(path)
    archive.character_device("dev/console", 5, 1)
    archive.file("bin/busybox", busybox.read_bytes())
    applets = subprocess.run([str(busybox), "--list"], check=True, stdout=subprocess.PIPE)
    for applet in applets.stdout.decode().split():
        if applet != "busybox":
            archive.symlink(f"bin/{applet}", "busybox")
    archive.file("init", INIT.encode())
    archive.file("victor/agent", agent)
    for name, elf in modules.items():
        archive.file(f"victor/{name}.ko", elf)
    archive.file("victor/modules", "".join(f"{name}.ko\n" for name in modules).encode())
    if run is not None:
        archive.file("victor/run", run.encode())
    for path, source in sorted(extra_files.items()):
        archive.file(path, source if isinstance(source, bytes) else source.read_bytes())
    return archive.finish()
