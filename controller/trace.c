/* "victorctl trace": a packet's way through the tables of the FEs, from intent (what planner.c says
 * each FE should have), with the reason at each step in words.  It asks no FE. */
#include "controller/core.h"

#include "controller/element.h"
#include "controller/exit.h"
#include "controller/planner.h"
#include "controller/tunnel.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TRANSIT_STEPS_MAX 16 /* a longer path is cut short: the verdict must have room */

struct trace {
	const struct core *core;
	uint32_t vrf;
	const struct address *source, *destination;
	const struct node *source_node, *destination_node;
	const struct attachment *source_at, *destination_at;
	struct trace_step *steps;
	int count;
};

static void step(struct trace *t, const struct element *e, const struct rule *rule,
		 const char *format, ...) PRINTF_LIKE(4, 5);

static void step(struct trace *t, const struct element *e, const struct rule *rule,
		 const char *format, ...)
{
	struct trace_step *s = &t->steps[t->count];
	va_list arguments;

	if (t->count == TRACE_STEPS_MAX)
		return;
	t->count++;
	*s = (struct trace_step){.table = (uint8_t)rule_table(rule->key.kind)};
	name_copy(s->element, e->name);
	rule_format(rule, s->flow, sizeof(s->flow), s->action, sizeof(s->action));
	va_start(arguments, format);
	vsnprintf(s->reason, sizeof(s->reason), format, arguments);
	va_end(arguments);
}

/* A step that no rule makes. */
static void last_word(struct trace *t, const struct element *e, enum pipeline_table table,
		      const char *format, ...) PRINTF_LIKE(4, 5);

static void last_word(struct trace *t, const struct element *e, enum pipeline_table table,
		      const char *format, ...)
{
	struct trace_step *s = &t->steps[t->count];
	va_list arguments;

	if (t->count == TRACE_STEPS_MAX)
		return;
	t->count++;
	*s = (struct trace_step){.table = (uint8_t)table};
	name_copy(s->element, e->name);
	snprintf(s->flow, sizeof(s->flow), "none");
	snprintf(s->action, sizeof(s->action), "drop");
	va_start(arguments, format);
	vsnprintf(s->reason, sizeof(s->reason), format, arguments);
	va_end(arguments);
}

static const char *presence(const struct element *e)
{
	return e->state == ELEMENT_OFFLINE ? " (it has no session now; it forwards as it last knew)"
					   : "";
}

static const struct port *external_port(const struct element *e)
{
	const struct port *best = NULL;
	size_t at = 0;
	struct port *p;

	while (table_next(&e->ports, &at, NULL, (void **)&p))
		if (p->present && p->up && p->info.role == PORT_EXTERNAL &&
		    (!best || p->number < best->number))
			best = p;
	return best;
}

static struct rule admit(const struct trace *t, const struct element *e, uint32_t port, bool access)
{
	return (struct rule){
		.key = {.kind = RULE_ADMIT,
			.ethertype = address_is_ipv4(t->destination) ? 0 : ETHERTYPE_IPV6_,
			.port = port},
		.vrf = t->vrf,
		.fe = e->id,
		.next_table = access ? TABLE_GUARD : TABLE_BINDING};
}

static const struct rule *find_rule(const struct trace *t, const struct element *e,
				    const struct node *n, const struct attachment *a,
				    enum rule_kind kind, const struct address *address,
				    struct rule rules[PLANNER_NODE_RULES_MAX])
{
	unsigned count = planner_node_rules(t->core, e->id, n, a, rules);

	for (unsigned i = 0; i < count; i++)
		if (rules[i].key.kind == kind && address_equal(&rules[i].key.address, address))
			return &rules[i];
	return NULL;
}

/* Tables 0 to 2 where a node's packet comes in.  False: it ends there. */
static bool enter_access(struct trace *t, const struct element *e)
{
	struct rule rules[PLANNER_NODE_RULES_MAX];
	const struct rule *guard;
	struct rule rule = admit(t, e, t->source_at->place.port, true);
	const struct port *p = element_find_port(e, t->source_at->place.port);

	step(t, e, &rule, "%s is attached to port %u%s%s, an access port%s", t->source_at->node,
	     t->source_at->place.port, p ? " " : "", p ? p->name : "", presence(e));
	guard = find_rule(t, e, t->source_node, t->source_at, RULE_GUARD, t->source, rules);
	if (!guard) {
		last_word(t, e, TABLE_GUARD, "dropped: the port of %s is not known yet",
			  t->source_at->node);
		return false;
	}
	step(t, e, guard, "port, MAC and address are those of %s", t->source_at->node);
	rule = (struct rule){.key = {.kind = RULE_POLICY_PASS}};
	step(t, e, &rule, "no policy says otherwise");
	return true;
}

/* A covered address that is attached to no port here, coming in on an access port. */
static void enter_stranger(struct trace *t, const struct element *e, const struct covered_prefix *p)
{
	struct rule rule = {.key = {.kind = RULE_STRANGER,
				    .length = p->prefix.length,
				    .vrf = p->vrf,
				    .address = p->prefix.address}};

	if (t->source_at)
		step(t, e, &rule,
		     "dropped: %s is attached elsewhere; its first packet here is a claim that "
		     "the controller judges",
		     t->source_at->node);
	else if (t->source_node)
		step(t, e, &rule, "dropped: %s is attached nowhere; its first packet is its claim",
		     t->source_node->id);
	else
		step(t, e, &rule, "dropped: no node has the source address");
}

static bool enter_external(struct trace *t, const struct element *e)
{
	const struct port *p = external_port(e);
	struct rule rule;

	if (!p) {
		last_word(t, e, TABLE_PORT,
			  "dropped: %s has no external port that is up for an outside client to "
			  "come in by",
			  e->name);
		return false;
	}
	rule = admit(t, e, p->number, false);
	step(t, e, &rule, "the source is outside: it comes in by external port %u %s%s", p->number,
	     p->name, presence(e));
	return true;
}

static void keep_first_path(void *to, const struct path_view *p)
{
	struct path_view *first = to;

	if (!first->count)
		*first = *p;
}

/* A step of an FE in between, which looks at the outer header alone; 'more' follow that are not
 * shown. */
static void transit(struct trace *t, const struct element *e, const struct element *to,
		    const struct path_view *path, unsigned more)
{
	struct trace_step *s = &t->steps[t->count];
	char address[ADDRESS_TEXT_SIZE];
	struct tunnel tunnel;

	if (t->count == TRACE_STEPS_MAX)
		return;
	t->count++;
	*s = (struct trace_step){.table = TABLE_PORT};
	name_copy(s->element, e->name);
	if (tunnel_between(t->core, e, to, &tunnel))
		snprintf(s->flow, sizeof(s->flow), "outer %s_dst=%s",
			 address_is_ipv4(&tunnel.address) ? "nw" : "ipv6",
			 address_format(&tunnel.address, address));
	if (more)
		snprintf(s->action, sizeof(s->action), "group:%u (and so do %u more)", to->id,
			 more);
	else
		snprintf(s->action, sizeof(s->action), "group:%u", to->id);
	snprintf(s->reason, sizeof(s->reason), "in transit to %s on %s path, of cost %" PRIu64 "%s",
		 to->name, path->kind == PATH_EQUAL ? "one" : "the best", path->cost, presence(e));
}

/* The FEs between two, on the first of the paths that the groups list. */
static void pass_between(struct trace *t, const struct element *from, const struct element *to)
{
	struct path_view path = {0};
	unsigned end;

	core_paths(t->core, from->id, to->id, keep_first_path, &path);
	end = path.count && path.fe[path.count - 1] == to->id ? path.count - 1 : path.count;
	for (unsigned i = 1; i < end && i <= TRANSIT_STEPS_MAX; i++)
		transit(t, element_find(t->core, path.fe[i]), to, &path,
			i == TRANSIT_STEPS_MAX ? end - 1 - i : 0);
}

/* Table 0 of the FE that a tunnel leads to. */
static void enter_peer(struct trace *t, const struct element *e, const struct element *from)
{
	struct rule rules[TUNNEL_RULES_MAX] = {{.key.kind = RULE_PEER}};
	struct tunnel tunnel;

	pass_between(t, from, e);
	if (tunnel_between(t->core, e, from, &tunnel))
		(void)tunnel_rules(from->id, &tunnel, rules);
	step(t, e, &rules[0], "out of the tunnel from %s%s", from->name, presence(e));
}

/* The rule for its source's prefix, where that has one. */
static const struct rule *source_exit(const struct trace *t, const struct element *e)
{
	const struct inventory *inv = &t->core->inventory;
	const struct covered_prefix *p = inventory_prefix(inv, t->vrf, t->source);

	return p ? exit_rule(e, (unsigned)(p - inv->prefixes)) : NULL;
}

/* Out by an FE that may send the source's prefix out; 'from': another FE sent it here. */
static void leave_by_exit(struct trace *t, const struct element *e, const struct rule *exit,
			  const struct element *from)
{
	const struct element *next = exit->fe ? element_find(t->core, exit->fe) : NULL;
	const struct rule *there = next ? source_exit(t, next) : NULL;
	struct rule pass = {.key = {.kind = RULE_BINDING_PASS}};

	step(t, e, &pass, "the destination is in no covered prefix");
	if (exit->unreachable)
		step(t, e, exit,
		     "dropped: no element that may send the source's prefix out is there");
	else if (!exit->fe)
		step(t, e, exit, "leaves VICTOR here: %s may send the source's prefix out",
		     e->name);
	else if (from)
		step(t, e, exit, "dropped: it came from %s and goes to no third element",
		     from->name);
	else
		step(t, e, exit, "%s sends the source's prefix out", next ? next->name : "nobody");
	if (from || !there)
		return;
	enter_peer(t, next, e);
	leave_by_exit(t, next, there, e);
}

static void leave(struct trace *t, const struct element *e)
{
	struct rule rule = {.key = {.kind = RULE_BINDING_PASS}};
	const struct rule *exit = source_exit(t, e);
	const struct element *border;
	bool v4 = address_is_ipv4(t->destination);

	if (exit) {
		leave_by_exit(t, e, exit, NULL);
		return;
	}
	step(t, e, &rule, "the destination is in no covered prefix");
	rule = (struct rule){
		.key = {.kind = RULE_EXTERNAL, .length = v4 ? IPV4_PREFIX_BASE : 0, .vrf = t->vrf}};
	if (v4)
		rule.key.address.bytes[10] = rule.key.address.bytes[11] = 0xff;
	if (e->exit == 0) {
		step(t, e, &rule, "leaves VICTOR here: the kernel's routes of %s decide", e->name);
		return;
	}
	border = e->exit > 0 ? element_find(t->core, (uint32_t)e->exit) : NULL;
	if (!border) {
		last_word(t, e, TABLE_EXTERNAL,
			  "dropped: no element has an external port that is up");
		return;
	}
	rule.fe = border->id;
	step(t, e, &rule, "%s is the nearest border element", border->name);
	if (border->exit == 0) {
		enter_peer(t, border, e);
		leave(t, border);
	}
}

static void end_locally(struct trace *t, const struct element *e, const struct rule *local)
{
	const struct port *p = element_find_port(e, local->port);
	const char *name = p ? p->name : "";

	if (p && p->present && !p->up)
		step(t, e, local, "dropped: port %u %s of %s is down", local->port, name,
		     t->destination_at->node);
	else
		step(t, e, local, "delivered to %s on port %u %s", t->destination_at->node,
		     local->port, name);
}

static void no_binding(struct trace *t, const struct element *e, const struct covered_prefix *p)
{
	struct rule rule = {.key = {.kind = RULE_COVERED,
				    .length = p->prefix.length,
				    .vrf = p->vrf,
				    .address = p->prefix.address}};
	char address[ADDRESS_TEXT_SIZE];

	address_format(t->destination, address);
	if (address_equal(&p->gateway, t->destination))
		step(t, e, &rule, "answered by %s itself: %s is the gateway", e->name, address);
	else if (t->destination_at)
		step(t, e, &rule, "dropped: %s is at an element that cannot be reached from %s",
		     t->destination_at->node, e->name);
	else if (t->destination_node)
		step(t, e, &rule, "dropped: no binding: %s is attached nowhere",
		     t->destination_node->id);
	else
		step(t, e, &rule, "dropped: no binding: no node has the address %s", address);
}

/* Table 3 and what follows. */
static void look_up(struct trace *t, const struct element *e)
{
	struct rule rules[PLANNER_NODE_RULES_MAX];
	const struct covered_prefix *p =
		inventory_prefix(&t->core->inventory, t->vrf, t->destination);
	const struct rule *local = find_rule(t, e, t->destination_node, t->destination_at,
					     RULE_LOCAL, t->destination, rules);
	const struct element *there;
	const struct rule *foreign;

	if (local) {
		end_locally(t, e, local);
		return;
	}
	foreign = find_rule(t, e, t->destination_node, t->destination_at, RULE_FOREIGN,
			    t->destination, rules);
	there = foreign ? element_find(t->core, foreign->fe) : NULL;
	if (!there) {
		if (p)
			no_binding(t, e, p);
		else
			leave(t, e);
		return;
	}
	step(t, e, foreign, "%s is attached to %s", t->destination_at->node, there->name);
	enter_peer(t, there, e);
	local = find_rule(t, there, t->destination_node, t->destination_at, RULE_LOCAL,
			  t->destination, rules);
	if (local)
		end_locally(t, there, local);
	else if (p)
		no_binding(t, there, p);
}

static const struct element *first_border(const struct core *c)
{
	for (unsigned i = 0; i < c->element_count; i++)
		if (c->elements[i]->border)
			return c->elements[i];
	return NULL;
}

static void find_ends(struct trace *t)
{
	const struct core *c = t->core;

	t->source_node = inventory_node_by_address(&c->inventory, t->vrf, t->source);
	t->destination_node = inventory_node_by_address(&c->inventory, t->vrf, t->destination);
	if (t->source_node)
		t->source_at = core_attachment(c, t->source_node->id);
	if (t->destination_node)
		t->destination_at = core_attachment(c, t->destination_node->id);
}

static const struct element *find_entry(const struct trace *t, const char *element,
					struct reason *why)
{
	const struct element *e;
	char text[ADDRESS_TEXT_SIZE];

	if (element) {
		e = element_by_name(t->core, element);
		if (!e)
			(void)reason_set(why, 0, "there is no element %.*s", NAME_SIZE - 1,
					 element);
		return e;
	}
	e = t->source_at ? element_find(t->core, t->source_at->place.fe) : first_border(t->core);
	if (!e)
		(void)reason_set(why, 0,
				 "%s is attached nowhere and no element has an external port: say "
				 "where the packet enters",
				 address_format(t->source, text));
	return e;
}

int core_trace(const struct core *c, uint32_t vrf, const struct address *source,
	       const struct address *destination, const char *element,
	       struct trace_step steps[TRACE_STEPS_MAX], struct reason *why)
{
	struct trace t = {.core = c,
			  .vrf = vrf,
			  .source = source,
			  .destination = destination,
			  .steps = steps};
	const struct covered_prefix *p = inventory_prefix(&c->inventory, vrf, source);
	const struct element *e;

	if (address_is_ipv4(source) != address_is_ipv4(destination))
		return reason_set(why, -EINVAL,
				  "source and destination are not of one address family");
	find_ends(&t);
	e = find_entry(&t, element, why);
	if (!e)
		return -ENOENT;
	if (t.source_at && t.source_at->place.fe == e->id) {
		if (enter_access(&t, e))
			look_up(&t, e);
	} else if (p && (t.source_node || !e->border)) {
		enter_stranger(&t, e, p);
	} else if (enter_external(&t, e)) {
		look_up(&t, e);
	}
	return t.count;
}
