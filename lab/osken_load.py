"""An application for os-ken that does for fe-load's elements (fe_load.c) what VICTOR's controller
does: whoever announces itself is where it speaks. Its element is told to let it pass and where it
is, all others that it is there, and what was right before is deleted: the same flow-mods, the new
element's first. It parses the frame by offsets, keeps a dictionary, and has no store, no
policy and no restart: less than what VICTOR does. osken-manager runs it (load_peers.py).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from os_ken.base import app_manager
from os_ken.controller import ofp_event
from os_ken.controller.handler import CONFIG_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from os_ken.ofproto import ofproto_v1_3, ofproto_v1_3_parser as parser

GUARD, BINDING = 1, 3
ETH_IP = 0x0800
SENDER = slice(28, 32)    # of an ARP message in Ethernet
GATEWAY_MAC = "02:00:5e:00:53:01"


class Place(NamedTuple):
    switch: int
    port: int
    mac: str


class Load(app_manager.OSKenApp):
    OFP_VERSIONS = [ofproto_v1_3.OFP_VERSION]

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.switches: dict[int, Any] = {}
        self.nodes: dict[str, Place] = {}

    @set_ev_cls(ofp_event.EventOFPSwitchFeatures, CONFIG_DISPATCHER)
    def connected(self, event: Any) -> None:
        switch = event.msg.datapath
        self.switches[switch.id] = switch
        switch.send_msg(parser.OFPFlowStatsRequest(switch))    # fe-load waits for both
        switch.send_msg(parser.OFPBarrierRequest(switch))

    def flow(self, switch: int, table: int, match: Any, actions: list[Any] | None) -> None:
        to = self.switches[switch]
        priority = {GUARD: 100, BINDING: 200}[table]
        if actions is None:
            to.send_msg(parser.OFPFlowMod(
                to, table_id=table, command=ofproto_v1_3.OFPFC_DELETE_STRICT, priority=priority,
                match=match, out_port=ofproto_v1_3.OFPP_ANY, out_group=ofproto_v1_3.OFPG_ANY))
            return
        then = [parser.OFPInstructionActions(ofproto_v1_3.OFPIT_APPLY_ACTIONS, actions)] \
            if actions else [parser.OFPInstructionGotoTable(2)]
        to.send_msg(parser.OFPFlowMod(to, table_id=table, priority=priority, match=match,
                                      instructions=then))

    @set_ev_cls(ofp_event.EventOFPPacketIn, MAIN_DISPATCHER)
    def heard(self, event: Any) -> None:
        message = event.msg
        address = ".".join(map(str, message.data[SENDER]))
        here = Place(message.datapath.id, message.match["in_port"], message.data[6:12].hex(":"))
        before = self.nodes.get(address)
        if before == here:
            return
        self.nodes[address] = here
        binding = parser.OFPMatch(eth_type=ETH_IP, ipv4_dst=address)
        self.flow(here.switch, BINDING, binding, [
            parser.OFPActionSetField(eth_dst=here.mac), parser.OFPActionSetField(eth_src=GATEWAY_MAC),
            parser.OFPActionOutput(here.port)])
        self.flow(here.switch, GUARD, self.guard(here, address), [])
        if before:
            self.flow(before.switch, GUARD, self.guard(before, address), None)
        if before and before.switch == here.switch:
            return
        for switch in self.switches:
            if switch != here.switch:
                self.flow(switch, BINDING, binding, [parser.OFPActionGroup(here.switch)])

    @staticmethod
    def guard(place: Place, address: str) -> Any:
        return parser.OFPMatch(in_port=place.port, eth_src=place.mac, eth_type=ETH_IP,
                               ipv4_src=address)
