/* Segments: access LANs that several FEs share (paper, section 2.2.1).
 *
 * For each node on a segment one of its live FEs is designated, by rendezvous hash: the
 * attachment's place is that FE's port, other FEs send there, and it forwards what the node sends.
 * The rest are beside: they hold the node's local rules too, and deliver to it what reaches them.
 * An FE that joins takes its share from each of the others and nothing else moves; one that dies or
 * is drained leaves its nodes to the others.
 *
 * So that a switch sees each MAC on one port only, a node is told a MAC of the gateway's that
 * depends on the node alone (rule_is_gateway_mac), and the nodes that share one are designated
 * together.  The gateway's first MAC belongs to one FE of the segment, its gateway FE: it answers
 * nodes that are not registered yet, and speaks for those that left. */
#pragma once

#include "controller/state.h"

struct rule;

size_t segment_size(void); /* of a value in core's table */

/* The port is on a segment. */
bool segment_is_shared(const struct port *p);
/* Both are ports of one segment. */
bool segment_is_same(const struct core *c, const struct place *a, const struct place *b);

/* Moves 'place' to the FE that is designated for the node.  False: it is on no segment, or no FE of
 * the segment is alive; 'place' is as it was. */
bool segment_designate(const struct core *c, const char *node, struct place *place);
/* Some FE of the port's segment may be designated for the node. */
bool segment_serves(const struct core *c, const struct port *p, const struct node *n);
/* FE 'x's port on the segment of 'place', if x is not the place's own FE; NULL: none that is up. */
const struct port *segment_beside(const struct core *c, uint32_t x, const struct place *place);
/* FE 'x' has a port on the segment of 'place', up or not. */
bool segment_is_member(const struct core *c, uint32_t x, const struct place *place);
/* The FEs with a port on the segment of 'place', up or not. */
struct segment_member {
	uint32_t fe, port;
};
unsigned segment_members(const struct core *c, const struct place *place,
			 struct segment_member members[SEGMENT_MEMBERS_MAX]);

/* What the node is told as the gateway's MAC at this place. */
struct mac segment_gateway_mac(const struct core *c, const char *node, const struct place *place);
/* The port's LAN has another FE that is its gateway. */
bool segment_is_silent(const struct core *c, const struct element *e, const struct port *p);
/* What an FE that was just read back does on this port: LISTENs without answering, answers, or has
 * no such rule.  While the core is learning it stays the gateway FE, or not. */
enum segment_listens { SEGMENT_LISTENS_NOT, SEGMENT_LISTENS_SILENT, SEGMENT_LISTENS_ANSWERING };
void segment_adopt(struct core *c, const struct element *e, const struct port *p,
		   enum segment_listens listens);
/* A local rule that e was found with is one for a node beside; where the node is, if that is known
 * ('r', or NULL), is then on the same segment, also before its FE has said so. */
bool segment_explains(struct core *c, const struct element *e, const struct rule *local,
		      const struct attachment_record *r);
/* The MAC is a port's of another FE on the segment. */
bool segment_has_port_mac(const struct core *c, const struct port *p, const struct mac *mac);

/* The port came, went, or is up or down now. */
void segment_port_changed(struct core *c, struct element *e, struct port *p);
/* Before its MAC changes. */
void segment_port_leaves(struct core *c, struct element *e, struct port *p);
/* All its rules are there: it may be designated. */
void segment_element_online(struct element *e);
/* Its machine is gone: the others take over at once. */
void segment_element_gone(struct element *e);
/* Some port of it is on a segment that another FE is on. */
bool segment_has_others(const struct element *e);
/* FEs whose session has been gone for too long; what could not be done while the core was learning.
 */
void segment_tick(struct core *c);
/* Designates again everywhere that 'e' has a port. */
void segment_refresh_element(struct core *c, const struct element *e);
void segment_refresh_all(struct core *c);
/* The switches and the node learn by which FE its gateway is now. */
void segment_announce(struct core *c, const struct attachment_record *r);
void segment_announce_gateway(struct core *c, struct element *e, uint32_t port);
