/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* A LAN that several FEs share.  Each node on it has one FE that is designated for it: that one
 * answers the node and forwards what it sends, and no other does, also where a switch floods a
 *frame to all of them.  One FE is the gateway for the rest: nodes that are not registered yet, and
 *what is sent to the gateway's first MAC.
 *
 *	sent to                              taken by
 *	the MAC that the node is told        the designated FE
 *	the gateway's first MAC              the LAN's gateway
 *	another of the gateway's MACs        nobody here: its FE has it
 *	anything else (a stale neighbour)    the designated FE
 */
#pragma once

#include "bpf/lookup.h"

/* The MAC with which this FE answers a node ('from': its guarded binding, or NULL); NULL: another
 * one does. */
static __always_inline const __u8 *segment_answer(const struct map_port *in,
						  const struct map_binding *from,
						  const struct map_prefix *answer)
{
	if (!(in->flags & MAP_PORT_SHARED))
		return answer->mac;
	if (binding_is_local(from))
		return from->flags & MAP_BINDING_BESIDE ? NULL : from->gateway_mac;
	return in->flags & MAP_PORT_SILENT ? NULL : answer->mac;
}

/* Whether a packet of the guarded node's is this FE's to forward. */
static __always_inline int segment_takes(const struct map_port *in, const struct map_binding *from,
					 const struct packet *p)
{
	struct map_prefix *answer;

	/* A guard alone is at one FE only. */
	if (!(in->flags & MAP_PORT_SHARED) || !binding_is_local(from) ||
	    mac_same(from->gateway_mac, p->mac_destination))
		return 1;
	answer = lookup_prefix(PREFIX_ANSWER, &p->source);
	if (!answer || !mac_same_gateway(answer->mac, p->mac_destination))
		return !(from->flags & MAP_BINDING_BESIDE);
	if (mac_same(answer->mac, p->mac_destination))
		return !(in->flags & MAP_PORT_SILENT);
	return from->flags & MAP_BINDING_LEAVING;
}
