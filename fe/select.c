/* Which flows a request means, and what they counted: for fe/pipeline.c (DELETE, MODIFY) and
 * fe/statistics.c. */
#include "fe/pipeline.h"

#include <string.h>

static uint32_t output_of(const struct rule *r)
{
	switch ((enum rule_kind)r->key.kind) {
	case RULE_LISTEN:
	case RULE_STRANGER:
	case RULE_REGISTER:
		return OFPP_CONTROLLER;
	case RULE_LOCAL:
	case RULE_TENTATIVE:
		return r->port;
	case RULE_EXTERNAL:
	case RULE_EXIT:
		return r->fe || r->unreachable ? OFPP_ANY : OFPP_NORMAL;
	case RULE_ANSWER:
	case RULE_ADVERTISE:
		return OFPP_IN_PORT;
	case RULE_ADMIT:
	case RULE_PEER:
	case RULE_PEER_MARKED:
	case RULE_GUARD:
	case RULE_GUARD_PASS:
	case RULE_POLICY_PASS:
	case RULE_REDIRECTED_MISS:
	case RULE_FOREIGN:
	case RULE_COVERED:
	case RULE_BINDING_PASS:
	case RULE_MULTICAST:
	case RULE_ECHO:
	case RULE_BESIDE:
	case RULE_PROBE:
	case RULE_SELF:
	case RULE_BESIDE_ASKED:
	case RULE_SPEAK:
	case RULE_MEASURE:
	case RULE_TOO_BIG:
	case RULE_SEND:
	case RULE_KIND_COUNT:
		break;
	}
	return OFPP_ANY;
}

static bool points_to(const struct rule *r, uint32_t group)
{
	return (r->key.kind == RULE_FOREIGN || rule_is_way_out(r->key.kind)) && r->fe &&
	       (group == OFPG_ALL || r->fe == group);
}

static bool is_meant(const struct pipeline_filter *f, const struct pipeline_entry *entry)
{
	const struct rule *r = &entry->rule;
	struct ofp_match match;

	if ((r->cookie ^ f->cookie) & f->cookie_mask)
		return false;
	if (f->out_port != OFPP_ANY && output_of(r) != f->out_port)
		return false;
	if (f->out_group != OFPG_ANY && !points_to(r, f->out_group))
		return false;
	if (f->strict && rule_priority(&r->key) != f->priority)
		return false;
	if (!f->strict && !f->match->count)
		return true;
	rule_to_match(&r->key, &match);
	return f->strict ? ofp_match_equal(f->match, &match) : ofp_match_covers(f->match, &match);
}

static void select_bare(struct pipeline *p, unsigned table, const struct pipeline_filter *filter,
			void (*each)(void *to, struct pipeline_entry *entry), void *to)
{
	struct pipeline_entry entry;
	uint64_t at = 0;

	while (table == TABLE_BINDING && pipeline_next_bare(p, &at, &entry))
		if (is_meant(filter, &entry))
			each(to, &entry);
}

static void select_table(struct pipeline *p, unsigned table, const struct pipeline_filter *filter,
			 void (*each)(void *to, struct pipeline_entry *entry), void *to)
{
	size_t at = 0;
	void *value;

	while (table_next(&p->rules[table], &at, NULL, &value))
		if (is_meant(filter, value))
			each(to, value);
	select_bare(p, table, filter, each, to);
}

void pipeline_select(struct pipeline *p, const struct pipeline_filter *filter,
		     void (*each)(void *to, struct pipeline_entry *entry), void *to)
{
	struct rule_key key;
	struct pipeline_entry *entry;

	/* The usual strict DELETE names one flow of one table: no need to look at all. */
	if (filter->strict && filter->table < TABLE_COUNT) {
		if (rule_key_from_match(filter->table, filter->priority, filter->match, &key) < 0)
			return;
		entry = pipeline_find(p, &key);
		if (entry && is_meant(filter, entry))
			each(to, entry);
		return;
	}
	for (unsigned table = 0; table < TABLE_COUNT; table++) {
		if (filter->table == OFP_TABLE_ALL || filter->table == table)
			select_table(p, table, filter, each, to);
	}
}

/* Whether some packet can match both: no bit on which they differ matters to both. */
static bool overlaps(const struct ofp_match *a, const struct ofp_match *b)
{
	for (unsigned i = 0; i < a->count; i++) {
		const struct ofp_match_field *f = &a->fields[i], *g = ofp_match_get(b, f->field);

		for (unsigned n = 0; g && n < ofp_field_size(f->field); n++)
			if ((f->value[n] ^ g->value[n]) & f->mask[n] & g->mask[n])
				return false;
	}
	return true;
}

static bool overlaps_rule(const struct pipeline_entry *entry, uint16_t priority,
			  const struct ofp_match *match)
{
	struct ofp_match other;

	if (rule_priority(&entry->rule.key) != priority)
		return false;
	rule_to_match(&entry->rule.key, &other);
	return overlaps(match, &other);
}

void pipeline_select_overlap(struct pipeline *p, uint8_t table, uint16_t priority,
			     const struct ofp_match *match,
			     void (*each)(void *to, struct pipeline_entry *entry), void *to)
{
	struct pipeline_entry bare;
	uint64_t bare_at = 0;
	size_t at = 0;
	void *value;

	while (table_next(&p->rules[table], &at, NULL, &value))
		if (overlaps_rule(value, priority, match))
			each(to, value);
	while (table == TABLE_BINDING && pipeline_next_bare(p, &bare_at, &bare))
		if (overlaps_rule(&bare, priority, match))
			each(to, &bare);
}

/* Of an address that has several rules, only the one that the packets take counts. */
void pipeline_count(const struct pipeline *p, const struct pipeline_entry *entry,
		    uint64_t *ret_packets, uint64_t *ret_bytes)
{
	const struct rule_key *key = &entry->rule.key;
	uint64_t packets = 0, bytes = 0;
	bool counts = key->kind == RULE_LOCAL || (key->kind == RULE_FOREIGN &&
						  pipeline_is_foreign(p, key->vrf, &key->address));

	if (counts)
		p->ops->binding_count(p->context, key->vrf, &key->address, &packets, &bytes);
	*ret_packets = packets >= entry->base_packets ? packets - entry->base_packets : packets;
	*ret_bytes = bytes >= entry->base_bytes ? bytes - entry->base_bytes : bytes;
}
