/* A restarted agent takes over what the pinned list says, and the data plane that still forwards by
 * it: nothing is written that is right already (fe/io/datapath.c compares). */
#include "fe/pipeline.h"

#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

LOG_MODULE("pipeline");

static bool is_rule(const struct rule *rule)
{
	struct ofp_flow_mod f;
	struct rule again;

	if (rule->key.kind >= RULE_KIND_COUNT || rule->key.length > 128)
		return false;
	rule_to_flow_mod(rule, OFPFC_ADD, &f);
	return rule_from_flow_mod(&f, &again) == 0 && rule_equal(rule, &again);
}

void pipeline_adopt_rule(struct pipeline *p, const struct rule *rule, int64_t deadline_ms)
{
	struct pipeline_entry entry = {.rule = *rule, .since_ms = p->now_ms, .used_ms = p->now_ms};

	assert(p->adopting);
	if (!is_rule(rule)) {
		log_warn_rl("the pinned list holds what is no rule (kind %u): forgotten",
			    rule->key.kind);
		pipeline_forget(p, &rule->key);
		return;
	}
	/* The last word is in the data plane: this one was about to be forgotten. */
	if (pipeline_find_bare(p, &rule->key)) {
		pipeline_forget(p, &rule->key);
		return;
	}
	if (rule->key.kind == RULE_TENTATIVE)
		entry.deadline_ms = deadline_ms;
	pipeline_set_entry(p, &entry,
			   table_get(&p->rules[rule_table(rule->key.kind)], &rule->key) != NULL);
}

void pipeline_adopt_group(struct pipeline *p, const struct rule_group *group)
{
	struct pipeline_group *g = pipeline_group_of(p, group->fe);

	assert(p->adopting);
	g->group = *group;
	g->present = true;
	g->since_ms = p->now_ms;
}

static void drop_if_dangling(void *to, struct pipeline_entry *entry)
{
	struct pipeline *p = to;
	const struct pipeline_group *g = table_get(&p->groups, &entry->rule.fe);
	struct rule_key key = entry->rule.key;

	if ((key.kind != RULE_FOREIGN && !rule_is_way_out(key.kind)) || !entry->rule.fe ||
	    g->present)
		return;
	log_warn_rl("the pinned list points to group %u, which is not there: forgotten",
		    entry->rule.fe);
	pipeline_remove_entry(p, entry, OFPRR_GROUP_DELETE);
}

static void note_adopted(void *to, struct pipeline_entry *entry)
{
	if (entry->rule.key.kind == RULE_LOCAL)
		pipeline_note(to, &entry->rule, true);
}

void pipeline_adopt_done(struct pipeline *p)
{
	static const struct ofp_match any;
	struct pipeline_filter all = {
		.table = OFP_TABLE_ALL, .out_port = OFPP_ANY, .out_group = OFPG_ANY, .match = &any};

	p->adopting = false;
	pipeline_adopt_bare(p);
	pipeline_bare_all(p);
	pipeline_select(p, &all, drop_if_dangling, p);
	pipeline_derive_all(p);
	pipeline_select(p, &all, note_adopted, p);
}
