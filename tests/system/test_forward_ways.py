"""bench/forward's ways (lab/forward_ways.py) carry frames and make rows. How fast is not looked at."""

from lab import forward_ways


def test_every_way_carries_frames_from_the_generator_to_the_sink():
    said = []
    found = forward_ways.measure(4, [1, 64], rounds=1, ms=5, say=said.append)
    named = {(row["system"], row["case"]) for row in found}
    for system in ("victor-fe", "Linux forwarding", "XDP with bpf_fib_lookup",
                   "XDP that only redirects"):
        assert (system, "lockstep, local delivery, IPv4, 64 random") in named
    for case in ("encapsulation, IP-in-IP", "decapsulation, IP-in-IP"):
        assert ("victor-fe", f"lockstep, {case}, IPv4, 64 of which one hot") in named
    assert ("Linux forwarding", "lockstep, drop, nobody has the address, IPv4, 64 random") in named
    assert {"CPU time a packet", "packets a second", "two cores' rate by one's"} <= {
        row["metric"] for row in found}
    assert all(row["median"] > 0 for row in found)
    assert len(said) == len(found)
