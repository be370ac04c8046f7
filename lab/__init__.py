"""The lab: VICTOR's topologies in network namespaces of one machine, for people and for tests.

    figure2, figure1  the paper's topologies        topology  what a topology is made of, declared
    figure2dual       Figure 2 with IPv6 beside IPv4
    runtime           one lab that is up            netns     namespaces, links, addresses, made
    daemons           configurations, processes     dock      a host that moves between places
    state, signals    what was made, taken away again, also after Ctrl-C
    rest              the controller's REST API     frames    announcements and captures, by socket
    cli               `lab up|down|status|shell|move`
    handoff, sites    a host roams; a VM migrates    demo, report  both, beside the paper's figures
    vm/               the virtual machine itself    *.c       the delay line, the handoff's probes

Arrows point one way: cli, sites → figure* → runtime → {daemons, dock, rest} → netns; topology is
plain data. Nothing here knows an internal of the daemons: only configurations, REST and packets.
"""
