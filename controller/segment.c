/* See segment.h.  An FE is alive from when it has all its rules until its session has been gone for
 * element_grace_ms: a restarted agent changes nothing.  A port that is down counts at once.
 *
 * While the core is learning after a start, the FEs that are designated are those that were. */
#include "controller/segment.h"

#include "controller/admission.h"
#include "controller/element.h"
#include "controller/planner.h"
#include "controller/record.h"
#include "controller/refusal.h"
#include "controller/survey.h"

#include <string.h>

#define BUCKETS 255u
#define FREE_BUCKETS 192u /* of nodes that may be at any FE; the rest is for those that may not */
#define GATEWAY_BUCKET BUCKETS

struct segment {
	uint32_t id;
	uint32_t gateway; /* the FE that is told to be; 0: none */
	unsigned count;
	struct segment_member members[SEGMENT_MEMBERS_MAX];
};

size_t segment_size(void)
{
	return sizeof(struct segment);
}

/* ---- who is on it ---- */

static struct segment *find(const struct core *c, uint32_t id)
{
	return id ? table_get(&c->segments, &id) : NULL;
}

/* NULL also where there are no segments at all, which is usual: this file asks for ports that are
 * on one. */
static const struct port *place_port(const struct core *c, const struct place *place)
{
	const struct element *e = c->segments.count ? element_find(c, place->fe) : NULL;

	return e && place->port ? element_find_port(e, place->port) : NULL;
}

static struct segment *segment_of(const struct core *c, const struct place *place)
{
	const struct port *p = place_port(c, place);

	return p ? find(c, p->segment) : NULL;
}

bool segment_is_shared(const struct port *p)
{
	return p && p->segment != 0;
}

bool segment_is_same(const struct core *c, const struct place *a, const struct place *b)
{
	const struct port *x = place_port(c, a), *y = place_port(c, b);

	return x && y && x->segment && x->segment == y->segment;
}

static const struct port *member_port(const struct core *c, const struct segment_member *m)
{
	const struct element *e = element_find(c, m->fe);
	const struct port *p = e ? element_find_port(e, m->port) : NULL;

	return p && p->present && p->up ? p : NULL;
}

static bool is_alive(const struct core *c, const struct segment_member *m)
{
	const struct element *e = element_find(c, m->fe);

	return e && e->alive && member_port(c, m);
}

const struct port *segment_beside(const struct core *c, uint32_t x, const struct place *place)
{
	const struct segment *s = x == place->fe ? NULL : segment_of(c, place);

	for (unsigned i = 0; s && i < s->count; i++)
		if (s->members[i].fe == x && member_port(c, &s->members[i]))
			return member_port(c, &s->members[i]);
	return NULL;
}

bool segment_is_member(const struct core *c, uint32_t x, const struct place *place)
{
	const struct segment *s = segment_of(c, place);

	for (unsigned i = 0; s && i < s->count; i++)
		if (s->members[i].fe == x)
			return true;
	return false;
}

unsigned segment_members(const struct core *c, const struct place *place,
			 struct segment_member members[SEGMENT_MEMBERS_MAX])
{
	const struct segment *s = segment_of(c, place);

	if (!s)
		return 0;
	memcpy(members, s->members, s->count * sizeof(*members));
	return s->count;
}

bool segment_has_port_mac(const struct core *c, const struct port *p, const struct mac *mac)
{
	const struct segment *s = find(c, p->segment);

	for (unsigned i = 0; s && i < s->count; i++) {
		const struct port *other = member_port(c, &s->members[i]);

		if (other && mac_equal(&other->mac, mac))
			return true;
	}
	return false;
}

/* ---- who is designated ---- */

/* FNV-1a: what a name says must be the same in every run. */
static uint32_t hash_text(uint32_t hash, const char *text)
{
	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * 16777619u;
	return hash;
}

static bool is_listed(const struct element *e, uint8_t count, const char names[][NAME_SIZE])
{
	for (unsigned i = 0; i < count; i++)
		if (strcmp(names[i], e->name) == 0)
			return true;
	return count == 0;
}

/* The inventory lets the node be there; NULL: who is not in it. */
static bool may_serve(const struct core *c, const struct element *e, const struct node *n)
{
	if (!n)
		return true;
	for (unsigned i = 0; i < n->address_count; i++) {
		const struct covered_prefix *p =
			inventory_prefix(&c->inventory, n->vrf, &n->addresses[i]);

		if (p && !is_listed(e, p->element_count, p->elements))
			return false;
	}
	return node_may_be_at(n, e->name) && !admission_refuses_site(c, n, e);
}

/* Nodes of one bucket are designated together, for they are told one MAC: so nodes that may be at
 * the same FEs only have buckets of their own. */
static unsigned bucket_of(const struct core *c, const char *node)
{
	const struct node *n = inventory_node(&c->inventory, node);
	static const enum node_list lists[] = {NODE_ALLOW_SITES, NODE_ALLOW_LABELS};
	char element[WORD_SIZE];
	uint32_t hash = 2166136261u;
	unsigned at = 0;
	bool bound = false;

	for (unsigned i = 0; n && i < n->address_count; i++) {
		const struct covered_prefix *p =
			inventory_prefix(&c->inventory, n->vrf, &n->addresses[i]);

		for (unsigned j = 0; p && j < p->element_count; j++, bound = true)
			hash = hash_text(hash, p->elements[j]);
	}
	while (n && words_next(node_list(n, NODE_ELEMENTS), &at, element)) {
		hash = hash_text(hash, element);
		bound = true;
	}
	for (unsigned i = 0; n && i < ARRAY_SIZE(lists); i++) {
		hash = hash_text(hash, node_list(n, lists[i]));
		bound |= node_list(n, lists[i])[0] != '\0';
	}
	if (!bound)
		hash = hash_text(hash, node);
	hash ^= hash >> 16;
	return bound ? FREE_BUCKETS + hash % (BUCKETS - FREE_BUCKETS) : hash % FREE_BUCKETS;
}

/* splitmix64's finish */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static uint64_t weight(const struct segment *s, unsigned bucket, uint32_t fe)
{
	return mix(mix((uint64_t)s->id << 32 | bucket) + fe * UINT64_C(0x9e3779b97f4a7c15));
}

/* Rendezvous hash over those that are alive; one that is drained, or that no link joins to the
 * rest, only if there is no other. */
static const struct segment_member *choose(const struct core *c, const struct segment *s,
					   unsigned bucket, const struct node *n)
{
	const struct segment_member *best = NULL;
	uint64_t most = 0;
	bool best_is_last = false;

	for (unsigned i = 0; i < s->count; i++) {
		const struct segment_member *m = &s->members[i];
		const struct element *e = element_find(c, m->fe);
		bool last = is_alive(c, m) && (e->draining || e->cut_off);
		uint64_t w = weight(s, bucket, m->fe);

		if (!is_alive(c, m) || (best && last && !best_is_last) || !may_serve(c, e, n))
			continue;
		if (!best || (best_is_last && !last) || w > most) {
			best = m;
			best_is_last = last;
			most = w;
		}
	}
	return best;
}

bool segment_designate(const struct core *c, const char *node, struct place *place)
{
	const struct segment *s = segment_of(c, place);
	const struct segment_member *m =
		s ? choose(c, s, bucket_of(c, node), inventory_node(&c->inventory, node)) : NULL;

	if (!m)
		return false;
	place->fe = m->fe;
	place->port = m->port;
	return true;
}

bool segment_serves(const struct core *c, const struct port *p, const struct node *n)
{
	const struct segment *s = find(c, p->segment);

	return s && choose(c, s, bucket_of(c, n->id), n);
}

struct mac segment_gateway_mac(const struct core *c, const char *node, const struct place *place)
{
	struct mac mac = c->config.gateway_mac;

	/* Never the first one: that is 0 buckets further. */
	if (segment_is_shared(place_port(c, place)))
		mac.bytes[5] = (uint8_t)(mac.bytes[5] + 1 + bucket_of(c, node));
	return mac;
}

bool segment_is_silent(const struct core *c, const struct element *e, const struct port *p)
{
	const struct segment *s = find(c, p->segment);

	return s && s->gateway != e->id;
}

void segment_adopt(struct core *c, const struct element *e, const struct port *p,
		   enum segment_listens listens)
{
	struct segment *s = find(c, p->segment);

	if (s && !s->gateway && listens != SEGMENT_LISTENS_SILENT)
		s->gateway = e->id;
}

/* ---- changes ---- */

static void refresh_gateway(struct core *c, struct segment *s)
{
	const struct segment_member *m = choose(c, s, GATEWAY_BUCKET, NULL);

	if (!m || m->fe == s->gateway)
		return;
	s->gateway = m->fe;
	/* The new one first. */
	planner_refresh_port(c, element_find(c, m->fe),
			     element_port(element_find(c, m->fe), m->port));
	segment_announce_gateway(c, element_find(c, m->fe), m->port);
	for (unsigned i = 0; i < s->count; i++)
		planner_refresh_port(
			c, element_find(c, s->members[i].fe),
			element_port(element_find(c, s->members[i].fe), s->members[i].port));
}

static void refresh(struct core *c, struct segment *s)
{
	if (c->learning)
		return;
	refresh_gateway(c, s);
	for (unsigned i = 0; i < s->count; i++) {
		struct port *p =
			element_port(element_find(c, s->members[i].fe), s->members[i].port);
		struct attachment_record *next;

		for (struct attachment_record *r = record_at(c, p->first); r; r = next) {
			next = record_at(c, r->port_next);
			attachment_redesignate(c, r);
		}
	}
}

/* What nobody is on is forgotten, or an FE could make any number of them; but who was its gateway's
 * FE is found out only once while the core is learning. */
static void leave(struct core *c, const struct element *e, struct port *p)
{
	struct segment *s = find(c, p->segment);

	planner_refresh_besides(c, e, p, false);
	for (unsigned i = 0; s && i < s->count; i++)
		if (s->members[i].fe == e->id && s->members[i].port == p->number)
			s->members[i--] = s->members[--s->count];
	if (s && !s->count && !c->learning)
		(void)table_remove(&c->segments, &p->segment);
	p->segment = 0;
	survey_spoil(c);
}

static void join(struct core *c, const struct element *e, struct port *p)
{
	uint32_t id = p->info.segment;
	struct segment *s = table_put(&c->segments, &id, NULL);

	s->id = id;
	/* Of an FE's ports on one LAN the first is used. */
	for (unsigned i = 0; i < s->count; i++)
		if (s->members[i].fe == e->id)
			return;
	if (s->count == SEGMENT_MEMBERS_MAX) {
		report_refusal(c, "segment-full", e->name, e, p->number,
			       "its port's segment has as many elements as one may have");
		return;
	}
	p->segment = id;
	s->members[s->count++] = (struct segment_member){e->id, p->number};
	survey_spoil(c);
	planner_refresh_besides(c, e, p, true);
}

bool segment_explains(struct core *c, const struct element *e, const struct rule *local,
		      const struct attachment_record *r)
{
	const struct port *p = element_find_port(e, local->port);
	struct element *home = r && !r->detached ? element_find(c, r->a.place.fe) : NULL;
	struct port *other;

	if (!p || !p->segment || !mac_equal(&p->mac, &local->gateway_mac))
		return false;
	/* A rule from before the node left tells nothing of where it is now. */
	if (!home || home == e || home->met || !r->a.place.port ||
	    local->cookie != version_to_cookie(r->a.version))
		return true;
	other = element_port(home, r->a.place.port);
	if (!other->segment) {
		other->info.role = PORT_ACCESS;
		other->info.segment = p->segment;
		join(c, home, other);
	}
	return true;
}

void segment_port_leaves(struct core *c, struct element *e, struct port *p)
{
	struct segment *s = find(c, p->segment);
	uint32_t id = p->segment;

	if (!s)
		return;
	planner_refresh_beside(c, e, p, false);
	p->beside = false;
	leave(c, e, p);
	s = find(c, id);
	if (s)
		refresh(c, s);
}

void segment_port_changed(struct core *c, struct element *e, struct port *p)
{
	uint32_t wanted = p->info.role == PORT_ACCESS && !e->ovs ? p->info.segment : 0;
	bool is_up = p->present && p->up;

	if (p->segment && p->segment != wanted)
		segment_port_leaves(c, e, p);
	if (!p->segment && wanted)
		join(c, e, p);
	if (!p->segment || is_up == p->beside)
		return;
	p->beside = is_up;
	survey_spoil(c);
	planner_refresh_beside(c, e, p, is_up);
	refresh(c, find(c, p->segment));
}

void segment_refresh_element(struct core *c, const struct element *e)
{
	size_t at = 0;
	struct segment *s;

	while (table_next(&c->segments, &at, NULL, (void **)&s))
		for (unsigned i = 0; i < s->count; i++)
			if (s->members[i].fe == e->id) {
				refresh(c, s);
				break;
			}
}

void segment_refresh_all(struct core *c)
{
	size_t at = 0;
	struct segment *s;

	while (table_next(&c->segments, &at, NULL, (void **)&s))
		refresh(c, s);
}

void segment_element_online(struct element *e)
{
	if (e->alive)
		return;
	e->alive = true;
	segment_refresh_element(e->core, e);
}

void segment_element_gone(struct element *e)
{
	if (!e->alive)
		return;
	e->alive = false;
	segment_refresh_element(e->core, e);
}

bool segment_has_others(const struct element *e)
{
	size_t at = 0;
	struct port *p;

	while (e->core->segments.count && table_next(&e->ports, &at, NULL, (void **)&p))
		if (p->segment && find(e->core, p->segment)->count > 1)
			return true;
	return false;
}

void segment_tick(struct core *c)
{
	for (unsigned i = 0; i < c->element_count; i++) {
		struct element *e = c->elements[i];

		if (e->alive && !e->session && c->now_ms - e->lost_ms >= c->config.element_grace_ms)
			segment_element_gone(e);
	}
}
