/* Sums of what elements have (pipeline/summary.h): as an agent would say them, which walks over its
 * own rules alone; a hundred elements of one process share what is the same for most of them. */
#include "lab/load.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

struct load_sums {
	struct summary_scheme scheme;
	uint64_t changes; /* as the load had them */
	unsigned parts;
	struct summary_bucket *base;  /* what an element has that a node is not at */
	struct summary_bucket *part;  /* of each element: what it has instead */
	struct summary_bucket *reply; /* scratch */
};

static void free_sums(struct load_sums *s)
{
	free(s->base);
	free(s->part);
	free(s->reply);
	memset(s, 0, sizeof(*s));
}

static void add(const struct load_sums *s, struct summary_bucket *to, const struct rule *rule,
		bool subtracts)
{
	struct summary_bucket *b =
		&to[summary_bucket_of(&s->scheme, rule->key.vrf, &rule->key.address)];
	uint64_t hash = summary_hash(&s->scheme, rule);

	b->sum += subtracts ? -hash : hash;
	b->count += subtracts ? UINT32_MAX : 1;
}

static void add_node(const struct load *l, const struct load_sums *s, unsigned node)
{
	size_t count = summary_bucket_count(&s->scheme);
	struct summary_bucket *part = s->part + count * l->nodes[node].element;
	struct rule local, guard, foreign;

	if (!l->nodes[node].speaks)
		return;
	load_rules(l, node, &local, &guard, &foreign);
	add(s, s->base, &foreign, false);
	add(s, part, &foreign, true);
	add(s, part, &local, false);
	add(s, part, &guard, false);
}

static void make_sums(const struct load *l, struct load_sums *s,
		      const struct summary_scheme *scheme)
{
	size_t count = summary_bucket_count(scheme);

	free_sums(s);
	s->scheme = *scheme;
	s->changes = l->changes;
	s->parts = l->count;
	s->base = memory_alloc_array(count, sizeof(*s->base));
	s->part = memory_alloc_array(count * l->count, sizeof(*s->part));
	s->reply = memory_alloc_array(count, sizeof(*s->reply));
	for (unsigned i = 0; i < l->node_count; i++)
		add_node(l, s, i);
}

static bool are_current(const struct load *l, const struct load_sums *s,
			const struct summary_scheme *scheme)
{
	return s->base && s->changes == l->changes && s->parts == l->count &&
	       s->scheme.bits == scheme->bits &&
	       memcmp(s->scheme.key, scheme->key, sizeof(scheme->key)) == 0;
}

void load_put_summary(struct load_element *e, uint32_t xid, const struct summary_scheme *scheme)
{
	struct load *l = e->load;
	size_t count = summary_bucket_count(scheme);
	static const struct summary_bucket none[SUMMARY_BUCKETS_MAX];
	const struct summary_bucket *part;

	if (!e->reads_back) {
		summary_reply_encode(&e->out, xid, scheme->bits, none);
		return;
	}
	if (!l->sums)
		l->sums = memory_alloc(sizeof(*l->sums));
	if (!are_current(l, l->sums, scheme))
		make_sums(l, l->sums, scheme);
	part = l->sums->part + count * e->index;
	for (size_t i = 0; i < count; i++)
		l->sums->reply[i] = (struct summary_bucket){l->sums->base[i].sum + part[i].sum,
							    l->sums->base[i].count + part[i].count};
	summary_reply_encode(&e->out, xid, scheme->bits, l->sums->reply);
}

void load_forget_sums(struct load *l)
{
	if (l->sums)
		free_sums(l->sums);
	free(l->sums);
	l->sums = NULL;
}
