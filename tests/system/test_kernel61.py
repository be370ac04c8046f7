"""The BPF programs under Debian 12's own kernel, in a guest (lab/vm/oneshot.py): they load, attach,
and pass packets from port to port.
"""

from __future__ import annotations

import re

from lab.daemons import build_dir
from lab.vm import image, initrd
from lab.vm.oneshot import run_in_guest

PROGRAM = build_dir() / "tests" / "bpf" / "bpf-smoke"


def test_the_programs_load_attach_and_pass_a_packet_under_linux_6_1() -> None:
    assert PROGRAM.exists(), f"{PROGRAM} is not built"
    files = initrd.program_files(PROGRAM, "/bpf-smoke")
    script = "uname -r; ASAN_OPTIONS=detect_leaks=0 /bpf-smoke"
    done = run_in_guest(image.prepare(), script, extra_files=files, modules=initrd.BPF_MODULES,
                        memory_mb=512)
    assert re.search(r"^6\.1\.", done.output, re.M), done.output
    assert done.status == 0, done.output
    assert not done.faults, done.faults

