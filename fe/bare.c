/* Foreign rules that are kept by the data plane alone: where an address has no other rule here, and
 * the rule has nothing but what a binding says and its cookie, the binding's own entry is all that
 * there is of it (fe/datapath.h: bare).  So a million of them cost the agent nothing.  To the rest
 * of the pipeline they look like any rule: pipeline_find makes an entry of one, and whoever wants
 * to add to such an address has it put among the others first. */
#include "fe/pipeline.h"

#include <errno.h>
#include <string.h>

bool pipeline_may_be_bare(const struct pipeline *p, const struct pipeline_entry *entry)
{
	const struct rule_key *key = &entry->rule.key;
	const struct pipeline_address at = {key->vrf, key->address};

	return p->ops->bare_get && key->kind == RULE_FOREIGN && !entry->idle_timeout &&
	       !entry->hard_timeout && !entry->deadline_ms && !entry->flags &&
	       !entry->base_packets && !entry->base_bytes && !table_get(&p->guards, &at) &&
	       !pipeline_find_binding(p, RULE_LOCAL, key->vrf, &key->address) &&
	       !pipeline_find_binding(p, RULE_TENTATIVE, key->vrf, &key->address);
}

static void make_entry(const struct pipeline *p, const struct datapath_bare *bare,
		       struct pipeline_entry *ret)
{
	*ret = (struct pipeline_entry){
		.rule = {.key = {.kind = RULE_FOREIGN, .vrf = bare->vrf, .address = bare->address},
			 .fe = bare->fe,
			 .cookie = bare->version},
		.since_ms = p->started_ms,
		.used_ms = p->started_ms,
	};
}

/* Good until so many others were asked for. */
struct pipeline_entry *pipeline_find_bare(const struct pipeline *p, const struct rule_key *key)
{
	struct pipeline_bare *b = p->bare;
	struct pipeline_entry *entry;
	struct datapath_bare bare;

	if (key->kind != RULE_FOREIGN || !p->ops->bare_get ||
	    p->ops->bare_get(p->context, key->vrf, &key->address, &bare))
		return NULL;
	entry = &b->entries[b->next++ % ARRAY_SIZE(b->entries)];
	make_entry(p, &bare, entry);
	return entry;
}

bool pipeline_next_bare(const struct pipeline *p, uint64_t *at, struct pipeline_entry *ret)
{
	struct datapath_bare bare;

	while (p->ops->bare_next && p->ops->bare_next(p->context, at, &bare)) {
		make_entry(p, &bare, ret);
		/* One that is among the others is about to lose its mark. */
		if (!table_get(&p->rules[TABLE_BINDING], &ret->rule.key))
			return true;
	}
	return false;
}

bool pipeline_is_bare(const struct pipeline *p, const struct rule_key *key)
{
	struct datapath_bare bare;

	return key->kind == RULE_FOREIGN && p->ops->bare_get &&
	       !table_get(&p->rules[TABLE_BINDING], key) &&
	       !p->ops->bare_get(p->context, key->vrf, &key->address, &bare);
}

int pipeline_put_bare(struct pipeline *p, const struct rule *rule)
{
	const struct datapath_binding binding = {
		.vrf = rule->key.vrf,
		.address = rule->key.address,
		.flags = BINDING_FOREIGN,
		.fe = rule->fe,
		.bare = true,
		.version = rule->cookie,
	};

	return p->ops->binding_set(p->context, &binding);
}

int pipeline_unbare(struct pipeline *p, const struct rule_key *key)
{
	const struct rule_key foreign = {
		.kind = RULE_FOREIGN, .vrf = key->vrf, .address = key->address};
	const struct pipeline_entry *bare;
	int r;

	if ((key->kind != RULE_LOCAL && key->kind != RULE_TENTATIVE && key->kind != RULE_GUARD &&
	     key->kind != RULE_FOREIGN) ||
	    !pipeline_is_bare(p, &foreign))
		return 0;
	bare = pipeline_find_bare(p, &foreign);
	r = p->ops->rule_keep(p->context, &bare->rule);
	if (r < 0)
		return r;
	*(struct pipeline_entry *)table_put(&p->rules[TABLE_BINDING], &foreign, NULL) = *bare;
	p->bare_count--;
	return 0;
}

/* What an older release, or a node that was here, left among the others. */
void pipeline_bare_all(struct pipeline *p)
{
	size_t at = 0;
	void *value;

	while (table_next(&p->rules[TABLE_BINDING], &at, NULL, &value)) {
		const struct pipeline_entry *entry = value;
		const struct rule_key key = entry->rule.key;

		if (!pipeline_may_be_bare(p, entry) || pipeline_put_bare(p, &entry->rule) < 0)
			continue;
		table_remove(&p->rules[TABLE_BINDING], &key);
		pipeline_forget(p, &key);
		p->bare_count++;
	}
}
