/* Flow-mods and group-mods: ADD, MODIFY and DELETE as OpenFlow has them (OpenFlow 1.3.5, sections
 * 6.4 and 6.5).  fe/request.c brings them here; fe/pipeline.c keeps what results. */
#include "fe/pipeline.h"

#include "base/log.h"

#include <errno.h>
#include <string.h>

LOG_MODULE("pipeline");

/* ---- flow mods ---- */

/* What can only be said with the FE's state at hand: ports, groups, this FE's own id. */
static int check_rule(const struct pipeline *p, const struct rule *rule)
{
	bool local = rule->key.kind == RULE_LOCAL || rule->key.kind == RULE_TENTATIVE;
	const struct pipeline_group *g;
	const struct agent_port *port;

	if (rule_is_for_switch(rule))
		return rule->port ? -OFP_BAD_ACTION_BAD_OUT_PORT : -OFP_FLOW_MOD_FAILED_EPERM;
	if (local && !pipeline_port(p, rule->port))
		return -OFP_BAD_ACTION_BAD_OUT_PORT;
	if ((rule->key.kind == RULE_FOREIGN || rule_is_way_out(rule->key.kind)) && rule->fe) {
		g = table_get(&p->groups, &rule->fe);
		if (!g || !g->present)
			return -OFP_BAD_ACTION_BAD_OUT_GROUP;
	}
	if (rule->key.kind != RULE_ADMIT)
		return 0;
	/* The data plane guards access ports and no others; and it gives its own id. */
	port = pipeline_port(p, rule->key.port);
	if (!port)
		return -OFP_BAD_MATCH_BAD_VALUE;
	if ((port->info.role == PORT_ACCESS) != (rule->next_table == TABLE_GUARD))
		return -OFP_BAD_INSTRUCTION_BAD_TABLE_ID;
	return rule->fe == p->fe ? 0 : -OFP_BAD_ACTION_BAD_SET_ARGUMENT;
}

/* Whether the data plane can tell when a flow was last used. */
static bool counts_use(enum rule_kind kind)
{
	return kind == RULE_GUARD || kind == RULE_LOCAL || kind == RULE_TENTATIVE;
}

#define FLAGS_KNOWN                                                                             \
	(OFPFF_SEND_FLOW_REM | OFPFF_CHECK_OVERLAP | OFPFF_RESET_COUNTS | OFPFF_NO_PKT_COUNTS | \
	 OFPFF_NO_BYT_COUNTS)

static void stop_at_first(void *to, struct pipeline_entry *entry)
{
	*(bool *)to = true;
}

static int check_overlap(struct pipeline *p, const struct ofp_flow_mod *f)
{
	bool found = false;

	pipeline_select_overlap(p, f->table, f->priority, &f->match, stop_at_first, &found);
	return found ? -OFP_FLOW_MOD_FAILED_OVERLAP : 0;
}

/* The FE's own tentative binding has done its work when the controller's binding is there. */
static void supersede_tentative(struct pipeline *p, const struct rule *rule)
{
	struct pipeline_entry *own;

	if (rule->key.kind != RULE_LOCAL)
		return;
	own = pipeline_find_binding(p, RULE_TENTATIVE, rule->key.vrf, &rule->key.address);
	if (own && own->deadline_ms)
		pipeline_remove_entry(p, own, OFPRR_DELETE);
}

static void reset_counts(struct pipeline *p, struct pipeline_entry *entry)
{
	entry->base_packets = entry->base_bytes = 0;
	pipeline_count(p, entry, &entry->base_packets, &entry->base_bytes);
}

static int add(struct pipeline *p, const struct ofp_flow_mod *f)
{
	struct pipeline_entry entry = {
		.since_ms = p->now_ms,
		.used_ms = p->now_ms,
		.idle_timeout = f->idle_timeout,
		.hard_timeout = f->hard_timeout,
		.flags = f->flags,
	};
	const struct pipeline_entry *old;
	int r;

	if (f->flags & ~FLAGS_KNOWN)
		return -OFP_FLOW_MOD_FAILED_BAD_FLAGS;
	r = rule_from_flow_mod(f, &entry.rule);
	if (r == 0)
		r = check_rule(p, &entry.rule);
	if (r == 0 && f->idle_timeout && !counts_use(entry.rule.key.kind))
		r = -OFP_FLOW_MOD_FAILED_BAD_TIMEOUT;
	if (r == 0 && f->flags & OFPFF_CHECK_OVERLAP)
		r = check_overlap(p, f);
	if (r < 0)
		return r;
	old = pipeline_find(p, &entry.rule.key);
	if (old) {
		entry.base_packets = old->base_packets;
		entry.base_bytes = old->base_bytes;
	}
	if (f->flags & OFPFF_RESET_COUNTS)
		reset_counts(p, &entry);
	r = pipeline_put_entry(p, &entry);
	if (r == 0)
		supersede_tentative(p, &entry.rule);
	return r;
}

int pipeline_put_tentative(struct pipeline *p, const struct rule *rule, int64_t deadline_ms)
{
	struct pipeline_entry entry = {
		.rule = *rule,
		.since_ms = p->now_ms,
		.used_ms = p->now_ms,
		.deadline_ms = deadline_ms,
	};
	struct pipeline_entry *old = pipeline_find(p, &rule->key);

	if (old && !old->deadline_ms)
		return -EEXIST; /* the controller's own */
	if (old && rule_equal(&old->rule, rule)) {
		old->deadline_ms = deadline_ms;
		return 0;
	}
	return pipeline_put_entry(p, &entry);
}

static struct pipeline_filter filter_of(const struct ofp_flow_mod *f, bool deletes)
{
	return (struct pipeline_filter){
		.table = f->table,
		.strict = f->command == OFPFC_MODIFY_STRICT || f->command == OFPFC_DELETE_STRICT,
		.priority = f->priority,
		.out_port = deletes ? f->out_port : OFPP_ANY,
		.out_group = deletes ? f->out_group : OFPG_ANY,
		.cookie = f->cookie,
		.cookie_mask = f->cookie_mask,
		.match = &f->match,
	};
}

struct modification {
	struct pipeline *p;
	const struct ofp_flow_mod *f;
	bool write; /* else only check */
	int result;
};

/* The flow keeps its match, cookie, timeouts and flags; its actions are replaced. */
static void modify_one(void *to, struct pipeline_entry *entry)
{
	struct modification *m = to;
	struct pipeline_entry changed = *entry;
	struct ofp_flow_mod f;
	int r;

	if (m->result < 0)
		return;
	rule_to_flow_mod(&entry->rule, OFPFC_ADD, &f);
	f.instructions = m->f->instructions;
	r = rule_from_flow_mod(&f, &changed.rule);
	if (r == 0)
		r = check_rule(m->p, &changed.rule);
	if (r == 0 && m->write) {
		if (m->f->flags & OFPFF_RESET_COUNTS)
			reset_counts(m->p, &changed);
		r = pipeline_put_entry(m->p, &changed);
	}
	m->result = r;
}

/* All or none: first whether every flow that is meant can take the new actions. */
static int modify(struct pipeline *p, const struct ofp_flow_mod *f)
{
	struct pipeline_filter filter = filter_of(f, false);
	struct modification m = {.p = p, .f = f};

	if (f->table >= TABLE_COUNT)
		return -OFP_FLOW_MOD_FAILED_BAD_TABLE_ID;
	pipeline_select(p, &filter, modify_one, &m);
	m.write = true;
	if (m.result == 0)
		pipeline_select(p, &filter, modify_one, &m);
	return m.result;
}

static void delete_one(void *to, struct pipeline_entry *entry)
{
	pipeline_remove_entry(to, entry, OFPRR_DELETE);
}

static int delete (struct pipeline *p, const struct ofp_flow_mod *f)
{
	struct pipeline_filter filter = filter_of(f, true);

	if (f->table >= TABLE_COUNT && f->table != OFP_TABLE_ALL)
		return -OFP_FLOW_MOD_FAILED_BAD_TABLE_ID;
	pipeline_select(p, &filter, delete_one, p);
	return 0;
}

int pipeline_flow_mod(struct pipeline *p, const struct ofp_flow_mod *f)
{
	if (f->buffer_id != OFP_NO_BUFFER && f->command != OFPFC_DELETE &&
	    f->command != OFPFC_DELETE_STRICT)
		return -OFP_BAD_REQUEST_BUFFER_UNKNOWN;
	switch (f->command) {
	case OFPFC_ADD:
		return add(p, f);
	case OFPFC_MODIFY:
	case OFPFC_MODIFY_STRICT:
		return modify(p, f);
	case OFPFC_DELETE:
	case OFPFC_DELETE_STRICT:
		return delete (p, f);
	default:
		return -OFP_FLOW_MOD_FAILED_BAD_COMMAND;
	}
}

/* ---- groups ---- */

static int put_group(struct pipeline *p, const struct rule_group *group)
{
	struct pipeline_group *g = pipeline_group_of(p, group->fe), old = *g;
	int r;

	if (!g->present)
		g->since_ms = p->now_ms;
	g->group = *group;
	g->present = true;
	r = pipeline_derive_peer(p, group->fe);
	if (r == 0)
		r = p->ops->group_keep(p->context, group);
	if (r == 0)
		return 0;
	*g = old;
	(void)!pipeline_derive_peer(p, group->fe);
	return r == -ENOSPC || r == -E2BIG ? -OFP_GROUP_MOD_FAILED_OUT_OF_GROUPS
					   : -OFP_GROUP_MOD_FAILED_BAD_BUCKET;
}

struct group_flows {
	struct pipeline *p;
	uint32_t fe;
};

static void delete_of_group(void *to, struct pipeline_entry *entry)
{
	struct group_flows *g = to;

	pipeline_remove_entry(g->p, entry, OFPRR_GROUP_DELETE);
}

/* Flows that point to a group go with it (OpenFlow 1.3.5, section 6.5). */
static void delete_group(struct pipeline *p, struct pipeline_group *g)
{
	static const struct ofp_match any;
	struct group_flows flows = {p, g->group.fe};
	struct pipeline_filter filter = {.table = OFP_TABLE_ALL,
					 .out_port = OFPP_ANY,
					 .out_group = g->group.fe,
					 .match = &any};
	int r;

	if (!g->present)
		return;
	if (g->reference_count)
		pipeline_select(p, &filter, delete_of_group, &flows);
	g->present = false;
	g->group = (struct rule_group){.fe = flows.fe};
	r = pipeline_derive_peer(p, flows.fe);
	if (r < 0)
		log_warn_rl("the data plane keeps peer %u: %s", flows.fe, strerror(-r));
	(void)!p->ops->group_forget(p->context, flows.fe);
}

static void delete_all_groups(struct pipeline *p)
{
	size_t at = 0;
	void *value;

	while (table_next(&p->groups, &at, NULL, &value))
		delete_group(p, value);
}

int pipeline_group_mod(struct pipeline *p, const struct ofp_group_mod *m)
{
	struct rule_group group;
	struct pipeline_group *g;
	int r;

	if (m->command == OFPGC_DELETE && m->group == OFPG_ALL) {
		delete_all_groups(p);
		return 0;
	}
	if (m->command > OFPGC_DELETE)
		return -OFP_GROUP_MOD_FAILED_BAD_COMMAND;
	r = rule_group_from_group_mod(m, &group);
	if (r == 0 && group.limited) /* a switch's */
		r = -OFP_BAD_ACTION_BAD_TYPE;
	if (r < 0)
		return r;
	g = table_get(&p->groups, &group.fe);
	if (m->command == OFPGC_DELETE) {
		if (g)
			delete_group(p, g);
		return 0;
	}
	if (m->command == OFPGC_ADD && g && g->present)
		return -OFP_GROUP_MOD_FAILED_GROUP_EXISTS;
	if (m->command == OFPGC_MODIFY && (!g || !g->present))
		return -OFP_GROUP_MOD_FAILED_UNKNOWN_GROUP;
	return put_group(p, &group);
}
