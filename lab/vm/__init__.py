"""A real virtual machine for the lab: built, booted, and live-migrated.

    packages  what is taken from Debian's archive          image    all that a guest boots from
    initrd    the guest's RAM disk                         accel    KVM, or TCG
    qmp       QEMU's monitor protocol                      machine  one QEMU in a namespace
    migrate   one migration, with hooks at its events      guestctl the agent in the guest, asked
    client    the test client: stream, idle TCP, probes    probe    pings, and the client as a child
    selftest  the control: migrations within one LAN       netns    commands in a network namespace
    oneshot   one script, run in a guest to its end

Arrows point one way: selftest → {migrate, probe}, oneshot → machine → {accel, qmp, netns}
→ image → {initrd, packages}.
"""
