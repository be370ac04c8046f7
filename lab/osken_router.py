"""An application for os-ken: a layer 3 router of several switches that learns from ARP where a
station is, as an operator would write it who wants nothing but that. osken-manager runs it
(peers_osken.py).

Whoever sends ARP at a port of any switch is there: that switch gets a flow that routes to it, the
others one that sends it into the tunnel, at once and without waiting for any of them; the switch
that has the station comes first. The gateways' addresses are answered for. It parses no more of a
packet than it needs, and does nothing where nothing has changed.

$OSKEN_ROUTER names a JSON file: {"gateways": [address...], "gateway_mac": MAC,
"tunnels": {switch: {other switch: port}}}.
"""

from __future__ import annotations

import json
import os
from typing import Any, NamedTuple

from os_ken.base import app_manager
from os_ken.controller import ofp_event
from os_ken.controller.handler import (CONFIG_DISPATCHER, DEAD_DISPATCHER, MAIN_DISPATCHER,
                                       set_ev_cls)
from os_ken.ofproto import ofproto_v1_3

ETH_IP, ETH_ARP = 0x0800, 0x0806
ARP_SIZE, ARP_REQUEST = 42, 1
ROUTE_PRIORITY, ARP_PRIORITY = 10, 20


class Place(NamedTuple):
    switch: int
    port: int
    mac: str


def mac_text(raw: bytes) -> str:
    return raw.hex(":")


def address_text(raw: bytes) -> str:
    return ".".join(map(str, raw))


class Router(app_manager.OSKenApp):
    OFP_VERSIONS = [ofproto_v1_3.OFP_VERSION]

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        with open(os.environ["OSKEN_ROUTER"], encoding="utf-8") as file:
            config = json.load(file)
        self.gateways = {bytes(map(int, text.split("."))) for text in config["gateways"]}
        self.gateway_mac = config["gateway_mac"]
        self.tunnels = {int(switch): {int(other): port for other, port in ports.items()}
                        for switch, ports in config["tunnels"].items()}
        self.switches: dict[int, Any] = {}
        self.stations: dict[str, Place] = {}

    @set_ev_cls(ofp_event.EventOFPSwitchFeatures, CONFIG_DISPATCHER)
    def switch_connected(self, event: Any) -> None:
        datapath = event.msg.datapath
        parser, ofproto = datapath.ofproto_parser, datapath.ofproto
        self.switches[datapath.id] = datapath
        self.add_flow(datapath, ARP_PRIORITY, parser.OFPMatch(eth_type=ETH_ARP),
                      [parser.OFPActionOutput(ofproto.OFPP_CONTROLLER, ofproto.OFPCML_NO_BUFFER)])
        for address, place in self.stations.items():
            self.route(datapath, address, place)

    @set_ev_cls(ofp_event.EventOFPStateChange, DEAD_DISPATCHER)
    def switch_lost(self, event: Any) -> None:
        if self.switches.get(event.datapath.id) is event.datapath:
            del self.switches[event.datapath.id]

    @set_ev_cls(ofp_event.EventOFPPacketIn, MAIN_DISPATCHER)
    def packet_in(self, event: Any) -> None:
        message = event.msg
        frame, datapath = message.data, message.datapath
        if len(frame) < ARP_SIZE or int.from_bytes(frame[12:14], "big") != ETH_ARP:
            return
        port = message.match["in_port"]
        sender, target = frame[28:32], frame[38:42]
        place = Place(datapath.id, port, mac_text(frame[22:28]))
        address = address_text(sender)
        if any(sender) and self.stations.get(address) != place:
            self.stations[address] = place
            self.route_everywhere(address, place)
        if target in self.gateways and int.from_bytes(frame[20:22], "big") == ARP_REQUEST:
            self.answer(datapath, port, frame)

    def route_everywhere(self, address: str, place: Place) -> None:
        """Where it is now goes first."""
        for switch in sorted(self.switches, key=lambda switch: switch != place.switch):
            self.route(self.switches[switch], address, place)

    def route(self, datapath: Any, address: str, place: Place) -> None:
        parser = datapath.ofproto_parser
        if datapath.id == place.switch:
            actions = [parser.OFPActionDecNwTtl(),
                       parser.OFPActionSetField(eth_src=self.gateway_mac),
                       parser.OFPActionSetField(eth_dst=place.mac),
                       parser.OFPActionOutput(place.port)]
        else:
            actions = [parser.OFPActionOutput(self.tunnels[datapath.id][place.switch])]
        self.add_flow(datapath, ROUTE_PRIORITY,
                      parser.OFPMatch(eth_type=ETH_IP, ipv4_dst=address), actions)

    @staticmethod
    def add_flow(datapath: Any, priority: int, match: Any, actions: list[Any]) -> None:
        parser, ofproto = datapath.ofproto_parser, datapath.ofproto
        datapath.send_msg(parser.OFPFlowMod(
            datapath=datapath, priority=priority, match=match, instructions=[
                parser.OFPInstructionActions(ofproto.OFPIT_APPLY_ACTIONS, actions)]))

    def answer(self, datapath: Any, port: int, frame: bytes) -> None:
        """The gateway is here, whichever switch is asked."""
        parser, ofproto = datapath.ofproto_parser, datapath.ofproto
        own = bytes.fromhex(self.gateway_mac.replace(":", ""))
        reply = (frame[6:12] + own + frame[12:20] + b"\0\2" + own + frame[38:42]
                 + frame[22:28] + frame[28:32])
        datapath.send_msg(parser.OFPPacketOut(
            datapath=datapath, buffer_id=ofproto.OFP_NO_BUFFER, in_port=ofproto.OFPP_CONTROLLER,
            actions=[parser.OFPActionOutput(port)], data=reply))
