/* See controller/survey.h. */
#include "controller/survey.h"

#include "base/memory.h"
#include "controller/element.h"
#include "controller/planner.h"
#include "controller/segment.h"
#include "controller/tunnel.h"

#include <stdlib.h>
#include <string.h>

#define NODES_IN_A_BUCKET 16
#define BUCKETS_OF_ALL (2u << 20) /* FEs' sums and ours, together: 32 MiB each */

struct survey {
	struct summary_scheme scheme;
	uint32_t serial;
	unsigned users;
	bool begun, complete, spoiled;
	size_t at;
	uint64_t reachable; /* a digest of which FEs were */
	struct summary_bucket *base;
	struct table parts; /* uint32_t fe -> struct summary_bucket *: added to the base */
	struct summary_marks changed;
	unsigned changed_count;
};

/* ---- its life ---- */

static uint8_t choose_bits(const struct core *c)
{
	uint8_t bits = SUMMARY_BITS_MIN;

	while (bits < SUMMARY_BITS_MAX && c->records.count >> bits > NODES_IN_A_BUCKET &&
	       ((uint64_t)c->element_count + 1) << (bits + 1) <= BUCKETS_OF_ALL)
		bits++;
	return bits;
}

/* The seed is a secret; a key that an FE was told says nothing of the next one. */
static void make_key(struct core *c, struct summary_scheme *s)
{
	uint8_t seed[SIPHASH_KEY_SIZE] = "summary";

	memcpy(seed + 8, &c->seed, 8);
	c->survey_serial++;
	for (unsigned half = 0; half < 2; half++) {
		uint64_t input[2] = {c->survey_serial, half};
		uint64_t word = siphash(seed, input, sizeof(input));

		memcpy(s->key + 8 * (size_t)half, &word, 8);
	}
}

/* Of the FEs that there are, not only of those that are here: a rule may point to any. */
static uint64_t digest_reachable(const struct core *c)
{
	uint64_t digest = 0;

	for (unsigned i = 0; i < c->element_count; i++)
		digest = digest * 0x9e3779b97f4a7c15u +
			 (c->elements[i]->id << 1 | element_has_backplane(c->elements[i]));
	return digest;
}

static struct survey *create(struct core *c)
{
	struct survey *v = memory_alloc(sizeof(*v));

	v->scheme.bits = choose_bits(c);
	make_key(c, &v->scheme);
	v->serial = c->survey_serial;
	table_init(&v->parts, sizeof(uint32_t), sizeof(struct summary_bucket *), c->seed + 16);
	return v;
}

void survey_drop(struct core *c)
{
	struct survey *v = c->survey;
	struct summary_bucket **part;
	size_t at = 0;

	if (!v)
		return;
	while (table_next(&v->parts, &at, NULL, (void **)&part))
		free(*part);
	table_finish(&v->parts);
	free(v->base);
	free(v);
	c->survey = NULL;
}

static bool is_stale(const struct core *c)
{
	const struct survey *v = c->survey;

	return v->begun && (v->spoiled || v->reachable != digest_reachable(c));
}

struct survey *survey_obtain(struct core *c)
{
	struct survey *v = c->survey;

	if (v && (is_stale(c) || (!v->users && v->begun &&
				  v->changed_count > summary_bucket_count(&v->scheme) / 8)))
		survey_drop(c);
	if (!c->survey)
		c->survey = create(c);
	c->survey->users++;
	return c->survey;
}

void survey_release(struct core *c, uint32_t serial)
{
	if (serial && survey_serial(c) == serial && !--c->survey->users)
		survey_drop(c);
}

const struct summary_scheme *survey_scheme(const struct survey *v)
{
	return &v->scheme;
}

uint32_t survey_serial(const struct core *c)
{
	return c->survey ? c->survey->serial : 0;
}

bool survey_is_walking(const struct core *c)
{
	return c->survey && c->survey->begun && !c->survey->complete;
}

bool survey_is_good(const struct core *c)
{
	return c->survey && c->survey->complete && !is_stale(c);
}

/* ---- the walk ---- */

struct piece {
	unsigned bucket;
	uint64_t hash;
};

struct pieces {
	struct piece list[PLANNER_NODE_RULES_MAX];
	unsigned count;
};

static void find_pieces(const struct core *c, uint32_t fe, const struct attachment_record *r,
			struct pieces *ret)
{
	const struct summary_scheme *scheme = &c->survey->scheme;
	struct rule rules[PLANNER_NODE_RULES_MAX];
	unsigned count = planner_node_rules(c, fe, record_node(c, r), &r->a, rules);

	ret->count = 0;
	for (unsigned i = 0; i < count; i++)
		if (summary_covers((enum rule_kind)rules[i].key.kind))
			ret->list[ret->count++] = (struct piece){
				summary_bucket_of(scheme, rules[i].key.vrf, &rules[i].key.address),
				summary_hash(scheme, &rules[i]),
			};
}

static void add(struct summary_bucket *to, const struct pieces *pieces)
{
	for (unsigned i = 0; i < pieces->count; i++) {
		to[pieces->list[i].bucket].sum += pieces->list[i].hash;
		to[pieces->list[i].bucket].count++;
	}
}

static void subtract(struct summary_bucket *from, const struct pieces *pieces)
{
	for (unsigned i = 0; i < pieces->count; i++) {
		from[pieces->list[i].bucket].sum -= pieces->list[i].hash;
		from[pieces->list[i].bucket].count--;
	}
}

static struct summary_bucket *part_of(struct survey *v, uint32_t fe)
{
	bool created;
	struct summary_bucket **part = table_put(&v->parts, &fe, &created);

	if (created)
		*part = memory_alloc_array(summary_bucket_count(&v->scheme), sizeof(**part));
	return *part;
}

/* What an FE with a part in the attachment has, instead of what the others have. */
static void survey_involved(struct core *c, uint32_t fe, const struct attachment_record *r,
			    const struct pieces *others)
{
	struct summary_bucket *part;
	struct pieces own;

	if (!fe)
		return;
	part = part_of(c->survey, fe);
	find_pieces(c, fe, r, &own);
	subtract(part, others);
	add(part, &own);
}

static void survey_members(struct core *c, const struct attachment_record *r, uint32_t previous,
			   const struct pieces *others)
{
	struct segment_member members[SEGMENT_MEMBERS_MAX];
	unsigned count = segment_members(c, &r->a.place, members);

	for (unsigned i = 0; i < count; i++)
		if (members[i].fe != r->a.place.fe && members[i].fe != previous)
			survey_involved(c, members[i].fe, r, others);
}

static void survey_node(struct core *c, const struct attachment_record *r)
{
	uint32_t previous = r->a.state == ATTACHMENT_PREPARED ? r->a.previous.fe : 0;
	const struct node *node = record_node(c, r);
	struct pieces others;

	if (!node || r->detached)
		return;
	/* Other FEs' rules say which version is right. */
	if (r->element_version_guessed)
		survey_note(c, node);
	find_pieces(c, PLANNER_OTHER, r, &others);
	add(c->survey->base, &others);
	survey_involved(c, r->a.place.fe, r, &others);
	if (previous != r->a.place.fe)
		survey_involved(c, previous, r, &others);
	survey_members(c, r, previous, &others);
}

static void begin(struct core *c)
{
	struct survey *v = c->survey;

	v->begun = true;
	v->reachable = digest_reachable(c);
	v->base = memory_alloc_array(summary_bucket_count(&v->scheme), sizeof(*v->base));
}

bool survey_work(struct core *c, unsigned nodes)
{
	struct survey *v = c->survey;
	struct attachment_record *r;

	if (!v->begun)
		begin(c);
	while (nodes-- && !v->complete) {
		if (pool_next(&c->records, &v->at, (void **)&r))
			survey_node(c, r);
		else
			v->complete = true;
	}
	return v->complete;
}

/* ---- what it says ---- */

void survey_compare(const struct survey *v, uint32_t fe, const struct summary_bucket *has,
		    struct summary_marks *marks)
{
	struct summary_bucket *const *found = table_get(&v->parts, &fe), none = {0};

	for (unsigned i = 0; i < summary_bucket_count(&v->scheme); i++) {
		const struct summary_bucket *part = found ? &(*found)[i] : &none;

		if (summary_is_marked(&v->changed, i) || has[i].sum != v->base[i].sum + part->sum ||
		    has[i].count != v->base[i].count + part->count)
			summary_mark(marks, i);
	}
}

void survey_note(struct core *c, const struct node *n)
{
	struct survey *v = c->survey;

	if (!v || !v->begun || !n)
		return;
	for (unsigned i = 0; i < n->address_count; i++) {
		unsigned bucket = summary_bucket_of(&v->scheme, n->vrf, &n->addresses[i]);

		v->changed_count += !summary_is_marked(&v->changed, bucket);
		summary_mark(&v->changed, bucket);
	}
}

void survey_spoil(struct core *c)
{
	if (c->survey)
		c->survey->spoiled |= c->survey->begun;
}
