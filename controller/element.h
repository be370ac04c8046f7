/* One FE: its session's handshake, its ports, and what is sent to it. */
#pragma once

#include "controller/state.h"

/* The element with this id, made where there was none (offline, named "#3"). */
struct element *element_obtain(struct core *c, uint32_t id);
struct element *element_find(const struct core *c, uint32_t id);
struct element *element_by_name(const struct core *c, const char *name);
/* Whether it has a connection already, other than 's', that is not to be given up for 's'. */
bool element_is_taken(struct element *e, const struct session *s);
void element_destroy(struct element *e);
void element_rename(struct element *e, const char *name);

struct port *element_port(struct element *e, uint32_t number); /* made where there was none */
const struct port *element_find_port(const struct element *e, uint32_t number);
/* Whether a frame can leave there, as far as we know. */
bool element_place_up(const struct core *c, const struct place *place);

/* port.c: what the FE says of its ports.  Between begin and end it lists all that it has. */
void element_ports_begin(struct element *e);
void element_ports_end(struct element *e);
void element_set_port(struct element *e, const struct ofp_port *from);
void element_lose_port(struct element *e, uint32_t number);
/* A port of a switch, which cannot say itself that nothing should leave by it. */
void element_block_port(struct element *e, uint32_t number, bool blocked);
void element_describe_port(struct element *e, const struct port_info *info);

/* Queue one flow-mod or group-mod; element_commit then sends them, followed by a barrier. */
void element_put_rule(struct element *e, const struct rule *rule, bool is_new);
void element_delete_rule(struct element *e, const struct rule *rule);
void element_put_group(struct element *e, const struct rule_group *group);
void element_delete_group(struct element *e, uint32_t fe);
/* Messages that are encoded already: so many flow-mods, which change the count of rules by
 * 'growth'. */
void element_queue(struct element *e, const struct buffer *messages, unsigned flow_mods,
		   int growth);
void element_commit(struct element *e, bool synchronizes /* the end of a comparison */);
/* The same in a move: what was queued goes at once, the barrier with the next question to it, or by
 * core_send_barriers().  'rest': it has no part in the move. */
void element_commit_later(struct element *e, bool rest);
/* The reply to a barrier. */
void element_settle(struct element *e, uint32_t xid);
/* Deletes a rule that the FE made by itself; at once, and nobody waits for it. */
void element_withdraw_rule(struct element *e, const struct rule *rule);
/* Sends a frame out of a port. */
void element_transmit(struct element *e, uint32_t port, const struct buffer *frame);
void element_transmit_by(struct element *e, const struct ofp_actions *actions, const void *frame,
			 size_t size);

/* P4a: whether all that was sent to this FE up to 'change' is behind a barrier reply. */
bool element_is_settled(const struct element *e, uint64_t change);

/* Raises our term above 'term' and tells every FE.  False: refused (too far, or not at start). */
bool element_learn_term(struct core *c, uint16_t term, const struct element *e);
void element_send_roles(struct core *c);

/* session.c */
void session_end(struct session *s, const char *reason, bool tell_shell);
void session_tick(struct session *s);
/* Reads groups and flows back, compares, sends what differs. */
void session_synchronize(struct session *s);
void session_enter(struct session *s, enum session_stage stage, uint32_t xid);
/* The comparison was sent and its barrier replied. */
void session_online(struct session *s);

/* held.c: frames that wait for the comparison */
void held_add(struct session *s, const struct sighting *sighting);
void held_release(struct session *s);

/* request.c */
int request_multipart(struct session *s, uint32_t xid,
		      struct ofp_multipart *m); /* 1: it was one's */
int request_experimenter(struct session *s, uint32_t xid, enum experimenter_type type,
			 struct reader *body);
bool request_refused(struct session *s, uint32_t xid, int result);
void request_tick(struct session *s);
void request_end_all(struct session *s, int result);

/* overlap.c: the routes that are in the way, as an FE says them. */
MUST_USE int overlap_reported(struct element *e, struct reader *body);

/* sync.c */
void sync_begin(struct session *s);
int sync_links(struct session *s, struct reader *body, bool *ret_more);
int sync_group(struct session *s, struct ofp_multipart *m);
int sync_flow(struct session *s, struct ofp_multipart *m);
/* Asks for the flows that are to be compared; while too many are being read back, it is to be
 * called again. */
void sync_ask_flows(struct session *s);
/* compare.c: all is read.  What is later than what we know is adopted, what differs is sent, and a
 * barrier ends it: in as many calls of core_compare as it takes, or all of it now. */
void compare_begin(struct session *s);
/* Groups are read: whoever they point to can be reached by them.  compare_begin does it, too. */
void compare_groups(struct session *s);
bool compare_is_small(const struct session *s); /* there is no reason for slices */
void compare_all(struct session *s);
/* A node is new in the inventory.  While we are learning, FEs that have rules which nothing
 * explained are compared once more, and what is read of its rules elsewhere is adopted. */
void sync_explain_again(struct core *c, const struct node *n);
void sync_destroy(struct sync *sync);

/* vouch.c: 0 where the session's id, and the name where it is not NULL, are those of its
 * certificate, or it has none; else -ECONNRESET: counted, and the session is doomed. */
MUST_USE int vouch_check(struct session *s, const char *name);
