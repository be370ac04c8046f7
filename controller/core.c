/* The controller's core from outside: creation, the clock, what the northbound changes.  What FEs
 * say comes in through session.c; questions are answered by query.c, request.c and trace.c. */
#include "controller/core.h"

#include "base/log.h"
#include "base/memory.h"
#include "controller/admission.h"
#include "controller/alarm.h"
#include "controller/backplane.h"
#include "controller/discovery.h"
#include "controller/element.h"
#include "controller/flapping.h"
#include "controller/full.h"
#include "controller/gone.h"
#include "controller/overlap.h"
#include "controller/ovs.h"
#include "controller/planner.h"
#include "controller/rebuild.h"
#include "controller/refusal.h"
#include "controller/registrar.h"
#include "controller/segment.h"
#include "controller/signed.h"
#include "controller/survey.h"
#include "controller/topology.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

LOG_MODULE("core");

static void set_defaults(struct core_config *config)
{
	if (!config->port_grace_ms)
		config->port_grace_ms = 2000;
	if (!config->prepare_timeout_ms)
		config->prepare_timeout_ms = 30000;
	if (!config->probe_timeout_ms)
		config->probe_timeout_ms = 300;
	if (!config->element_grace_ms)
		config->element_grace_ms = 1000;
	if (!config->learn_timeout_ms)
		config->learn_timeout_ms = 5000;
	if (!config->flapping_claims)
		config->flapping_claims = 5;
	if (!config->flapping_window_ms)
		config->flapping_window_ms = 180000;
	if (!config->registration_lifetime_s)
		config->registration_lifetime_s = 3600;
	if (!config->slice)
		config->slice = 512;
	if (!config->discovery_cost)
		config->discovery_cost = 10;
}

struct core *core_create(const struct core_config *config, const struct core_shell *shell,
			 uint64_t seed, uint16_t term, int64_t now_ms)
{
	struct core *c = memory_alloc(sizeof(*c));

	c->config = *config;
	set_defaults(&c->config);
	c->shell = *shell;
	c->seed = seed;
	c->term = term ? term : 1;
	c->started_ms = c->now_ms = c->second_ms = now_ms;
	c->learning = true;
	c->stencils = stencils_create();
	rebuild_begin(c);
	inventory_init(&c->inventory, seed);
	devices_init(&c->devices, seed + 12);
	c->signing = signed_create(seed + 13, now_ms);
	table_init(&c->element_names, NAME_SIZE, sizeof(struct element *), seed + 7);
	pool_init(&c->records, sizeof(struct attachment_record));
	pool_init(&c->asides, sizeof(struct aside));
	table_init(&c->drained, NAME_SIZE, sizeof(bool), seed + 11);
	table_init(&c->segments, sizeof(uint32_t), segment_size(), seed + 10);
	refusal_init(c, seed + 12);
	alarm_init(c, seed + 15);
	return c;
}

void core_destroy(struct core *c)
{
	if (!c)
		return;
	report_log(c);
	while (c->sessions)
		session_end(c->sessions, "the controller ends", true);
	survey_drop(c);
	backplane_finish(c);
	topology_finish(c);
	discovery_finish(c);
	for (unsigned i = 0; i < c->element_count; i++)
		element_destroy(c->elements[i]);
	free(c->elements);
	table_finish(&c->element_names);
	pool_finish(&c->records);
	pool_finish(&c->asides);
	refusal_finish(c);
	alarm_finish(c);
	table_finish(&c->segments);
	table_finish(&c->drained);
	signed_destroy(c->signing);
	devices_finish(&c->devices);
	inventory_finish(&c->inventory);
	free(c->wishes);
	stencils_destroy(c->stencils);
	buffer_finish(&c->scratch);
	buffer_finish(&c->switch_scratch);
	free(c);
}

uint16_t core_term(const struct core *c)
{
	return c->term;
}

struct channel *session_channel(struct session *s)
{
	return &s->channel;
}

void *session_handle(const struct session *s)
{
	return s->handle;
}

int core_add_prefix(struct core *c, const struct covered_prefix *p, struct reason *why)
{
	int r = inventory_add_prefix(&c->inventory, p, why);

	if (r == 0)
		planner_add_prefix(c, p);
	return r;
}

int core_add_site(struct core *c, const struct site *s, struct reason *why)
{
	return sites_add(&c->inventory.sites, s, why);
}

int core_add_network(struct core *c, const struct network *n, struct reason *why)
{
	return networks_add(&c->inventory.networks, n, why);
}

int core_settle_networks(struct core *c, unsigned *ret_at, struct reason *why)
{
	return networks_settle(&c->inventory.networks, ret_at, why);
}

int core_add_element(struct core *c, const struct declared_element *d, struct reason *why)
{
	return ovs_declare(c, d, why);
}

/* Packets of such a link would go by networks that do not carry for each other. */
static int check_policy(const struct core *c, const struct link *l, struct reason *why)
{
	if ((l->kind != LINK_IP && l->kind != LINK_UDP) ||
	    networks_relation(&c->inventory.networks, l->ends[0], l->ends[1]) != NETWORK_NONE)
		return 0;
	return reason_set(why, -EINVAL,
			  "link %s - %s: no way that their networks' policies allow leads from one "
			  "to the other",
			  l->ends[0], l->ends[1]);
}

int core_add_link(struct core *c, const struct link *l, struct reason *why)
{
	int r = check_policy(c, l, why);

	if (r == 0)
		r = inventory_add_link(&c->inventory, l, why);
	if (r == 0 && l->kind)
		backplane_add(c, l, false);
	if (r == 0)
		topology_refresh(c);
	return r;
}

static const struct link *find_link(const struct link *list, unsigned count, const struct link *l)
{
	for (unsigned i = 0; i < count; i++)
		if (memcmp(list[i].ends, l->ends, sizeof(l->ends)) == 0 &&
		    memcmp(list[i].ports, l->ports, sizeof(l->ports)) == 0 &&
		    list[i].kind == l->kind)
			return &list[i];
	return NULL;
}

void core_replace_links(struct core *c, const struct link *list, unsigned count, int64_t now_ms)
{
	unsigned old_count = c->inventory.link_count;
	struct link *old = memory_alloc_array(old_count + 1, sizeof(*old));

	core_set_now(c, now_ms);
	memcpy(old, c->inventory.links, old_count * sizeof(*old));
	c->inventory.link_count = 0;
	for (unsigned i = 0; i < old_count; i++)
		if (old[i].kind && !find_link(list, count, &old[i]))
			(void)backplane_remove(c, &old[i]);
	for (unsigned i = 0; i < count; i++) {
		const struct link *before = find_link(old, old_count, &list[i]);
		struct reason why;

		if (inventory_add_link(&c->inventory, &list[i], &why) < 0) {
			log_error("%s", why.text);
			continue;
		}
		if (list[i].kind && !before)
			backplane_add(c, &list[i], false);
		else if (list[i].kind && memcmp(before, &list[i], sizeof(list[i])) != 0)
			backplane_change(c, before, &list[i]);
	}
	free(old);
	topology_refresh(c);
	topology_settle(c);
}

void core_restore_attachment(struct core *c, const struct attachment *a)
{
	attachment_restore(c, a);
}

/* --- nodes --------------------------------------------------------------------------------- */

static bool same_rules(const struct node *a, const struct node *b)
{
	return a->vrf == b->vrf && mac_equal(&a->mac, &b->mac) &&
	       a->address_count == b->address_count &&
	       memcmp(a->addresses, b->addresses, a->address_count * sizeof(struct address)) == 0;
}

/* The inventory says now that it may not be where it is. */
static void check_place(struct core *c, const struct node *n)
{
	const struct attachment_record *r = attachment_find(c, n->id);
	const struct element *e;
	const struct port *p;
	const char *why;

	if (!r || r->detached)
		return;
	e = element_find(c, r->a.place.fe);
	p = e ? element_find_port(e, r->a.place.port) : NULL;
	/* Before it connected we do not know the FE's name. */
	if (e && e->met && p && !registrar_may_attach(c, n, e, p, &why))
		(void)attachment_detach(c, n->id, "it may not be there any more");
}

static int check_node(const struct core *c, const struct node_spec *n, const struct node *known,
		      struct reason *why)
{
	int r;

	if (!mac_is_zero(&n->mac) && rule_is_gateway_mac(&n->mac, &c->config.gateway_mac))
		return reason_set(why, -EINVAL, "node %s: its MAC is the gateway's", n->id);
	r = n->learned ? admission_check_claimed(c, n, why) : 0;
	return r == 0 ? overlap_check(c, n, known, why) : r;
}

static void node_added(struct core *c, const struct node *n)
{
	c->claimed_count += n->learned;
	attachment_node_changed(c, n, NULL);
	rebuild_node_added(c);
	report(c, EVENT_NODE_ADDED, NULL, NULL, 0, "%s: added", n->id);
	sync_explain_again(c, n);
}

/* Where elements share a LAN, it is told one that depends on where it may be. */
static struct mac gateway_of(const struct core *c, const char *node)
{
	const struct attachment_record *r = attachment_find(c, node);

	return r && !r->detached ? segment_gateway_mac(c, node, &r->a.place) : (struct mac){};
}

int core_put_node(struct core *c, const struct node_spec *spec, int64_t now_ms, struct reason *why)
{
	const struct node *n = inventory_node(&c->inventory, spec->id);
	struct mac gateway = {}, now;
	struct node *before;
	int r;

	core_set_now(c, now_ms);
	r = check_node(c, spec, n, why);
	if (r < 0)
		return r;
	before = n ? node_copy(n) : NULL;
	if (before)
		gateway = gateway_of(c, spec->id);
	r = inventory_put_node(&c->inventory, spec, why);
	if (r == 0) {
		n = inventory_node(&c->inventory, spec->id);
		now = before ? gateway_of(c, spec->id) : gateway;
		if (!before)
			node_added(c, n);
		else if (!same_rules(before, n) || !mac_equal(&gateway, &now))
			attachment_node_changed(c, n, before);
		check_place(c, n);
	}
	free(before);
	return r;
}

int core_remove_node(struct core *c, const char *id, int64_t now_ms, struct reason *why)
{
	const struct node *n = inventory_node(&c->inventory, id);

	core_set_now(c, now_ms);
	if (!n)
		return reason_set(why, -ENOENT, "there is no node %.*s", NAME_SIZE - 1, id);
	if (admission_keeps(c, n)) {
		c->claimed_count -= c->claimed_count > 0;
		if (c->shell.forget_node)
			c->shell.forget_node(c->shell.context, n->id);
	}
	if (!attachment_detach(c, id, "the node is removed"))
		attachment_bar(c, id);
	/* A learned one is gone with its attachment. */
	if (inventory_remove_node(&c->inventory, id))
		report(c, EVENT_NODE_REMOVED, NULL, NULL, 0, "%.*s: removed", NAME_SIZE - 1, id);
	return 0;
}

/* --- moves --------------------------------------------------------------------------------- */

static const struct port *port_by_name(const struct element *e, const char *name)
{
	size_t at = 0;
	struct port *p;

	while (table_next(&e->ports, &at, NULL, (void **)&p))
		if (p->present && strcmp(p->name, name) == 0)
			return p;
	return NULL;
}

int core_prepare_move(struct core *c, const char *node, const char *element, const char *port,
		      uint16_t vlan, int64_t now_ms, struct reason *why)
{
	const struct node *n = inventory_node(&c->inventory, node);
	const struct element *e = element_by_name(c, element);
	const struct port *p = e ? port_by_name(e, port) : NULL;
	const struct attachment_record *r = attachment_find(c, node);
	struct place to = {.vlan = vlan};
	const char *rule;

	core_set_now(c, now_ms);
	if (!n)
		return reason_set(why, -ENOENT, "there is no node %.*s", NAME_SIZE - 1, node);
	if (!e)
		return reason_set(why, -ENOENT, "there is no element %.*s", NAME_SIZE - 1, element);
	if (!p)
		return reason_set(why, -ENOENT, "%s has no port %.*s", e->name,
				  OFP_PORT_NAME_SIZE - 1, port);
	if (e->ovs && vlan)
		return reason_set(why, -EINVAL, "%s is an Open vSwitch: it has no VLAN trunks",
				  e->name);
	if (vlan > 4094)
		return reason_set(why, -EINVAL, "VLAN %u is above 4094", vlan);
	if (!registrar_may_attach(c, n, e, p, &rule))
		return reason_set(why, -EPERM, "%s may not attach to %s port %s: %s", n->id,
				  e->name, p->name, rule);
	to.fe = e->id;
	to.port = p->number;
	to.mac = !mac_is_zero(&n->mac) || !r ? n->mac : r->a.place.mac;
	if (mac_is_zero(&to.mac))
		return reason_set(why, -EINVAL, "%s: its MAC is not known yet", n->id);
	return attachment_prepare(c, n, &to, why);
}

int core_confirm_move(struct core *c, const char *node, int64_t now_ms, struct reason *why)
{
	core_set_now(c, now_ms);
	return attachment_confirm(c, node, why);
}

int core_revert_move(struct core *c, const char *node, int64_t now_ms, struct reason *why)
{
	core_set_now(c, now_ms);
	return attachment_revert(c, node, why);
}

int core_detach_node(struct core *c, const char *node, int64_t now_ms, struct reason *why)
{
	core_set_now(c, now_ms);
	if (!attachment_detach(c, node, "as asked"))
		return reason_set(why, -ENOENT, "%.*s: there is no such node, or it is nowhere",
				  NAME_SIZE - 1, node);
	return 0;
}

/* --- time ---------------------------------------------------------------------------------- */

static bool is_synced(const struct core *c, const char *name)
{
	const struct element *e = element_by_name(c, name);

	return e && e->synced;
}

/* Every FE that the links or the last run's attachments name has told what it has. */
static bool all_are_here(const struct core *c)
{
	unsigned known = c->inventory.link_count;

	for (unsigned i = 0; i < c->inventory.link_count; i++)
		if (!is_synced(c, c->inventory.links[i].ends[0]) ||
		    !is_synced(c, c->inventory.links[i].ends[1]))
			return false;
	for (unsigned i = 0; i < c->element_count; i++) {
		if (c->elements[i]->awaited && !c->elements[i]->synced)
			return false;
		known += c->elements[i]->awaited;
	}
	return known > 0;
}

/* What was left standing because some FE might explain it is looked at again. */
static void stop_learning(struct core *c)
{
	log_debug("all elements that will come are here");
	c->learning = false;
	rebuild_report(c);
	attachment_drop_nodeless(c);
	signed_learnt(c);
	for (unsigned i = 0; i < c->element_count; i++) {
		struct element *e = c->elements[i];

		if (!e->synced)
			continue;
		attachment_drop_portless(c, e);
		if (e->unexplained && e->session->stage == STAGE_READY) {
			session_synchronize(e->session);
			c->shell.flush(c->shell.context, e->session);
		}
	}
	planner_refresh_exits(c);
	segment_refresh_all(c);
	discovery_hold(c);
	topology_tell_all(c);
}

/* Border FEs that have been gone for long are the last choice, and no FE is passed then. */
static void check_borders(struct core *c)
{
	bool changed = false;

	for (unsigned i = 0; i < c->element_count; i++) {
		struct element *e = c->elements[i];
		bool absent = !e->session && c->now_ms - e->since_ms > BORDER_GRACE_MS;

		changed |= (absent && e->border) != e->distant;
		c->paths_stale |= c->link_count && (absent || e->draining) != e->avoided;
		e->distant = absent && e->border;
		e->avoided = absent || e->draining;
	}
	if (changed)
		topology_refresh(c);
}

void core_tick(struct core *c, int64_t now_ms)
{
	struct session *next;

	core_set_now(c, now_ms);
	core_send_barriers(c);
	for (struct session *s = c->sessions; s; s = next) {
		next = s->next;
		session_tick(s);
	}
	if (c->learning &&
	    (now_ms - c->started_ms >= c->config.learn_timeout_ms || all_are_here(c)))
		stop_learning(c);
	for (unsigned i = 0; c->has_switches && i < c->element_count; i++)
		if (c->elements[i]->ovs)
			ovs_tick(c->elements[i]);
	rebuild_tick(c);
	gone_tick(c);
	segment_tick(c);
	for (unsigned i = 0; i < c->element_count; i++)
		full_tick(c->elements[i]);
	attachment_tick(c);
	signed_tick(c);
	discovery_tick(c);
	if (c->paths_hold_ms && now_ms >= c->paths_hold_ms) {
		c->paths_hold_ms = 0;
		topology_tell_all(c);
	}
	topology_settle(c);
	if (now_ms - c->second_ms >= 1000) {
		c->second_ms = now_ms;
		check_borders(c);
		backplane_tick(c);
		flapping_tick(c);
	}
}
